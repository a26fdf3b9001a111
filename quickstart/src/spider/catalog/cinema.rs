//! Directors, their films, and who plays in them.

use super::common::{AGE, BIRTH_YEAR, HOME_COUNTRY, PERSON, TITLE};
use crate::spider::plan::{CategoryPlan, DatabasePlan, MeasurePlan, ReferencePlan, Scale, TablePlan, noun};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "cinema", tables: &[DIRECTOR, FILM, ACTOR] };

const DIRECTOR: TablePlan = TablePlan {
    name: "director",
    noun: noun("director", "directors"),
    rows: 14,
    label: PERSON,
    categories: &[HOME_COUNTRY],
    measures: &[BIRTH_YEAR],
    references: &[],
};

const FILM: TablePlan = TablePlan {
    name: "film",
    noun: noun("film", "films"),
    rows: 36,
    label: TITLE,
    categories: &[GENRE],
    measures: &[YEAR, MINUTES],
    references: &[DIRECTED_BY],
};

const GENRE: CategoryPlan = CategoryPlan {
    name: "genre",
    noun: noun("genre", "genres"),
    values: &["drama", "comedy", "horror", "action", "family"],
    is: ["in the {} genre", "that belong to the {} genre"],
    is_not: "not in the {} genre",
};

const YEAR: MeasurePlan = MeasurePlan {
    name: "year",
    noun: noun("release year", "release years"),
    range: (1930, 2020),
    step: 1,
    scale: Scale::Time,
    is: ["released {}", "that came out {}"],
    superlatives: Some(("newest", "oldest")),
    adds_up: false,
};

const MINUTES: MeasurePlan = MeasurePlan {
    name: "minutes",
    noun: noun("length", "lengths"),
    range: (70, 180),
    step: 1,
    scale: Scale::Length,
    is: ["with a length of {} minutes", "that last {} minutes"],
    superlatives: Some(("longest", "shortest")),
    adds_up: true,
};

const DIRECTED_BY: ReferencePlan = ReferencePlan {
    name: "director_id",
    parent: 0,
    child_of: ["by {}", "that were directed by {}"],
    parent_of: &["of {}"],
    which: "directed {}",
};

const ACTOR: TablePlan = TablePlan {
    name: "actor",
    noun: noun("actor", "actors"),
    rows: 30,
    label: PERSON,
    categories: &[HOME_COUNTRY],
    measures: &[AGE],
    references: &[PLAYS_IN],
};

const PLAYS_IN: ReferencePlan = ReferencePlan {
    name: "film_id",
    parent: 1,
    child_of: ["in {}", "who play in {}"],
    parent_of: &["with {}", "starring {}"],
    which: "stars {}",
};
