//! Which tokens become a calibration set. The draws are those of Python's `random` after `random.seed(seed)`.

use super::{DataError, Sequences};
use crate::Result;
use std::collections::BTreeMap;
use std::path::Path;
use tacq_protocol::task::Sampling;
use tacq_tasks::picks::{DocumentWindow, document_windows};
use tacq_tasks::python_random::PythonRandom;

/// How much is drawn, and what for messages the data set is called.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Sequences.
    pub n_samples: usize,
    /// Tokens in each.
    pub seq_len: usize,
    /// Which ones.
    pub sampling: Sampling,
    /// The data set's file.
    pub path: &'a Path,
}

impl Draw<'_> {
    fn too_short(&self, got: usize, needed: u64, purpose: String) -> DataError {
        DataError::TooShort { path: self.path.to_owned(), got, needed, purpose }
    }

    /// Windows of one tokenized text.
    pub fn windows(&self, ids: &[u32]) -> Result<Sequences, DataError> {
        let (count, length) = (self.n_samples, self.seq_len);
        let starts: Vec<usize> = match self.sampling {
            Sampling::First => {
                let needed = count as u64 * length as u64;
                if (ids.len() as u64) < needed {
                    let purpose = format!("{count} sequences of {length} tokens");
                    return Err(self.too_short(ids.len(), needed, purpose));
                }
                (0..count).map(|i| i * length).collect()
            }
            Sampling::Random { seed } => {
                // randint(0, n − length − 1) includes both ends, so the last window of all is never drawn; and
                // the reference, too, needs one token more than a window.
                let Some(choices) = ids.len().checked_sub(length).filter(|n| *n > 0) else {
                    let purpose = format!("random windows of {length} tokens");
                    return Err(self.too_short(ids.len(), length as u64 + 1, purpose));
                };
                let mut random = PythonRandom::new(seed.get());
                (0..count).map(|_| random.below(choices as u64) as usize).collect()
            }
        };
        let ids = signed(ids);
        Ok(Sequences::new(starts.into_iter().map(|start| &ids[start..start + length])))
    }

    /// Windows within documents; see [`document_windows`].
    pub fn documents(
        &self,
        documents: &[String],
        encode: &dyn Fn(&str) -> Result<Vec<u32>>,
    ) -> Result<Sequences> {
        let mut tokens: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        let mut longest = 0;
        let length = |document: usize| -> Result<usize> {
            let ids = encode(&documents[document])?;
            longest = longest.max(ids.len());
            // Most documents of C4 are shorter than a window and never wanted again.
            if ids.len() >= self.seq_len {
                tokens.insert(document, signed(&ids));
            }
            Ok(ids.len())
        };
        let windows = document_windows(documents.len(), self.seq_len, self.n_samples, self.sampling, length)?;
        let Some(windows) = windows else {
            let purpose =
                format!("{} windows of {} tokens, each in one document", self.n_samples, self.seq_len);
            return Err(self.too_short(longest, self.seq_len as u64, purpose).into());
        };
        let window = |w: &DocumentWindow| &tokens[&w.document][w.start..w.start + self.seq_len];
        Ok(Sequences::new(windows.iter().map(window)))
    }

    /// Whole texts in the given order until the next would exceed n_samples · seq_len tokens.
    pub fn examples(
        &self,
        texts: impl Iterator<Item = String>,
        encode: &dyn Fn(&str) -> Result<Vec<u32>>,
    ) -> Result<Sequences> {
        let budget = self.n_samples as u64 * self.seq_len as u64;
        let (mut taken, mut spent) = (Vec::new(), 0);
        for text in texts {
            let ids = encode(&text)?;
            if spent + ids.len() as u64 > budget {
                if taken.is_empty() {
                    let (path, got) = (self.path.to_owned(), ids.len());
                    return Err(DataError::Budget { path, got, budget }.into());
                }
                break;
            }
            spent += ids.len() as u64;
            taken.push(signed(&ids));
        }
        if taken.is_empty() {
            return Err(self.too_short(0, budget, "a calibration set of whole examples".to_owned()).into());
        }
        Ok(Sequences::new(taken.iter().map(Vec::as_slice)))
    }
}

