//! What a file is about, by its name.

/// A file's name without folders and extensions: `test/anatomy_test.csv.gz` → `anatomy_test`.
pub fn stem(name: &str) -> &str {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let extensions = [".gz", ".csv", ".jsonl", ".json", ".parquet"];
    extensions.iter().fold(base, |rest, extension| rest.strip_suffix(extension).unwrap_or(rest))
}

/// The same without the name of the split at its end: `anatomy_test` → `anatomy`.
pub fn subject(name: &str) -> &str {
    let stem = stem(name);
    let splits = ["_dev", "_test", "_val", "_validation", "_train"];
    splits.iter().find_map(|split| stem.strip_suffix(split)).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_by_files() {
        for name in ["anatomy.csv", "test/anatomy_test.csv", "anatomy_dev.csv.gz", "x\\anatomy_val.csv"] {
            assert_eq!(subject(name), "anatomy");
        }
        assert_eq!(subject("us_foreign_policy_test.csv"), "us_foreign_policy");
    }
}
