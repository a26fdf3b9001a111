//! Data sets as declared, and the built-in ones → what they hold and where their parts lie.

use super::builtin::{self, Published};
use super::dataset::{Content, Dataset, Part, PartSource, Templates, TextLayout, no_examples};
use super::error::Position;
use super::location::Location;
use super::node::Place;
use super::raw;
use super::raw_data::DataSource;
use super::read::{Field, Names, Reader, Spanned};
use super::scalar::FilePath;
use super::templates::HubName;
use std::collections::BTreeMap;

/// What stands between solved examples unless the file says otherwise.
const DEFAULT_SEPARATOR: &str = "\n\n";

/// Keys of data sets that only the user's own examples have.
const OF_EXAMPLES: [&str; 5] = ["prompt", "completion", "separator", "chat", "system"];

/// What stands under a name of `datasets`.
type Entry = (Place, Option<raw::Dataset>);

/// All data sets by name: the declared ones and all built-in ones. One without a value was declared, but wrongly; that
/// has been reported.
pub fn declare(
    declared: Option<Names<raw::Dataset>>,
    reader: &mut Reader,
) -> BTreeMap<String, Option<Dataset>> {
    let entries = declared.map(|names| names.entries).unwrap_or_default();
    let entries: BTreeMap<String, Entry> =
        entries.into_iter().map(|(name, raw)| (name.value, (name.place, raw))).collect();
    let mut datasets = BTreeMap::new();
    for (name, (place, raw)) in &entries {
        let dataset = match (raw, builtin::content(name)) {
            (None, _) => None,
            (Some(raw), None) => own(name, place, raw, reader),
            (Some(raw), Some(content)) => {
                check_keys(name, raw, &keys_of_builtin(&content), reader);
                built_in(name, content, &entries)
            }
        };
        datasets.insert(name.clone(), dataset);
    }
    for name in builtin::NAMES {
        if let (false, Some(content)) = (datasets.contains_key(name), builtin::content(name)) {
            datasets.insert(name.to_owned(), built_in(name, content, &entries));
        }
    }
    datasets
}

/// A built-in data set. What is not said under its own name is taken from the data set that it is a view on, then from
/// where it is published.
fn built_in(name: &str, mut content: Content, entries: &BTreeMap<String, Entry>) -> Option<Dataset> {
    let files_of = builtin::files_of(name);
    let mut parts = BTreeMap::new();
    for entry in [entries.get(name), entries.get(files_of)].into_iter().flatten() {
        let (_, raw) = entry;
        let raw = raw.as_ref()?;
        for &part in content.parts() {
            match source(raw, part) {
                Field::Given(source) => _ = parts.entry(part).or_insert(source),
                Field::Absent => {}
                Field::Invalid => return None,
            }
        }
    }
    for &part in content.parts() {
        if !parts.contains_key(&part)
            && let Some(Published { location, files }) = builtin::published(files_of, part)
        {
            parts.insert(part, PartSource { location, files, position: Position::default() });
        }
    }
    if let (Content::Text { format, .. }, Some((_, Some(raw)))) = (&mut content, entries.get(name)) {
        *format = raw.format.clone().given();
    }
    let files_of = if entries.contains_key(name) { name } else { files_of }.to_owned();
    let entry = entries.get(name).or_else(|| entries.get(&files_of));
    let position = entry.map(|(place, _)| place.position).unwrap_or_default();
    Some(Dataset { content, files_of, parts, position, few_shot: no_examples() })
}

/// The keys that an entry about a built-in data set may have.
fn keys_of_builtin(content: &Content) -> Vec<&'static str> {
    let mut keys = vec!["path", "hub"];
    keys.extend(content.parts().iter().map(|part| part.key()));
    if matches!(content, Content::Text { .. }) {
        keys.push("format");
    }
    keys
}

/// Says where a data set that is not declared was first named, so that problems with its files have a place.
pub fn named_at(name: &str, dataset: &mut Dataset, position: Position) {
    if dataset.position != Position::default() {
        return;
    }
    dataset.position = position;
    for (&part, source) in &mut dataset.parts {
        let published = builtin::published(builtin::files_of(name), part);
        if published.is_some_and(|published| published.location == source.location) {
            source.position = position;
        }
    }
}

/// A data set of the user's own: examples if it has a `prompt`, else a text.
fn own(name: &str, place: &Place, raw: &raw::Dataset, reader: &mut Reader) -> Option<Dataset> {
    let has_templates = raw.prompt.is_present() || raw.completion.is_present();
    if has_templates { own_examples(name, place, raw, reader) } else { own_text(name, place, raw, reader) }
}

fn own_text(name: &str, place: &Place, raw: &raw::Dataset, reader: &mut Reader) -> Option<Dataset> {
    let is_right = check_keys(name, raw, &["path", "hub", "train", "test", "format"], reader);
    let content = Content::Text { layout: TextLayout::Own, format: raw.format.clone().given() };
    let parts = parts(&content, raw)?;
    if parts.is_empty() && is_right {
        let message = format!("data set `{name}` has no text");
        let hint = "give `train: FILE` and `test: FILE`, or `path: FOLDER`".to_owned();
        reader.report_with(place, message, Some(hint));
    }
    let is_right = is_right && !parts.is_empty();
    let (files_of, position) = (name.to_owned(), place.position);
    is_right.then(|| Dataset { content, files_of, parts, position, few_shot: no_examples() })
}

