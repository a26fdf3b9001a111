//! English-like sentences from short word lists: a text with some structure and no licence to mind.

use crate::random::Random;

const NAMES: &[&str] =
    &["the miller", "a young clerk", "our neighbour", "the ferryman", "an old sailor", "the widow"];
const ADJECTIVES: &[&str] = &["narrow", "bright", "heavy", "quiet", "broken", "distant", "warm", "hollow"];
const NOUNS: &[&str] =
    &["river", "lantern", "bridge", "orchard", "letter", "window", "harbour", "clock", "stair", "field"];
const VERBS: &[&str] = &["crossed", "remembered", "painted", "sold", "followed", "measured", "left behind"];
const PLACES: &[&str] = &[
    "before sunrise",
    "in the rain",
    "near the market",
    "without a word",
    "by the sea",
    "after the harvest",
];
const LINKS: &[&str] = &["and then", "because", "although", "while", "until"];

/// At least `bytes` bytes of sentences, in paragraphs of one line each; equal arguments give equal text.
pub fn sentences(bytes: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::with_capacity(bytes + 1024);
    while text.len() < bytes {
        let in_paragraph = 3 + random.below(5);
        for i in 0..in_paragraph {
            if i > 0 {
                text.push(' ');
            }
            text.push_str(&sentence(&mut random));
        }
        text.push('\n');
    }
    text
}

fn sentence(random: &mut Random) -> String {
    let mut text = clause(random);
    if random.below(3) == 0 {
        text = format!("{text}, {} {}", pick(random, LINKS), clause(random));
    }
    text[..1].to_uppercase() + &text[1..] + "."
}

fn clause(random: &mut Random) -> String {
    let words = [NAMES, VERBS, ADJECTIVES, NOUNS, PLACES].map(|list| pick(random, list));
    let [name, verb, adjective, noun, place] = words;
    format!("{name} {verb} the {adjective} {noun} {place}")
}

fn pick<'a>(random: &mut Random, list: &[&'a str]) -> &'a str {
    list[random.below(list.len())]
}

#[cfg(test)]
mod tests {
    use super::sentences;

    #[test]
    fn equal_seeds_give_equal_text_and_others_do_not() {
        let text = sentences(5_000, 3);
        assert!(text.len() >= 5_000 && text.ends_with(".\n") && text.is_ascii());
        assert_eq!(text, sentences(5_000, 3));
        assert_ne!(text, sentences(5_000, 4));
    }
}
