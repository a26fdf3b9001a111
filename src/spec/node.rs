//! A YAML document as a tree whose every node knows its path and its place in the file.

use super::error::Position;

/// Where a value stands: its YAML path and its position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Such as `sweep.methods[1].tacq`; empty for the whole document; begins with `--set ` if it came from there.
    pub at: String,
    /// Line and column; zero if it did not come from the file.
    pub position: Position,
}

impl Place {
    /// The place of the value under `key`.
    pub fn key(&self, key: &str, position: Position) -> Place {
        let dot = if self.at.is_empty() || self.at.ends_with(' ') { "" } else { "." };
        Place { at: format!("{}{dot}{key}", self.at), position }
    }

    /// The place of the list item of this index.
    pub fn item(&self, index: usize, position: Position) -> Place {
        Place { at: format!("{}[{index}]", self.at), position }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// What YAML can hold, as far as an experiment file uses it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `key:` without a value, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number {
        /// As written, so that decimals stay exact.
        text: String,
        /// Its value, if it is a whole number that is not negative.
        integer: Option<u64>,
    },
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<Entry>),
    /// Something already reported as wrong.
    Invalid,
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands; its path is the value's.
    pub place: Place,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What stands here, in words for a message: `3.5`, `` `abc` ``, a list.
    pub fn found(&self) -> String {
        match &self.value {
            Value::Null | Value::Invalid => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number { text, .. } => text.clone(),
            Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Value::Text(text) => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}
