//! Under which names the parts of data sets are published, and what they are called in keys: one table, for folders and
//! for listings of repositories alike.

use crate::fsx;
use crate::spec::dataset::{Content, Part, TextLayout};
use std::path::Path;
use tacq_protocol::task::TextFormat;

/// A relative path with `/` between parts; `*` stands for any characters within a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The path.
    pub path: String,
    /// How such a file becomes one string; absent for what is no text.
    pub format: Option<TextFormat>,
}

/// The name in keys of a text's file: what the user's file is called does not matter.
const TEXT: &str = "text";

/// Names under which a part is published, the preferred first. The files of the first that is there are the part.
pub(super) fn patterns(content: &Content, part: Part) -> Vec<Pattern> {
    let plain = |paths: &[&str]| {
        paths.iter().map(|path| Pattern { path: (*path).to_owned(), format: None }).collect()
    };
    match (content, part) {
        (Content::Text { layout, .. }, _) => text_patterns(*layout, part),
        (Content::Mmlu(_), Part::FewShot) => {
            plain(&["dev/*_dev.csv", "data/dev/*_dev.csv", "*_dev.csv", "all/dev-*.parquet", "dev-*.parquet"])
        }
        (Content::Mmlu(_), _) => plain(&[
            "test/*_test.csv",
            "data/test/*_test.csv",
            "*_test.csv",
            "all/test-*.parquet",
            "test-*.parquet",
        ]),
        (Content::Gsm8k, Part::FewShot) => plain(&["few_shot_cot.jsonl", "few_shot.jsonl", "gsm8k-cot.yaml"]),
        (Content::Gsm8k, Part::Train) => {
            plain(&["gsm8k_train.jsonl", "train.jsonl", "main/train-*.parquet", "train-*.parquet"])
        }
        (Content::Gsm8k, _) => {
            plain(&["gsm8k_test.jsonl", "test.jsonl", "main/test-*.parquet", "test-*.parquet"])
        }
        (Content::Spider, Part::Train) => plain(&[
            "train_spider.json",
            "train_spider.compact.json",
            "spider/train-*.parquet",
            "train-*.parquet",
        ]),
        (Content::Spider, Part::Tables) => plain(&["tables.json"]),
        (Content::Spider, Part::Databases) => plain(&["database/*/*.sqlite", "*/*.sqlite", "*.sqlite"]),
        (Content::Spider, _) => plain(&["dev.json", "spider/validation-*.parquet", "validation-*.parquet"]),
        (Content::Custom(_), part) => {
            let name = part.key();
            plain(&[&format!("{name}.jsonl"), &format!("{name}-*.parquet")])
        }
    }
}

fn text_patterns(layout: TextLayout, part: Part) -> Vec<Pattern> {
    let is_train = part == Part::Train;
    let (split, c4_split) = if is_train { ("train", "train") } else { ("test", "validation") };
    let of = |split: &str, templates: &[(&str, TextFormat)]| {
        let pattern = |(path, format): &(&str, TextFormat)| Pattern {
            path: path.replace("{}", split),
            format: Some(*format),
        };
        templates.iter().map(pattern).collect()
    };
    use TextFormat::{C4, Jsonl, Plain, Ptb, Wikitext};
    match layout {
        TextLayout::Wikitext2 => of(
            split,
            &[
                ("wiki.{}.raw", Wikitext),
                ("wiki.{}.tokens", Wikitext),
                ("wikitext-2-raw-v1/{}-*.parquet", Wikitext),
                ("{}-*.parquet", Wikitext),
                ("{}.raw", Wikitext),
                ("wiki.{}.txt", Plain),
                ("{}.txt", Plain),
            ],
        ),
        TextLayout::C4 => {
            let shard = if is_train { "00000-of-01024" } else { "00000-of-00008" };
            let first = |folder: &str| format!("{folder}c4-{{}}.{shard}.json.gz");
            of(
                c4_split,
                &[
                    (&first("en/"), C4),
                    (&first(""), C4),
                    ("c4-{}.*.json.gz", C4),
                    ("{}.jsonl", C4),
                    ("{}.json.gz", C4),
                    ("{}.txt", Plain),
                ],
            )
        }
        TextLayout::Ptb => of(
            split,
            &[
                ("ptb.{}.txt", Ptb),
                ("penn_treebank/{}-*.parquet", Ptb),
                ("{}-*.parquet", Ptb),
                ("{}.txt", Ptb),
            ],
        ),
        TextLayout::Own => of(
            split,
            &[
                ("wiki.{}.raw", Plain),
                ("wiki.{}.tokens", Plain),
                ("{}.txt", Plain),
                ("{}.raw", Plain),
                ("ptb.{}.txt", Plain),
                ("{}.jsonl", Jsonl),
                ("{}-*.parquet", Jsonl),
            ],
        ),
    }
}

