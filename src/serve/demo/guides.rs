//! The two guides: TCQAG-1 sets the task and explains, TCQAG-2 carries it out and reports. Their words come from templates over
//! measured values.

use super::measured::Measured;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};

const TEMPLATE: &str = include_str!("../../../templates/demo/guides.txt.j2");

/// What a guide says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// `TCQAG-1` or `TCQAG-2`.
    pub who: String,
    pub text: String,
}

/// Both guides on what was measured.
pub(super) fn words(measured: &Measured) -> Result<Vec<Said>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    crate::report::add_filters(&mut environment);
    environment.add_template("guides", TEMPLATE)?;
    let text = environment.get_template("guides")?.render(Value::from(Serde(measured)))?;
    // A paragraph is what one of them says; its first word is who.
    let said = text.split("\n\n").filter_map(|paragraph| {
        let (who, text) = paragraph.trim().split_once(": ")?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Said { who: who.to_owned(), text })
    });
    Ok(said.collect())
}
