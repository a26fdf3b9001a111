//! The driver of tacq-sweep: experiment files, plans, the store, execution and reports.
//!
//! Layers import downward only: cli → report, exec → plan, store → spec → digest, fsx. It never links libtorch.

pub mod fsx;
pub mod report;
pub mod spec;
