//! Reads [`Node`]s into typed values and goes on after an error, so that all errors are known at once.

use super::error::Diagnostic;
use super::node::{Entry, Node, Place, Value};
use super::suggest::suggest;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A type that can be read from a node; its [`JsonSchema`] says the same to editors.
pub trait Decode: Sized + JsonSchema {
    /// Reads the value; on an error, reports it and returns nothing.
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self>;
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Reader {
    /// So far, in the order of discovery.
    pub diagnostics: Vec<Diagnostic>,
}

impl Reader {
    /// Reports a sentence about a place.
    pub fn report(&mut self, place: &Place, message: impl Into<String>) {
        self.report_with(place, message, None);
    }

    /// Reports a sentence with what to write instead.
    pub fn report_with(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        let Place { at, position } = place.clone();
        self.diagnostics.push(Diagnostic { position, at, message: message.into(), hint });
    }

    /// Reports that a node is not what is expected there, a noun phrase.
    pub fn unexpected(&mut self, node: &Node, expected: &str) {
        match &node.value {
            // Reported when it was parsed.
            Value::Invalid => {}
            Value::Null => {
                let hint = Some("give a value".to_owned());
                self.report_with(&node.place, format!("there is no value; expected {expected}"), hint);
            }
            _ => self.report(&node.place, format!("{} is not {expected}", node.found())),
        }
    }

    /// The entries of a mapping.
    pub fn entries<'a>(&mut self, node: &'a Node, expected: &str) -> Option<&'a [Entry]> {
        let Value::Map(entries) = &node.value else {
            self.unexpected(node, expected);
            return None;
        };
        Some(entries)
    }

    /// Reports a key that is not among `allowed`; returns the one it is likely to mean.
    pub fn unknown_key<'a>(&mut self, entry: &Entry, allowed: &[&'a str]) -> Option<&'a str> {
        let meant = suggest(&entry.key, allowed.iter().copied());
        let message = format!("unknown key `{}`; allowed here: {}", entry.key, allowed.join(", "));
        self.report_with(&entry.place, message, meant.map(|key| format!("did you mean `{key}`?")));
        meant
    }

    /// The list's values; reports those that come twice.
    pub fn distinct<T: PartialEq>(&mut self, list: List<T>) -> Vec<Spanned<T>> {
        let mut kept: Vec<Spanned<T>> = Vec::with_capacity(list.items.len());
        for item in list.items {
            match kept.iter().find(|earlier| earlier.value == item.value) {
                Some(earlier) => {
                    let message =
                        format!("the same value as `{}`", earlier.place.at.trim_start_matches("--set "));
                    self.report_with(&item.place, message, Some("remove one of them".to_owned()));
                }
                None => kept.push(item),
            }
        }
        kept
    }
}

/// What a mapping holds under a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there and wrong, or its name is misspelled; reported.
    Invalid,
    /// Its value.
    Given(T),
}

impl<T: Decode> Field<T> {
    /// Reads the value under a key.
    pub fn read(node: &Node, reader: &mut Reader) -> Field<T> {
        T::decode(node, reader).map_or(Field::Invalid, Field::Given)
    }
}

impl<T> Field<T> {
    /// The value, if there is a right one.
    pub fn given(self) -> Option<T> {
        match self {
            Field::Given(value) => Some(value),
            Field::Absent | Field::Invalid => None,
        }
    }

    /// Whether it is there, right or wrong.
    pub fn is_present(&self) -> bool {
        !matches!(self, Field::Absent)
    }
}

/// A value with its place, for checks that come after reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// What.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::decode(node, reader).map(|value| Spanned { value, place: node.place.clone() })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A list of at least one, or a scalar, which is a list of one.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// The values that are right.
    pub items: Vec<Spanned<T>>,
    /// Where the list stands.
    pub place: Place,
}

impl<T: Decode> Decode for List<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let place = node.place.clone();
        let Value::List(nodes) = &node.value else {
            let item = Spanned::decode(node, reader)?;
            return Some(List { items: vec![item], place });
        };
        if nodes.is_empty() {
            reader.report_with(&place, "the list is empty", Some("give a value".to_owned()));
            return None;
        }
        let items: Vec<_> = nodes.iter().filter_map(|node| Spanned::decode(node, reader)).collect();
        // If some are wrong the rest is still worth checking; if all are, there is nothing to check.
        (!items.is_empty()).then_some(List { items, place })
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
    }
}

/// A mapping from names of the author's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Names<T> {
    /// Names in file order, with what is right of them.
    pub entries: Vec<(Spanned<String>, Option<T>)>,
}

