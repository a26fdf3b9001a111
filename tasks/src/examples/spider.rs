//! Prompts of Spider: the schema and the question, in the model's chat template.

use super::{Example, ExampleSet, Inputs};
use crate::TaskError;
use crate::chat::{ChatTemplate, Message, Role};
use crate::source::spider::{Table, read, read_tables};

const SYSTEM: &str = "### Answer the question by sqlite SQL query only and with no explanation";

/// Questions in file order. A calibration text is the prompt alone: the reference does not append the query.
pub fn load(inputs: &Inputs<'_>) -> Result<ExampleSet, TaskError> {
    let databases = read_tables(inputs.tables)?;
    let template = ChatTemplate::open(inputs.model)?;
    let mut examples = Vec::new();
    for (i, question) in read(inputs.dataset)?.into_iter().enumerate() {
        let tables = databases
            .get(&question.db_id)
            .ok_or_else(|| TaskError::MissingSchema { db_id: question.db_id.clone(), question: i })?;
        let messages =
            [Message::new(Role::System, SYSTEM), Message::new(Role::User, asked(&question.question, tables))];
        examples.push(Example {
            id: i.to_string(),
            group: question.db_id,
            prompt: template.prompt(&messages)?,
            completion: String::new(),
            gold: question.query.trim().to_owned(),
            choices: Vec::new(),
        });
    }
    let add_special_tokens = !template.writes_bos(&examples);
    Ok(ExampleSet { examples, add_special_tokens })
}

fn asked(question: &str, tables: &[Table]) -> String {
    let described: String =
        tables.iter().map(|table| format!("# {}({});\n", table.name, table.columns.join(","))).collect();
    format!("### Sqlite SQL tables, with their properties:\n{described}###\n### {question}\n### SQL:")
}
