//! Rows of a table, JSON lines or a JSON list: one record each, through one reader.

use super::container::{self, Container};
use super::table;
use crate::TaskError;
use serde_json::Value;
use std::path::Path;
use tacq_protocol::DataFile;

/// One record: values by field.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Values by field.
    pub fields: serde_json::Map<String, Value>,
    /// Where it stands in its file: `line 3`, `row 3` or `item 3`, from 1.
    pub place: String,
}

/// Calls `each` with every record of a file: rows of a Parquet table, JSON lines (empty lines are skipped), or the
/// objects of one JSON list. Tables and JSON lines are not held in memory.
pub fn each_record(
    file: &DataFile,
    mut each: impl FnMut(Record) -> Result<(), TaskError>,
) -> Result<(), TaskError> {
    let path = &file.path;
    if container::container(path)? == Container::Parquet {
        return table::each_row(path, each);
    }
    if container::starts_with(path, b'[')? {
        let text = container::read_text(path)?;
        let items: Vec<Value> = serde_json::from_str(&text)
            .map_err(|e| TaskError::malformed(path, format!("not a list of JSON objects: {e}")))?;
        let numbered = items.into_iter().zip(1..);
        return numbered.map(|(item, n)| object(item, path, format!("item {n}"))).try_for_each(|r| each(r?));
    }
    container::lines(path, |number, line| {
        if line.trim().is_empty() {
            return Ok(());
        }
        let place = format!("line {number}");
        let value = serde_json::from_str(line).map_err(|e| {
            TaskError::malformed(path, format!("{place} is not JSON ({e}); one object a line is expected"))
        })?;
        each(object(value, path, place)?)
    })
}

/// All records of files, in order.
pub fn records(files: &[DataFile]) -> Result<Vec<Record>, TaskError> {
    let mut all = Vec::new();
    for file in files {
        each_record(file, |record| {
            all.push(record);
            Ok(())
        })?;
    }
    Ok(all)
}

fn object(value: Value, path: &Path, place: String) -> Result<Record, TaskError> {
    match value {
        Value::Object(fields) => Ok(Record { fields, place }),
        other => Err(TaskError::malformed(path, format!("{place} is {}, not an object", kind(&other)))),
    }
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Record {
    /// A field's value; an error names the file, the place and the fields that are there.
    pub fn field(&self, path: &Path, name: &str) -> Result<&Value, TaskError> {
        self.fields.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.fields.keys().map(String::as_str).collect();
            let reason = format!("{} has no field `{name}` (it has: {})", self.place, there.join(", "));
            TaskError::malformed(path, reason)
        })
    }

    /// A field that is a string.
    pub fn text(&self, path: &Path, name: &str) -> Result<&str, TaskError> {
        let value = self.field(path, name)?;
        value.as_str().ok_or_else(|| {
            let reason = format!("{}: field `{name}` is {}, not a string", self.place, kind(value));
            TaskError::malformed(path, reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn read(text: &str) -> Result<Vec<Record>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        std::fs::write(&path, text).unwrap();
        let strip = |e: TaskError| e.to_string().rsplit_once("data.json: ").unwrap().1.to_owned();
        records(&[DataFile { name: "data.json".to_owned(), path }]).map_err(strip)
    }

    #[test]
    fn lines_and_lists_give_the_same_records() {
        let expected = [json!({"a": "x"}), json!({"a": "y", "b": 2})];
        for (text, places) in [
            ("{\"a\": \"x\"}\n\n{\"a\": \"y\", \"b\": 2}", ["line 1", "line 3"]),
            (" \n [{\"a\": \"x\"},\n{\"a\": \"y\", \"b\": 2}]", ["item 1", "item 2"]),
        ] {
            let got = read(text).unwrap();
            let values: Vec<Value> = got.iter().map(|r| Value::Object(r.fields.clone())).collect();
            assert_eq!(values, expected);
            assert_eq!(got.iter().map(|r| r.place.as_str()).collect::<Vec<_>>(), places);
        }
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_no_record_is_told_with_its_place() {
        let error = read("{\"a\": 1}\n[1]").unwrap_err();
        assert_eq!(error, "line 2 is a list, not an object");
        let error = read("{\"a\": 1}\n{\"a\": ").unwrap_err();
        assert!(error.starts_with("line 2 is not JSON (EOF while parsing"), "{error}");
        assert_eq!(read("[1]").unwrap_err(), "item 1 is a number, not an object");
        assert!(read("[{}").unwrap_err().starts_with("not a list of JSON objects: EOF"), "unclosed list");
    }

    #[test]
    fn fields_that_are_missing_or_of_another_type_are_told() {
        let record = &read("{\"a\": 1, \"b\": \"x\"}").unwrap()[0];
        let path = Path::new("f.jsonl");
        assert_eq!(record.text(path, "b").unwrap(), "x");
        let missing = record.text(path, "c").unwrap_err().to_string();
        assert_eq!(missing, "f.jsonl: line 1 has no field `c` (it has: a, b)");
        let wrong = record.text(path, "a").unwrap_err().to_string();
        assert_eq!(wrong, "f.jsonl: line 1: field `a` is a number, not a string");
    }
}
