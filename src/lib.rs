//! The driver of tacq-sweep: experiment files, plans, the store, execution and reports.
//!
//! Layers import downward only: cli → serve → page → report, exec → plan → store → spec → stage_key → digest → fsx.
//! It never links libtorch: what computes is the engine, another process.

pub mod cli;
pub mod digest;
pub mod exec;
pub mod fsx;
pub mod hub;
pub mod page;
pub mod plan;
pub mod report;
pub mod serve;
pub mod slurm;
pub mod spec;
pub mod stage_key;
pub mod store;
