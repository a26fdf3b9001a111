//! Tables for people: whole where nobody's window limits them, else made to fit.
//!
//! What makes a table narrower, in this order, each only if it is still too wide: columns whose cells are all equal become
//! a line above it; headings are broken; names are shortened in their middle and sentences broken; rows that begin alike
//! become sections with a heading; columns go to blocks below each other, each with the names again; where not even the
//! names have room, rows become a list.

use super::fit::{Window, columns, elide, wrap};
use std::collections::BTreeSet;
use std::ops::Range;

/// Columns between columns.
const GAP: usize = 2;

/// A name is not made shorter than this, or else the table has several parts.
const LEAST_NAME: usize = 20;

/// A name that stands in several blocks is not made shorter than this.
const LEAST_REPEATED: usize = 12;

/// A sentence is not made narrower than this.
const LEAST_SENTENCE: usize = 28;

/// Rows that a section has at least, on average.
const LEAST_SECTION: usize = 3;

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// Numbers: to the right, whole.
    Numbers,
    /// Words and keys: to the left, whole.
    Words,
    /// Names: shortened in the middle where they stay distinct, broken where they do not.
    Names,
    /// Sentences, and numbers with their intervals: broken at spaces.
    Sentences,
}

/// Rows under headings, as wide as the window at most; whole without one.
pub(super) fn table(headings: &[(&str, Cells)], rows: &[Vec<String>], window: Option<Window>) -> String {
    let all = headings.iter().enumerate().map(|(at, (heading, cells))| {
        Column::new(heading, *cells, rows.iter().map(|row| &row[at][..]).collect())
    });
    let all: Vec<Column<'_>> = all.collect();
    let widths: Vec<usize> = all.iter().map(Column::natural).collect();
    let Some(window) = window.filter(|window| total(&widths) > window.width) else {
        return lay_out(&all, &widths, None);
    };
    let (told, shown) = without_equal(all);
    let text = fitted(shown, &[], window);
    if told.is_empty() {
        return text;
    }
    let told = format!("in every line: {}", told.join("; "));
    format!("{}\n\n{text}", wrap(&told, window.width).join("\n"))
}

/// A column of a table.
struct Column<'a> {
    heading: &'a str,
    kind: Cells,
    cells: Vec<&'a str>,
    /// Columns of the widest cell.
    widest: usize,
}

impl<'a> Column<'a> {
    fn new(heading: &'a str, kind: Cells, cells: Vec<&'a str>) -> Self {
        let widest = cells.iter().map(|cell| columns(cell)).max().unwrap_or(0);
        Self { heading, kind, cells, widest }
    }

    /// Where nothing is broken.
    fn natural(&self) -> usize {
        self.widest.max(columns(self.heading))
    }

    /// With its heading broken at spaces.
    fn narrow(&self) -> usize {
        let word = self.heading.split(' ').map(columns).max().unwrap_or(0);
        self.widest.max(word)
    }

    /// The narrowest at which it can still be read.
    fn least(&self) -> usize {
        match self.kind {
            Cells::Numbers | Cells::Words => self.narrow(),
            Cells::Names => self.narrow().min(LEAST_NAME),
            Cells::Sentences => self.narrow().min(LEAST_SENTENCE),
        }
    }

    /// [`Self::least`] of a column that is in several blocks.
    fn least_repeated(&self) -> usize {
        match self.kind {
            Cells::Names => self.narrow().min(LEAST_REPEATED),
            _ => self.least(),
        }
    }

