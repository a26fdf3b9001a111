//! Authors, their books, and who borrowed them.

use super::common::{AGE, BIRTH_YEAR, HOME_CITY, HOME_COUNTRY, PERSON, TITLE};
use crate::spider::plan::{CategoryPlan, DatabasePlan, MeasurePlan, ReferencePlan, Scale, TablePlan, noun};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "library", tables: &[AUTHOR, BOOK, READER] };

const AUTHOR: TablePlan = TablePlan {
    name: "author",
    noun: noun("author", "authors"),
    rows: 14,
    label: PERSON,
    categories: &[HOME_COUNTRY],
    measures: &[BIRTH_YEAR],
    references: &[],
};

const BOOK: TablePlan = TablePlan {
    name: "book",
    noun: noun("book", "books"),
    rows: 36,
    label: TITLE,
    categories: &[GENRE],
    measures: &[YEAR, PAGES],
    references: &[WRITTEN_BY],
};

const GENRE: CategoryPlan = CategoryPlan {
    name: "genre",
    noun: noun("genre", "genres"),
    values: &["crime", "fantasy", "romance", "travel", "poetry"],
    is: ["in the {} genre", "that belong to the {} genre"],
    is_not: "not in the {} genre",
};

const YEAR: MeasurePlan = MeasurePlan {
    name: "year",
    noun: noun("publication year", "publication years"),
    range: (1920, 2020),
    step: 1,
    scale: Scale::Time,
    is: ["published {}", "that came out {}"],
    superlatives: Some(("newest", "oldest")),
    adds_up: false,
};

const PAGES: MeasurePlan = MeasurePlan {
    name: "pages",
    noun: noun("page count", "page counts"),
    range: (80, 600),
    step: 10,
    scale: Scale::Count,
    is: ["with {} pages", "that have {} pages"],
    superlatives: Some(("longest", "shortest")),
    adds_up: true,
};

const WRITTEN_BY: ReferencePlan = ReferencePlan {
    name: "author_id",
    parent: 0,
    child_of: ["by {}", "that were written by {}"],
    parent_of: &["of {}"],
    which: "wrote {}",
};

const READER: TablePlan = TablePlan {
    name: "reader",
    noun: noun("reader", "readers"),
    rows: 30,
    label: PERSON,
    categories: &[HOME_CITY],
    measures: &[AGE],
    references: &[BORROWED],
};

const BORROWED: ReferencePlan = ReferencePlan {
    name: "book_id",
    parent: 1,
    child_of: ["of {}", "who borrowed {}"],
    parent_of: &["borrowed by {}"],
    which: "was borrowed by {}",
};
