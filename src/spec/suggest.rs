//! "Did you mean": the known word nearest to the one that was written.

/// What other programs call our keys, as far as spelling does not lead there.
const FOREIGN: &[(&str, &str)] = &[
    ("wbits", "bits"),
    ("w_bits", "bits"),
    ("percdamp", "damp"),
    ("selector_type", "saliency"),
    ("importance", "saliency"),
    ("importances", "saliency"),
    ("mask_fraction", "outlier_ratio"),
    ("ratio", "outlier_ratio"),
    ("serial_number", "seed"),
    ("n_calibration_points", "n_samples"),
    ("nsamples", "n_samples"),
    ("seqlen", "seq_len"),
    ("max_length", "seq_len"),
    ("calibration_dataset", "condition_on"),
    ("calibrate_on", "condition_on"),
    ("validation", "test"),
    ("device", "devices"),
    ("precision", "dtype"),
];

/// The candidate that `word` is likely to mean, if one is near enough.
pub fn suggest<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' ', '.'], "_");
    let word = plain(word);
    if let Some((_, ours)) = FOREIGN.iter().find(|(foreign, _)| *foreign == word)
        && let Some(found) = candidates.clone().find(|candidate| candidate == ours)
    {
        return Some(found);
    }
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)
        // One slip in a short word, a third of a long one.
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    const KEYS: [&str; 5] = ["bits", "group_size", "outlier_ratio", "damp", "seed"];

    #[test]
    fn slips_and_other_spellings_are_understood() {
        for (written, meant) in [
            ("bit", "bits"),
            ("group-size", "group_size"),
            ("GroupSize", "group_size"),
            ("outlier_ration", "outlier_ratio"),
            ("wbits", "bits"),
            ("percdamp", "damp"),
        ] {
            assert_eq!(suggest(written, KEYS.into_iter()), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_word_unlike_all_gets_no_suggestion() {
        assert_eq!(suggest("temperature", KEYS.into_iter()), None);
        assert_eq!(suggest("x", [].into_iter()), None);
        // Known to others under this name, but no key of this mapping.
        assert_eq!(suggest("nsamples", KEYS.into_iter()), None);
    }
}