/// The format of a text's file that is named itself.
pub(super) fn format_of_file(layout: TextLayout, name: &str) -> TextFormat {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let is_records = ends(&[".jsonl", ".json", ".jsonl.gz", ".json.gz", ".parquet"]);
    match layout {
        TextLayout::Wikitext2 if !ends(&[".txt"]) => TextFormat::Wikitext,
        TextLayout::Ptb => TextFormat::Ptb,
        TextLayout::C4 if is_records => TextFormat::C4,
        TextLayout::Own if is_records => TextFormat::Jsonl,
        _ => TextFormat::Plain,
    }
}

/// The names in keys of a part's files, in the order of the files: fixed where there is one file, subjects and databases
/// where there are many, so that moving or renaming what holds them changes no key.
pub(super) fn names(content: &Content, part: Part, files: &[String]) -> Vec<String> {
    let fixed = if matches!(content, Content::Text { .. }) { TEXT } else { part.key() };
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let subject = |path: &str| {
        let name = base(path);
        let name = name.strip_suffix(".csv")?;
        let subject = name.strip_suffix("_test").or_else(|| name.strip_suffix("_dev")).unwrap_or(name);
        Some(format!("{subject}.csv"))
    };
    files
        .iter()
        .enumerate()
        .map(|(i, path)| match (content, part) {
            (Content::Spider, Part::Databases) => base(path),
            (Content::Mmlu(_), _) if subject(path).is_some() => subject(path).unwrap_or_default(),
            // Exemplars in YAML are known by their name.
            _ if path.ends_with(".yaml") => format!("{fixed}.yaml"),
            _ if files.len() == 1 => fixed.to_owned(),
            _ => format!("{fixed}-{i:05}"),
        })
        .collect()
}

/// Files that a pattern names, in name order, and their format.
pub(super) type Found = (Vec<String>, Option<TextFormat>);

/// The files of a folder that the first matching pattern names, in name order, and its format.
pub(super) fn find_in_folder(folder: &Path, patterns: &[Pattern]) -> Result<Option<Found>, fsx::FsError> {
    for pattern in patterns {
        let mut found = vec![String::new()];
        for part in pattern.path.split('/') {
            let mut next = Vec::new();
            for base in &found {
                let here = if base.is_empty() { folder.to_owned() } else { folder.join(base) };
                let join =
                    |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
                if !part.contains('*') {
                    next.extend(fsx::exists(&here.join(part)).then(|| join(part)));
                } else if fsx::metadata(&here).is_ok_and(|m| m.is_dir()) {
                    let names = fsx::list_dir(&here)?;
                    let names = names.iter().filter_map(|path| path.file_name()?.to_str());
                    next.extend(names.filter(|name| part_matches(part, name)).map(join));
                }
            }
            found = next;
        }
        if let Some(files) = accepted(pattern, found) {
            return Ok(Some((files, pattern.format)));
        }
    }
    Ok(None)
}

/// Of the paths of a repository, those that the first matching pattern names, in name order, and its format.
pub(super) fn find_in_listing<'a>(
    paths: impl Iterator<Item = &'a str> + Clone,
    patterns: &[Pattern],
) -> Option<Found> {
    patterns.iter().find_map(|pattern| {
        let found = paths.clone().filter(|path| matches(&pattern.path, path)).map(str::to_owned).collect();
        Some((accepted(pattern, found)?, pattern.format))
    })
}

