//! The engine against Hugging Face transformers on tiny models (`fixtures/make.py`), and against itself.

use std::path::PathBuf;
use tacq_engine::Result;
use tacq_engine::data::TextTokenizer;
use tacq_engine::model::grad::{self, Budget};
use tacq_engine::model::{Model, Proj, linear_weights};
use tacq_engine::tensorfile::TensorFile;
use tch::{Device, Kind, Tensor};

/// Largest difference of a logit: both sides compute in f32, in another order of operations.
const LOGIT_TOLERANCE: f64 = 1e-4;
/// Largest relative difference of a sum of absolute gradients, for the same reason.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// Relative difference between a gradient and a central difference of step 1e-2 in f32.
const DIFFERENCE_TOLERANCE: f64 = 0.02;

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn model(name: &str) -> Model {
    Model::load(&fixture(name), Kind::Float, Device::Cpu, None).unwrap()
}

fn expected(name: &str) -> TensorFile {
    TensorFile::open(&fixture(&format!("expected/{name}.safetensors"))).unwrap()
}

fn scalar(t: &Tensor) -> f64 {
    t.double_value(&[])
}

/// Sums of absolute gradients over the fixture's sequences in the order of `linear_weights`, with the losses.
fn gradient_sums(model: &Model, ids: &Tensor, budget: i64) -> Result<(Vec<Tensor>, Vec<f64>)> {
    let weights = linear_weights(&model.config);
    let mut sums: Vec<_> =
        weights.iter().map(|w| Tensor::zeros([w.rows, w.cols], (Kind::Float, Device::Cpu))).collect();
    let rope = model.rope(ids.size()[1])?;
    let mut losses = Vec::new();
    for row in 0..ids.size()[0] {
        let mut add = |layer: usize, proj: Proj, d_out: &Tensor, input: &Tensor| {
            let _ = sums[layer * 7 + proj as usize].f_add_(&d_out.tr().mm(input).abs())?;
            Ok(())
        };
        losses.push(grad::sequence(model, &rope, &ids.narrow(0, row, 1), Budget::of(budget), &mut add)?);
    }
    Ok((sums, losses))
}

#[track_caller]
fn check_logits(name: &str) {
    let (model, expected) = (model(name), expected(name));
    let logits = model.logits(&expected.get("ids").unwrap()).unwrap();
    let logits = logits.index_select(1, &expected.get("positions").unwrap());
    let difference = scalar(&(logits - expected.get("logits").unwrap()).abs().max());
    assert!(difference < LOGIT_TOLERANCE, "{name}: logits differ by {difference}");
}

#[track_caller]
fn check_gradients(name: &str) {
    let (model, expected) = (model(name), expected(name));
    let (sums, losses) = gradient_sums(&model, &expected.get("ids").unwrap(), i64::MAX).unwrap();
    let difference = scalar(&(Tensor::from_slice(&losses) - expected.get("loss").unwrap()).abs().max());
    assert!(difference < LOGIT_TOLERANCE, "{name}: losses differ by {difference}");
    let mut compared = 0;
    for (weight, sum) in linear_weights(&model.config).iter().zip(&sums) {
        let want = scalar(&expected.get(&format!("sum.{}", weight.name)).unwrap().squeeze());
        let got = scalar(&sum.sum(Kind::Double));
        assert!(
            (got / want - 1.0).abs() < GRADIENT_TOLERANCE,
            "{name}: {}: {got}, expected {want}",
            weight.name
        );
        if let Ok(want) = expected.get(&format!("grad.{}", weight.name)) {
            let difference = scalar(&(sum - &want).abs().max()) / scalar(&want.max());
            assert!(difference < GRADIENT_TOLERANCE, "{name}: {} differs by {difference}", weight.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 3);
}

#[test]
fn llama_with_grouped_queries_llama3_rope_and_shards_has_the_reference_logits() {
    check_logits("llama");
}

#[test]
fn qwen2_with_biases_and_tied_embeddings_has_the_reference_logits() {
    check_logits("qwen2");
}

#[test]
fn llama_with_linear_rope_and_all_biases_has_the_reference_logits() {
    check_logits("llama_linear");
}

#[test]
fn gradient_sums_are_those_of_autograd() {
    for name in ["llama", "qwen2", "llama_linear"] {
        check_gradients(name);
    }
}

#[test]
fn computing_activations_again_changes_no_bit() {
    let (model, ids) = (model("llama"), expected("llama").get("ids").unwrap());
    let (kept, _) = gradient_sums(&model, &ids, i64::MAX).unwrap();
    let (again, _) = gradient_sums(&model, &ids, 0).unwrap();
    assert_eq!(kept, again);
}

#[test]
fn gradients_are_slopes_of_the_loss() {
    let mut model = model("qwen2");
    let ids = expected("qwen2").get("ids").unwrap().narrow(0, 0, 1);
    let (sums, _) = gradient_sums(&model, &ids, 0).unwrap();
    let tokens: Vec<i64> = ids.squeeze().try_into().unwrap();
    let loss = |model: &Model| {
        let hidden = model.hidden(&ids, &model.rope(ids.size()[1]).unwrap()).unwrap();
        scalar(&model.head.mean_cross_entropy(&hidden.squeeze_dim(0), &tokens).unwrap())
    };
    const STEP: f64 = 1e-2;
    for (i, weight) in linear_weights(&model.config).iter().enumerate() {
        // The steepest weight of each tensor: there f32's rounding is smallest beside the difference.
        let steepest = sums[i].argmax(None, false).int64_value(&[]);
        let layer = weight.layer as usize;
        let old = model.blocks[layer].linear(weight.proj).weight.shallow_clone();
        let mut loss_at = |step: f64| {
            let moved = old.copy();
            let _ = moved.view([-1]).narrow(0, steepest, 1).f_add_scalar_(step);
            model.blocks[layer].set_weight(weight.proj, &moved).unwrap();
            loss(&model)
        };
        let slope = ((loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP)).abs();
        model.blocks[layer].set_weight(weight.proj, &old).unwrap();
        let gradient = scalar(&sums[i].view([-1]).get(steepest));
        assert!(
            (gradient / slope - 1.0).abs() < DIFFERENCE_TOLERANCE,
            "{}: gradient {gradient}, slope {slope}",
            weight.name
        );
    }
}

#[test]
fn tokens_are_those_of_the_tokenizer_without_special_tokens_or_truncation() {
    let text = std::fs::read_to_string(fixture("text.txt")).unwrap();
    let ids = TextTokenizer::open(&fixture("llama")).unwrap().encode(&text, false).unwrap();
    let expected: Vec<i64> = expected("llama").get("text_ids").unwrap().try_into().unwrap();
    assert_eq!(ids.into_iter().map(i64::from).collect::<Vec<_>>(), expected);
    assert!(expected.len() > 16 && !expected.contains(&0));
}

#[test]
fn bf16_stays_near_f32() {
    let low = Model::load(&fixture("llama"), Kind::BFloat16, Device::Cpu, None).unwrap();
    let ids = expected("llama").get("ids").unwrap();
    let exact = model("llama").logits(&ids).unwrap();
    let difference = (low.logits(&ids).unwrap().to_kind(Kind::Float) - &exact).abs().mean(Kind::Float);
    // bf16 keeps 8 bits: logits of standard deviation 1 to 2 move by a few hundredths.
    assert!(scalar(&difference) < 0.05 && scalar(&difference) > 1e-4, "{}", scalar(&difference));
}
