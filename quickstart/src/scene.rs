//! Text with choices and slots, and the memory that keeps the slots of one text consistent.
//!
//! - `[walked|ran|]` is one of its options, each as likely; options may hold choices themselves.
//! - `{color}` is an option of the list `color`, drawn once: it stays the same within the scene.
//! - `{color2}` is another option of that list.
//! - `{some color}` is drawn anew each time.
//! - `{colors}` is the plural of `{color}`.
//! - `{Color}` is `{color}` with a capital letter.
//! - `a` becomes `an` before a vowel.
//!
//! Options of lists may hold choices and slots too, so lists are the rules of a grammar.

use crate::pick::pick;
use std::collections::BTreeMap;
use tacq_testkit::random::Random;

/// A name and the options, separated by `|`.
pub(crate) type List = (&'static str, &'static str);

/// What has been said so far.
pub(crate) struct Scene {
    lists: &'static [&'static [List]],
    words: BTreeMap<String, String>,
}

impl Scene {
    /// A scene where nothing is settled yet.
    pub(crate) fn new(lists: &'static [&'static [List]]) -> Self {
        Self { lists, words: BTreeMap::new() }
    }

    /// Settles what a slot stands for.
    pub(crate) fn set(&mut self, slot: &str, word: &str) {
        self.words.insert(slot.to_owned(), word.to_owned());
    }

    /// Gives the character with this number a name from the lists `her name` and `his name`, and the pronouns
    /// that agree with it, all in slots that end in the number: `{name2}`, `{he2}`, `{him2}`, `{his2}`. Returns
    /// whether it is a she.
    pub(crate) fn introduce(&mut self, random: &mut Random, number: &str) -> bool {
        let she = random.below(2) == 0;
        let name = self.draw(random, if she { "her name" } else { "his name" });
        let pronouns = if she { ["she", "her", "her"] } else { ["he", "him", "his"] };
        self.set(&format!("name{number}"), &name);
        for (slot, pronoun) in ["he", "him", "his"].iter().zip(pronouns) {
            self.set(&format!("{slot}{number}"), pronoun);
        }
        she
    }

    /// The text with its choices made and its slots filled.
    pub(crate) fn write(&mut self, random: &mut Random, text: &str) -> String {
        with_articles(&self.expand(random, text))
    }

    fn expand(&mut self, random: &mut Random, text: &str) -> String {
        let text = choose(random, text);
        let mut written = String::new();
        let mut rest = text.as_str();
        while let Some((before, from_slot)) = rest.split_once('{') {
            let (slot, after) = from_slot.split_once('}').expect("the braces of texts pair");
            written += before;
            written += &self.fill(random, slot);
            rest = after;
        }
        written + rest
    }

    fn fill(&mut self, random: &mut Random, slot: &str) -> String {
        if slot.starts_with(|first: char| first.is_ascii_uppercase()) {
            return capitalized(&self.fill(random, &slot.to_ascii_lowercase()));
        }
        if let Some(word) = self.words.get(slot) {
            return word.clone();
        }
        if let Some(list) = slot.strip_prefix("some ") {
            return self.draw(random, list);
        }
        if let Some(singular) = self.singular(slot) {
            return plural(&self.fill(random, &singular));
        }
        let word = self.draw(random, without_number(slot));
        self.set(slot, &word);
        word
    }

    /// The slot that this one is the plural of, if it is one.
    fn singular(&self, slot: &str) -> Option<String> {
        let list = without_number(slot);
        let singular = list.strip_suffix('s').filter(|_| self.list(list).is_none())?;
        Some(slot.replacen(list, singular, 1))
    }

    /// Options that the scene already uses are left out, for two slots of a list are two things.
    pub(crate) fn draw(&mut self, random: &mut Random, list: &str) -> String {
        let options = outer_options(self.list(list).unwrap_or_else(|| panic!("there is no list `{list}`")));
        let is_unused = |option: &&str| self.words.values().all(|used| used != option);
        assert!(options.iter().any(is_unused), "list `{list}` has fewer options than slots");
        let option = loop {
            let option = *pick(random, &options);
            if is_unused(&option) {
                break option;
            }
        };
        self.expand(random, option)
    }

    fn list(&self, name: &str) -> Option<&'static str> {
        let mut lists = self.lists.iter().copied().flatten();
        lists.find(|(its_name, _)| *its_name == name).map(|(_, options)| *options)
    }
}

