//! The data sets that need no declaration: those of the paper (arXiv 2504.07389) and WikiText-2.

use super::dataset::{Content, Part, TextLayout};
use super::location::Location;
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

/// Where a part lies unless the experiment file says otherwise.
pub fn location(_name: &str, _part: Part) -> Option<Location> {
    None
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
        assert!(NAMES.is_sorted());
    }
}
