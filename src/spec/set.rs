//! `--set KEY=VALUE`: values given on the command line take the place of those in the file.

use super::error::{Diagnostic, Position};
use super::node::{Entry, Node, Place, Value};
use super::parse;

/// Applies one `KEY=VALUE` to the document. KEY is a dotted path (`sweep.bits`, `sweep.methods[1].tacq.saliency`),
/// VALUE is YAML. Missing mappings are made; whether a key exists at all is checked when the document is read.
pub fn apply(root: &mut Node, set: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut report = |at: String, message: String, hint: Option<String>| {
        diagnostics.push(Diagnostic { position: Position::default(), at, message, hint });
    };
    let Some((key, text)) = set.split_once('=') else {
        let hint = "for example `--set sweep.bits=[2,3]`".to_owned();
        return report("--set".to_owned(), format!("`{set}` is not KEY=VALUE"), Some(hint));
    };
    let place = Place { at: format!("--set {key}"), position: Position::default() };
    let Some(steps) = steps(key) else {
        let message = "the key is not a dotted path such as `sweep.bits` or `sweep.methods[0].gptq.damp`";
        return report(place.at, message.to_owned(), None);
    };
    let slot = match descend(root, &steps) {
        Ok(slot) => slot,
        Err(message) => return report(place.at, message, None),
    };
    let mut found = Vec::new();
    let node = parse::document(text, &place, &mut found);
    let found_any = !found.is_empty();
    // Line and column inside a value on the command line help nobody.
    diagnostics.extend(found.into_iter().map(|mut diagnostic| {
        diagnostic.position = Position::default();
        if diagnostic.at.is_empty() {
            diagnostic.at.clone_from(&place.at);
        }
        diagnostic
    }));
    let no_value = if found_any { Value::Invalid } else { Value::Null };
    *slot = node.unwrap_or(Node { place, value: no_value });
    forget_positions(slot);
}

enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// `a.b[1].c` → key a, key b, item 1, key c.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.trim().split('.') {
        let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(key));
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(Step::Item(index.parse().ok()?));
            rest = after;
        }
    }
    Some(steps)
}

/// The node that the path leads to, made where it is missing.
fn descend<'a>(root: &'a mut Node, steps: &[Step<'_>]) -> Result<&'a mut Node, String> {
    let mut node = root;
    for step in steps {
        match step {
            Step::Key(key) => {
                if node.value == Value::Null {
                    node.value = Value::Map(Vec::new());
                }
                let found = node.found();
                let Value::Map(entries) = &mut node.value else {
                    return Err(format!("`{}` is {found}, so it has no key `{key}`", node.place.at));
                };
                let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                    let parent = node.place.at.trim_start_matches("--set ").to_owned();
                    let parent = Place { at: format!("--set {parent}"), position: Position::default() };
                    let place = parent.key(key, Position::default());
                    let node = Node { place: place.clone(), value: Value::Null };
                    entries.push(Entry { key: (*key).to_owned(), place, node });
                    entries.len() - 1
                });
                node = &mut entries[index].node;
            }
            Step::Item(index) => {
                let found = node.found();
                let at = node.place.at.clone();
                let Value::List(items) = &mut node.value else {
                    return Err(format!("`{at}` is {found}, so it has no item [{index}]"));
                };
                let n = items.len();
                node = items
                    .get_mut(*index)
                    .ok_or_else(|| format!("`{at}` has no item [{index}]; its {n} are counted from [0]"))?;
            }
        }
    }
    Ok(node)
}

fn forget_positions(node: &mut Node) {
    node.place.position = Position::default();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(forget_positions),
        Value::Map(entries) => {
            for entry in entries {
                entry.place.position = Position::default();
                forget_positions(&mut entry.node);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number { .. } | Value::Text(_) | Value::Invalid => {}
    }
}
