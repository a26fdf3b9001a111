//! What is drawn again and again: in place on a terminal, as a new block elsewhere.

use crate::cli::fit::{columns, wrap};
use crate::cli::output::count;
use console::Term;
use std::io::{self, IsTerminal, Write};

/// What is to be seen at a moment, in three parts, each of which may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Frame {
    pub head: String,
    /// The part that is cut where not all of it fits.
    pub body: String,
    pub foot: String,
}

impl Frame {
    /// All of it.
    pub(in crate::cli) fn text(&self) -> String {
        let parts = [&self.head, &self.body, &self.foot].map(|part| &part[..]);
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// Its lines in a window. The last row is the cursor's.
    fn lines(&self, (height, width): (usize, usize)) -> Vec<String> {
        let height = height.saturating_sub(1).max(1);
        let lines = |text: &str| text.lines().flat_map(|line| wrap(line, width)).collect::<Vec<_>>();
        let all = lines(&self.text());
        if all.len() <= height {
            return all;
        }
        let others = Self { body: String::new(), ..self.clone() };
        let others = lines(&others.text()).len();
        let body = lines(&self.body);
        // The body's own distance, its line about the rest, and a line of its own at least.
        let room = height.saturating_sub(others + 1).saturating_sub(1);
        if body.is_empty() || room < 2 {
            return all.into_iter().take(height).collect();
        }
        let rest = body.len() - room.min(body.len());
        let mut shown = body[..body.len() - rest].to_vec();
        shown.push(format!("({} more)", count(rest, "line")));
        lines(&Self { body: shown.join("\n"), ..self.clone() }.text()).into_iter().take(height).collect()
    }
}

/// Where frames are shown.
pub(in crate::cli) trait Canvas {
    /// Whether what is seen has to be laid out anew.
    fn is_resized(&self) -> bool;

    /// Shows a frame in place of the last one.
    ///
    /// # Errors
    /// The reader has gone away.
    fn show(&mut self, frame: &Frame) -> io::Result<()>;
}

/// Standard output, a terminal.
pub(super) struct Screen {
    term: Term,
    size: (u16, u16),
    /// Columns of each line that was drawn last.
    drawn: Vec<usize>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let term = Term::buffered_stdout();
        let _ = term.hide_cursor().and_then(|()| term.flush());
        let size = term.size();
        Self { term, size, drawn: Vec::new() }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may have written ^C where the cursor is.
        let _ =
            self.term.clear_line().and_then(|()| self.term.show_cursor()).and_then(|()| self.term.flush());
    }
}

/// Rows that lines of so many columns take in a window; what has left it at the top is out of reach.
fn rows(drawn: &[usize], (height, width): (u16, u16)) -> usize {
    let rows: usize = drawn.iter().map(|columns| columns.div_ceil(width.max(1).into()).max(1)).sum();
    rows.min(usize::from(height).saturating_sub(1))
}

impl Canvas for Screen {
    fn is_resized(&self) -> bool {
        self.term.size() != self.size
    }

    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        self.size = self.term.size();
        let lines = frame.lines((self.size.0.into(), self.size.1.into()));
        self.term.move_cursor_up(rows(&self.drawn, self.size))?;
        self.term.clear_to_end_of_screen()?;
        for line in &lines {
            self.term.write_line(line)?;
        }
        self.drawn = lines.iter().map(|line| columns(line)).collect();
        // All at once, so that nobody sees it half drawn.
        self.term.flush()
    }
}

/// Standard output, no terminal: a frame that differs from the last one is a new block.
#[derive(Default)]
pub(super) struct Blocks {
    last: Option<String>,
}

impl Blocks {
    fn show_to(&mut self, frame: &Frame, mut to: impl Write) -> io::Result<()> {
        let text = frame.text();
        if self.last.as_ref() == Some(&text) {
            return Ok(());
        }
        let gap = if self.last.is_some() { "\n" } else { "" };
        writeln!(to, "{gap}{text}")?;
        self.last = Some(text);
        to.flush()
    }
}

impl Canvas for Blocks {
    fn is_resized(&self) -> bool {
        false
    }

    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        self.show_to(frame, io::stdout().lock())
    }
}

/// Where frames go.
pub(super) fn canvas() -> Box<dyn Canvas> {
    match io::stdout().is_terminal() {
        true => Box::new(Screen::new()),
        false => Box::new(Blocks::default()),
    }
}

/// Brings back the cursor of a [`Screen`] that ends without being dropped.
pub(in crate::cli) fn show_cursor() {
    if io::stdout().is_terminal() {
        let _ = Term::stdout().show_cursor();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: usize) -> Frame {
        let body: Vec<String> = (0..body).map(|line| format!("body {line}")).collect();
        Frame { head: "head".into(), body: body.join("\n"), foot: "one\ntwo".into() }
    }

    #[test]
    fn parts_that_are_empty_leave_no_gap() {
        assert_eq!(frame(1).text(), "head\n\nbody 0\n\none\ntwo");
        assert_eq!(frame(0).text(), "head\n\none\ntwo");
    }

    #[test]
    fn a_frame_is_never_higher_than_its_window() {
        assert_eq!(frame(3).lines((10, 80)).len(), 8);
        let cut = frame(30).lines((12, 80));
        assert_eq!(cut.len(), 11);
        assert_eq!(cut[6..], ["body 4", "(25 lines more)", "", "one", "two"]);
        for height in 1..40 {
            for width in [1, 5, 80] {
                let lines = frame(20).lines((height, width));
                assert!(lines.len() <= (height - 1).max(1), "{height}x{width}: {lines:?}");
                assert!(lines.iter().all(|line| columns(line) <= width), "{height}x{width}: {lines:?}");
            }
        }
    }

    #[test]
    fn lines_that_were_broken_since_are_counted_so() {
        assert_eq!(rows(&[80, 0, 5], (24, 80)), 3);
        assert_eq!(rows(&[80, 0, 5], (24, 40)), 4);
        assert_eq!(rows(&[80; 30], (24, 80)), 23);
    }

    #[test]
    fn blocks_are_written_when_they_differ() {
        let (mut blocks, mut written) = (Blocks::default(), Vec::new());
        for body in [1, 1, 2] {
            blocks.show_to(&frame(body), &mut written).unwrap();
        }
        let [one, two] = [1, 2].map(|body| frame(body).text());
        assert_eq!(String::from_utf8(written).unwrap(), format!("{one}\n\n{two}\n"));
    }
}
