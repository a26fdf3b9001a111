//! Columns that many tables have.

use crate::spider::plan::{CategoryPlan, LabelPlan, MeasurePlan, Names, Noun, Scale, noun};
use crate::spider::words::{CITIES, COUNTRIES, FIRST_NAMES, LAST_NAMES, TITLE_QUALITIES, TITLE_THINGS};

pub(super) const NAME: Noun = noun("name", "names");

pub(super) const PERSON: LabelPlan =
    LabelPlan { name: "name", noun: NAME, names: Names::Two(FIRST_NAMES, LAST_NAMES) };

pub(super) const TITLE: LabelPlan = LabelPlan {
    name: "title",
    noun: noun("title", "titles"),
    names: Names::Two(TITLE_QUALITIES, TITLE_THINGS),
};

pub(super) const HOME_CITY: CategoryPlan = CategoryPlan {
    name: "city",
    noun: noun("city", "cities"),
    values: CITIES,
    is: ["from {}", "who live in {}"],
    is_not: "not from {}",
};

pub(super) const HOME_COUNTRY: CategoryPlan = CategoryPlan {
    name: "country",
    noun: noun("country", "countries"),
    values: COUNTRIES,
    is: ["from {}", "who come from {}"],
    is_not: "not from {}",
};

pub(super) const AGE: MeasurePlan = MeasurePlan {
    name: "age",
    noun: noun("age", "ages"),
    range: (18, 75),
    step: 1,
    scale: Scale::Age,
    is: ["{}", "who are {}"],
    superlatives: Some(("oldest", "youngest")),
    adds_up: false,
};

pub(super) const SALARY: MeasurePlan = MeasurePlan {
    name: "salary",
    noun: noun("salary", "salaries"),
    range: (2000, 7000),
    step: 100,
    scale: Scale::Amount,
    is: ["with a salary of {}", "who earn {}"],
    superlatives: Some(("best paid", "worst paid")),
    adds_up: true,
};

pub(super) const BIRTH_YEAR: MeasurePlan = MeasurePlan {
    name: "born",
    noun: noun("birth year", "birth years"),
    range: (1900, 1990),
    step: 1,
    scale: Scale::Time,
    is: ["born {}", "who were born {}"],
    superlatives: None,
    adds_up: false,
};

pub(super) const FOUNDING_YEAR: MeasurePlan = MeasurePlan {
    name: "founded",
    noun: noun("founding year", "founding years"),
    range: (1880, 2010),
    step: 1,
    scale: Scale::Time,
    is: ["founded {}", "that were founded {}"],
    superlatives: Some(("newest", "oldest")),
    adds_up: false,
};

pub(super) const PRICE: MeasurePlan = MeasurePlan {
    name: "price",
    noun: noun("price", "prices"),
    range: (5, 99),
    step: 1,
    scale: Scale::Amount,
    is: ["with a price of {}", "that cost {}"],
    superlatives: Some(("most expensive", "cheapest")),
    adds_up: true,
};
