//! What there is to run, and where it goes.

use super::estimate::Estimates;
use super::record::RunFolder;
use super::retention::Retention;
use crate::hub::Hub;
use crate::plan::{Plan, States};
use crate::store::Store;

/// What there is to run, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The stages.
    pub plan: &'a Plan,
    /// Which of them are there, and which are to run.
    pub states: &'a States,
    /// What the stages are expected to take.
    pub estimates: &'a Estimates,
    /// Where artifacts are.
    pub store: &'a Store,
    /// Where models and data sets that are not here come from.
    pub hub: &'a Hub,
    /// What is removed as the run goes on; nothing where all is kept.
    pub retention: Option<&'a Retention<'a>>,
    /// Where the run leaves its record, if it has something to do.
    pub folder: Option<&'a RunFolder>,
}
