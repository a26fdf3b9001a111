//! What a database is made from, and how its tables and columns are spoken of.
//!
//! A frame has the place `{}`, and follows a noun: "books" "by {}".

/// A noun in both numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noun {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// A noun in both numbers.
pub(super) const fn noun(one: &'static str, many: &'static str) -> Noun {
    Noun { one, many }
}

/// Two ways to say the same of several rows: a phrase such as "from {}", and a clause such as "who live in {}".
pub(super) type Frames = [&'static str; 2];

/// Where the names of rows come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Names {
    /// Each from the list, which has one for every row.
    One(&'static [&'static str]),
    /// A word of the first list and a word of the second.
    Two(&'static [&'static str], &'static [&'static str]),
}

/// The column that names a row; no two rows of a database have the same name.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelPlan {
    pub(super) name: &'static str,
    pub(super) noun: Noun,
    pub(super) names: Names,
}

/// A column with one of a few texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct CategoryPlan {
    pub(super) name: &'static str,
    pub(super) noun: Noun,
    pub(super) values: &'static [&'static str],
    /// Given a value that the rows have.
    pub(super) is: Frames,
    /// Given a value that the rows do not have.
    pub(super) is_not: &'static str,
}

/// Which words compare values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Things that are counted: fewer of them.
    Count,
    /// What is measured: less of it.
    Amount,
    /// The same, along a way or a time: the longest.
    Length,
    /// Years of a life.
    Age,
    /// Years of the calendar.
    Time,
}

impl Scale {
    /// What the greatest and the least value are called.
    pub(super) fn extremes(self) -> (&'static str, &'static str) {
        match self {
            Scale::Time => ("latest", "earliest"),
            Scale::Length => ("longest", "shortest"),
            Scale::Count | Scale::Amount | Scale::Age => ("highest", "lowest"),
        }
    }
}

/// A column with whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct MeasurePlan {
    pub(super) name: &'static str,
    pub(super) noun: Noun,
    /// The least and the greatest number there may be.
    pub(super) range: (i64, i64),
    /// What lies between two neighbouring numbers.
    pub(super) step: i64,
    pub(super) scale: Scale,
    /// Given a comparison such as "more than 20".
    pub(super) is: Frames,
    /// What the rows with the greatest and the least number are called, if there are words for it.
    pub(super) superlatives: Option<(&'static str, &'static str)>,
    /// Whether the sum means anything.
    pub(super) adds_up: bool,
}

/// A column with the id of a row in a table before this one, the parent.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReferencePlan {
    pub(super) name: &'static str,
    /// The parent's place among the tables.
    pub(super) parent: usize,
    /// Given a parent's name or several parents.
    pub(super) child_of: Frames,
    /// Frames that follow one parent or several, given a child's name or several children.
    pub(super) parent_of: &'static [&'static str],
    /// The end of "Which (parent) ...?", given a child's name.
    pub(super) which: &'static str,
}

/// A table with at least one category and one measure. Its columns come in the order of the fields, behind `id`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TablePlan {
    pub(super) name: &'static str,
    pub(super) noun: Noun,
    pub(super) rows: usize,
    pub(super) label: LabelPlan,
    pub(super) categories: &'static [CategoryPlan],
    pub(super) measures: &'static [MeasurePlan],
    pub(super) references: &'static [ReferencePlan],
}

/// A database.
#[derive(Debug, Clone, Copy)]
pub(super) struct DatabasePlan {
    pub(super) id: &'static str,
    pub(super) tables: &'static [TablePlan],
}
