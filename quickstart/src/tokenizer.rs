//! The model's tokenizer: byte-level BPE, trained on what the model learns from, and the files that go with it.

use crate::corpus::{Corpus, TURN_END, TURN_START};
use serde_json::json;
use std::error::Error;
use std::fs;
use std::path::Path;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::tokenizer::{AddedToken, SplitDelimiterBehavior};
use tokenizers::{PreTokenizerWrapper, Tokenizer};

/// Entries of the vocabulary.
pub const VOCABULARY: usize = 2048;
/// Begins every text.
pub const BEGIN: &str = "<|begin_of_text|>";
/// Ends every text.
pub const END: &str = "<|end_of_text|>";

/// Documents that the vocabulary is learnt from.
const N_DOCUMENTS: u64 = 6000;

/// Where words end: as Llama 3 splits, but digit by digit, so that a small model can do sums.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Learns the vocabulary from the corpus.
///
/// # Errors
/// The tokenizers library refuses; it has no reason to.
pub fn train(corpus: &Corpus<'_>) -> Result<Tokenizer, Box<dyn Error + Send + Sync>> {
    let special = [BEGIN, END, TURN_START, TURN_END].map(|token| AddedToken::from(token, true));
    let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
        .vocab_size(VOCABULARY)
        .special_tokens(special.to_vec())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build()
        .into();
    let mut tokenizer = Tokenizer::new(BPE::default());
    let split = Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Isolated, false)?;
    let bytes = ByteLevel::new(false, true, false);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
        PreTokenizerWrapper::Split(split),
        PreTokenizerWrapper::ByteLevel(bytes),
    ])));
    tokenizer.with_decoder(Some(bytes));
    tokenizer.train(&mut trainer, (0..N_DOCUMENTS).map(|index| corpus.document(index).text()))?;
    let begin = tokenizer.token_to_id(BEGIN).expect("it was given to the trainer");
    let template = TemplateProcessing::builder()
        .try_single(format!("{BEGIN} $A"))?
        .try_pair(format!("{BEGIN} $A {BEGIN} $B"))?
        .special_tokens(vec![(BEGIN, begin)])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}

/// How a chat is laid out for the model.
const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + \
                             message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}\
                             {{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Writes `tokenizer.json`, `tokenizer_config.json` with the chat template, and `generation_config.json`.
///
/// # Errors
/// A file cannot be written.
pub fn write(tokenizer: &Tokenizer, folder: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    fs::create_dir_all(folder)?;
    tokenizer.save(folder.join("tokenizer.json"), true)?;
    let id = |token: &str| tokenizer.token_to_id(token);
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": TURN_END,
        "pad_token": END,
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": false,
        "chat_template": CHAT_TEMPLATE,
    });
    let generation = json!({
        "_from_model_config": true,
        "bos_token_id": id(BEGIN),
        "eos_token_id": [id(TURN_END), id(END)],
        "pad_token_id": id(END),
    });
    for (name, value) in [("tokenizer_config.json", config), ("generation_config.json", generation)] {
        fs::write(folder.join(name), serde_json::to_string_pretty(&value)? + "\n")?;
    }
    Ok(())
}
