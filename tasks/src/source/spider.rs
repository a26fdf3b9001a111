//! Spider's questions (arXiv 1809.08887) and the schemas of its databases.

use super::container::read_text;
use super::record::records;
use crate::TaskError;
use serde::Deserialize;
use std::collections::BTreeMap;
use tacq_protocol::DataFile;

/// A question with the query that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question in words.
    pub question: String,
    /// The gold query.
    pub query: String,
    /// Which database it is about.
    pub db_id: String,
}

/// Reads questions: `dev.json`, `train_spider.json`, or JSON lines and tables with `question`, `query` and `db_id`.
pub fn read(files: &[DataFile]) -> Result<Vec<Question>, TaskError> {
    let mut questions = Vec::new();
    for file in files {
        for record in records(std::slice::from_ref(file))? {
            let field = |name: &str| record.text(&file.path, name).map(str::to_owned);
            let question =
                Question { question: field("question")?, query: field("query")?, db_id: field("db_id")? };
            questions.push(question);
        }
    }
    Ok(questions)
}

/// A table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name in the database.
    pub name: String,
    /// Its columns' names in the database.
    pub columns: Vec<String>,
}

/// One database in `tables.json`. Columns are pairs of a table's number and a name; −1 stands for `*`.
#[derive(Deserialize)]
struct Schema {
    db_id: String,
    table_names_original: Vec<String>,
    column_names_original: Vec<(i64, String)>,
}

/// Reads the tables of each database from `tables.json`.
pub fn read_tables(files: &[DataFile]) -> Result<BTreeMap<String, Vec<Table>>, TaskError> {
    let mut databases = BTreeMap::new();
    for file in files {
        let schemas: Vec<Schema> = serde_json::from_str(&read_text(&file.path)?).map_err(|e| {
            TaskError::malformed(&file.path, format!("not a list of database schemas as in tables.json: {e}"))
        })?;
        for schema in schemas {
            let columns = &schema.column_names_original;
            let of_table = |n: i64| columns.iter().filter(move |(table, _)| *table == n);
            let tables = schema.table_names_original.iter().zip(0..).map(|(name, n)| Table {
                name: name.clone(),
                columns: of_table(n).map(|(_, column)| column.clone()).collect(),
            });
            databases.insert(schema.db_id, tables.collect());
        }
    }
    Ok(databases)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> [DataFile; 1] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        [DataFile { name: name.to_owned(), path }]
    }

    #[test]
    fn questions_may_have_more_fields_than_are_needed() {
        let folder = tempfile::tempdir().unwrap();
        let text =
            r#"[{"db_id": "d", "query": "SELECT 1", "question": "One?", "query_toks": ["SELECT", "1"]}]"#;
        let expected = Question { question: "One?".into(), query: "SELECT 1".into(), db_id: "d".into() };
        assert_eq!(read(&file(&folder, "dev.json", text)).unwrap(), [expected]);
    }

    #[test]
    fn columns_belong_to_their_tables() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"[{"db_id": "d", "table_names_original": ["A", "B"], "primary_keys": [1],
            "column_names_original": [[-1, "*"], [1, "z"], [0, "x"], [1, "y"]]}]"#;
        let databases = read_tables(&file(&folder, "tables.json", text)).unwrap();
        let table = |name: &str, columns: &[&str]| Table {
            name: name.into(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        };
        assert_eq!(databases["d"], [table("A", &["x"]), table("B", &["z", "y"])]);
        let error = read_tables(&file(&folder, "tables.json", "[{}]")).unwrap_err().to_string();
        assert!(error.contains("not a list of database schemas as in tables.json: missing field"), "{error}");
    }
}
