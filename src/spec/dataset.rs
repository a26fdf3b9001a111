//! Data sets and tasks as they are meant.

use super::error::Position;
use super::location::Location;
use std::collections::BTreeMap;
use tacq_protocol::task::{AnswerParams, CustomExamples, ExampleParams, MmluSplit, TextFormat};
use tacq_protocol::units::{FewShot, MaxNewTokens, NExamples, NWindows, SeqLen, Temperature, TopP};

/// A data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What it holds.
    pub content: Content,
    /// The data set whose files these are: `mmlu` for its splits, else its own name.
    pub files_of: String,
    /// Where each part lies.
    pub parts: BTreeMap<Part, PartSource>,
    /// Where it is declared or, if it is not, first named.
    pub position: Position,
    /// Solved examples before each question in calibration: as many as in the task of the data set's name.
    pub few_shot: FewShot,
}

/// What a data set holds, and so what can be done with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Texts.
    Text {
        /// In whose published layout.
        layout: TextLayout,
        /// How files become one string; by the file's name when absent.
        format: Option<TextFormat>,
    },
    /// MMLU or a split of it.
    Mmlu(MmluSplit),
    /// GSM8K.
    Gsm8k,
    /// Spider.
    Spider,
    /// The user's own examples.
    Custom(Templates),
}

/// In which layouts the files of a text are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLayout {
    /// WikiText-2.
    Wikitext2,
    /// C4.
    C4,
    /// Penn Treebank.
    Ptb,
    /// The user's own text.
    Own,
}

/// How the user's examples become prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// Template of the prompt.
    pub prompt: String,
    /// Template of what follows it.
    pub completion: String,
    /// What stands between solved examples.
    pub separator: String,
    /// Whether they are messages of a chat.
    pub chat: bool,
    /// The chat's system message.
    pub system: Option<String>,
}

/// A part of a data set; stages are given only the parts that they read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What is calibrated on.
    Train,
    /// What is evaluated on. MMLU is calibrated on it too: on the first three quarters of each subject.
    Test,
    /// Solved examples that prompts begin with.
    FewShot,
    /// Spider's database schemas.
    Tables,
    /// Spider's databases.
    Databases,
}

impl Part {
    /// Its key in the experiment file.
    pub fn key(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Test => "test",
            Part::FewShot => "few_shot",
            Part::Tables => "tables",
            Part::Databases => "databases",
        }
    }
}

/// Where a part lies.
#[derive(Debug, Clone, PartialEq)]
pub struct PartSource {
    /// A file of this part, or the folder or repository that holds it under a published name.
    pub location: Location,
    /// Of a repository: the files, where they are known beforehand; found by their names otherwise.
    pub files: Vec<String>,
    /// Where it was written; line 0 if it was not.
    pub position: Position,
}

impl Content {
    /// The parts it can have.
    pub fn parts(&self) -> &'static [Part] {
        match self {
            Content::Text { .. } => &[Part::Train, Part::Test],
            Content::Mmlu(_) => &[Part::Test, Part::FewShot],
            Content::Gsm8k | Content::Custom(_) => &[Part::Train, Part::Test, Part::FewShot],
            Content::Spider => &[Part::Train, Part::Test, Part::Tables, Part::Databases],
        }
    }

    /// The part that is calibrated on.
    pub fn calibration_part(&self) -> Part {
        match self {
            Content::Mmlu(_) => Part::Test,
            _ => Part::Train,
        }
    }

    /// How its examples become prompts; nothing for a text.
    pub fn examples(&self, few_shot: FewShot) -> Option<ExampleParams> {
        match self {
            Content::Text { .. } => None,
            Content::Mmlu(split) => Some(ExampleParams::Mmlu { split: *split, few_shot }),
            Content::Gsm8k => Some(ExampleParams::Gsm8k { few_shot }),
            Content::Spider => Some(ExampleParams::Spider),
            Content::Custom(templates) => {
                let Templates { prompt, completion, separator, chat, system } = templates.clone();
                Some(ExampleParams::Custom(CustomExamples {
                    prompt,
                    completion,
                    few_shot,
                    separator,
                    chat,
                    system,
                }))
            }
        }
    }
}

/// What is measured on a data set's test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Name of the data set.
    pub dataset: String,
    /// How it is measured.
    pub measure: Measure,
}

/// How a task is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// Perplexity of a text.
    Perplexity {
        /// Tokens a window.
        seq_len: SeqLen,
        /// At most so many windows; all when absent.
        n_windows: Option<NWindows>,
    },
    /// The most likely of given texts.
    MultipleChoice {
        /// Solved examples before the question.
        few_shot: FewShot,
        /// Templates of the texts, for the user's examples.
        choices: Vec<String>,
        /// Questions scored; all when absent.
        limit: Option<NExamples>,
    },
    /// An answer in generated text.
    Generate {
        /// Solved examples before the question.
        few_shot: FewShot,
        /// How tokens are chosen.
        decoding: Decoding,
        /// Tokens after which generation ends.
        max_new_tokens: MaxNewTokens,
        /// How an answer is found, for the user's examples.
        answer: Option<AnswerParams>,
        /// Whether Spider's questions without their database are left out.
        skip_missing_databases: bool,
        /// Questions scored; all when absent.
        limit: Option<NExamples>,
    },
}

/// How tokens are chosen; the seed is the trial's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// The most likely one.
    Greedy,
    /// At random.
    Sampled {
        /// What logits are divided by.
        temperature: Temperature,
        /// Share of the probability that stays.
        top_p: TopP,
    },
}

impl Task {
    /// Whether the score depends on the trial's seed, whatever is evaluated.
    pub fn is_sampled(&self) -> bool {
        matches!(self.measure, Measure::Generate { decoding: Decoding::Sampled { .. }, .. })
    }

    /// Solved examples before each question.
    pub fn few_shot(&self) -> FewShot {
        match self.measure {
            Measure::Perplexity { .. } => no_examples(),
            Measure::MultipleChoice { few_shot, .. } | Measure::Generate { few_shot, .. } => few_shot,
        }
    }
}

/// Zero-shot.
pub fn no_examples() -> FewShot {
    FewShot::new(0).expect("0 is in range")
}
