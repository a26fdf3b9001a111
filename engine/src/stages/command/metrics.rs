//! What a command says it measured.

use super::CommandError;
use crate::Result;
use serde_json::Value;
use std::path::Path;
use tacq_protocol::artifact::Metrics;

/// The number of examples among the metrics.
const N_EXAMPLES: &str = "n_examples";

/// Reads a JSON object: a number by name of metric, or `{"value": …, "interval": [low, high]}`; `n_examples` is how many
/// examples they rest on.
pub fn read(output: &Path, name: &str) -> Result<Metrics> {
    let wrong = |problem: String| CommandError::Metrics { name: name.to_owned(), problem };
    let text = match std::fs::read(output.join(name)) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(CommandError::NoOutput { name: name.to_owned() }.into());
        }
        Err(e) => return Err(wrong(e.to_string()).into()),
    };
    let value: Value = serde_json::from_slice(&text).map_err(|e| wrong(format!("it is not JSON: {e}")))?;
    Ok(parse(&value).map_err(wrong)?)
}

fn parse(value: &Value) -> Result<Metrics, String> {
    let Value::Object(entries) = value else { return Err("it is not an object".to_owned()) };
    let mut found = Metrics::default();
    for (name, value) in entries {
        if name == N_EXAMPLES {
            found.n_examples =
                value.as_u64().ok_or_else(|| format!("{name} is {value}, not a whole number"))?;
            continue;
        }
        let (number, interval) = match value {
            Value::Object(parts) => {
                if let Some(other) = parts.keys().find(|key| !["value", "interval"].contains(&key.as_str())) {
                    return Err(format!("{name} has a part `{other}`; known: value, interval"));
                }
                (parts.get("value").unwrap_or(&Value::Null), parts.get("interval"))
            }
            number => (number, None),
        };
        // JSON has no infinity and no NaN.
        let number = number.as_f64().ok_or_else(|| format!("{name} is {number}, not a number"))?;
        found.metrics.insert(name.clone(), number);
        if let Some(interval) = interval {
            let ends =
                interval.as_array().map(|ends| ends.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
            let Some(&[low, high]) = ends.as_deref() else {
                return Err(format!("the interval of {name} is {interval}, not [low, high]"));
            };
            found.intervals.insert(name.clone(), [low, high]);
        }
    }
    if found.metrics.is_empty() {
        return Err("it names no metric".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, problem: &str) {
        assert_eq!(parse(&serde_json::from_str(text).unwrap()).unwrap_err(), problem);
    }

    #[test]
    fn numbers_intervals_and_examples_are_read() {
        let text = r#"{"acc": {"value": 0.5, "interval": [0.4, 0.6]}, "seconds": 12, "n_examples": 80}"#;
        let found = parse(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(found.metrics, [("acc".to_owned(), 0.5), ("seconds".to_owned(), 12.0)].into());
        assert_eq!(found.intervals, [("acc".to_owned(), [0.4, 0.6])].into());
        assert_eq!(found.n_examples, 80);
    }

    #[test]
    fn what_is_no_metric_is_named() {
        check("[1]", "it is not an object");
        check("{}", "it names no metric");
        check(r#"{"n_examples": 3}"#, "it names no metric");
        check(r#"{"n_examples": 3.5}"#, "n_examples is 3.5, not a whole number");
        check(r#"{"acc": "0.5"}"#, "acc is \"0.5\", not a number");
        check(r#"{"acc": {"interval": [0, 1]}}"#, "acc is null, not a number");
        check(r#"{"acc": {"value": 1, "stderr": 2}}"#, "acc has a part `stderr`; known: value, interval");
        check(r#"{"acc": {"value": 1, "interval": [0]}}"#, "the interval of acc is [0], not [low, high]");
    }
}
