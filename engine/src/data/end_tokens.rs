//! The tokens at which a model's texts end.

use super::DataError;
use crate::Result;
use crate::fsx;
use serde_json::Value;
use std::path::Path;

/// `eos_token_id`, a number or a list, of `generation_config.json` and of `config.json`: together, because chat models
/// often name the end of a turn in one and the end of a text in the other. Empty if neither names any.
pub fn end_tokens(model: &Path) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for name in ["generation_config.json", "config.json"] {
        let path = model.join(name);
        if !path.exists() {
            continue;
        }
        let fail = |reason: String| DataError::EndTokens { path: path.clone(), reason };
        let config: Value =
            serde_json::from_slice(&fsx::read(&path)?).map_err(|e| fail(format!("not valid JSON: {e}")))?;
        let found = match &config["eos_token_id"] {
            Value::Null => continue,
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        for id in found {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            ids.push(
                id.ok_or_else(|| fail("eos_token_id is neither a token id nor a list of them".to_owned()))?,
            );
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(end_tokens(folder.path()).unwrap(), [] as [u32; 0]);
        write("config.json", r#"{"eos_token_id": 9}"#);
        write("generation_config.json", r#"{"eos_token_id": [3, 9]}"#);
        assert_eq!(end_tokens(folder.path()).unwrap(), [3, 9]);
        write("config.json", r#"{"eos_token_id": "</s>"}"#);
        let error = end_tokens(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("eos_token_id is neither a token id nor a list of them"), "{error}");
    }
}
