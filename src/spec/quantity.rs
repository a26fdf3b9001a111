//! Quantities with a unit: sizes of memory and spans of time.

use super::node::{Node, Value};
use super::read::{Decode, Reader};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::time::Duration;

/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Units of spans, in seconds.
const SPANS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

/// A number of bytes, written with its unit: `24GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// A span of time in whole seconds, written with its unit: `90s`, `30m`, `2h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Size {
    const EXPECTED: &str = "a size with its unit, such as 24GiB or 500MB";
}

impl Span {
    const EXPECTED: &str = "a span of time with its unit, such as 90s, 30m, 2h or 1d";
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, &SIZES).map(Size).ok_or_else(|| format!("`{text}` is not {}", Self::EXPECTED))
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let secs = scaled(text, &SPANS).ok_or_else(|| format!("`{text}` is not {}", Self::EXPECTED))?;
        Ok(Span(Duration::from_secs(secs)))
    }
}

/// A decimal with a unit, in the unit's base; none if it is anything else or does not fit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let unit = unit.trim_start();
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.contains('.') || part.len() > 9 || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let value = digits.checked_mul(u128::from(*scale))? / 10_u128.pow(u32::try_from(part.len()).ok()?);
    u64::try_from(value).ok()
}

macro_rules! quantities {
    ($($name:ident, $pattern:literal;)*) => {$(
        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                if let Value::Text(text) = &node.value
                    && let Ok(value) = text.parse()
                {
                    return Some(value);
                }
                if let Value::Number { text, .. } = &node.value {
                    let message = format!("{text} is not {}", $name::EXPECTED);
                    reader.report_with(&node.place, message, Some("add the unit".to_owned()));
                    return None;
                }
                reader.unexpected(node, $name::EXPECTED);
                None
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $name::EXPECTED })
            }
        }
    )*};
}
quantities! {
    Size, "^[0-9]*\\.?[0-9]+ ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$";
    Span, "^[0-9]*\\.?[0-9]+ ?(s|m|h|d)$";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decimal_or_binary_as_they_say() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!(size("24GiB"), Some(24 << 30));
        assert_eq!(size("1.5 GB"), Some(1_500_000_000));
        assert_eq!(size("0.5KiB"), Some(512));
        for wrong in ["24", "24 gib", "-1GB", "1.2.3GB", "GB", ".GB", "99999999999999TB", "1e3GB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans_are_seconds() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs()).ok();
        assert_eq!(["90s", "1.5h", "1d", "2 m"].map(span), [Some(90), Some(5400), Some(86_400), Some(120)]);
        assert_eq!(span("1w"), None);
    }
}
