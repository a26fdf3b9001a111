//! Teams and their players.

use super::common::{AGE, FOUNDING_YEAR, HOME_CITY, HOME_COUNTRY, NAME, PERSON};
use crate::spider::plan::{
    CategoryPlan, DatabasePlan, LabelPlan, MeasurePlan, Names, ReferencePlan, Scale, TablePlan, noun,
};
use crate::spider::words::TEAMS;

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "football", tables: &[TEAM, PLAYER] };

const TEAM: TablePlan = TablePlan {
    name: "team",
    noun: noun("team", "teams"),
    rows: 12,
    label: LabelPlan { name: "name", noun: NAME, names: Names::One(TEAMS) },
    categories: &[CategoryPlan { is: ["from {}", "that are based in {}"], ..HOME_CITY }],
    measures: &[FOUNDING_YEAR, POINTS],
    references: &[],
};

const POINTS: MeasurePlan = MeasurePlan {
    name: "points",
    noun: noun("score", "scores"),
    range: (10, 80),
    step: 1,
    scale: Scale::Count,
    is: ["with {} points", "that won {} points"],
    superlatives: Some(("best", "worst")),
    adds_up: true,
};

const PLAYER: TablePlan = TablePlan {
    name: "player",
    noun: noun("player", "players"),
    rows: 40,
    label: PERSON,
    categories: &[POSITION, HOME_COUNTRY],
    measures: &[MeasurePlan { range: (17, 38), ..AGE }, GOALS],
    references: &[PLAYS_FOR],
};

const POSITION: CategoryPlan = CategoryPlan {
    name: "position",
    noun: noun("position", "positions"),
    values: &["keeper", "defender", "midfielder", "striker"],
    is: ["in the position {}", "who play as {}"],
    is_not: "who do not play as {}",
};

const GOALS: MeasurePlan = MeasurePlan {
    name: "goals",
    noun: noun("goal count", "goal counts"),
    range: (0, 90),
    step: 1,
    scale: Scale::Count,
    is: ["with {} goals", "who scored {} goals"],
    superlatives: None,
    adds_up: true,
};

const PLAYS_FOR: ReferencePlan = ReferencePlan {
    name: "team_id",
    parent: 0,
    child_of: ["of {}", "who play for {}"],
    parent_of: &["of {}"],
    which: "has the player {}",
};
