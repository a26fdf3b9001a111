//! What a model's folder says about chats.

use crate::TaskError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A chat template with what it may refer to.
#[derive(Debug)]
pub struct Config {
    /// The file that the template comes from.
    pub path: PathBuf,
    /// Its text.
    pub template: String,
    /// Special tokens by their name: `bos_token`, `eos_token`, … Those that are null are left out.
    pub special_tokens: BTreeMap<String, String>,
}

impl Config {
    /// Reads `tokenizer_config.json` and, where it is there, `chat_template.jinja`.
    pub fn read(model: &Path) -> Result<Self, TaskError> {
        let path = model.join("tokenizer_config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| TaskError::read(&path, e))?;
        let config: Value = serde_json::from_str(&text)
            .map_err(|e| TaskError::malformed(&path, format!("not valid JSON: {e}")))?;
        let special_tokens = special_tokens(&config);
        let own = model.join("chat_template.jinja");
        match std::fs::read_to_string(&own) {
            Ok(template) => return Ok(Self { path: own, template, special_tokens }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(TaskError::read(&own, e)),
        }
        let template =
            template(&config, &path)?.ok_or_else(|| TaskError::NoChatTemplate { model: model.to_owned() })?;
        Ok(Self { path, template, special_tokens })
    }
}

/// The template in `tokenizer_config.json`: one, or a list of named ones.
fn template(config: &Value, path: &Path) -> Result<Option<String>, TaskError> {
    match config.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(Value::Array(named)) => {
            let default = named.iter().find(|entry| entry["name"] == "default");
            let template = default.and_then(|entry| entry["template"].as_str());
            let none = || TaskError::malformed(path, "none of the chat templates is named `default`");
            template.map(|t| Some(t.to_owned())).ok_or_else(none)
        }
        Some(_) => Err(TaskError::malformed(path, "`chat_template` is neither a string nor a list")),
    }
}

/// All `…_token` fields: strings, or objects with the string in `content`.
fn special_tokens(config: &Value) -> BTreeMap<String, String> {
    let fields = config.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_token"));
    let text = |value: &Value| value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned);
    fields.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}
