//! Chats as a model was trained to see them: its chat template, rendered as Hugging Face transformers does.

mod config;
mod jinja;
mod json;

use crate::TaskError;
use crate::examples::Example;
use config::Config;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value};
use minijinja::{Environment, context};
use std::path::Path;
use std::sync::Arc;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Who sets the rules.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    role: Role,
    content: String,
}

impl Message {
    /// `content`, said by `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// A message is a mapping for templates, its keys in the order in which Python code writes them.
impl Object for Message {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "role" => Some(Value::from(match self.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            })),
            "content" => Some(Value::from(self.content.as_str())),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["role", "content"])
    }
}

/// A model's chat template with its special tokens.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    config: Config,
}

/// The template's name in messages of its errors.
const NAME: &str = "chat_template";

impl ChatTemplate {
    /// Reads the template of a model's folder: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`
    /// (of several, the one named `default`).
    pub fn open(model: &Path) -> Result<Self, TaskError> {
        let config = Config::read(model)?;
        let mut environment = jinja::environment();
        let source = jinja::without_generation_marks(&config.template);
        environment.add_template_owned(NAME, source).map_err(|e| failed(model, &e))?;
        Ok(Self { environment, config })
    }

    /// A chat that goes on with the model's answer: `apply_chat_template(messages, add_generation_prompt=True)`.
    pub fn prompt(&self, messages: &[Message]) -> Result<String, TaskError> {
        self.render(messages, true)
    }

    /// What follows `prompt` when the model's answer is `answer`: the answer as the template writes it, with what ends
    /// it. A template that writes earlier answers in another way than the last one gets the answer's text alone.
    pub fn completion(&self, messages: &[Message], prompt: &str, answer: &str) -> Result<String, TaskError> {
        let mut whole = messages.to_vec();
        whole.push(Message::new(Role::Assistant, answer));
        let whole = self.render(&whole, false)?;
        Ok(whole.strip_prefix(prompt).unwrap_or(answer).to_owned())
    }

    /// Whether all prompts begin with the token for the beginning of a text, so that the tokenizer must not add it.
    pub fn writes_bos(&self, examples: &[Example]) -> bool {
        let bos = self.config.special_tokens.get("bos_token").filter(|token| !token.is_empty());
        bos.is_some_and(|bos| examples.iter().all(|example| example.prompt.starts_with(bos.as_str())))
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TaskError> {
        let template =
            self.environment.get_template(NAME).expect("the template was added when this was made");
        let messages: Vec<Value> = messages.iter().cloned().map(Value::from_object).collect();
        let call = context! { messages, add_generation_prompt, tools => (), documents => () };
        let tokens = Value::from(Serde(&self.config.special_tokens));
        template.render(context! { ..call, ..tokens }).map_err(|e| failed(&self.config.path, &e))
    }
}

fn failed(path: &Path, error: &minijinja::Error) -> TaskError {
    TaskError::Template { what: format!("{}: the chat template", path.display()), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
