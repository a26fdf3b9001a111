//! The only place that prints: data to standard output, everything else to standard error.

mod screen;

pub(super) use screen::{Canvas, Frame, show_cursor};

use super::args::ColorChoice;
use super::fit::{Window, wrap};
use super::table::{Cells, table};
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Where output goes and how it looks.
#[derive(Debug)]
pub(super) struct Output {
    color: bool,
    data_color: bool,
    is_utf8: bool,
}

impl Output {
    pub(super) fn new(choice: ColorChoice) -> Self {
        let colored = |is_terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Self {
            color: colored(io::stderr().is_terminal()),
            data_color: colored(io::stdout().is_terminal()),
            is_utf8: is_utf8(|name| std::env::var(name).ok()),
        }
    }

    /// Whether data may be coloured.
    pub(super) fn data_color(&self) -> bool {
        self.data_color
    }

    /// Columns of the terminal that data goes to; none if it goes elsewhere.
    pub(super) fn width(&self) -> Option<usize> {
        console::Term::stdout().size_checked().map(|(_, columns)| columns.into())
    }

    /// Whether the locale has more than ASCII.
    pub(super) fn is_utf8(&self) -> bool {
        self.is_utf8
    }

    /// A table that fits the terminal that data goes to; whole if it goes elsewhere.
    pub(super) fn table(&self, headings: &[(&str, Cells)], rows: &[Vec<String>]) -> String {
        let ellipsis = if self.is_utf8 { '…' } else { '~' };
        table(headings, rows, self.width().map(|width| Window { width, ellipsis }))
    }

    /// A sentence, broken between words where the terminal that data goes to ends.
    pub(super) fn sentence(&self, text: &str) -> String {
        self.width().map_or_else(|| text.to_owned(), |width| wrap(text, width).join("\n"))
    }

    /// Where what is watched is drawn.
    pub(super) fn canvas(&self) -> Box<dyn Canvas> {
        screen::canvas()
    }

    /// Whether standard error may be coloured.
    pub(super) fn color(&self) -> bool {
        self.color
    }

    /// Data, for a person or a program. A reader that has gone away ends the output, not the program.
    pub(super) fn data(&self, text: impl fmt::Display) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// News, for a person.
    pub(super) fn news(&self, text: impl fmt::Display) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// What ended the command.
    pub(super) fn error(&self, error: impl fmt::Display) {
        let prefix = if self.color { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        let _ = writeln!(io::stderr().lock(), "{prefix} {error}");
    }
}

/// Whether the locale's characters are UTF-8. Of its variables the first that is set decides.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.into_iter().filter_map(variable).find(|locale| !locale.is_empty());
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Seconds as a person says them.
pub(super) fn duration(secs: f64) -> String {
    match secs {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} d", s / 86400.0),
    }
}

/// Bytes as a person says them, in decimal units.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Seconds since 1970 as a date and a time in UTC: `2026-11-22 17:05`.
pub(super) fn moment(unix: u64) -> String {
    let (days, secs) = (unix / 86_400, unix % 86_400);
    // Years counted from March, so that the day that comes and goes is a year's last; 719,468 days lie between
    // 0000-03-01 and 1970-01-01, 146,097 in 400 years.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", secs / 3600, secs / 60 % 60)
}

/// `1 stage`, `2 stages`.
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_says_what_the_locale_has() {
        let locale = |set: &[(&str, &str)]| {
            is_utf8(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(locale(&[("LANG", "en_US.UTF-8")]) && locale(&[("LC_CTYPE", "C.utf8")]));
        assert!(locale(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8@euro")]), "what is empty is not set");
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!locale(&[("LANG", "de_DE.ISO-8859-1")]) && !locale(&[]));
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00");
        assert_eq!(moment(1_798_761_599), "2026-12-31 23:59");
        assert_eq!(moment(4_107_542_400), "2100-03-01 00:00");
    }

    #[test]
    fn bytes_have_two_digits_at_least() {
        assert_eq!([0, 999, 1000, 9_949_999].map(bytes), ["0 B", "999 B", "1.0 kB", "9.9 MB"]);
        assert_eq!(bytes(41_234_000_000), "41 GB");
    }
}
