//! The demonstration: a visitor chooses bits, a share of weights, a task, a method and a seed, and the pipeline is run on a
//! small model. What was computed before is found in the store, so that another share only selects and quantizes anew.

mod board;
mod choices;
mod experiment;
mod guides;
mod matrix;
mod measured;
mod phrasing;
mod result;
pub(super) mod routes;
mod work;

use super::site::lock;
use crate::store::Store;
use board::Board;
use guides::Said;
use phrasing::Phrasing;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

pub use experiment::DemoSettings;

/// A demonstration that is shown.
pub(super) struct Demo {
    settings: DemoSettings,
    store: Store,
    engine: PathBuf,
    board: Board,
    phrasing: Option<Phrasing>,
    /// What the guides were given other words for, by job.
    phrased: Mutex<BTreeMap<String, Vec<Said>>>,
}

impl Demo {
    /// On this model; nothing is computed before somebody asks.
    pub fn new(settings: DemoSettings, engine: PathBuf) -> Self {
        let store = Store::new(&settings.store);
        let phrasing = Phrasing::from_env();
        Self { settings, store, engine, board: Board::default(), phrasing, phrased: Mutex::default() }
    }

    fn phrased(&self, job: &str) -> Option<Vec<Said>> {
        lock(&self.phrased).get(job).cloned()
    }
}
