//! Which examples and windows a seed picks: those that the reference picks with Python's `random`.

use crate::python_random::PythonRandom;
use tacq_protocol::task::Sampling;
use tacq_protocol::units::NExamples;

/// In which order n examples are drawn: as they are, or as `random.seed(seed); random.shuffle(examples)` leaves them.
pub fn order(n: usize, draw: Sampling) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    if let Sampling::Random { seed } = draw {
        PythonRandom::new(seed.get()).shuffle(&mut order);
    }
    order
}

/// Of n examples, those numbered floor(i · n / limit) for i below limit: evenly spaced, so that every part of the data
/// set has its share. All of them where there is no limit, or not more than it.
pub fn limited<T>(examples: Vec<T>, limit: Option<NExamples>) -> Vec<T> {
    let n = examples.len() as u64;
    let Some(limit) = limit.map(|limit| u64::from(limit.get())).filter(|limit| *limit < n) else {
        return examples;
    };
    let mut wanted = (0..limit).map(|i| i * n / limit).peekable();
    let numbered = (0..).zip(examples);
    numbered.filter(|(number, _)| wanted.next_if_eq(number).is_some()).map(|(_, example)| example).collect()
}

/// A window of `seq_len` tokens within a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentWindow {
    /// Number of the document.
    pub document: usize,
    /// Its first token in the document.
    pub start: usize,
}