fn without_number(slot: &str) -> &str {
    slot.trim_end_matches(|last: char| last.is_ascii_digit())
}

/// Splits at the bars that are in no brackets.
fn outer_options(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        character == '|' && depth == 0
    })
    .collect()
}

/// Makes the choices, the innermost first.
fn choose(random: &mut Random, text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(close) = text.find(']') {
        let open = text[..close].rfind('[').expect("the brackets of texts pair");
        let options: Vec<&str> = text[open + 1..close].split('|').collect();
        let option = (*pick(random, &options)).to_owned();
        text.replace_range(open..=close, &option);
    }
    text
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// The regular plural, and that of words in -o as in `potato`.
fn plural(word: &str) -> String {
    let consonant_before_y = word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match consonant_before_y {
        Some(stem) => format!("{stem}ies"),
        None if word.ends_with("ch") || word.ends_with("sh") || word.ends_with(['s', 'x', 'o']) => {
            format!("{word}es")
        }
        None => format!("{word}s"),
    }
}

/// Which article a slot needs is known only once it is filled.
fn with_articles(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let after_article = written
            .strip_suffix("a ")
            .or_else(|| written.strip_suffix("A "))
            .is_some_and(|before| !before.ends_with(|last: char| last.is_ascii_alphanumeric()));
        if after_article && word.starts_with(['a', 'e', 'i', 'o', 'u']) {
            written.pop();
            written.push_str("n ");
        }
        written += word;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &[&[List]] = &[
        &[("fruit", "apple|peach|cherry"), ("sight", "a [big|small] {fruit}")],
        &[("her name", "Ann"), ("his name", "Al")],
    ];

    fn texts(text: &str) -> Vec<String> {
        (0..50).map(|seed| Scene::new(LISTS).write(&mut Random::new(seed), text)).collect()
    }

    #[test]
    fn a_slot_stays_the_same_and_differs_from_its_siblings() {
        for text in texts("{fruit} {fruit} {fruit2}") {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(words[0], words[1]);
            assert_ne!(words[0], words[2]);
        }
    }

    #[test]
    fn choices_nest_and_reach_every_option() {
        let all = texts("[x|y[1|2]|]");
        for option in ["x", "y1", "y2", ""] {
            assert!(all.iter().any(|text| text == option), "{option}");
        }
    }

    #[test]
    fn options_hold_choices_and_slots() {
        for text in texts("{Sight} of {fruits}") {
            let (sight, fruits) = text.split_once(" of ").unwrap();
            let fruit = sight.strip_prefix("A big ").or(sight.strip_prefix("A small ")).unwrap();
            assert_eq!(plural(fruit), fruits);
        }
    }

    #[test]
    fn articles_follow_the_word() {
        assert_eq!(with_articles("A egg, a pea and \"a oak\""), "An egg, a pea and \"an oak\"");
        assert_eq!(with_articles("Anna ate"), "Anna ate");
    }

    #[test]
    fn plurals_follow_the_ending() {
        let words = ["boy", "cherry", "peach", "box", "potato"].map(plural);
        assert_eq!(words, ["boys", "cherries", "peaches", "boxes", "potatoes"]);
    }

    #[test]
    fn pronouns_agree() {
        let mut scene = Scene::new(LISTS);
        let she = scene.introduce(&mut Random::new(0), "2");
        let text = scene.write(&mut Random::new(0), "{name2} {He2} {him2} {his2}");
        assert_eq!(text, if she { "Ann She her her" } else { "Al He him his" });
    }
}
