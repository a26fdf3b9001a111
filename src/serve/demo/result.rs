//! What was found, as a part of a page: made by the report's code, from the same tables.

use super::Demo;
use super::board::Step;
use super::choices::Choices;
use super::experiment::{DemoError, TACQ, of_methods};
use super::guides::{self, Said};
use super::matrix::{self, Matrix};
use super::measured::Measured;
use super::work::steps;
use crate::page::{self, Kept, PageError, Table};
use crate::report::{self, Difference, Row};
use crate::serve::site::Opened;
use crate::store::StoreError;
use serde_json::json;

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
    rows: Vec<Row>,
    differences: Vec<Difference>,
    matrix: Option<(Vec<Kept>, Matrix)>,
    /// What TaCQ alone takes.
    tacq_steps: Vec<Step>,
}

impl Demo {
    fn found(&self, opened: &Opened) -> Result<Found, ResultError> {
        let Opened { experiment, plan, store } = opened;
        let rows = report::collect(experiment, plan, store)?;
        let homes = experiment.homes();
        let (differences, _) = report::paired(&rows, report::Sources { store, homes: &homes });
        // One figure of many: without it the rest is worth showing.
        let matrix = matrix::densest(opened, &self.settings.model).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        });
        let tacq_steps = steps(opened, &of_methods(opened, |method| method == TACQ));
        Ok(Found { rows, differences, matrix, tacq_steps })
    }

    /// What the guides know, and what they say by their templates.
    pub(super) fn measured(&self, choices: &Choices) -> Result<(Measured, Vec<Said>), ResultError> {
        let Found { rows, differences, matrix, tacq_steps } = self.found(&self.open(choices)?)?;
        let measured = Measured::new(choices, &rows, &differences, matrix.as_ref(), &tacq_steps);
        let said = guides::words(&measured)?;
        Ok((measured, said))
    }

    /// What was found of these choices, which were opened.
    pub(super) fn result(&self, choices: &Choices, opened: &Opened) -> Result<String, ResultError> {
        let Opened { experiment, plan, store } = opened;
        if choices.prompt.is_some() {
            let source = page::Source { experiment, plan, store, rows: &[], differences: &[] };
            return Ok(page::answers(source)?);
        }
        let Found { rows, differences, matrix, tacq_steps } = self.found(opened)?;
        let source = page::Source { experiment, plan, store, rows: &rows, differences: &differences };
        let said = match self.phrased(&choices.id()) {
            Some(said) => said,
            None => {
                guides::words(&Measured::new(choices, &rows, &differences, matrix.as_ref(), &tacq_steps))?
            }
        };
        let matrix = matrix.as_ref().map(|(_, matrix)| matrix);
        let weights = matrix.map_or(&[][..], |matrix| &matrix.weights);
        let extra = json!({
            "said": said,
            "matrix": matrix,
            "listed": weights.iter().take(LISTED).collect::<Vec<_>>(),
        });
        Ok(page::demonstration(source, &extra, vec![Table::of("kept", weights)?])?)
    }
}
