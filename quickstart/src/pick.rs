//! Choices from lists.

use tacq_testkit::random::Random;

/// One of them, each as likely.
pub fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> &'a T {
    &items[random.below(items.len())]
}

/// A whole number from `low` to `high`, both included.
pub fn between(random: &mut Random, low: i64, high: i64) -> i64 {
    low + random.below((high - low + 1) as usize) as i64
}

/// All of them in random order (Fisher and Yates).
pub fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i + 1));
    }
}

/// Some of them, no two alike, in random order.
pub fn sample<T: Clone>(random: &mut Random, items: &[T], n: usize) -> Vec<T> {
    let mut all = items.to_vec();
    shuffle(random, &mut all);
    all.truncate(n);
    all
}
