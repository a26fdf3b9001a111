//! What may be written about a remote store: its place alone, or a mapping.

use super::node::{Node, Value};
use super::read::{Decode, Field, List, Reader, record};
use super::remote::{RemoteLocation, RemoteMode, RemoteSettings};
use super::retention::ArtifactKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

record! {
    /// A remote store and how it is used.
    RemoteMap is "a mapping with the keys url, mode, push" {
        /// s3://bucket/prefix, or a folder of a shared file system.
        @required url: RemoteUrl,
        /// read_write or read_only. Default: read_write.
        mode: RemoteMode,
        /// Kinds of artifacts that are pushed besides calibrate, select, evaluate and command, such as mixed_quantize.
        push: List<ArtifactKind>,
    }
}

/// Where a remote store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl(pub RemoteLocation);

impl RemoteUrl {
    const EXPECTED: &str = "s3://bucket/prefix, or a folder";
}

impl Decode for RemoteUrl {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            reader.unexpected(node, Self::EXPECTED);
            return None;
        };
        match text.parse() {
            Ok(location) => Some(Self(location)),
            Err(error) => {
                reader.report(&node.place, super::remote::RemoteLocationError::to_string(&error));
                None
            }
        }
    }
}

impl JsonSchema for RemoteUrl {
    fn schema_name() -> Cow<'static, str> {
        "RemoteUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "description": Self::EXPECTED })
    }
}

/// A remote store as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Remote {
    /// Its place.
    Url(RemoteUrl),
    /// Its place and more.
    Map(Box<RemoteMap>),
}

impl Remote {
    /// What is meant; nothing if the place is not right, which was reported.
    pub(super) fn settings(self) -> Option<RemoteSettings> {
        match self {
            Remote::Url(url) => Some(RemoteSettings::new(url.0)),
            Remote::Map(map) => {
                let mut settings = RemoteSettings::new(map.url.given()?.0);
                settings.mode = map.mode.given().unwrap_or_default();
                let kinds = map.push.given().map(|list| list.items).unwrap_or_default();
                settings.push = kinds.into_iter().map(|kind| kind.value.into()).collect();
                Some(settings)
            }
        }
    }
}

impl Decode for Remote {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => RemoteMap::decode(node, reader).map(|map| Remote::Map(Box::new(map))),
            Value::Text(_) => RemoteUrl::decode(node, reader).map(Remote::Url),
            _ => {
                let expected = format!("{}, or a mapping with the keys url, mode, push", RemoteUrl::EXPECTED);
                reader.unexpected(node, &expected);
                None
            }
        }
    }
}

impl JsonSchema for Remote {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Remote".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [generator.subschema_for::<RemoteUrl>(), generator.subschema_for::<RemoteMap>()]
        })
    }
}

/// The remote store that a file names, if any.
pub(super) fn resolve(raw: Field<Remote>) -> Option<RemoteSettings> {
    raw.given().and_then(Remote::settings)
}
