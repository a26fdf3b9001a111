//! The databases.

mod airline;
mod cinema;
mod common;
mod football;
mod hospital;
mod library;
mod school;
mod shop;
mod zoo;

use super::plan::DatabasePlan;

/// All of them.
pub(super) const DATABASES: &[DatabasePlan] = &[
    school::DATABASE,
    library::DATABASE,
    zoo::DATABASE,
    cinema::DATABASE,
    shop::DATABASE,
    airline::DATABASE,
    football::DATABASE,
    hospital::DATABASE,
];
