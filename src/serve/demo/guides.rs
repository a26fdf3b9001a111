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

/// `{{ n | grouped }}`: thousands apart, as in 5,898,240.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}

/// Both guides on what was measured.
pub(super) fn words(measured: &Measured) -> Result<Vec<Said>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    crate::report::add_filters(&mut environment);
    environment.add_filter("grouped", grouped);
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

#[cfg(test)]
mod tests {
    use super::super::choices::some;
    use super::super::measured::Score;
    use super::*;

    fn measured() -> Measured {
        let score = |method: &str, value: f64, avg_bits| Score {
            trial: Default::default(),
            method: method.into(),
            value,
            low: None,
            high: None,
            avg_bits,
            bytes: Some(1_600_000),
        };
        Measured {
            metric: "exact_match".into(),
            n_examples: 32,
            weights: 5_898_240,
            kept: 20_643,
            baseline: Some(score("none", 1.0, None)),
            uniform: Some(score("gptq", 0.21875, Some(2.0))),
            mixed: Some(score("tacq", 0.5, Some(2.105))),
            chosen: Some(score("gptq", 0.21875, Some(2.0))),
            ..Measured::new(&some(), &[], &[], None, &[])
        }
    }

    #[test]
    fn the_guides_say_what_was_measured() {
        let said = words(&measured()).unwrap();
        let who: Vec<_> = said.iter().map(|said| said.who.as_str()).collect();
        assert_eq!(who, ["TCQAG-1", "TCQAG-2", "TCQAG-2", "TCQAG-1"]);
        assert!(
            said[0].text.contains("5,898,240") && said[0].text.contains("0.35 % of them, 20,643,"),
            "{said:?}"
        );
        assert!(
            said[2].text.contains("100.0 %")
                && said[2].text.contains("21.9 %")
                && said[2].text.contains("50.0 %")
        );
        assert!(said[3].text.contains("TaCQ does better than GPTQ, 50.0 % against 21.9 %"), "{said:?}");

        let mut other = measured();
        other.chosen = Some(Score { value: 0.75, ..other.chosen.unwrap() });
        let said = words(&other).unwrap();
        assert!(said[3].text.contains("GPTQ does better than TaCQ, 75.0 % against 50.0 %"), "{said:?}");
    }

    #[test]
    fn of_what_is_not_there_nothing_is_said() {
        let said = words(&Measured::new(&some(), &[], &[], None, &[])).unwrap();
        let who: Vec<_> = said.iter().map(|said| said.who.as_str()).collect();
        assert_eq!(who, ["TCQAG-1", "TCQAG-2", "TCQAG-1"]);
        assert!(said[2].text.contains("not all there yet"), "{said:?}");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 5_898_240].map(grouped), ["0", "999", "1,000", "5,898,240"]);
    }
}
