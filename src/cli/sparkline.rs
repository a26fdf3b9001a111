//! Counts as a line of blocks.

/// From the lowest to the highest; the first is nothing at all.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// A character per value, the highest as high as it goes. What is more than nothing is seen to be. Of more values than
/// `most`, neighbours are added up.
pub(super) fn sparkline(values: &[f64], most: usize, is_utf8: bool) -> String {
    let levels = if is_utf8 { BLOCKS } else { ASCII };
    let together = values.len().div_ceil(most.max(1)).max(1);
    let values: Vec<f64> = values.chunks(together).map(|chunk| chunk.iter().sum()).collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    let top = levels.len() - 1;
    let level = |value: &f64| match *value > 0.0 {
        true => ((value / highest * top as f64).round() as usize).clamp(1, top),
        false => 0,
    };
    values.iter().map(|value| levels[level(value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_shares_of_the_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 80, true), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 80, false), "_.:-=+*#");
        assert_eq!(sparkline(&[5.0, 5.0], 80, true), "██");
    }

    #[test]
    fn a_little_is_not_nothing() {
        assert_eq!(sparkline(&[0.0, 1.0, 1e9], 80, true), "▁▂█");
        assert_eq!(sparkline(&[0.0, 0.0], 80, true), "▁▁");
        assert_eq!(sparkline(&[], 80, true), "");
    }

    #[test]
    fn neighbours_are_added_where_there_are_too_many() {
        assert_eq!(sparkline(&[1.0, 0.0, 3.0, 4.0, 7.0], 3, true), "▂██");
        assert_eq!(sparkline(&[1.0; 100], 40, true).chars().count(), 34);
        assert_eq!(sparkline(&[1.0; 3], 0, true), "█");
    }
}
