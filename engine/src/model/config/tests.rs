use super::*;
use serde_json::{Value, json};
use tacq_protocol::FailureKind;

fn llama() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 100, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 5e5, "max_position_embeddings": 64
    })
}

/// The Llama config with some keys replaced.
fn parse(changes: Value) -> Result<ModelConfig, ModelError> {
    let mut config = llama();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    ModelConfig::parse(Path::new("m/config.json"), config.to_string().as_bytes())
}

#[track_caller]
fn assert_fails(changes: Value, kind: FailureKind, message: &str) {
    let error = parse(changes).unwrap_err();
    assert_eq!(error.to_string(), format!("m/config.json: {message}"));
    assert_eq!(error.kind(), kind);
}

#[test]
fn a_plain_llama_has_the_documented_defaults() {
    let config = parse(json!({})).unwrap();
    assert_eq!((config.head_dim, config.kv_heads, config.rope_theta), (8, 2, 5e5));
    assert_eq!(config.rope_scaling, RopeScaling::None);
    assert!(!config.tied && !config.qkv_bias && !config.o_bias && !config.mlp_bias);
    assert_eq!(parse(json!({"num_key_value_heads": null})).unwrap().kv_heads, 4);
    assert_eq!(parse(json!({"head_dim": 16})).unwrap().head_dim, 16);
}

#[test]
fn qwen2_has_biases_on_q_k_and_v_only() {
    let config = parse(json!({"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": false,
        "sliding_window": 16}))
    .unwrap();
    assert!(config.qkv_bias && !config.o_bias && !config.mlp_bias);
    assert_eq!(config.sliding_window, None);
    let sliding = parse(json!({"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": true,
        "sliding_window": 16}))
    .unwrap();
    assert_eq!(sliding.sliding_window, Some(16));
}

#[test]
fn rope_scaling_is_read_in_its_old_and_new_form() {
    let llama3 = json!({"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"});
    let old = parse(json!({"rope_scaling": llama3})).unwrap();
    let mut parameters = llama3;
    parameters["rope_theta"] = json!(5e5);
    let new = parse(json!({"rope_theta": null, "rope_parameters": parameters})).unwrap();
    assert_eq!(old, new);
    let linear = parse(json!({"rope_scaling": {"type": "linear", "factor": 2.0}})).unwrap();
    assert_eq!(linear.rope_scaling, RopeScaling::Linear { factor: 2.0 });
    let default = parse(json!({"rope_scaling": {"rope_type": "default"}})).unwrap();
    assert_eq!(default.rope_scaling, RopeScaling::None);
}

#[test]
fn an_unsupported_architecture_is_named_with_the_supported_ones() {
    assert_fails(
        json!({"architectures": ["GPT2LMHeadModel"]}),
        FailureKind::Unsupported,
        "architecture `GPT2LMHeadModel` is not supported; supported are LlamaForCausalLM and Qwen2ForCausalLM",
    );
}

#[test]
fn unsupported_features_are_named() {
    let unsupported = FailureKind::Unsupported;
    assert_fails(
        json!({"hidden_act": "gelu"}),
        unsupported,
        "hidden_act `gelu` (only `silu`) is not supported",
    );
    assert_fails(
        json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
        unsupported,
        "rope scaling `yarn` (only linear and llama3) is not supported",
    );
    assert_fails(
        json!({"quantization_config": {"bits": 4}}),
        unsupported,
        "a model that is quantized already (`quantization_config`) is not supported",
    );
}

#[test]
fn impossible_values_are_told() {
    let invalid = FailureKind::InvalidInput;
    assert_fails(json!({"hidden_size": null}), invalid, "hidden_size is missing");
    assert_fails(
        json!({"num_hidden_layers": 0}),
        invalid,
        "num_hidden_layers is 0, expected a positive number below 2^30",
    );
    assert_fails(
        json!({"num_key_value_heads": 3}),
        invalid,
        "num_attention_heads 4 is not a multiple of num_key_value_heads 3",
    );
    assert_fails(
        json!({"hidden_size": 34}),
        invalid,
        "hidden_size 34 is not a multiple of num_attention_heads 4",
    );
    assert_fails(json!({"head_dim": 7}), invalid, "head_dim 7 is odd; rotary embedding needs pairs");
    assert_fails(json!({"rope_scaling": {"type": "linear"}}), invalid, "factor of rope scaling is missing");
    let error = ModelConfig::parse(Path::new("m/config.json"), b"{ not json").unwrap_err();
    assert!(error.to_string().starts_with("m/config.json: key must be a string at line 1"), "{error}");
}
