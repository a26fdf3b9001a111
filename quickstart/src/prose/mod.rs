//! Short stories for perplexity. Characters, things and places stay what they were, so a model that keeps track of
//! them predicts better than one that does not.

mod openings;
mod phrases;
mod plots;
#[cfg(test)]
mod tests;
mod words;

use crate::pick::pick;
use crate::scene::{List, Scene};
use plots::{PLOTS, Plot};
use std::ops::RangeInclusive;
use tacq_testkit::random::Random;

const LISTS: &[&[List]] = &[words::LISTS, phrases::LISTS];

/// How many words a story has.
const WORDS: RangeInclusive<usize> = 80..=200;

/// A random short story in one paragraph or a few, without a newline at its end.
pub fn story(random: &mut Random) -> String {
    let plot = *pick(random, PLOTS);
    loop {
        let mut scene = cast(random);
        let text = tell(random, &mut scene, plot);
        if WORDS.contains(&text.split_whitespace().count()) {
            return text;
        }
    }
}

/// What happens to these characters in this plot.
fn tell(random: &mut Random, scene: &mut Scene, plot: Plot) -> String {
    let mut text = String::new();
    for variants in std::iter::once(&openings::OPENINGS).chain(plot) {
        let variant = *pick(random, variants);
        let beat = scene.write(random, variant);
        if !text.is_empty() && !beat.starts_with('\n') {
            text.push(' ');
        }
        text += &beat;
    }
    text
}

/// Three characters, of whom the first is the hero, and the weather.
fn cast(random: &mut Random) -> Scene {
    let mut scene = Scene::new(LISTS);
    for number in ["", "2", "3"] {
        let she = scene.introduce(random, number);
        let kind = scene.draw(random, if she { "her kind" } else { "his kind" });
        scene.set(&format!("kind{number}"), &kind);
    }
    for (slot, word) in ["sky", "weather", "season"].iter().zip(pick(random, words::WEATHERS)) {
        scene.set(slot, word);
    }
    scene
}