fn own_examples(name: &str, place: &Place, raw: &raw::Dataset, reader: &mut Reader) -> Option<Dataset> {
    let mut allowed = vec!["train", "test", "few_shot"];
    allowed.extend(OF_EXAMPLES);
    let mut is_right = check_keys(name, raw, &allowed, reader);
    for (key, is_absent) in
        [("prompt", !raw.prompt.is_present()), ("completion", !raw.completion.is_present())]
    {
        if is_absent {
            let message = format!("data set `{name}` has no `{key}`, and examples need both templates");
            let hint = format!("give `{key}: TEMPLATE`, such as \"{{{{ question }}}}\"");
            reader.report_with(place, message, Some(hint));
            is_right = false;
        }
    }
    let chat = raw.chat.clone().given().unwrap_or(false);
    if let (Some(place), false) = (raw.place_of("system"), chat) {
        let message = "`system` is the system message of a chat, but these prompts are none";
        reader.report_with(place, message, Some("add `chat: true`".to_owned()));
        is_right = false;
    }
    let separator = match raw.separator.clone() {
        Field::Given(text) => text.0,
        Field::Absent => DEFAULT_SEPARATOR.to_owned(),
        Field::Invalid => return None,
    };
    let system = match raw.system.clone() {
        Field::Given(text) => Some(text.0),
        Field::Absent => None,
        Field::Invalid => return None,
    };
    let (prompt, completion) = (raw.prompt.clone().given()?.0, raw.completion.clone().given()?.0);
    let content = Content::Custom(Templates { prompt, completion, separator, chat, system });
    let parts = parts(&content, raw)?;
    if !parts.contains_key(&Part::Train) && !parts.contains_key(&Part::Test) && is_right {
        let message = format!("data set `{name}` has no examples");
        reader.report_with(place, message, Some("give `train: FILE` or `test: FILE`".to_owned()));
        is_right = false;
    }
    let (files_of, position) = (name.to_owned(), place.position);
    is_right.then(|| Dataset { content, files_of, parts, position, few_shot: no_examples() })
}

/// The parts that are given; nothing if one of them is wrong.
fn parts(content: &Content, raw: &raw::Dataset) -> Option<BTreeMap<Part, PartSource>> {
    let mut parts = BTreeMap::new();
    for &part in content.parts() {
        match source(raw, part) {
            Field::Given(source) => _ = parts.insert(part, source),
            Field::Absent => {}
            Field::Invalid => return None,
        }
    }
    Some(parts)
}

/// Where a part lies: under its own key, else in the folder of `path` or the repository of `hub`.
fn source(raw: &raw::Dataset, part: Part) -> Field<PartSource> {
    let at = |location, place: &Place| {
        Field::Given(PartSource { location, files: Vec::new(), position: place.position })
    };
    let own = match part {
        Part::Train => &raw.train,
        Part::Test => &raw.test,
        Part::FewShot => &raw.few_shot,
        Part::Tables => &raw.tables,
        Part::Databases => &Field::Absent,
    };
    match own {
        Field::Given(Spanned { value: DataSource::Path(FilePath(path)), place }) => {
            return at(Location::Local(path.into()), place);
        }
        Field::Given(Spanned { value: DataSource::Web { url, sha256 }, place }) => {
            return at(Location::Url { url: url.clone(), sha256: sha256.clone() }, place);
        }
        Field::Invalid => return Field::Invalid,
        Field::Absent => {}
    }
    let databases = if part == Part::Databases { &raw.databases } else { &Field::Absent };
    for folder in [databases, &raw.path] {
        match folder {
            Field::Given(Spanned { value: FilePath(path), place }) => {
                return at(Location::Local(path.into()), place);
            }
            Field::Invalid => return Field::Invalid,
            Field::Absent => {}
        }
    }
    match &raw.hub {
        Field::Given(Spanned { value: HubName(repo), place }) => at(Location::Hub(repo.clone()), place),
        Field::Absent => Field::Absent,
        Field::Invalid => Field::Invalid,
    }
}

/// Reports keys that such a data set does not have; whether there are none.
fn check_keys(name: &str, raw: &raw::Dataset, allowed: &[&str], reader: &mut Reader) -> bool {
    let mut is_right = true;
    if let (true, Some(place)) = (raw.path.is_present(), raw.place_of("hub")) {
        let message = format!("data set `{name}` has both `path` and `hub`");
        reader.report_with(place, message, Some("remove one of them".to_owned()));
        is_right = false;
    }
    let wrong: Vec<_> = raw.keys.iter().filter(|(key, _)| !allowed.contains(key)).collect();
    for (key, place) in &wrong {
        let message = format!("`{key}` is no key of data set `{name}`; allowed here: {}", allowed.join(", "));
        let hint = match builtin::content(name) {
            Some(_) if OF_EXAMPLES.contains(key) => {
                Some(format!("`{name}` is built in; give data of your own another name"))
            }
            None if OF_EXAMPLES.contains(key) || *key == "few_shot" => {
                Some("with `prompt` and `completion` it is a data set of examples".to_owned())
            }
            _ => None,
        };
        reader.report_with(place, message, hint);
    }
    is_right && wrong.is_empty()
}
