//! Doctors, their patients, and their nurses.

use super::common::{AGE, HOME_CITY, PERSON, SALARY};
use crate::spider::plan::{CategoryPlan, DatabasePlan, MeasurePlan, ReferencePlan, Scale, TablePlan, noun};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "hospital", tables: &[DOCTOR, PATIENT, NURSE] };

const DOCTOR: TablePlan = TablePlan {
    name: "doctor",
    noun: noun("doctor", "doctors"),
    rows: 14,
    label: PERSON,
    categories: &[DEPARTMENT],
    measures: &[AGE, SALARY],
    references: &[],
};

const DEPARTMENT: CategoryPlan = CategoryPlan {
    name: "department",
    noun: noun("department", "departments"),
    values: &["heart", "skin", "eye", "brain"],
    is: ["in the {} department", "who work in the {} department"],
    is_not: "not in the {} department",
};

const PATIENT: TablePlan = TablePlan {
    name: "patient",
    noun: noun("patient", "patients"),
    rows: 36,
    label: PERSON,
    categories: &[DISEASE, HOME_CITY],
    measures: &[AGE, DAYS],
    references: &[TREATED_BY],
};

const DISEASE: CategoryPlan = CategoryPlan {
    name: "disease",
    noun: noun("disease", "diseases"),
    values: &["flu", "asthma", "fever", "measles"],
    is: ["with {}", "who suffer from {}"],
    is_not: "without {}",
};

const DAYS: MeasurePlan = MeasurePlan {
    name: "days",
    noun: noun("stay", "stays"),
    range: (1, 60),
    step: 1,
    scale: Scale::Length,
    is: ["with a stay of {} days", "who stayed {} days"],
    superlatives: None,
    adds_up: true,
};

const TREATED_BY: ReferencePlan = ReferencePlan {
    name: "doctor_id",
    parent: 0,
    child_of: ["of {}", "who are treated by {}"],
    parent_of: &["of {}", "treating {}"],
    which: "treats {}",
};

const NURSE: TablePlan = TablePlan {
    name: "nurse",
    noun: noun("nurse", "nurses"),
    rows: 24,
    label: PERSON,
    categories: &[SHIFT],
    measures: &[AGE],
    references: &[ASSISTS],
};

const SHIFT: CategoryPlan = CategoryPlan {
    name: "shift",
    noun: noun("shift", "shifts"),
    values: &["day", "evening", "night"],
    is: ["on the {} shift", "who work the {} shift"],
    is_not: "not on the {} shift",
};

const ASSISTS: ReferencePlan = ReferencePlan {
    name: "doctor_id",
    parent: 0,
    child_of: ["assisting {}", "who work with {}"],
    parent_of: &["assisted by {}"],
    which: "is assisted by {}",
};
