//! Also here so that `cargo test --workspace` builds this package's programs, which the driver's tests run.

use tacq_testkit::{Size, random_llama};

#[test]
fn a_seed_names_one_model() {
    let dir = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", 7), ("b", 7), ("c", 8)] {
        random_llama(&dir.path().join(name), &Size::TINY, seed).unwrap();
    }
    let weights = |name: &str| std::fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    assert_eq!(weights("a"), weights("b"));
    assert_ne!(weights("a"), weights("c"));
}
