//! Naming stages and trials on the command line.

use super::error::CliError;
use crate::plan::{Plan, StageId};
use std::path::Path;

/// Whether a pattern with `*` (any characters) and `?` (one character) matches a whole text. Brackets are plain
/// characters, since labels have them.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (p, t) = (star + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The stages that a pattern names: by label, by key or its first digits, or all that evaluate a trial.
pub(super) fn stages(
    plan: &Plan,
    what: &'static str,
    pattern: &str,
    path: &Path,
) -> Result<Vec<StageId>, CliError> {
    let is_key = pattern.len() >= 4 && pattern.chars().all(|c| c.is_ascii_hexdigit());
    let mut found: Vec<StageId> = (0..plan.stages.len())
        .filter(|&id| {
            let stage = &plan.stages[id];
            matches(pattern, &stage.label)
                || (is_key && stage.key().is_some_and(|k| k.to_string().starts_with(&pattern.to_lowercase())))
        })
        .collect();
    for planned in &plan.trials {
        if matches(pattern, planned.trial.label()) {
            found.extend(planned.evaluations.iter().map(|(_, id)| *id));
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(CliError::NoMatch { what, pattern: pattern.to_owned(), path: path.to_owned() });
    }
    Ok(found)
}

/// The stages wanted: all that the tables need, or those that `--only` names.
pub(super) fn wanted(plan: &Plan, only: &[String], path: &Path) -> Result<Vec<StageId>, CliError> {
    if only.is_empty() {
        return Ok(plan.sinks());
    }
    let mut found = Vec::new();
    for pattern in only {
        found.extend(stages(plan, "--only", pattern, path)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_texts() {
        assert!(matches("gradients[*]", "gradients[SmolLM2,wikitext2]"));
        assert!(matches("*,?-bit]", "quantize[m,gptq,3-bit]"));
        assert!(matches("**a*b", "xxaxxbxb"));
        assert!(!matches("gradients", "gradients[m]"));
        assert!(!matches("*c", "ab"));
        assert!(matches("*", "") && !matches("?", ""));
    }
}
