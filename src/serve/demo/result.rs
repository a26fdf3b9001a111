//! What was found, as a part of a page: made by the report's code, from the same tables.

use super::Demo;
use super::board::Step;
use super::choices::Choices;
use super::experiment::{self, DemoError, TACQ};
use super::guides::{self, Said};
use super::matrix::{self, Matrix};
use super::measured::Measured;
use super::work::steps;
use crate::page::{self, Kept, PageError, Table};
use crate::report::{self, Difference, Row};
use crate::serve::site::Opened;
use crate::store::StoreError;
use serde_json::json;
use std::collections::BTreeMap;

/// Weights that are listed, the best.
const LISTED: usize = 10;

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResultError {
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("the guides' template: {0:#}")]
    Guides(#[from] minijinja::Error),
}

struct Found {
    opened: Opened,
    rows: Vec<Row>,
    differences: Vec<Difference>,
    matrix: Option<(Vec<Kept>, Matrix)>,
    all_steps: Vec<Step>,
    /// What TaCQ alone takes.
    tacq_steps: Vec<Step>,
}

impl Demo {
    fn found(&self, choices: &Choices) -> Result<Found, ResultError> {
        let opened = self.open(choices)?;
        let Opened { experiment, plan, store } = &opened;
        let rows = report::collect(experiment, plan, store)?;
        let homes: BTreeMap<String, String> =
            experiment.tasks.iter().map(|(name, task)| (name.clone(), task.dataset.clone())).collect();
        let (differences, _) = report::paired(&rows, report::Sources { store, homes: &homes });
        // One figure of many: without it the rest is worth showing.
        let matrix = matrix::densest(&opened, &self.settings.model).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        });
        let all_steps = steps(&opened, &experiment::first(&opened, choices));
        let tacq_steps = steps(&opened, &experiment::of_methods(&opened, |method| method == TACQ));
        Ok(Found { opened, rows, differences, matrix, all_steps, tacq_steps })
    }

    /// What the guides know, and what they say by their templates.
    pub(super) fn measured(&self, choices: &Choices) -> Result<(Measured, Vec<Said>), ResultError> {
        let Found { rows, differences, matrix, tacq_steps, .. } = self.found(choices)?;
        let measured = Measured::new(choices, &rows, &differences, matrix.as_ref(), &tacq_steps);
        let said = guides::words(&measured)?;
        Ok((measured, said))
    }

    /// What was found of these choices.
    pub(super) fn result(&self, choices: &Choices) -> Result<String, ResultError> {
        let found = self.found(choices)?;
        let Opened { experiment, plan, store } = &found.opened;
        let source =
            page::Source { experiment, plan, store, rows: &found.rows, differences: &found.differences };
        if choices.prompt.is_some() {
            return Ok(page::answers(source)?);
        }
        let measured =
            Measured::new(choices, &found.rows, &found.differences, found.matrix.as_ref(), &found.tacq_steps);
        let said = match self.phrased(&choices.id()) {
            Some(said) => said,
            None => guides::words(&measured)?,
        };
        let matrix = found.matrix.as_ref().map(|(_, matrix)| matrix);
        let weights = matrix.map_or(&[][..], |matrix| &matrix.weights);
        let extra = json!({
            "said": said,
            "steps": found.all_steps,
            "matrix": matrix,
            "listed": weights.iter().take(LISTED).collect::<Vec<_>>(),
            "measured": measured,
        });
        Ok(page::demonstration(source, &extra, vec![Table::of("kept", weights)?])?)
    }
}
