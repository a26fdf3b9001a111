//! What the files of a data set and its questions must keep.

use super::kinds::KINDS;
use super::schema::sizes;
use super::{Database, Question, databases, question, questions_json, schemas};
use crate::pick::pick;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tacq_testkit::random::Random;

fn draw(databases: &[Database], n: usize, seed: u64) -> Vec<Question> {
    let mut random = Random::new(seed);
    let mut one = || {
        let database = pick(&mut random, databases);
        question(&mut random, database)
    };
    (0..n).map(|_| one()).collect()
}

/// The result as text, row by row.
fn result(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap_or_else(|e| panic!("{query}: {e}"));
    let n = statement.column_count();
    let rows = statement.query_map((), |row| {
        let cells = (0..n).map(|i| row.get::<_, rusqlite::types::Value>(i));
        Ok(format!("{:?}", cells.collect::<rusqlite::Result<Vec<_>>>()?))
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap_or_else(|e| panic!("{query}: {e}"))
}

fn written(folder: &tempfile::TempDir) -> BTreeMap<String, Connection> {
    let open = |database: Database| {
        let path = folder.path().join(format!("{}.sqlite", database.id));
        database.write(&path).unwrap();
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        (database.id.to_owned(), connection)
    };
    databases().into_iter().map(open).collect()
}

#[test]
fn databases_are_small_sound_and_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let connections = written(&folder);
    assert_eq!(connections.len(), 8);
    for database in databases() {
        let connection = &connections[database.id];
        assert_eq!(result(connection, "PRAGMA foreign_key_check"), [""; 0]);
        assert_eq!(result(connection, "PRAGMA integrity_check"), ["[Text(\"ok\")]"]);
        for table in &database.tables {
            let count = result(connection, &format!("SELECT count(*) FROM {}", table.name()));
            assert_eq!(count, [format!("[Integer({})]", table.n_rows())]);
            assert!((12..=40).contains(&table.n_rows()), "{}", table.name());
        }
        let again = folder.path().join("again");
        database.write(&again).unwrap();
        let bytes = fs::read(&again).unwrap();
        fs::remove_file(&again).unwrap();
        assert_eq!(bytes, fs::read(folder.path().join(format!("{}.sqlite", database.id))).unwrap());
        println!("{}: {} bytes", database.id, bytes.len());
        assert!(bytes.len() < 20_000, "{}: {} bytes", database.id, bytes.len());
    }
}

#[test]
fn a_database_is_not_written_twice_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.sqlite");
    let database = &databases()[0];
    database.write(&path).unwrap();
    let error = database.write(&path).unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
}

#[test]
fn names_are_unique_in_a_database() {
    for database in databases() {
        let names: Vec<_> = database.tables.iter().flat_map(|table| &table.label.values).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{}", database.id);
    }
}

#[test]
fn one_value_is_the_most_common() {
    for table in databases().iter().flat_map(|database| &database.tables) {
        let of_categories = table.categories.iter().map(|category| sizes(&category.values));
        let of_references = table.references.iter().map(|reference| sizes(&reference.values));
        for sizes in of_categories.chain(of_references) {
            let largest = sizes.iter().max().unwrap();
            assert_eq!(sizes.iter().filter(|&size| size == largest).count(), 1, "{}", table.name());
        }
    }
}

#[test]
fn queries_run_and_find_something() {
    let folder = tempfile::tempdir().unwrap();
    let connections = written(&folder);
    let questions = draw(&databases(), 5000, 1);
    for Question { db_id, query, .. } in questions {
        assert!(!result(&connections[&db_id], &query).is_empty(), "{db_id}: {query}");
    }
}

#[test]
fn a_question_has_one_query_and_there_are_many() {
    let mut queries: BTreeMap<(String, String), String> = BTreeMap::new();
    for drawn in draw(&databases(), 200_000, 2) {
        let Question { db_id, question, query } = drawn;
        let known = queries.entry((db_id, question.clone())).or_insert_with(|| query.clone());
        assert_eq!(*known, query, "{question}");
    }
    println!("{} questions", queries.len());
    assert!(queries.len() >= 20_000, "{}", queries.len());
}

#[test]
fn questions_are_whole_sentences() {
    for Question { question, query, .. } in draw(&databases(), 20_000, 3) {
        assert!(question.ends_with(['.', '?']) && question.is_ascii(), "{question}");
        assert!(!question.contains(['{', '}', '\'', '"']) && !question.contains("  "), "{question}");
        assert!(!query.contains(['{', '}', ';', '"']) && !query.contains("  "), "{query}");
    }
}

#[test]
fn every_kind_has_questions_about_every_database() {
    let mut random = Random::new(4);
    for (n, kind) in KINDS.iter().enumerate() {
        for database in databases() {
            let found = (0..200).any(|_| kind.draw(&mut random, &database).is_some());
            assert!(found, "kind {n} about {}", database.id);
        }
    }
}

#[test]
fn schemas_name_the_columns_of_the_databases() {
    let folder = tempfile::tempdir().unwrap();
    let connections = written(&folder);
    let text = schemas(&databases()).to_string();
    let schemas: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(schemas.len(), 8);
    for schema in schemas {
        let connection = &connections[schema["db_id"].as_str().unwrap()];
        let columns = schema["column_names_original"].as_array().unwrap();
        assert_eq!(columns[0], serde_json::json!([-1, "*"]));
        assert_eq!(schema["column_types"].as_array().unwrap().len(), columns.len());
        assert_eq!(schema["column_names"].as_array().unwrap().len(), columns.len());
        assert_eq!(schema["table_names"], schema["table_names_original"]);
        let tables = &schema["table_names_original"];
        let table_of = |column: &Value| tables[column[0].as_u64().unwrap() as usize].as_str().unwrap();
        let mut expected = Vec::new();
        for table in tables.as_array().unwrap().iter().map(|table| table.as_str().unwrap()) {
            let names = result(connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
            expected.extend(names.into_iter().map(|name| (table, name)));
        }
        let found = columns[1..].iter().map(|c| (table_of(c), format!("[Text({})]", c[1])));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        for key in schema["primary_keys"].as_array().unwrap() {
            assert_eq!(columns[key.as_u64().unwrap() as usize][1], "id");
        }
        for pair in schema["foreign_keys"].as_array().unwrap() {
            let [child, parent] = [0, 1].map(|i| &columns[pair[i].as_u64().unwrap() as usize]);
            let table = table_of(child);
            let query = format!("SELECT \"from\", \"table\" FROM pragma_foreign_key_list('{table}')");
            let expected = format!("[Text({}), Text({:?})]", child[1], table_of(parent));
            assert!(result(connection, &query).contains(&expected), "{expected}");
        }
    }
}

#[test]
fn questions_keep_their_fields() {
    let questions = draw(&databases(), 100, 5);
    let records: Vec<Value> = serde_json::from_str(&questions_json(&questions).to_string()).unwrap();
    assert_eq!(records.len(), 100);
    for (record, question) in records.iter().zip(&questions) {
        assert_eq!(record["db_id"], question.db_id.as_str());
        assert_eq!(record["question"], question.question.as_str());
        assert_eq!(record["query"], question.query.as_str());
        let tokens = |field: &str| -> String {
            record[field].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect()
        };
        assert_eq!(tokens("question_toks"), question.question.replace(' ', ""));
        assert_eq!(tokens("query_toks").replace(' ', ""), question.query.replace(' ', ""));
    }
}
