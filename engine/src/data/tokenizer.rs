//! Token ids of a text, by the model's own tokenizer.json.

use super::DataError;
use crate::Result;
use crate::model::ModelConfig;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// The tokenizer of a model folder.
#[derive(Debug)]
pub struct TextTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    vocab: i64,
}

impl TextTokenizer {
    /// Reads `tokenizer.json` and the vocabulary size of `config.json`.
    pub fn open(model: &Path) -> Result<Self> {
        let config = ModelConfig::read(model)?;
        let path = model.join("tokenizer.json");
        let fail = |reason: String| DataError::Tokenizer { path: path.clone(), reason };
        if !path.exists() {
            return Err(fail("there is no such file".to_owned()).into());
        }
        let mut tokenizer = Tokenizer::from_file(&path).map_err(|e| fail(e.to_string()))?;
        // Some published files ask for truncation or padding; a corpus must not be cut to 512 tokens.
        tokenizer.with_truncation(None).map_err(|e| fail(e.to_string()))?;
        tokenizer.with_padding(None);
        Ok(Self { path, tokenizer, vocab: config.vocab })
    }

    /// Ids of a text, tokenized as one string, each checked to be in the vocabulary. With `special_tokens`, those that
    /// the tokenizer puts around a text by itself, such as a first token that marks the beginning.
    pub fn encode(&self, text: &str, special_tokens: bool) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, special_tokens).map_err(|e| self.fail(&e))?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|id| i64::from(**id) >= self.vocab) {
            Some(&id) => Err(DataError::Vocabulary { path: self.path.clone(), id, vocab: self.vocab }.into()),
            None => Ok(ids),
        }
    }

    /// The text of ids; special tokens are left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        Ok(self.tokenizer.decode(ids, true).map_err(|e| self.fail(&e))?)
    }

    /// A text that grows token by token; special tokens are left out.
    pub fn growing(&self) -> GrowingText<'_> {
        GrowingText {
            stream: self.tokenizer.decode_stream(true),
            text: String::new(),
            n_tokens: 0,
            is_broken: false,
        }
    }

    fn fail(&self, error: &tokenizers::Error) -> DataError {
        DataError::Tokenizer { path: self.path.clone(), reason: error.to_string() }
    }
}

/// The text of a sequence of tokens that gets longer, without decoding it anew each time. Lacks the last character while
/// some of its bytes are to come.
pub struct GrowingText<'a> {
    stream: DecodeStream<'a>,
    text: String,
    n_tokens: usize,
    is_broken: bool,
}

/// The tokenizer's own.
type DecodeStream<'a> = tokenizers::tokenizer::DecodeStream<
    'a,
    tokenizers::ModelWrapper,
    tokenizers::NormalizerWrapper,
    tokenizers::PreTokenizerWrapper,
    tokenizers::PostProcessorWrapper,
    tokenizers::DecoderWrapper,
>;

impl GrowingText<'_> {
    /// The text of `ids`, of which those of the last call are the first; `None` once they cannot be decoded.
    pub fn grow(&mut self, ids: &[u32]) -> Option<&str> {
        for &id in &ids[self.n_tokens..] {
            match self.stream.step(id) {
                Ok(more) => self.text.push_str(&more.unwrap_or_default()),
                Err(_) => self.is_broken = true,
            }
        }
        self.n_tokens = ids.len();
        (!self.is_broken).then_some(&self.text)
    }
}
