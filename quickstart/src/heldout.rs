//! What must never be trained on.

use std::collections::{BTreeMap, BTreeSet};

/// Texts, compared by their words alone.
#[derive(Debug, Default, Clone)]
pub struct HeldOut(BTreeSet<String>);

impl HeldOut {
    /// Adds a text; whether it was not there yet.
    pub fn insert(&mut self, text: &str) -> bool {
        self.0.insert(normalized(text))
    }

    /// Whether a text is there, up to case, punctuation and spaces.
    pub fn contains(&self, text: &str) -> bool {
        self.0.contains(&normalized(text))
    }
}

/// The words and numbers of a text in lower case, with one space between them.
pub fn normalized(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Words by which [`Finder`] looks texts up.
const START: usize = 3;

/// Finds texts among words, whatever stands around them.
#[derive(Debug)]
pub struct Finder<'a> {
    by_start: BTreeMap<Vec<&'a str>, Vec<Vec<&'a str>>>,
}

impl<'a> Finder<'a> {
    /// Looks for these texts, as [`normalized`] makes them.
    ///
    /// # Panics
    /// If one has fewer than three words.
    pub fn new(texts: &'a [String]) -> Self {
        let mut by_start: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for text in texts {
            let words: Vec<&str> = text.split(' ').collect();
            assert!(words.len() >= START, "{text}");
            by_start.entry(words[..START].to_vec()).or_default().push(words);
        }
        Self { by_start }
    }

    /// Those of the texts that occur in a normalized one.
    pub fn find(&self, text: &str) -> impl Iterator<Item = String> {
        let words: Vec<&str> = text.split(' ').collect();
        let mut found = Vec::new();
        for (at, start) in words.windows(START).enumerate() {
            let candidates = self.by_start.get(start).into_iter().flatten();
            found.extend(candidates.filter(|c| words[at..].starts_with(c)).map(|c| c.join(" ")));
        }
        found.into_iter()
    }
}
