//! Text by the columns that it takes on a terminal: measured, broken into lines, shortened.

use unicode_width::UnicodeWidthChar;

/// The window that text is to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Columns.
    pub width: usize,
    /// What stands for what was left out.
    pub ellipsis: char,
}

/// Columns of a text. What no column is known of takes none.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

fn of_char(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A line broken at spaces into lines of at most `width` columns; a word that is longer is broken anywhere. Spaces at
/// the beginning stay, those at a break go. At least one line.
pub(super) fn wrap(line: &str, width: usize) -> Vec<String> {
    let (mut lines, mut current, mut used) = (Vec::new(), String::new(), 0);
    // Where the last word of `current` begins, if it may move to the next line.
    let mut word = 0;
    for c in line.chars() {
        if used + of_char(c) > width && !current.is_empty() {
            let moved = if c != ' ' && word > 0 { current.split_off(word) } else { String::new() };
            lines.push(current.trim_end().to_owned());
            used = columns(&moved);
            (current, word) = (moved, 0);
            if c == ' ' {
                continue;
            }
        }
        current.push(c);
        used += of_char(c);
        if c == ' ' && !current.trim().is_empty() {
            word = current.len();
        }
    }
    if !current.is_empty() || lines.is_empty() {
        lines.push(current);
    }
    lines
}

/// A text whose middle is left out where it takes more columns than the window has; names differ at their ends most.
pub(super) fn elide(text: &str, window: Window) -> String {
    let Window { width, ellipsis } = window;
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(of_char(ellipsis));
    let mut head = taken(text.chars(), room.div_ceil(2));
    // A wide character that did not fit leaves its column to the end.
    let tail = taken(text.chars().rev(), room - columns(&head));
    head.push(ellipsis);
    head.extend(tail.chars().rev());
    head
}

/// As many characters as fit.
fn taken(text: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    text.take_while(|c| {
        used += of_char(*c);
        used <= width
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_words_and_long_words_anywhere() {
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrap("  indented text", 10), ["  indented", "text"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("日本語の", 4), ["日本", "語の"]);
        assert_eq!(wrap("unbroken line", usize::MAX), ["unbroken line"]);
    }

    #[test]
    fn the_middle_goes_and_both_ends_stay() {
        let elided = |text, width| elide(text, Window { width, ellipsis: '…' });
        assert_eq!(elided("evaluate", 8), "evaluate");
        assert_eq!(elided("evaluate", 7), "eva…ate");
        assert_eq!(elided("evaluate", 6), "eva…te");
        assert_eq!(elided("evaluate", 1), "…");
        assert_eq!(elided("日本語の模型", 8), "日本…型");
        assert_eq!(elided("日本語の模型", 9), "日本…模型");
        for width in 1..14 {
            assert!(columns(&elided("日本語の模型", width)) <= width, "{width}");
        }
    }
}
