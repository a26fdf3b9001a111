//! Flights, with their pilots and planes.

use super::common::{AGE, HOME_COUNTRY, NAME, PERSON, PRICE};
use crate::spider::plan::{
    CategoryPlan, DatabasePlan, LabelPlan, MeasurePlan, Names, ReferencePlan, Scale, TablePlan, noun,
};
use crate::spider::words::{AIRLINE_CODES, CITIES, DESTINATIONS, FLIGHT_NUMBERS, PLANES};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "airline", tables: &[PILOT, PLANE, FLIGHT] };

const PILOT: TablePlan = TablePlan {
    name: "pilot",
    noun: noun("pilot", "pilots"),
    rows: 14,
    label: PERSON,
    categories: &[HOME_COUNTRY],
    measures: &[AGE, HOURS],
    references: &[],
};

const HOURS: MeasurePlan = MeasurePlan {
    name: "hours",
    noun: noun("flight time", "flight times"),
    range: (500, 9000),
    step: 100,
    scale: Scale::Length,
    is: ["with {} flight hours", "who flew {} hours"],
    superlatives: Some(("most experienced", "least experienced")),
    adds_up: true,
};

const PLANE: TablePlan = TablePlan {
    name: "plane",
    noun: noun("plane", "planes"),
    rows: 12,
    label: LabelPlan { name: "name", noun: NAME, names: Names::One(PLANES) },
    categories: &[MAKER],
    measures: &[YEAR, SEATS],
    references: &[],
};

const MAKER: CategoryPlan = CategoryPlan {
    name: "maker",
    noun: noun("maker", "makers"),
    values: &["Aero", "Boreal", "Cosmos", "Delta"],
    is: ["made by {}", "that were made by {}"],
    is_not: "not made by {}",
};

const YEAR: MeasurePlan = MeasurePlan {
    name: "year",
    noun: noun("construction year", "construction years"),
    range: (1960, 2020),
    step: 1,
    scale: Scale::Time,
    is: ["built {}", "that were built {}"],
    superlatives: Some(("newest", "oldest")),
    adds_up: false,
};

const SEATS: MeasurePlan = MeasurePlan {
    name: "seats",
    noun: noun("seat count", "seat counts"),
    range: (20, 400),
    step: 10,
    scale: Scale::Count,
    is: ["with {} seats", "that have {} seats"],
    superlatives: Some(("largest", "smallest")),
    adds_up: true,
};

const FLIGHT: TablePlan = TablePlan {
    name: "flight",
    noun: noun("flight", "flights"),
    rows: 40,
    label: LabelPlan {
        name: "code",
        noun: noun("code", "codes"),
        names: Names::Two(AIRLINE_CODES, FLIGHT_NUMBERS),
    },
    categories: &[ORIGIN, DESTINATION],
    measures: &[MeasurePlan { range: (50, 600), step: 5, ..PRICE }, DISTANCE],
    references: &[FLOWN_BY, FLOWN_ON],
};

const ORIGIN: CategoryPlan = CategoryPlan {
    name: "origin",
    noun: noun("origin", "origins"),
    values: CITIES,
    is: ["from {}", "that leave from {}"],
    is_not: "not from {}",
};

const DESTINATION: CategoryPlan = CategoryPlan {
    name: "destination",
    noun: noun("destination", "destinations"),
    values: DESTINATIONS,
    is: ["to {}", "that go to {}"],
    is_not: "not to {}",
};

const DISTANCE: MeasurePlan = MeasurePlan {
    name: "distance",
    noun: noun("distance", "distances"),
    range: (300, 9900),
    step: 100,
    scale: Scale::Length,
    is: ["of {} km", "that cover {} km"],
    superlatives: Some(("longest", "shortest")),
    adds_up: true,
};

const FLOWN_BY: ReferencePlan = ReferencePlan {
    name: "pilot_id",
    parent: 0,
    child_of: ["flown by {}", "that are flown by {}"],
    parent_of: &["of {}", "flying {}"],
    which: "flies {}",
};

const FLOWN_ON: ReferencePlan = ReferencePlan {
    name: "plane_id",
    parent: 1,
    child_of: ["on {}", "that use {}"],
    parent_of: &["used for {}"],
    which: "is used for {}",
};