impl<T: Decode> Decode for Names<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut entries = Vec::new();
        for entry in reader.entries(node, "a mapping from names")? {
            if let Some(wrong) = wrong_name(&entry.key, NAME_CHARACTERS) {
                reader.report(&entry.place, wrong);
            }
            let name = Spanned { value: entry.key.clone(), place: entry.place.clone() };
            entries.push((name, T::decode(&entry.node, reader)));
        }
        Some(Names { entries })
    }
}

impl<T: JsonSchema> JsonSchema for Names<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("NamesOf{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        let names = format!("^[A-Za-z0-9][A-Za-z0-9{NAME_CHARACTERS}]*$");
        json_schema!({
            "type": "object",
            "additionalProperties": value,
            "propertyNames": { "pattern": names },
        })
    }
}

/// Beside letters and digits, what names of data sets and tasks may hold; no dot, which parts `--set` keys.
pub const NAME_CHARACTERS: &str = "_-";

/// What is wrong with a name, if anything: it becomes part of paths, keys and labels.
pub fn wrong_name(name: &str, characters: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || characters.contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.chars().all(allowed) {
        return None;
    }
    let also = characters.chars().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    Some(match name {
        "" => "a name cannot be empty".to_owned(),
        _ => format!("`{name}` is not a name: letters, digits and {also}, beginning with a letter or digit"),
    })
}

/// The key that a field stands for: a field named like a word of Rust is written `r#type`.
pub const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Defines a mapping with fixed keys: the struct, how it is read, and its schema, from one list of keys.
/// `@required` marks keys that must be there. The second name is the noun phrase for messages.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        $name:ident is $expected:literal {
            $( $(#[doc = $field_doc:literal])* $(@$required:ident)? $field:ident : $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $crate::spec::read::Field<$type>, )*
            /// Where the mapping stands.
            pub place: $crate::spec::node::Place,
            /// The keys that are there, and where.
            pub keys: Vec<(&'static str, $crate::spec::node::Place)>,
        }

        impl $name {
            /// The keys it may have.
            pub const KEYS: &[&str] = &[$($crate::spec::read::key(stringify!($field))),*];
            /// The keys it must have.
            pub const REQUIRED: &[&str] = &[$( $($crate::spec::read::record!(@$required $field),)? )*];

            /// Where a key stands, if it is there.
            #[allow(dead_code)] // of some records only
            pub fn place_of(&self, key: &str) -> Option<&$crate::spec::node::Place> {
                self.keys.iter().find(|(name, _)| *name == key).map(|(_, place)| place)
            }
        }

        impl $crate::spec::read::Decode for $name {
            fn decode(
                node: &$crate::spec::node::Node,
                reader: &mut $crate::spec::read::Reader,
            ) -> Option<Self> {
                let mut record = Self { place: node.place.clone(), ..Self::default() };
                for entry in reader.entries(node, $expected)? {
                    match entry.key.as_str() {
                        $( word if word == $crate::spec::read::key(stringify!($field)) => {
                            record.$field = $crate::spec::read::Field::read(&entry.node, reader);
                            let key = $crate::spec::read::key(stringify!($field));
                            record.keys.push((key, entry.place.clone()));
                        } )*
                        _ => {
                            // A misspelled key is not missing as well.
                            let meant = reader.unknown_key(entry, Self::KEYS);
                            $( if meant == Some($crate::spec::read::key(stringify!($field))) && !record.$field.is_present() {
                                record.$field = $crate::spec::read::Field::Invalid;
                            } )*
                        }
                    }
                }
                $( if Self::REQUIRED.contains(&stringify!($field)) && !record.$field.is_present() {
                    let message = concat!("the key `", stringify!($field), "` is missing");
                    let expected = concat!($($field_doc),*).trim().trim_end_matches('.');
                    reader.report_with(&node.place, message, Some(format!("it is required: {expected}")));
                    record.$field = $crate::spec::read::Field::Invalid;
                } )*
                Some(record)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                $(
                    let mut property = generator.subschema_for::<$type>();
                    property.insert("description".to_owned(), concat!($($field_doc),*).trim().into());
                    let key = $crate::spec::read::key(stringify!($field));
                    properties.insert(key.to_owned(), property.to_value());
                )*
                let mut schema = schemars::json_schema!({
                    "description": concat!($($doc),*).trim(),
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                });
                if !Self::REQUIRED.is_empty() {
                    schema.insert("required".to_owned(), Self::REQUIRED.into());
                }
                schema
            }
        }
    };
    (@required $field:ident) => { stringify!($field) };
}
pub(crate) use record;