/// What a pattern's matches are, in order; nothing if there are none.
fn accepted(pattern: &Pattern, mut found: Vec<String>) -> Option<Vec<String>> {
    if pattern.path.ends_with("*/*.sqlite") {
        // Beside a database there may be copies of it; it bears the name of its folder.
        found.retain(|path| {
            let mut parts = path.rsplit('/');
            let stem = parts.next().and_then(|name| name.strip_suffix(".sqlite"));
            stem.is_some() && stem == parts.next()
        });
    }
    found.sort();
    (!found.is_empty()).then_some(found)
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if part_matches(pattern, part) => {}
            _ => return false,
        }
    }
}

/// Whether a name fits a part of a pattern with at most one `*`.
fn part_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, end)) => {
            name.len() >= begin.len() + end.len()
                && name.starts_with(begin)
                && name.ends_with(end)
                && !name.starts_with('.')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacq_protocol::task::MmluSplit;

    const MMLU: Content = Content::Mmlu(MmluSplit::All);
    const WIKITEXT2: Content = Content::Text { layout: TextLayout::Wikitext2, format: None };

    fn listed(content: &Content, part: Part, paths: &[&str]) -> Option<Found> {
        find_in_listing(paths.iter().copied(), &patterns(content, part))
    }

    #[test]
    fn a_star_stays_within_a_part() {
        assert!(matches("test/*_test.csv", "test/anatomy_test.csv"));
        assert!(!matches("test/*_test.csv", "test/old/anatomy_test.csv"));
        assert!(!matches("*.csv", ".csv") || !matches("*.csv", ".hidden.csv"));
        assert!(!matches("ab*bc", "abc"));
    }

    #[test]
    fn the_first_layout_that_is_there_wins_and_says_the_format() {
        let files = ["README.md", "wikitext-2-raw-v1/test-00000-of-00001.parquet", "test.txt"];
        let expected = vec![files[1].to_owned()];
        assert_eq!(listed(&WIKITEXT2, Part::Test, &files), Some((expected, Some(TextFormat::Wikitext))));
        assert_eq!(listed(&WIKITEXT2, Part::Test, &["test.txt"]).unwrap().1, Some(TextFormat::Plain));
        assert_eq!(listed(&WIKITEXT2, Part::Train, &["test.txt"]), None);
    }

    #[test]
    fn folders_and_listings_are_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            "dev/b_dev.csv",
            "dev/a_dev.csv",
            "test/a_test.csv",
            "database/x/x.sqlite",
            "database/x/copy.sqlite",
            "database/y/y.sqlite",
            "tables.json",
        ];
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let cases = [
            (MMLU, Part::FewShot, vec!["dev/a_dev.csv", "dev/b_dev.csv"]),
            (MMLU, Part::Test, vec!["test/a_test.csv"]),
            (Content::Spider, Part::Databases, vec!["database/x/x.sqlite", "database/y/y.sqlite"]),
            (Content::Spider, Part::Tables, vec!["tables.json"]),
        ];
        for (content, part, expected) in cases {
            let in_folder = find_in_folder(dir.path(), &patterns(&content, part)).unwrap().unwrap();
            assert_eq!(in_folder.0, expected);
            assert_eq!(listed(&content, part, &files), Some(in_folder));
        }
        assert_eq!(find_in_folder(dir.path(), &patterns(&Content::Gsm8k, Part::Test)).unwrap(), None);
    }

    #[test]
    fn names_in_keys_do_not_depend_on_folders() {
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let names = |content: &Content, part, paths: &[&str]| names(content, part, &owned(paths));
        assert_eq!(names(&MMLU, Part::Test, &["test/a_test.csv", "b_test.csv"]), ["a.csv", "b.csv"]);
        assert_eq!(names(&MMLU, Part::Test, &["all/test-00000-of-00001.parquet"]), ["test"]);
        assert_eq!(names(&WIKITEXT2, Part::Train, &["x/wiki.train.raw"]), ["text"]);
        assert_eq!(names(&WIKITEXT2, Part::Train, &["a", "b"]), ["text-00000", "text-00001"]);
        assert_eq!(names(&Content::Spider, Part::Databases, &["database/x/x.sqlite"]), ["x.sqlite"]);
    }
}
