//! What a visitor may choose.

use serde::{Deserialize, Serialize};

/// Bits of a weight that does not stay in 16 bit.
pub(super) const BITS: [u8; 3] = [2, 3, 4];
/// Shares of the linear weights that stay in 16 bit.
pub(super) const RATIOS: [&str; 7] = ["0.0005", "0.001", "0.002", "0.0035", "0.005", "0.01", "0.02"];
/// Tasks, each the data set that is calibrated on, too.
pub(super) const TASKS: [&str; 4] = ["gsm8k", "mmlu", "spider", "prose"];
/// Methods that TaCQ can be put beside, at their defaults.
pub(super) const METHODS: [&str; 6] = ["gptq", "rtn", "squeezellm", "spqr", "slim_llm", "awq"];
/// Seeds of the calibration set.
pub(super) const SEEDS: u32 = 3;
/// Characters of a prompt.
pub(super) const LONGEST_PROMPT: usize = 4000;

/// How large the methods are that TaCQ is put beside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sizes {
    /// As they are at their defaults, the same whatever share TaCQ keeps.
    #[default]
    Own,
    /// As large as TaCQ, by the parameter that each method leaves open.
    Equal,
}

/// What a visitor chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choices {
    pub bits: u8,
    /// As it is written in [`RATIOS`].
    pub ratio: String,
    pub task: String,
    pub method: String,
    pub seed: u32,
    #[serde(default)]
    pub sizes: Sizes,
    /// A text to be gone on with by the models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

impl Choices {
    /// What is wrong with it, in a sentence.
    pub fn problem(&self) -> Option<String> {
        let one_of = |what: &str, all: &[&str]| format!("{what} is one of {}", all.join(", "));
        if !BITS.contains(&self.bits) {
            return Some("bits is one of 2, 3, 4".to_owned());
        }
        if !RATIOS.contains(&self.ratio.as_str()) {
            return Some(one_of("ratio", &RATIOS));
        }
        if !TASKS.contains(&self.task.as_str()) {
            return Some(one_of("task", &TASKS));
        }
        if !METHODS.contains(&self.method.as_str()) {
            return Some(one_of("method", &METHODS));
        }
        if self.seed >= SEEDS {
            return Some(format!("seed is less than {SEEDS}"));
        }
        let n = self.prompt.as_ref().map_or(1, |prompt| prompt.trim().chars().count());
        (n == 0 || n > LONGEST_PROMPT).then(|| format!("a prompt has 1 to {LONGEST_PROMPT} characters"))
    }

    /// A name for what is chosen, the same for the same choices.
    pub fn id(&self) -> String {
        let text = serde_json::to_string(self).expect("plain data");
        blake3::hash(text.as_bytes()).to_hex()[..24].to_owned()
    }
}

#[cfg(test)]
pub(super) fn some() -> Choices {
    Choices {
        bits: 2,
        ratio: "0.0035".into(),
        task: "gsm8k".into(),
        method: "gptq".into(),
        seed: 0,
        sizes: Sizes::Own,
        prompt: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_can_be_chosen() {
        assert_eq!(some().problem(), None);
        let wrong = [
            Choices { bits: 1, ..some() },
            Choices { ratio: "0.9".into(), ..some() },
            Choices { ratio: "0.0035, x: y".into(), ..some() },
            Choices { task: "../mmlu".into(), ..some() },
            Choices { method: "none".into(), ..some() },
            Choices { seed: 3, ..some() },
            Choices { prompt: Some(" \n".into()), ..some() },
            Choices { prompt: Some("é".repeat(LONGEST_PROMPT + 1)), ..some() },
        ];
        for choices in wrong {
            assert!(choices.problem().is_some(), "{choices:?}");
        }
        assert_eq!(Choices { prompt: Some("é".repeat(LONGEST_PROMPT)), ..some() }.problem(), None);
        assert_ne!(some().id(), Choices { bits: 3, ..some() }.id());
    }
}
