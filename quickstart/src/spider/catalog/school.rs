//! Teachers and their students.

use super::common::{AGE, HOME_CITY, PERSON, SALARY};
use crate::spider::plan::{CategoryPlan, DatabasePlan, MeasurePlan, ReferencePlan, Scale, TablePlan, noun};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "school", tables: &[TEACHER, STUDENT] };

const TEACHER: TablePlan = TablePlan {
    name: "teacher",
    noun: noun("teacher", "teachers"),
    rows: 14,
    label: PERSON,
    categories: &[SUBJECT],
    measures: &[AGE, SALARY],
    references: &[],
};

const SUBJECT: CategoryPlan = CategoryPlan {
    name: "subject",
    noun: noun("subject", "subjects"),
    values: &["math", "art", "music", "history", "biology"],
    is: ["of {}", "who teach {}"],
    is_not: "who do not teach {}",
};

const STUDENT: TablePlan = TablePlan {
    name: "student",
    noun: noun("student", "students"),
    rows: 36,
    label: PERSON,
    categories: &[HOME_CITY],
    measures: &[MeasurePlan { range: (10, 18), ..AGE }, SCORE],
    references: &[TAUGHT_BY],
};

const SCORE: MeasurePlan = MeasurePlan {
    name: "score",
    noun: noun("score", "scores"),
    range: (20, 100),
    step: 1,
    scale: Scale::Amount,
    is: ["with a score of {}", "who scored {}"],
    superlatives: None,
    adds_up: true,
};

const TAUGHT_BY: ReferencePlan = ReferencePlan {
    name: "teacher_id",
    parent: 0,
    child_of: ["taught by {}", "who learn from {}"],
    parent_of: &["of {}", "teaching {}"],
    which: "teaches {}",
};
