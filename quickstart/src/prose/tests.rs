use super::*;
use std::collections::BTreeSet;

fn stories(n: u64) -> Vec<String> {
    (0..n).map(|seed| story(&mut Random::new(seed))).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}

#[test]
fn a_seed_tells_one_story() {
    assert_eq!(story(&mut Random::new(7)), story(&mut Random::new(7)));
    assert_ne!(story(&mut Random::new(7)), story(&mut Random::new(8)));
}

#[test]
fn stories_are_clean_and_short() {
    for text in stories(5_000) {
        assert!(WORDS.contains(&text.split_whitespace().count()), "{text}");
        assert_eq!(text.trim(), text);
        for bad in ["  ", " ,", " .", "..", ",,", "[", "]", "{", "}", "|", " \n", "\n ", "\n\n", " \"\n"] {
            assert!(!text.contains(bad), "{bad:?} in {text}");
        }
        for paragraph in text.lines() {
            assert_eq!(paragraph.matches('"').count() % 2, 0, "{paragraph}");
            assert!(paragraph.ends_with(['.', '!', '?', '"']), "{paragraph}");
        }
    }
}

#[test]
fn articles_fit() {
    for text in stories(2_000) {
        let words: Vec<String> = words(&text).collect();
        for pair in words.windows(2) {
            let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']);
            let exception = pair[1] == "hour";
            assert!(pair[0] != "a" || !vowel, "{pair:?} in {text}");
            assert!(pair[0] != "an" || vowel || exception, "{pair:?} in {text}");
        }
    }
}

#[test]
fn sentences_start_with_capitals() {
    for text in stories(2_000) {
        let after_end = text.split_inclusive(['.', '!', '?']).skip(1);
        for sentence in after_end.filter(|sentence| !sentence.starts_with('"') && sentence.len() > 1) {
            let first = sentence.trim_start_matches([' ', '\n', '"']).chars().next();
            assert!(first.is_some_and(|c| c.is_ascii_uppercase()), "{sentence} in {text}");
        }
    }
}

#[test]
fn every_plot_names_its_hero_and_has_the_right_length() {
    assert!(PLOTS.len() >= 12);
    for (i, plot) in PLOTS.iter().enumerate() {
        let mut of_right_length = 0;
        for seed in 0..300 {
            let random = &mut Random::new(seed);
            let mut scene = cast(random);
            let text = tell(random, &mut scene, plot);
            let hero = scene.write(random, "{name}");
            assert!(text.matches(&hero).count() >= 2, "{hero} in {text}");
            of_right_length += u32::from(WORDS.contains(&text.split_whitespace().count()));
        }
        assert!(of_right_length > 270, "plot {i}: {of_right_length} of 300");
    }
}

#[test]
fn stories_hardly_repeat_and_share_a_small_vocabulary() {
    let stories = stories(20_000);
    let distinct: BTreeSet<&String> = stories.iter().collect();
    assert!(distinct.len() * 1000 > stories.len() * 999, "{} distinct stories", distinct.len());
    let vocabulary: BTreeSet<String> = stories.iter().flat_map(|text| words(text)).collect();
    assert!((800..=1500).contains(&vocabulary.len()), "{} words", vocabulary.len());
}
