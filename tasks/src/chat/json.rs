//! JSON as Python's `json.dumps` writes it.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};

/// `json.dumps(value, indent=indent, ensure_ascii=ensure_ascii)`: a space after each comma and colon, or one value a
/// line where there is an indent.
pub fn dumps(
    value: &impl Serialize,
    indent: Option<usize>,
    ensure_ascii: bool,
) -> serde_json::Result<String> {
    let mut out = Vec::new();
    let layout = Layout { indent, ensure_ascii, depth: 0, is_empty: true };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, layout))?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}

struct Layout {
    /// Spaces a level; everything on one line when absent.
    indent: Option<usize>,
    ensure_ascii: bool,
    depth: usize,
    /// Whether the innermost list or object has nothing in it as yet.
    is_empty: bool,
}

impl Layout {
    fn open(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        out.write_all(bracket)
    }

    fn close(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.new_line(out)?;
        }
        self.is_empty = false;
        out.write_all(bracket)
    }

    fn next(&mut self, out: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !first {
            out.write_all(if self.indent.is_some() { b"," } else { b", " })?;
        }
        self.new_line(out)
    }

    fn new_line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let Some(indent) = self.indent else { return Ok(()) };
        out.write_all(b"\n")?;
        out.write_all(" ".repeat(indent * self.depth).as_bytes())
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        if !self.ensure_ascii {
            return CompactFormatter.write_string_fragment(out, text);
        }
        for c in text.chars() {
            if c.is_ascii() {
                write!(out, "{c}")?;
            } else {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Expected texts are what CPython's `json.dumps` gives.
    #[test]
    fn layout_is_that_of_python() {
        let value = json!({"a": [1, 2.5, null, true], "b": {}, "c": [], "d": "é\n\"\u{1f600}"});
        let line = r#"{"a": [1, 2.5, null, true], "b": {}, "c": [], "d": "é\n\"😀"}"#;
        assert_eq!(dumps(&value, None, false).unwrap(), line);
        let ascii = r#"{"a": [1, 2.5, null, true], "b": {}, "c": [], "d": "\u00e9\n\"\ud83d\ude00"}"#;
        assert_eq!(dumps(&value, None, true).unwrap(), ascii);
        let lines = "{\n  \"a\": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n  \"b\": {},\n  \"c\": [],\n  \
                     \"d\": \"é\\n\\\"😀\"\n}";
        assert_eq!(dumps(&value, Some(2), false).unwrap(), lines);
    }
}