/// Draws `count` windows of documents as GPTQ's data loader does for C4: documents by `randint(0, n - 1)` until one has
/// at least `seq_len` tokens, then the start by `randint(0, length - seq_len)`. In order instead of at random: the
/// beginnings of the documents that are long enough.
///
/// `length` is the number of tokens of a document; it is asked for once for each document that comes up.
/// `Ok(None)` if there are not enough documents that are long enough.
///
/// # Errors
/// Those of `length`.
pub fn document_windows<E>(
    n_documents: usize,
    seq_len: usize,
    count: usize,
    draw: Sampling,
    mut length: impl FnMut(usize) -> Result<usize, E>,
) -> Result<Option<Vec<DocumentWindow>>, E> {
    let mut windows = Vec::with_capacity(count);
    let mut random = match draw {
        Sampling::Random { seed } => PythonRandom::new(seed.get()),
        Sampling::First => {
            for document in 0..n_documents {
                if windows.len() == count {
                    break;
                }
                if length(document)? >= seq_len {
                    windows.push(DocumentWindow { document, start: 0 });
                }
            }
            return Ok((windows.len() == count).then_some(windows));
        }
    };
    let mut lengths: Vec<Option<usize>> = vec![None; n_documents];
    let mut too_short = 0;
    while windows.len() < count {
        // Where no document is long enough, drawing would never end.
        if too_short == n_documents {
            return Ok(None);
        }
        let document = random.below(n_documents as u64) as usize;
        let known = match lengths[document] {
            Some(known) => known,
            None => {
                let new = length(document)?;
                lengths[document] = Some(new);
                too_short += usize::from(new < seq_len);
                new
            }
        };
        if let Some(last_start) = known.checked_sub(seq_len) {
            let start = random.below(last_start as u64 + 1) as usize;
            windows.push(DocumentWindow { document, start });
        }
    }
    Ok(Some(windows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tacq_protocol::units::Seed;

    fn seeded(seed: u64) -> Sampling {
        Sampling::Random { seed: Seed::new(seed).unwrap() }
    }

    /// `random.seed(seed); x = list(range(n)); random.shuffle(x); x[:6]` of CPython 3, n the number of examples that
    /// each data set has for calibration.
    const EXAMPLES: [(&str, usize, [[usize; 6]; 3]); 6] = [
        (
            "mmlu",
            10_513,
            [
                [6107, 9572, 8159, 2676, 5335, 6510],
                [10488, 5434, 7101, 4530, 9619, 5150],
                [6394, 8111, 10500, 7673, 3656, 8979],
            ],
        ),
        (
            "mmlu_stem",
            2260,
            [
                [378, 996, 1819, 111, 561, 1137],
                [1438, 1021, 1309, 1080, 915, 524],
                [1258, 1290, 1209, 462, 1400, 111],
            ],
        ),
        (
            "mmlu_humanities",
            3524,
            [
                [316, 1654, 927, 1556, 3080, 3131],
                [2455, 1403, 1089, 1907, 1020, 3241],
                [3040, 3244, 1588, 2969, 1812, 1389],
            ],
        ),
        (
            "mmlu_social_sciences",
            2302,
            [
                [717, 588, 960, 36, 1218, 668],
                [759, 30, 1280, 627, 1299, 539],
                [1374, 1954, 1042, 1997, 1008, 1163],
            ],
        ),
        (
            "gsm8k",
            7473,
            [
                [4530, 6017, 4120, 3208, 2585, 3335],
                [2337, 688, 7319, 6499, 6679, 4222],
                [5285, 6659, 7359, 3932, 6340, 2312],
            ],
        ),
        (
            "spider",
            7000,
            [
                [4874, 2444, 377, 1013, 3620, 981],
                [5564, 894, 1568, 5509, 6299, 2897],
                [6504, 2245, 4991, 2235, 2514, 1657],
            ],
        ),
    ];

    #[test]
    fn a_seed_picks_the_examples_that_python_picks() {
        for (name, n, picks) in EXAMPLES {
            for (seed, expected) in (0..).zip(picks) {
                let order = order(n, seeded(seed));
                assert_eq!(order[..6], expected, "{name}, seed {seed}");
                let mut sorted = order;
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..n), "{name}: each example once");
            }
        }
        assert_eq!(order(4, Sampling::First), [0, 1, 2, 3]);
    }

    /// `random.seed(seed); [random.randint(0, n_tokens - 2048 - 1) for _ in range(5)]`, of texts with about as many
    /// tokens as the training splits have.
    const STARTS: [(&str, u64, [[u64; 5]; 3]); 2] = [
        (
            "wikitext2",
            2_800_000,
            [
                [1615835, 1764005, 169803, 1085975, 2144441],
                [563564, 2387414, 264689, 1069837, 494586],
                [237193, 384134, 355978, 1514384, 709188],
            ],
        ),
        (
            "ptb",
            1_100_000,
            [
                [807917, 882002, 84901, 542987, 1072220],
                [281782, 132344, 534918, 247293, 1039002],
                [118596, 192067, 177989, 757192, 354594],
            ],
        ),
    ];

    #[test]
    fn a_seed_picks_the_windows_that_python_picks() {
        for (name, n_tokens, picks) in STARTS {
            for (seed, expected) in (0..).zip(picks) {
                let mut random = PythonRandom::new(seed);
                let starts: Vec<u64> = expected.iter().map(|_| random.below(n_tokens - 2048)).collect();
                assert_eq!(starts, expected, "{name}, seed {seed}");
            }
        }
    }

    /// ```python
    /// def draw(seed, length=lambda i: i * 7919 % 6000):
    ///     random.seed(seed)
    ///     for _ in range(4):
    ///         while length(i := random.randint(0, 356317 - 1)) < 2048: pass
    ///         yield i, random.randint(0, length(i) - 2048)
    /// ```
    const C4: [[(usize, usize); 4]; 3] = [
        [(201979, 1552), (21225, 265), (268055, 1990), (159023, 1952)],
        [(70445, 1165), (133729, 482), (259750, 1841), (199027, 214)],
        [(29649, 375), (44497, 739), (88648, 1371), (161552, 1030)],
    ];

    #[test]
    fn a_seed_picks_the_documents_that_python_picks() {
        for (seed, expected) in (0..).zip(C4) {
            let length = |i: usize| Ok::<_, Infallible>(i * 7919 % 6000);
            let windows = document_windows(356_317, 2048, 4, seeded(seed), length).unwrap().unwrap();
            let got: Vec<_> = windows.iter().map(|w| (w.document, w.start)).collect();
            assert_eq!(got, expected, "seed {seed}");
        }
    }

    #[test]
    fn documents_in_order_are_those_that_are_long_enough() {
        let lengths = [3, 9, 4, 5];
        let draw = |count| {
            let windows =
                document_windows(4, 4, count, Sampling::First, |i| Ok::<_, Infallible>(lengths[i])).unwrap();
            windows.map(|windows| windows.iter().map(|w| (w.document, w.start)).collect::<Vec<_>>())
        };
        assert_eq!(draw(2), Some(vec![(1, 0), (2, 0)]));
        assert_eq!(draw(3), Some(vec![(1, 0), (2, 0), (3, 0)]));
        assert_eq!(draw(4), None);
    }

    #[test]
    fn drawing_ends_where_no_document_is_long_enough() {
        let draw = |n| document_windows(n, 4, 1, seeded(0), |_| Ok::<_, Infallible>(3)).unwrap();
        assert_eq!(draw(10), None);
        assert_eq!(draw(0), None);
    }

    #[test]
    fn a_limit_takes_examples_evenly() {
        let limit =
            |n: u64, limit: u64| limited((0..n).collect::<Vec<_>>(), Some(NExamples::new(limit).unwrap()));
        assert_eq!(limit(10, 4), [0, 2, 5, 7]);
        assert_eq!(limit(10, 1), [0]);
        assert_eq!(limit(10, 9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(limit(3, 3), [0, 1, 2]);
        assert_eq!(limit(3, 5), [0, 1, 2]);
        assert_eq!(limited(vec![1, 2], None), [1, 2]);
    }
}
