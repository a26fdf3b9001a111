//! A killed stage goes on where it was, and ends with the same bytes.

use super::*;

/// Starts a request, kills it half-way, runs it again; the second run must have gone on.
fn kill_and_run_again(sandbox: &Sandbox, request: &Value) {
    let mut child = sandbox.start(request);
    wait_for_progress(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(sandbox.run(request).done().resumed);
}

#[test]
fn killed_gradients_end_with_the_same_bytes() {
    let whole = Sandbox::new();
    let request = whole.gradients(&fixture("qwen2"), 400);
    assert!(!whole.run(&request).done().resumed);
    let killed = Sandbox::new();
    kill_and_run_again(&killed, &killed.gradients(&fixture("qwen2"), 400));
    assert_eq!(killed.output("gradients.safetensors"), whole.output("gradients.safetensors"));
}

#[test]
fn killed_perplexity_ends_with_the_same_bytes() {
    // So many that even a fast machine tells of progress before the end.
    const COPIES: usize = 4000;
    let whole = Sandbox::new();
    assert!(!whole.run(&whole.perplexity(&fixture("llama"), &whole.text(COPIES))).done().resumed);
    let killed = Sandbox::new();
    kill_and_run_again(&killed, &killed.perplexity(&fixture("llama"), &killed.text(COPIES)));
    for name in ["records.parquet", "metrics.json"] {
        assert_eq!(killed.output(name), whole.output(name), "{name}");
    }
    let metrics: Value = serde_json::from_slice(&whole.output("metrics.json")).unwrap();
    let records = tacq_tasks::records::read(whole.output("records.parquet")).unwrap();
    assert_eq!(metrics["n_examples"], records.len());
    // A model of random weights cannot be much better than chance.
    assert!(metrics["metrics"]["perplexity"].as_f64().unwrap() > 100.0);
}

#[test]
fn useless_progress_is_ignored() {
    let sandbox = Sandbox::new();
    let request = sandbox.gradients(&fixture("qwen2"), 2);
    fs::write(sandbox.path("progress").join("sums.safetensors"), b"damaged").unwrap();
    let finished = sandbox.run(&request);
    assert!(!finished.done().resumed);
    let told =
        |e: &Event| matches!(e, Event::Log { message, .. } if message.contains("starting from the first"));
    assert!(finished.events.iter().any(told));
}

#[test]
fn reductions_are_of_the_same_gradients() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.gradients(&fixture("qwen2"), 1);
    let mut sums = |reduction: &str| {
        request["stage"]["params"]["reduction"] = json!(reduction);
        sandbox.run(&request).done();
        let file = sandbox.path("output").join("gradients.safetensors");
        let name = "model.layers.1.mlp.down_proj.weight";
        tacq_engine::tensorfile::TensorFile::open(&file).unwrap().get(name).unwrap()
    };
    let (signed, abs, square) = (sums("signed"), sums("abs"), sums("square"));
    assert_eq!(signed.abs(), abs);
    assert!(square.allclose(&abs.square(), 1e-6, 0.0, false));
    assert!(signed.min().double_value(&[]) < 0.0);
}
