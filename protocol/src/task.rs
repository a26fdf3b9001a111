//! What is drawn from data sets, and what is measured on them.

use crate::units::{
    BatchSize, DType, FewShot, MaxNewTokens, NExamples, NSamples, NWindows, Seed, SeqLen, Temperature, TopP,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the files of a text data set's split become one string. Whether a file is compressed (gzip) or a table
/// (Parquet) is seen from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// The file as it is.
    #[default]
    Plain,
    /// WikiText: each line of the raw file (or row of the table's column `text`) is a row that keeps its newline;
    /// blank lines are empty rows; rows joined with two newlines, as GPTQ's data loader does.
    Wikitext,
    /// Penn Treebank: one sentence a line (or row of the table's column `sentence`), stripped, joined with a space.
    Ptb,
    /// C4: JSON lines with a field `text`. Calibration draws documents that are long enough and a window of each;
    /// evaluation joins the first 1100 documents with a space and takes at most 256 windows, as GPTQ's data loader does.
    C4,
    /// JSON lines (or table rows) with a field `text`, joined with two newlines.
    Jsonl,
}

/// What is taken from a data set, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sampling", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampling {
    /// From the start: consecutive windows, or examples in their order.
    First,
    /// As Python's `random` does after `random.seed(seed)`: window starts by `randint(0, n_tokens - seq_len - 1)`,
    /// or examples after `shuffle`.
    Random {
        /// Seed of the generator.
        seed: Seed,
    },
}

/// Draws a calibration set of token ids. Inputs: `model` (its tokenizer), `dataset`, and what the examples need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrateParams {
    /// What the sequences are.
    pub data: CalibrationData,
    /// How many sequences; for examples, n_samples · seq_len tokens in all.
    pub n_samples: NSamples,
    /// Tokens in each.
    pub seq_len: SeqLen,
    /// Which ones.
    pub draw: Sampling,
}

/// What a calibration set consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum CalibrationData {
    /// Windows of `seq_len` tokens of a text.
    Text {
        /// How the file becomes a string.
        format: TextFormat,
    },
    /// Whole examples of a task, one sequence each, until the next would exceed the token budget.
    Examples {
        /// How they become texts.
        examples: ExampleParams,
    },
}

/// How examples of a data set become prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ExampleParams {
    /// MMLU (arXiv 2009.03300). Calibration takes the first int(0.75 · n) test questions of each subject, evaluation
    /// the others; solved examples come from the dev split (input `few_shot`).
    Mmlu {
        /// Which subjects.
        split: MmluSplit,
        /// Solved examples before the question.
        few_shot: FewShot,
    },
    /// GSM8K (arXiv 2110.14168) with chain-of-thought exemplars (arXiv 2201.11903, input `few_shot`).
    Gsm8k {
        /// Solved examples before the question, the first of the exemplars.
        few_shot: FewShot,
    },
    /// Spider (arXiv 1809.08887), zero-shot chat prompt with the schema (input `tables`).
    Spider,
    /// JSON lines through the user's templates.
    Custom(CustomExamples),
}

/// Subjects of MMLU by the paper's categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MmluSplit {
    /// All 57 subjects.
    All,
    /// 18 subjects.
    Stem,
    /// 13 subjects.
    Humanities,
    /// 12 subjects.
    SocialSciences,
}

/// Prompts made of the user's own records: JSON lines (or table rows), each an object whose fields the templates
/// (in MiniJinja's language, undefined fields are errors) see as variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomExamples {
    /// Template of the prompt.
    pub prompt: String,
    /// Template of what follows the prompt when it is solved: in shots, in calibration, and as the gold answer.
    pub completion: String,
    /// Solved examples before the question: the first records of the input `few_shot`.
    pub few_shot: FewShot,
    /// What stands between solved examples.
    pub separator: String,
    /// Whether prompt and completion are a user's and an assistant's message in the model's chat template.
    pub chat: bool,
    /// The system message of a chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

/// Scores the model, or a checkpoint of it, on one task.
/// Inputs: `model`, `dataset` and what the task needs; `checkpoint` unless the 16-bit model itself is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateParams {
    /// What is measured.
    pub task: TaskParams,
    /// Number format of computation.
    pub dtype: DType,
    /// Examples computed side by side, where that can change a result: in any number format but f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<BatchSize>,
}

/// A task with its protocol. Where `limit` is given, example floor(i · n / limit) is the i-th of those scored: evenly
/// spaced, so that every subject has its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskParams {
    /// exp of the mean loss over consecutive windows: each window's mean cross-entropy over its seq_len − 1
    /// predictions, times seq_len, summed, divided by (windows · seq_len).
    Perplexity {
        /// How the file becomes a string.
        format: TextFormat,
        /// Tokens a window.
        seq_len: SeqLen,
        /// At most so many windows; all that fit when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n_windows: Option<NWindows>,
    },
    /// The answer is the choice of which the text is the most likely continuation of the prompt.
    /// For MMLU the choices are " A", " B", " C" and " D".
    MultipleChoice {
        /// How questions become prompts.
        examples: ExampleParams,
        /// Templates of the choices' texts, for custom examples; the gold answer is the one equal to `completion`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        choices: Vec<String>,
        /// Examples scored; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<NExamples>,
    },
    /// The answer is found in generated text and compared with the gold answer's. For GSM8K by its own rules, for
    /// Spider by executing both queries.
    Generate {
        /// How questions become prompts.
        examples: ExampleParams,
        /// How tokens are chosen.
        decoding: Decoding,
        /// Tokens after which generation ends.
        max_new_tokens: MaxNewTokens,
        /// How an answer is found and compared, for custom examples.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<AnswerParams>,
        /// For Spider: questions whose database is not in the input are left out before `limit` counts, instead of
        /// being errors.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        skip_missing_databases: bool,
        /// Examples scored; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<NExamples>,
    },
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choose", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decoding {
    /// The most likely one; of equals the lowest id.
    Greedy,
    /// At random, by a counter-based generator: the number drawn depends on seed, example and position alone.
    Sample {
        /// What logits are divided by.
        temperature: Temperature,
        /// Share of the probability that stays.
        top_p: TopP,
        /// Seed of the generator.
        seed: Seed,
    },
}

/// How an answer is found in a custom task's generated text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerParams {
    /// Regular expression; the first group (or the whole) of its last match is the answer, in the output and, where it
    /// matches, in the gold text. Without one the whole text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<String>,
    /// Whether upper and lower case are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Texts that end generation; they are not part of the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}
