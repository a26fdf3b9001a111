//! YAML text → [`Node`] tree with positions. The only module that names the YAML crates.
//!
//! `saphyr-parser` gives the structure with positions and the scalars as written; `serde_yaml`, which keeps
//! neither, decides what a plain scalar means (`3` a number, `true` a boolean, `3x` text).

use super::error::{Diagnostic, Position};
use super::node::{Entry, Node, Place, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// Lists and mappings inside each other; an experiment file needs six.
const MAX_DEPTH: usize = 32;

/// Parses one YAML document whose root stands at `root`.
///
/// What is wrong is added to `diagnostics`. The tree is there whenever the syntax is right, without what was
/// wrong, so that the rest of the file can be checked too; an empty text has none and is no error here.
pub fn document(text: &str, root: &Place, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { root: root.clone(), open: Vec::new(), done: None, diagnostics };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                builder.report(syntax_error(&error, text));
                return None;
            }
        };
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents == 2 {
                let message = "a second YAML document starts here; an experiment file holds one";
                builder.report_at(position(&span), message, Some("remove the `---`"));
            }
        }
        if documents < 2 && !builder.event(event, &span) {
            return None;
        }
    }
    builder.done.filter(|node| node.value != Value::Null)
}

/// A list or mapping whose end has not been read yet.
struct Open {
    node: Node,
    /// In a mapping: the key that waits for its value. `None` marks a key that was reported as wrong.
    key: Option<Option<(String, Place)>>,
}

struct Builder<'a> {
    root: Place,
    open: Vec<Open>,
    done: Option<Node>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Takes one event; false if parsing cannot go on.
    fn event(&mut self, event: Event<'_>, span: &Span) -> bool {
        let here = position(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = if self.is_supported(here, anchor, tag.is_some()) {
                    scalar(&text, style)
                } else {
                    Value::Invalid
                };
                self.scalar_or_key(value, &text, here);
            }
            Event::Alias(_) => {
                let message = "an alias (`*name`) is not supported in an experiment file";
                self.report_at(here, message, Some("write the value out"));
                self.scalar_or_key(Value::Invalid, "", here);
            }
            Event::SequenceStart(anchor, tag) => {
                let supported = self.is_supported(here, anchor, tag.is_some());
                return self.start(if supported { Value::List(Vec::new()) } else { Value::Invalid }, here);
            }
            Event::MappingStart(anchor, tag) => {
                let supported = self.is_supported(here, anchor, tag.is_some());
                return self.start(if supported { Value::Map(Vec::new()) } else { Value::Invalid }, here);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser balances starts and ends");
                self.value(open.node);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        true
    }

    /// Reports anchors and tags; false where the value cannot be used.
    fn is_supported(&mut self, here: Position, anchor: usize, tag: bool) -> bool {
        if anchor != 0 {
            let message = "an anchor (`&name`) is not supported in an experiment file";
            self.report_at(here, message, Some("write the value out at each place"));
        }
        if tag {
            self.report_at(here, "a tag (`!name`) is not supported in an experiment file", Some("remove it"));
        }
        // What an anchor marks is still what it is; a tag would change it.
        !tag
    }

    /// Opens a list or mapping.
    fn start(&mut self, value: Value, here: Position) -> bool {
        if self.open.len() == MAX_DEPTH {
            self.report_at(here, format!("nested deeper than {MAX_DEPTH} levels"), None);
            return false;
        }
        if self.awaits_key() {
            self.report_at(here, "a key must be text, not a list or a mapping", Some("quote it"));
            // Its contents are swallowed as the value of nothing.
            let node = Node { place: self.next_place(here), value };
            self.open.push(Open { node, key: None });
            return true;
        }
        let node = Node { place: self.next_place(here), value };
        self.open.push(Open { node, key: None });
        true
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node { value: Value::Map(_), .. }, key: None }))
    }

    /// Takes a scalar, as a key where one is due.
    fn scalar_or_key(&mut self, value: Value, text: &str, here: Position) {
        if !self.awaits_key() {
            let place = self.next_place(here);
            return self.value(Node { place, value });
        }
        if value == Value::Invalid || text == "<<" {
            if text == "<<" {
                let message = "a merge key (`<<`) is not supported in an experiment file";
                self.report_at(here, message, Some("write the keys out"));
            }
            self.open.last_mut().expect("a mapping is open").key = Some(None);
            return;
        }
        let open = self.open.last_mut().expect("a mapping is open");
        let place = open.node.place.key(text, here);
        let Value::Map(entries) = &open.node.value else { unreachable!("only mappings await keys") };
        match entries.iter().find(|entry| entry.key == text) {
            Some(first) => {
                let message = match first.place.position.line {
                    0 => format!("`{text}` is given twice"),
                    line => format!("`{text}` is given twice; first in line {line}"),
                };
                open.key = Some(None);
                self.diagnostics.push(Diagnostic { position: here, at: place.at, message, hint: None });
            }
            None => open.key = Some(Some((text.to_owned(), place))),
        }
    }

    /// Where a value that starts here stands, given what is open.
    fn next_place(&self, here: Position) -> Place {
        match self.open.last() {
            None => Place { at: self.root.at.clone(), position: here },
            Some(Open { key: Some(Some((_, key))), .. }) => Place { at: key.at.clone(), position: here },
            Some(Open { node: Node { place, value: Value::List(items) }, .. }) => {
                place.item(items.len(), here)
            }
            Some(Open { node, .. }) => Place { at: node.place.at.clone(), position: here },
        }
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, mut node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.done = Some(node);
            return;
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some(Some((key, place))) => {
                    if node.value == Value::Null {
                        // An absent value stands nowhere; its key does.
                        node.place.position = place.position;
                    }
                    entries.push(Entry { key, place, node });
                }
                // The value of a wrong key.
                Some(None) => {}
                // A wrong key itself, a list or a mapping: its value comes next.
                None => open.key = Some(None),
            },
            _ => {}
        }
    }

    fn report_at(&mut self, position: Position, message: impl Into<String>, hint: Option<&str>) {
        let at = self.next_place(position).at;
        self.report(Diagnostic { position, at, message: message.into(), hint: hint.map(str::to_owned) });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

/// What a scalar means.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Null) => Value::Null,
        Ok(serde_yaml::Value::Bool(value)) => Value::Bool(value),
        Ok(serde_yaml::Value::Number(number)) => {
            Value::Number { text: text.to_owned(), integer: number.as_u64() }
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn syntax_error(error: &ScanError, text: &str) -> Diagnostic {
    let marker = error.marker();
    let found = Position { line: marker.line().max(1), column: marker.col() + 1 };
    // Parsers notice a tab late and describe it in their own terms.
    let tab = text.lines().enumerate().take(found.line).find_map(|(i, line)| {
        let indent = &line[..line.len() - line.trim_start().len()];
        indent.find('\t').map(|column| Position { line: i + 1, column: column + 1 })
    });
    match tab {
        Some(position) => Diagnostic {
            position,
            at: String::new(),
            message: "this line is indented with a tab; YAML allows only spaces".to_owned(),
            hint: None,
        },
        None => Diagnostic {
            position: found,
            at: String::new(),
            message: format!("this is not valid YAML: {}", error.info()),
            hint: None,
        },
    }
}
