//! Every bad input is a sentence that says what and where, with its failure kind; nothing is half-written.

use super::*;
use FailureKind::{InvalidInput, Io, Unsupported};

#[track_caller]
fn assert_fails(sandbox: &Sandbox, request: &Value, kind: FailureKind, message: &str) {
    let finished = sandbox.run(request);
    let (found, text, _) = finished.failed();
    assert!(text.contains(message), "{text}");
    assert_eq!(found, kind, "{text}");
    assert_eq!(fs::read_dir(sandbox.path("output")).unwrap().count(), 0);
}

/// Calibrates with a model folder changed by `damage`.
#[track_caller]
fn assert_model_fails(damage: impl Fn(&Path), kind: FailureKind, message: &str) {
    let sandbox = Sandbox::new();
    let model = sandbox.model("qwen2");
    damage(&model);
    let request = sandbox.gradients(&model, 1);
    assert_fails(&sandbox, &request, kind, message);
}

fn edit_config(model: &Path, key: &str, value: Value) {
    let path = model.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_folder_without_config_is_no_model() {
    let damage = |model: &Path| fs::remove_file(model.join("config.json")).unwrap();
    assert_model_fails(damage, InvalidInput, "is not a model folder: it has no config.json");
}

#[test]
fn another_architecture_is_named_with_the_supported_ones() {
    let message =
        "architecture `MambaForCausalLM` is not supported; supported are LlamaForCausalLM and Qwen2";
    assert_model_fails(
        |model| edit_config(model, "architectures", json!(["MambaForCausalLM"])),
        Unsupported,
        message,
    );
}

#[test]
fn a_sequence_beyond_the_sliding_window_is_refused() {
    let damage = |model: &Path| {
        edit_config(model, "use_sliding_window", json!(true));
        edit_config(model, "sliding_window", json!(8));
    };
    assert_model_fails(
        damage,
        Unsupported,
        "sequences of 16 tokens exceed the model's sliding attention window of 8",
    );
}

#[test]
fn a_sequence_beyond_the_context_length_is_a_warning() {
    let sandbox = Sandbox::new();
    let model = sandbox.model("qwen2");
    edit_config(&model, "max_position_embeddings", json!(15));
    let finished = sandbox.run(&sandbox.perplexity(&model, &sandbox.text(1)));
    finished.done();
    let told = |e: &Event| {
        matches!(e, Event::Log { level: tacq_protocol::LogLevel::Warn, message, .. }
        if message == "sequences of 16 tokens exceed the model's context length of 15")
    };
    assert!(finished.events.iter().any(told), "{:?}", finished.events);
}

#[test]
fn missing_truncated_or_misshapen_weights_are_told() {
    let weights = |model: &Path| model.join("model.safetensors");
    assert_model_fails(
        |m| fs::remove_file(weights(m)).unwrap(),
        InvalidInput,
        "has neither model.safetensors nor",
    );
    let truncate = |m: &Path| {
        let bytes = fs::read(weights(m)).unwrap();
        fs::write(weights(m), &bytes[..bytes.len() / 2]).unwrap();
    };
    assert_model_fails(truncate, InvalidInput, "model.safetensors: the file is truncated: its tensors need");
    assert_model_fails(
        |m| edit_config(m, "intermediate_size", json!(41)),
        InvalidInput,
        "tensor `model.layers.0.mlp.gate_proj.weight` has shape [40, 24], expected [41, 24]",
    );
    assert_model_fails(
        |m| edit_config(m, "num_hidden_layers", json!(3)),
        InvalidInput,
        "tensor `model.layers.2.self_attn.q_proj.weight` is missing",
    );
}

#[test]
fn nan_weights_are_told() {
    let poison = |model: &Path| {
        let path = model.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(path, bytes).unwrap();
    };
    assert_model_fails(poison, InvalidInput, "holds NaN at element");
}

#[test]
fn a_missing_shard_is_told() {
    let sandbox = Sandbox::new();
    let model = sandbox.model("llama");
    fs::remove_file(model.join("model-00002-of-00002.safetensors")).unwrap();
    let request = sandbox.gradients(&model, 1);
    assert_fails(&sandbox, &request, InvalidInput, "model-00002-of-00002.safetensors: there is no such file");
}

#[test]
fn a_shard_outside_the_folder_is_refused() {
    let sandbox = Sandbox::new();
    let model = sandbox.model("llama");
    let index = model.join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap().replace("model-00002", "../model-00002");
    fs::write(index, text).unwrap();
    let request = sandbox.gradients(&model, 1);
    assert_fails(&sandbox, &request, InvalidInput, "is not inside the model folder");
}

#[test]
fn a_tokenizer_that_does_not_fit_is_told() {
    let sandbox = Sandbox::new();
    let model = sandbox.model("llama");
    edit_config(&model, "vocab_size", json!(100));
    let request = sandbox.calibrate(&model, &sandbox.text(4), 2, 16);
    assert_fails(&sandbox, &request, InvalidInput, "the tokenizer does not fit the model: it makes token id");
    fs::write(model.join("tokenizer.json"), "{}").unwrap();
    assert_fails(&sandbox, &request, InvalidInput, "tokenizer.json: the tokenizer cannot be read");
    fs::remove_file(model.join("tokenizer.json")).unwrap();
    assert_fails(&sandbox, &request, InvalidInput, "the tokenizer cannot be read: there is no such file");
}

#[test]
fn a_text_that_is_too_short_says_what_is_needed() {
    let sandbox = Sandbox::new();
    let text = sandbox.text(1);
    let request = sandbox.calibrate(&fixture("llama"), &text, 100, 16);
    assert_fails(&sandbox, &request, InvalidInput, "tokens, 1600 are needed for 100 sequences of 16 tokens");
    fs::write(&text, "short").unwrap();
    let request = sandbox.perplexity(&fixture("llama"), &text);
    assert_fails(
        &sandbox,
        &request,
        InvalidInput,
        "it has 6 tokens, 16 are needed for one window of 16 tokens",
    );
}

#[test]
fn a_missing_text_or_input_is_told() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.calibrate(&fixture("llama"), &sandbox.path("none.txt"), 2, 16);
    assert_fails(&sandbox, &request, InvalidInput, "none.txt: there is no such file or folder");
    request["data"].as_object_mut().unwrap().remove("dataset");
    assert_fails(&sandbox, &request, InvalidInput, "the calibrate stage needs an input `dataset`");
}

#[test]
fn a_full_disk_is_told_with_a_hint() {
    let sandbox = Sandbox::new();
    let request = sandbox.calibrate(&fixture("llama"), &sandbox.text(4), 2, 16);
    // Everything written to /dev/full meets a full disk.
    let temporary = sandbox.path("output").join(".sequences.safetensors.tmp");
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let finished = sandbox.run(&request);
    let (kind, message, hint) = finished.failed();
    assert_eq!(kind, Io);
    assert!(message.contains("sequences.safetensors: the disk is full"), "{message}");
    assert!(hint.contains("free some space"), "{hint}");
    assert_eq!(fs::read_dir(sandbox.path("output")).unwrap().count(), 0);
}

#[test]
fn an_output_folder_that_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.calibrate(&fixture("llama"), &sandbox.text(4), 2, 16);
    request["output"] = json!(sandbox.path("text.txt"));
    let finished = sandbox.run(&request);
    let (kind, message, _) = finished.failed();
    assert_eq!(kind, Io);
    assert!(message.starts_with("cannot create ") && message.contains("Not a directory"), "{message}");
}
