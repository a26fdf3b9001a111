//! Jinja as transformers sets it up for chat templates.
//!
//! What differs from MiniJinja: blocks are trimmed, Python's methods of strings and dictionaries are there, `None`,
//! `True` and `False` are written as Python does, `tojson` writes what Python's `json.dumps` does, and the functions
//! `raise_exception` and `strftime_now` exist.

use super::json;
use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use regex::Regex;

/// Steps after which a template is ended. Real ones need some hundred for a message.
const FUEL: u64 = 10_000_000;

/// What `strftime_now` takes for now. A prompt must not depend on the day on which it is made: its results are kept.
/// This is the day that Llama's templates state where they cannot ask.
const TODAY: (i32, u32, u32) = (2024, 7, 26);

/// An environment without templates.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::None => Ok(out.write_str("None")?),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "True" } else { "False" })?),
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", strftime_now);
    environment
}

/// A template without transformers' tags `generation` and `endgeneration`, which mark what the model wrote and print
/// nothing; the white space around them is treated alike.
pub fn without_generation_marks(template: &str) -> String {
    let mark = |name: &str| {
        Regex::new(&format!(r"\{{%([-+]?)\s*{name}\s*([-+]?)%\}}"))
            .expect("the pattern is a regular expression")
    };
    let template = mark("generation").replace_all(template, "{%$1 if true $2%}");
    mark("endgeneration").replace_all(&template, "{%$1 endif $2%}").into_owned()
}

fn strftime_now(format: &str) -> Result<String, Error> {
    let (year, month, day) = TODAY;
    let midnight = NaiveDate::from_ymd_opt(year, month, day).and_then(|date| date.and_hms_opt(0, 0, 0));
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    if items.contains(&Item::Error) {
        let message = format!("strftime_now does not know the format `{format}`");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(midnight.expect("there was such a day").format_with_items(items.into_iter()).to_string())
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let text = json::dumps(&value, indent, ascii == Some(true))
        .map_err(|e| Error::new(ErrorKind::BadSerialization, "this value has no JSON").with_source(e))?;
    Ok(Value::from_safe_string(text))
}
