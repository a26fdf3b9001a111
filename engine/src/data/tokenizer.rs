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

    /// Ids of a text, tokenized as one string without special tokens, each checked to be in the vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let fail =
            |e: tokenizers::Error| DataError::Tokenizer { path: self.path.clone(), reason: e.to_string() };
        let encoding = self.tokenizer.encode_fast(text, false).map_err(fail)?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|id| i64::from(**id) >= self.vocab) {
            Some(&id) => Err(DataError::Vocabulary { path: self.path.clone(), id, vocab: self.vocab }.into()),
            None => Ok(ids),
        }
    }
}
