//! The driver of tacq-sweep: experiment files, plans, the store, execution and reports.
//!
//! Layers import downward only: cli → report, exec → plan → store → spec → stage_key → digest → fsx.
//! It never links libtorch: what computes is the engine, another process.

pub mod fsx;
pub mod report;
pub mod spec;