/// Vocabularies lie far below 2^31; encoding checked the ids against the model's.
fn signed(ids: &[u32]) -> Vec<i32> {
    ids.iter().map(|&id| id as i32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacq_protocol::units::Seed;

    fn draw(n_samples: usize, seq_len: usize, sampling: Sampling) -> Draw<'static> {
        Draw { n_samples, seq_len, sampling, path: Path::new("a.txt") }
    }

    fn seeded(seed: u64) -> Sampling {
        Sampling::Random { seed: Seed::new(seed).unwrap() }
    }

    fn tokens(count: u32) -> Vec<u32> {
        (0..count).collect()
    }

    /// One token a word: its number.
    fn encode(text: &str) -> Result<Vec<u32>> {
        Ok(text.split_whitespace().map(|word| word.parse().unwrap()).collect())
    }

    fn firsts(sequences: &Sequences) -> Vec<i32> {
        (0..sequences.len()).map(|i| sequences.get(i)[0]).collect()
    }

    #[test]
    fn first_windows_follow_each_other() {
        let sequences = draw(3, 4, Sampling::First).windows(&tokens(13)).unwrap();
        assert_eq!(sequences, Sequences::new([[0, 1, 2, 3].as_slice(), &[4, 5, 6, 7], &[8, 9, 10, 11]]));
    }

    #[test]
    fn random_windows_start_where_python_says() {
        // random.seed(0); [random.randint(0, 1000 - 4 - 1) for _ in range(3)] == [864, 394, 776]
        let sequences = draw(3, 4, seeded(0)).windows(&tokens(1000)).unwrap();
        assert_eq!(firsts(&sequences), [864, 394, 776]);
    }

    #[test]
    fn a_text_that_is_too_short_says_how_much_is_missing() {
        let error = draw(3, 4, Sampling::First).windows(&tokens(11)).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.txt: the text is too short: it has 11 tokens, 12 are needed for 3 sequences of 4 tokens"
        );
        let error = draw(3, 4, seeded(0)).windows(&tokens(4)).unwrap_err().to_string();
        assert!(error.contains("it has 4 tokens, 5 are needed"), "{error}");
    }

    /// Documents of so many tokens, document d starting at token 1000 · d.
    fn documents(lengths: &[u32]) -> Vec<String> {
        let words = |(d, &n): (usize, &u32)| {
            (0..n).map(|i| (1000 * d as u32 + i).to_string()).collect::<Vec<_>>().join(" ")
        };
        lengths.iter().enumerate().map(words).collect()
    }

    #[test]
    fn documents_and_their_windows_are_those_that_python_picks() {
        // import random; lengths = [3, 20, 8, 2, 30]; random.seed(1)
        // for _ in range(4):
        //     while lengths[d := random.randint(0, 4)] < 8: pass
        //     print(1000 * d + random.randint(0, lengths[d] - 8))
        let texts = documents(&[3, 20, 8, 2, 30]);
        let sequences = draw(4, 8, seeded(1)).documents(&texts, &encode).unwrap();
        assert_eq!(firsts(&sequences), PYTHON_DOCUMENT_STARTS);
        assert!((0..4).all(|i| sequences.get(i).len() == 8));
    }

    const PYTHON_DOCUMENT_STARTS: [i32; 4] = [1009, 2000, 1001, 4000];

    #[test]
    fn documents_that_are_all_too_short_are_told() {
        let error = draw(2, 8, seeded(0)).documents(&documents(&[3, 7, 2]), &encode).unwrap_err();
        let expected = "it has 7 tokens, 8 are needed for 2 windows of 8 tokens, each in one document";
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn whole_examples_fill_the_token_budget() {
        let texts = || documents(&[5, 4, 3, 1]).into_iter();
        let sequences = draw(2, 5, Sampling::First).examples(texts(), &encode).unwrap();
        assert_eq!((0..sequences.len()).map(|i| sequences.get(i).len()).collect::<Vec<_>>(), [5, 4]);
        let error = draw(1, 4, Sampling::First).examples(texts(), &encode).unwrap_err().to_string();
        assert!(error.contains("5 tokens") && error.contains("budget of 4"), "{error}");
    }
}
