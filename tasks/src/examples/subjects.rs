//! Which subjects of MMLU belong to which split, by the categories of its authors.

use tacq_protocol::task::MmluSplit;

const STEM: [&str; 18] = [
    "abstract_algebra",
    "astronomy",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "electrical_engineering",
    "elementary_mathematics",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_mathematics",
    "high_school_physics",
    "high_school_statistics",
    "machine_learning",
];

const HUMANITIES: [&str; 13] = [
    "formal_logic",
    "high_school_european_history",
    "high_school_us_history",
    "high_school_world_history",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "moral_disputes",
    "moral_scenarios",
    "philosophy",
    "prehistory",
    "professional_law",
    "world_religions",
];

const SOCIAL_SCIENCES: [&str; 12] = [
    "econometrics",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_microeconomics",
    "high_school_psychology",
    "human_sexuality",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
];

/// The subjects of a split; `None` where it takes all that there are.
pub fn of(split: MmluSplit) -> Option<&'static [&'static str]> {
    match split {
        MmluSplit::All => None,
        MmluSplit::Stem => Some(&STEM),
        MmluSplit::Humanities => Some(&HUMANITIES),
        MmluSplit::SocialSciences => Some(&SOCIAL_SCIENCES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_subject_is_in_two_splits() {
        let all = [STEM.as_slice(), &HUMANITIES, &SOCIAL_SCIENCES].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
