//! Prompts of the user's own records, by the user's templates.
//!
//! A template sees a record's fields as variables; a field that the record lacks is an error, and so is an unknown
//! filter. As everywhere in Jinja, one newline at a template's end is dropped: what ends a YAML block is no part of the
//! prompt. Without a chat, the prompt is the solved examples, each with its completion and the separator after it, and
//! then the question; the completion directly follows the prompt, so it brings its own space. With a chat, each solved
//! example is a user's message (prompt) and an assistant's (completion), after the system message, if there is one.
//! Solved examples are the first records of the input `few_shot`. Every record of the data set is an example, named by
//! its number from 0.
//!
//! For a multiple-choice task the rendered completion must equal exactly one of the rendered choices.

use super::{Example, ExampleSet, Inputs, enough};
use crate::TaskError;
use crate::chat::{ChatTemplate, Message, Role};
use crate::source::{Record, each_record};
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use std::path::Path;
use tacq_protocol::DataFile;
use tacq_protocol::task::CustomExamples;

/// A question and its answer, both rendered, and the choices where there are any.
struct Rendered {
    prompt: String,
    completion: String,
    choices: Vec<String>,
}

/// The user's templates.
struct Templates {
    environment: Environment<'static>,
    n_choices: usize,
}

/// An example of each record.
pub fn load(
    custom: &CustomExamples,
    choices: &[String],
    inputs: &Inputs<'_>,
) -> Result<ExampleSet, TaskError> {
    let templates = Templates::new(custom, choices)?;
    let shots = shots(&templates, custom.few_shot.get(), inputs.few_shot)?;
    let format = Format::new(custom, &shots, inputs.model)?;
    let mut examples = Vec::new();
    for file in inputs.dataset {
        each_record(file, |record| {
            let rendered = templates.render(&record, &file.path)?;
            one_is_gold(&rendered, &record, &file.path)?;
            let (prompt, completion) = format.join(&rendered)?;
            examples.push(Example {
                id: examples.len().to_string(),
                group: String::new(),
                prompt,
                completion,
                gold: rendered.completion.trim().to_owned(),
                choices: rendered.choices,
            });
            Ok(())
        })?;
    }
    let add_special_tokens = !format.template.as_ref().is_some_and(|t| t.writes_bos(&examples));
    Ok(ExampleSet { examples, add_special_tokens })
}

/// The first `wanted` records of the files, rendered.
fn shots(templates: &Templates, wanted: u32, files: &[DataFile]) -> Result<Vec<Rendered>, TaskError> {
    let mut shots = Vec::new();
    for file in files {
        each_record(file, |record| {
            if shots.len() < wanted as usize {
                shots.push(templates.render(&record, &file.path)?);
            }
            Ok(())
        })?;
    }
    enough(shots.len(), wanted, "this data set", files)?;
    Ok(shots)
}

/// Of the choices of a question, exactly one must be the answer.
fn one_is_gold(rendered: &Rendered, record: &Record, path: &Path) -> Result<(), TaskError> {
    let equal = rendered.choices.iter().filter(|choice| **choice == rendered.completion).count();
    if rendered.choices.is_empty() || equal == 1 {
        return Ok(());
    }
    let reason = format!(
        "{}: the completion {:?} equals {equal} of the choices {:?}; it must equal exactly one",
        record.place, rendered.completion, rendered.choices
    );
    Err(TaskError::malformed(path, reason))
}

impl Templates {
    fn new(custom: &CustomExamples, choices: &[String]) -> Result<Self, TaskError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let named = [("prompt".to_owned(), &custom.prompt), ("completion".to_owned(), &custom.completion)];
        let n_choices = choices.len();
        let choices = choices.iter().zip(1..).map(|(source, n)| (format!("choices[{n}]"), source));
        for (name, source) in named.into_iter().chain(choices) {
            environment.add_template_owned(name.clone(), source.clone()).map_err(|e| {
                TaskError::Template { what: format!("template `{name}`"), reason: e.to_string() }
            })?;
        }
        Ok(Self { environment, n_choices })
    }

    fn render(&self, record: &Record, path: &Path) -> Result<Rendered, TaskError> {
        let render = |name: &str| {
            let template = self.environment.get_template(name).expect("it was added when these were made");
            template.render(Serde(&record.fields)).map_err(|error| {
                let mut reason = error.to_string();
                if error.kind() == ErrorKind::UndefinedError {
                    let fields: Vec<&str> = record.fields.keys().map(String::as_str).collect();
                    reason = format!("{reason}; the record's fields are: {}", fields.join(", "));
                }
                let what = format!("{}: {}: template `{name}`", path.display(), record.place);
                TaskError::Template { what, reason }
            })
        };
        let choices = (1..=self.n_choices).map(|n| render(&format!("choices[{n}]")));
        Ok(Rendered {
            prompt: render("prompt")?,
            completion: render("completion")?,
            choices: choices.collect::<Result<_, _>>()?,
        })
    }
}

/// How questions and solved examples become one prompt.
struct Format {
    /// A model's chat template, or none for plain text.
    template: Option<ChatTemplate>,
    /// In a chat, what is said before the question.
    messages: Vec<Message>,
    /// In plain text, what stands before the question.
    prefix: String,
}

impl Format {
    fn new(custom: &CustomExamples, shots: &[Rendered], model: &Path) -> Result<Self, TaskError> {
        if !custom.chat {
            let shot = |s: &Rendered| format!("{}{}{}", s.prompt, s.completion, custom.separator);
            let prefix = shots.iter().map(shot).collect();
            return Ok(Self { template: None, messages: Vec::new(), prefix });
        }
        let system = custom.system.iter().map(|text| Message::new(Role::System, text));
        let said = shots.iter().flat_map(|shot| {
            [Message::new(Role::User, &shot.prompt), Message::new(Role::Assistant, &shot.completion)]
        });
        let messages = system.chain(said).collect();
        Ok(Self { template: Some(ChatTemplate::open(model)?), messages, prefix: String::new() })
    }

    /// Prompt and completion.
    fn join(&self, rendered: &Rendered) -> Result<(String, String), TaskError> {
        let Some(template) = &self.template else {
            return Ok((format!("{}{}", self.prefix, rendered.prompt), rendered.completion.clone()));
        };
        let mut messages = self.messages.clone();
        messages.push(Message::new(Role::User, &rendered.prompt));
        let prompt = template.prompt(&messages)?;
        let completion = template.completion(&messages, &prompt, &rendered.completion)?;
        Ok((prompt, completion))
    }
}
