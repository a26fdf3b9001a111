//! Databases and questions in the files of Spider.

use super::Question;
use super::schema::{Database, Table};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, Result, params_from_iter};
use serde_json::{Value, json};
use std::path::Path;

/// The row's cells in the order of the columns.
fn cells(table: &Table, row: usize) -> Vec<Cell> {
    let mut cells = vec![id(row), Cell::Text(table.label.values[row].clone())];
    cells.extend(table.categories.iter().map(|c| Cell::Text(c.values[row].to_owned())));
    cells.extend(table.measures.iter().map(|m| Cell::Integer(m.values[row])));
    cells.extend(table.references.iter().map(|r| id(r.values[row])));
    cells
}

fn id(row: usize) -> Cell {
    Cell::Integer(row as i64 + 1)
}

impl Database {
    /// Writes an SQLite file, which must not be there yet.
    ///
    /// # Errors
    /// If it cannot be written, or has these tables already.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut connection = Connection::open(path)?;
        // Small pages, as each table begins a new one. Nobody reads the file before it is complete, so no journal.
        connection.execute_batch("PRAGMA page_size = 1024; PRAGMA journal_mode = OFF;")?;
        let transaction = connection.transaction()?;
        for table in &self.tables {
            transaction.execute(&self.declaration(table), ())?;
            let places = vec!["?"; table.columns().len()].join(", ");
            let mut insert =
                transaction.prepare(&format!("INSERT INTO {} VALUES ({places})", table.name()))?;
            for row in 0..table.n_rows() {
                insert.execute(params_from_iter(cells(table, row)))?;
            }
        }
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error)
    }

    fn declaration(&self, table: &Table) -> String {
        let declared = table.columns().into_iter().map(|column| match (column.name, column.parent) {
            ("id", _) => "id INTEGER PRIMARY KEY".to_owned(),
            (name, Some(parent)) => format!("{name} INTEGER REFERENCES {}(id)", self.tables[parent].name()),
            (name, None) => format!("{name} {}", if column.is_text { "TEXT" } else { "INTEGER" }),
        });
        format!("CREATE TABLE {} ({})", table.name(), declared.collect::<Vec<_>>().join(", "))
    }
}

/// The contents of `tables.json`.
pub fn schemas(databases: &[Database]) -> Value {
    databases.iter().map(schema).collect()
}

/// Columns are counted over all tables, behind one that stands for `*`.
fn schema(database: &Database) -> Value {
    let mut names = vec![json!([-1, "*"])];
    let mut types = vec!["text"];
    let mut ids = Vec::new();
    let mut foreign_keys = Vec::new();
    for (n, table) in database.tables.iter().enumerate() {
        ids.push(names.len());
        for column in table.columns() {
            if let Some(parent) = column.parent {
                foreign_keys.push([names.len(), ids[parent]]);
            }
            names.push(json!([n, column.name]));
            types.push(if column.is_text { "text" } else { "number" });
        }
    }
    let tables: Vec<_> = database.tables.iter().map(Table::name).collect();
    json!({
        "db_id": database.id,
        "table_names": tables,
        "table_names_original": tables,
        "column_names": names.iter().map(|name| json!([name[0], name[1].as_str().map(in_words)])).collect::<Vec<_>>(),
        "column_names_original": names,
        "column_types": types,
        "primary_keys": ids,
        "foreign_keys": foreign_keys,
    })
}

fn in_words(name: &str) -> String {
    name.replace('_', " ")
}

/// The contents of `dev.json`, without the parsed queries.
pub fn questions_json(questions: &[Question]) -> Value {
    let record = |question: &Question| {
        json!({
            "db_id": question.db_id,
            "question": question.question,
            "question_toks": tokens(&question.question),
            "query": question.query,
            "query_toks": tokens(&question.query),
        })
    };
    questions.iter().map(record).collect()
}

/// Words, texts in quotes, and punctuation.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '\'';
        if quoted || !(character.is_whitespace() || "(),?".contains(character)) {
            token.push(character);
            continue;
        }
        tokens.push(std::mem::take(&mut token));
        tokens.push(character.to_string());
    }
    // A full stop between words is part of a column's name.
    match token.strip_suffix('.') {
        Some(word) => tokens.extend([word.to_owned(), ".".to_owned()]),
        None => tokens.push(token),
    }
    tokens.retain(|token| !token.trim().is_empty());
    tokens
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn punctuation_stands_alone() {
        let query = "SELECT T1.age, count(*) FROM t WHERE name = 'Ada Hill'";
        let expected = [
            "SELECT",
            "T1.age",
            ",",
            "count",
            "(",
            "*",
            ")",
            "FROM",
            "t",
            "WHERE",
            "name",
            "=",
            "'Ada Hill'",
        ];
        assert_eq!(tokens(query), expected);
        assert_eq!(tokens("Count the books."), ["Count", "the", "books", "."]);
        assert_eq!(tokens("How many, then?"), ["How", "many", ",", "then", "?"]);
    }
}
