//! What the quickstart runs on, made from fixed seeds: four data sets in the layouts of the real ones, and the text that
//! its model learns from.

pub mod assets;
pub mod corpus;
pub mod heldout;
pub mod mmlu;
pub mod pick;
pub mod problems;
pub mod prose;
mod scene;
pub mod spider;
pub mod tokenizer;