    /// Whether there are several cells, all equal. Of a single row every column is.
    fn is_same(&self) -> bool {
        self.cells.len() > 1 && self.cells.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn told(&self) -> String {
        match self.cells.first() {
            Some(cell) if !cell.is_empty() => format!("{} {cell}", self.heading),
            _ => format!("no {}", self.heading),
        }
    }

    /// The lines of each cell at a width.
    fn lines(&self, width: usize, window: Option<Window>) -> Vec<Vec<String>> {
        let whole = |cell: &&str| vec![(*cell).to_owned()];
        if self.widest <= width {
            return self.cells.iter().map(whole).collect();
        }
        if let (Cells::Names, Some(window)) = (self.kind, window) {
            let shortened = |cell: &&str| elide(cell, Window { width, ..window });
            let distinct = |cells: &mut dyn Iterator<Item = String>| cells.collect::<BTreeSet<_>>().len();
            let before = self.cells.iter().collect::<BTreeSet<_>>().len();
            if distinct(&mut self.cells.iter().map(shortened)) == before {
                return self.cells.iter().map(|cell| vec![shortened(cell)]).collect();
            }
        }
        self.cells.iter().map(|cell| wrap(cell, width)).collect()
    }
}

/// Columns of a line.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// What is said of the columns whose cells are all equal, and the others; at least one of them.
fn without_equal(all: Vec<Column<'_>>) -> (Vec<String>, Vec<Column<'_>>) {
    let (same, shown): (Vec<_>, Vec<_>) = all.into_iter().partition(Column::is_same);
    match shown.is_empty() {
        true => (Vec::new(), same),
        false => (same.iter().map(Column::told).collect(), shown),
    }
}

/// The table in one part, or in several; above it what is `told` of all its lines.
fn fitted(shown: Vec<Column<'_>>, told: &[String], window: Window) -> String {
    let mut widths: Vec<usize> = shown.iter().map(Column::natural).collect();
    shrink(&mut widths, &shown.iter().map(Column::narrow).collect::<Vec<_>>(), window.width);
    shrink(&mut widths, &shown.iter().map(Column::least).collect::<Vec<_>>(), window.width);
    let text = if total(&widths) <= window.width {
        lay_out(&shown, &widths, Some(window))
    } else if let Some(runs) = runs(&shown[0]) {
        let sections = runs.into_iter().map(|run| {
            let of_run = shown
                .iter()
                .map(|column| Column::new(column.heading, column.kind, column.cells[run.clone()].to_vec()));
            let (same, shown) = without_equal(of_run.collect());
            fitted(shown, &[told, &same].concat(), window)
        });
        return sections.collect::<Vec<_>>().join("\n\n");
    } else {
        stacked(&shown, window)
    };
    match told {
        [] => text,
        told => format!("{}\n{text}", wrap(&format!("{}:", told.join("; ")), window.width).join("\n")),
    }
}

/// Rows that follow each other with equal cells, if these are worth a heading each: several, of some rows.
fn runs(column: &Column<'_>) -> Option<Vec<Range<usize>>> {
    let mut last = 0;
    let runs = column.cells.chunk_by(|a, b| a == b).map(|run| {
        last += run.len();
        last - run.len()..last
    });
    let runs: Vec<Range<usize>> = runs.collect();
    (runs.len() > 1 && column.cells.len() >= LEAST_SECTION * runs.len()).then_some(runs)
}

/// Takes columns from the widest, down to the least of each, until a line fits.
fn shrink(widths: &mut [usize], least: &[usize], width: usize) {
    while total(widths) > width {
        let can = (0..widths.len()).filter(|&at| widths[at] > least[at]);
        let Some(widest) = can.max_by_key(|&at| (widths[at], std::cmp::Reverse(at))) else { return };
        widths[widest] -= 1;
    }
}

/// Blocks below each other, each with the columns that tell the rows apart; a list of rows where these leave no room for
/// others.
fn stacked(shown: &[Column<'_>], window: Window) -> String {
    if let [only] = shown {
        return lay_out(shown, &[only.natural().min(window.width)], Some(window));
    }
    let Some(n_names) = n_names(shown, window.width) else { return listed(shown, window) };
    let (names, values) = shown.split_at(n_names);
    let natural: Vec<usize> = names.iter().map(Column::natural).collect();
    let least: Vec<usize> = names.iter().map(Column::least_repeated).collect();
    let widths: Vec<usize> = values.iter().map(Column::least).collect();
    let most = window.width - GAP - widths.iter().max().copied().unwrap_or(0);
    let tried = (total(&least)..=total(&natural).min(most)).rev().map(|width| {
        let mut names = natural.clone();
        shrink(&mut names, &least, width);
        let blocks = blocks(&widths, window.width - total(&names));
        (names, blocks)
    });
    // Names that can be read are worth a block; of these the widest that need the fewest blocks.
    let is_cramped = |widths: &[usize]| widths.iter().zip(names).any(|(width, name)| *width < name.least());
    let (name_widths, blocks) = tried
        .min_by_key(|(names, blocks)| (is_cramped(names), blocks.len()))
        .expect("names and the widest value fit");
    let text = blocks.into_iter().map(|block| {
        let columns: Vec<&Column<'_>> = names.iter().chain(&values[block.clone()]).collect();
        let widths: Vec<usize> = name_widths.iter().chain(&widths[block]).copied().collect();
        lay_out_of(&columns, &widths, Some(window))
    });
    text.collect::<Vec<_>>().join("\n\n")
}

/// How many of the first columns tell the rows apart; none if these leave no room for the widest of the others.
fn n_names(shown: &[Column<'_>], width: usize) -> Option<usize> {
    let n_rows = shown[0].cells.len();
    let tells = |n: &usize| {
        let row = |at: usize| shown[..*n].iter().map(move |column| column.cells[at]).collect::<Vec<_>>();
        (0..n_rows).map(row).collect::<BTreeSet<_>>().len() == n_rows
    };
    let fits = |n: &usize| {
        let names = total(&shown[..*n].iter().map(Column::least_repeated).collect::<Vec<_>>());
        let value = shown[*n..].iter().map(Column::least).max().unwrap_or(0);
        names + GAP + value <= width
    };
    (1..shown.len()).find(tells).filter(fits)
}

/// A row below the other, each cell after its heading.
fn listed(shown: &[Column<'_>], window: Window) -> String {
    let row = |at: usize| {
        let cells = shown.iter().filter(|column| !column.cells[at].is_empty());
        let cells = cells.map(|column| format!("{} {}", column.heading, column.cells[at]));
        wrap(&cells.collect::<Vec<_>>().join("; "), window.width).join("\n")
    };
    (0..shown[0].cells.len()).map(row).collect::<Vec<_>>().join("\n\n")
}

/// Columns that stand beside each other: as many as there is room for, one at least.
fn blocks(widths: &[usize], room: usize) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let (mut first, mut used) = (0, 0);
    for (at, width) in widths.iter().enumerate() {
        if at > first && used + GAP + width > room {
            blocks.push(first..at);
            (first, used) = (at, 0);
        }
        used += GAP + width;
    }
    blocks.push(first..widths.len());
    blocks
}

fn lay_out(shown: &[Column<'_>], widths: &[usize], window: Option<Window>) -> String {
    lay_out_of(&shown.iter().collect::<Vec<_>>(), widths, window)
}

/// The lines of headings and rows at these widths.
fn lay_out_of(shown: &[&Column<'_>], widths: &[usize], window: Option<Window>) -> String {
    let headings: Vec<Vec<String>> =
        shown.iter().zip(widths).map(|(column, width)| wrap(column.heading, *width)).collect();
    let cells: Vec<Vec<Vec<String>>> =
        shown.iter().zip(widths).map(|(column, width)| column.lines(*width, window)).collect();
    let mut text = Vec::new();
    // Headings stand on what is below them.
    let height = headings.iter().map(Vec::len).max().unwrap_or(0);
    let of_headings = |at: usize, line: usize| {
        (line + headings[at].len()).checked_sub(height).map_or("", |line| &headings[at][line][..])
    };
    text.extend((0..height).map(|line| padded(shown, widths, |at| of_headings(at, line))));
    for row in 0..shown[0].cells.len() {
        let height = cells.iter().map(|column| column[row].len()).max().unwrap_or(0);
        let of_row = |at: usize, line: usize| cells[at][row].get(line).map_or("", |cell| &cell[..]);
        text.extend((0..height).map(|line| padded(shown, widths, |at| of_row(at, line))));
    }
    text.join("\n")
}

/// A line of cells, each at its place.
fn padded<'a>(shown: &[&Column<'_>], widths: &[usize], cell: impl Fn(usize) -> &'a str) -> String {
    let mut text = String::new();
    for (at, (column, width)) in shown.iter().zip(widths).enumerate() {
        let cell = cell(at);
        let pad = " ".repeat(width.saturating_sub(columns(cell)));
        if at > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        match column.kind {
            Cells::Numbers => text.extend([&pad, cell]),
            _ => text.extend([cell, &pad]),
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
