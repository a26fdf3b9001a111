//! Keepers and their animals.

use super::common::{AGE, HOME_CITY, NAME, PERSON, SALARY};
use crate::spider::plan::{
    CategoryPlan, DatabasePlan, LabelPlan, MeasurePlan, Names, ReferencePlan, Scale, TablePlan, noun,
};
use crate::spider::words::ANIMALS;

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "zoo", tables: &[KEEPER, ANIMAL] };

const KEEPER: TablePlan = TablePlan {
    name: "keeper",
    noun: noun("keeper", "keepers"),
    rows: 14,
    label: PERSON,
    categories: &[HOME_CITY],
    measures: &[AGE, SALARY],
    references: &[],
};

const ANIMAL: TablePlan = TablePlan {
    name: "animal",
    noun: noun("animal", "animals"),
    rows: 36,
    label: LabelPlan { name: "name", noun: NAME, names: Names::One(ANIMALS) },
    categories: &[SPECIES, CONTINENT],
    measures: &[MeasurePlan { range: (1, 30), is: ["{}", "that are {}"], ..AGE }, WEIGHT],
    references: &[LOOKED_AFTER_BY],
};

const SPECIES: CategoryPlan = CategoryPlan {
    name: "species",
    noun: noun("species", "species"),
    values: &["lion", "zebra", "monkey", "penguin", "parrot"],
    is: ["of the species {}", "that belong to the species {}"],
    is_not: "not of the species {}",
};

const CONTINENT: CategoryPlan = CategoryPlan {
    name: "continent",
    noun: noun("continent", "continents"),
    values: &["Africa", "Asia", "Europe", "America"],
    is: ["from {}", "that come from {}"],
    is_not: "not from {}",
};

const WEIGHT: MeasurePlan = MeasurePlan {
    name: "weight",
    noun: noun("weight", "weights"),
    range: (5, 300),
    step: 5,
    scale: Scale::Amount,
    is: ["with a weight of {} kg", "that weigh {} kg"],
    superlatives: Some(("heaviest", "lightest")),
    adds_up: true,
};

const LOOKED_AFTER_BY: ReferencePlan = ReferencePlan {
    name: "keeper_id",
    parent: 0,
    child_of: ["in the care of {}", "that are looked after by {}"],
    parent_of: &["of {}", "looking after {}"],
    which: "looks after {}",
};
