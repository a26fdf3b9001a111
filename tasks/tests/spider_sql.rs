//! Predicted queries on real databases: verdicts, errors, and what a hostile one may not do.

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tacq_protocol::DataFile;
use tacq_tasks::sql::{Limits, Scorer, SqlVerdict};

/// Enough for every query here that is meant to end.
const LIMITS: Limits = Limits {
    steps: 3_000_000,
    wall_clock: Duration::from_secs(20),
    heap_bytes: 256 << 20,
    sql_bytes: 100_000,
    value_bytes: 1_000_000,
    gold_rows: 1000,
};

/// A folder with a database of four pets.
struct Pets {
    folder: tempfile::TempDir,
    scorer: Scorer,
}

impl Pets {
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // What a URI would take for its query, fragment or escape.
        let path = folder.path().join("100% pets?#.sqlite");
        let database = Connection::open(&path).unwrap();
        database
            .execute_batch(
                "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, age INTEGER, weight REAL);
                 INSERT INTO pet VALUES (1, 'Ada', 'cat', 3, 4.0), (2, 'Bob', 'dog', 7, 12.5),
                     (3, 'Cid', 'dog', NULL, 9.25), (4, CAST(x'44e96e' AS TEXT), 'cat', 3, 4.0);",
            )
            .unwrap();
        drop(database);
        let file = DataFile { name: "pets.sqlite".to_owned(), path };
        Self { folder, scorer: Scorer::open(&[file], limits).unwrap() }
    }

    fn score(&self, prediction: &str, gold: &str) -> SqlVerdict {
        self.scorer.score("pets", prediction, gold).unwrap()
    }

    #[track_caller]
    fn check(&self, gold: &str, prediction: &str, expected: bool) {
        let verdict = self.score(prediction, gold);
        assert_eq!(verdict.correct, expected, "{gold}\n{prediction}\n{}", verdict.note);
        assert_eq!(verdict.note.is_empty(), expected, "a note says why not, and only that: {}", verdict.note);
    }

    /// Names, contents and times of all files.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
                (path.clone(), (std::fs::read(&path).unwrap(), modified))
            })
            .collect()
    }
}

#[test]
fn a_query_is_right_if_its_result_is() {
    let pets = Pets::new();
    let gold = "SELECT name, kind FROM pet WHERE age = 3";
    pets.check(gold, "select kind, name from pet as p where p.age == 3 order by id desc;", true);
    pets.check(gold, "SELECT DISTINCT kind, name FROM pet WHERE age < = 3", true);
    pets.check(gold, "SELECT name, kind FROM pet WHERE age = '3'", true);
    pets.check(gold, "SELECT name, kind FROM pet WHERE kind = \"cat\"", true);
    pets.check(gold, "SELECT name, kind FROM pet", false);
    pets.check(gold, "SELECT name FROM pet WHERE age = 3", false);
    pets.check(gold, "SELECT name, 'cat ' FROM pet WHERE age = 3", false);
    pets.check("SELECT count(*) FROM pet", "SELECT 4.0", true);
    pets.check("SELECT count(*) FROM pet", "SELECT '4'", false);
    pets.check("SELECT age FROM pet WHERE id = 3", "SELECT NULL", true);
    pets.check("SELECT kind FROM pet", "SELECT DISTINCT kind FROM pet", true);
    pets.check("SELECT name FROM pet WHERE id = 4", "SELECT 'Dn'", true);
    pets.check("SELECT CAST(ceil(sqrt(age)) AS INTEGER) FROM pet WHERE id = 2", "SELECT pow(3, 1)", true);
}

#[test]
fn order_counts_if_the_gold_query_orders() {
    let pets = Pets::new();
    pets.check("SELECT id FROM pet ORDER BY id", "SELECT id FROM pet ORDER BY -id", false);
    pets.check("SELECT id FROM pet", "SELECT id FROM pet ORDER BY -id", true);
}

#[test]
fn without_rows_only_the_gold_query_s_emptiness_counts() {
    let pets = Pets::new();
    let gold = "SELECT name FROM pet WHERE age > 100";
    pets.check(gold, "SELECT 1, 2 WHERE 0", true);
    pets.check(gold, "SELECT name FROM pet", false);
    pets.check(gold, "SELECT name FROM pets", false);
    // As in the original: Python executes nothing, and finds no rows.
    pets.check(gold, ";", true);
    pets.check("SELECT 1", ";", false);
}

#[test]
fn notes_say_why_not() {
    let pets = Pets::new();
    let note = |prediction: &str| pets.score(prediction, "SELECT id, name FROM pet").note;
    assert_eq!(note("SELECT id FROM pet"), "1 columns, not 2");
    assert_eq!(note("SELECT id, name FROM pet LIMIT 3"), "3 rows, not 4");
    assert_eq!(note("SELECT a.id, b.name FROM pet AS a, pet AS b"), "more than 4 rows");
    assert_eq!(note("SELECT id, name || '!' FROM pet"), "more text than 11 bytes in all");
    assert_eq!(note("SELECT id, kind FROM pet WHERE id + 1"), "more text than 11 bytes in all");
    assert_eq!(note("SELECT id, 'x' FROM pet"), "other rows");
    assert_eq!(note("SELECT id, nme FROM pet"), "SQL error: no such column: nme");
    assert_eq!(note("SELECT id, ? FROM pet"), "SQL error: it has parameters, which nothing is given for");
    assert_eq!(note("SELECT id, name\0 FROM pet"), "SQL error: the query contains a null character");
    assert_eq!(note("DELETE FROM pet"), "SQL error: not authorized");
    let verdict = pets.score("SELECT id FROM pet", "SELECT id FROM pet ORDER BY id DESC");
    assert_eq!(verdict.note, "other rows, or the same in another order");
}

#[test]
fn what_is_wrong_with_the_data_is_an_error_not_a_verdict() {
    let pets = Pets::new();
    let error = |db_id: &str, gold: &str| pets.scorer.score(db_id, "SELECT 1", gold).unwrap_err().to_string();
    assert_eq!(
        error("wta_1", "SELECT 1"),
        "there is no wta_1.sqlite among the 1 databases: add Spider's database/wta_1/wta_1.sqlite"
    );
    assert_eq!(
        error("pets", "SELECT DISTINCT x FROM pet"),
        "the gold query on pets fails (SQL error: no such column: x): SELECT  x FROM pet"
    );
    assert!(error("pets", ENDLESS).contains("fails (step limit: it takes more than 3000000 steps)"));

    let broken = pets.folder.path().join("broken.sqlite");
    std::fs::write(
        &broken,
        "no database at all, but long enough to look like a file that has a header".repeat(20),
    )
    .unwrap();
    let open = |name: &str, path: &Path| {
        Scorer::open(&[DataFile { name: name.to_owned(), path: path.to_owned() }], LIMITS)
    };
    let scorer = open("database/broken/broken.sqlite", &broken).unwrap();
    assert!(scorer.has_database("broken") && !scorer.has_database("pets"));
    let message = scorer.score("broken", "SELECT 1", "SELECT a FROM b").unwrap_err().to_string();
    assert!(message.ends_with("broken.sqlite: file is not a database"), "{message}");
    let message = open("pets.db", &broken).unwrap_err().to_string();
    assert_eq!(message, "pets.db: a database of Spider is called DB_ID.sqlite");
    let twice =
        ["a/pets.sqlite", "b/pets.sqlite"].map(|name| DataFile { name: name.to_owned(), path: name.into() });
    let message = Scorer::open(&twice, LIMITS).unwrap_err().to_string();
    assert_eq!(message, "the database pets is given twice: a/pets.sqlite and b/pets.sqlite");
}

/// A recursion without end.
const ENDLESS: &str =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

fn hostile() -> Vec<String> {
    let mut queries: Vec<String> = [
        "ATTACH 'other.sqlite' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = 1",
        "PRAGMA table_info(pet)",
        "SELECT name FROM pragma_table_info('pet')",
        "DELETE FROM pet",
        "UPDATE pet SET age = 1 RETURNING age",
        "INSERT INTO pet VALUES (5, 'Eve', 'cat', 1, 1.0)",
        "WITH x AS (SELECT 1) DELETE FROM pet",
        "REPLACE INTO pet VALUES (1, 'Eve', 'cat', 1, 1.0)",
        "DROP TABLE pet",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "ALTER TABLE pet RENAME TO dog",
        "CREATE INDEX i ON pet (name)",
        "REINDEX",
        "ANALYZE",
        "VACUUM",
        "VACUUM INTO 'copy.sqlite'",
        "BEGIN IMMEDIATE",
        "SAVEPOINT s",
        "ROLLBACK",
        "SELECT load_extension('libm.so')",
        "SELECT LOAD_EXTENSION('libm.so', 'sin')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('out', 'x')",
        ENDLESS,
        "WITH RECURSIVE n(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM n) SELECT length(x) FROM n",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n ORDER BY -x",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT group_concat(x) FROM n",
        "SELECT zeroblob(2000000000)",
        "SELECT count(randomblob(1000000000))",
        "SELECT printf('%2000000000d', 1)",
        "SELECT hex(zeroblob(900000))",
        "SELECT replace(hex(zeroblob(400000)), '0', 'xxxxxxxx')",
        "SELECT 1 UNION SELECT abs(-9223372036854775807 - 1)",
    ]
    .map(str::to_owned)
    .to_vec();
    // Ten billion rows, in several ways to make them a thing of one step.
    let ten = "(SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT id FROM pet)";
    let product: Vec<String> = (0..12).map(|i| format!("{ten} AS t{i}")).collect();
    let product = product.join(", ");
    queries.push(format!("SELECT count(*) FROM {product}"));
    queries.push(format!("SELECT t0.n FROM {product} ORDER BY random()"));
    queries.push(format!("SELECT t0.n FROM {product} GROUP BY t0.n, t1.n + t2.n HAVING count(*) = 1"));
    // Each text twice as large as the one before it, as a program.
    let doubled: Vec<String> =
        (1..40).map(|i| format!("t{i} AS (SELECT a.* FROM t{0} AS a, t{0} AS b)", i - 1)).collect();
    queries.push(format!("WITH t0 AS (SELECT id FROM pet), {} SELECT count(*) FROM t39", doubled.join(", ")));
    queries.push(format!("SELECT '{}'", "x".repeat(1_000_000)));
    queries.push(format!("SELECT 1 -- {}", "x".repeat(1_000_000)));
    for opening in ["/*", "'", "'\\", "[", "\"a", "year(curdate(", "a.", "distinct "] {
        queries.push(format!("SELECT {}", opening.repeat(500_000)));
    }
    let deep = |open: &str, inner: &str, close: &str, n: usize| open.repeat(n) + inner + &close.repeat(n);
    queries.push(format!("SELECT {}", deep("(", "1", ")", 40_000)));
    queries.push(format!("SELECT {}1", "+-".repeat(40_000)));
    queries.push(format!("SELECT {}1", "NOT ".repeat(20_000)));
    queries.push(format!("SELECT 1{}", " + 1".repeat(20_000)));
    queries.push(deep("SELECT * FROM (", "SELECT id FROM pet", ")", 6000));
    queries.push(deep("SELECT (", "SELECT id FROM pet", ")", 6000));
    queries.push(deep("SELECT id FROM pet WHERE id IN (", "1", ")", 3000));
    queries.push(deep("SELECT CASE WHEN 1 THEN (", "1", ") END", 4000));
    queries.push(deep("WITH a AS (", "SELECT 1", ") SELECT * FROM a", 3000));
    queries.push(format!("SELECT {}", deep("abs(", "1", ")", 15_000)));
    queries.push(format!("SELECT 1{}", " UNION SELECT 1".repeat(6000)));
    queries.push(format!("SELECT id FROM pet WHERE {}", deep("id = 1 OR (", "id = 2", ")", 5000)));
    queries.push(format!("SELECT count(*) FROM {}", vec!["pet"; 5000].join(", ")));
    queries.push(format!("SELECT count(*) FROM {}", vec!["pet"; 64].join(" NATURAL JOIN ")));
    queries
}

#[test]
fn hostile_predictions_are_wrong_in_time_and_change_nothing() {
    let pets = Pets::new();
    let before = pets.files();
    let here = std::fs::read_dir(".").unwrap().count();
    let golds = ["SELECT id + 100 FROM pet", "SELECT id FROM pet WHERE 0"];
    for query in hostile() {
        let shown: String = query.chars().take(100).collect();
        for gold in golds {
            let start = Instant::now();
            let verdict = pets.score(&query, gold);
            assert!(!verdict.correct, "{shown}");
            assert!(start.elapsed() < LIMITS.wall_clock, "{:?}: {shown}", start.elapsed());
        }
    }
    assert_eq!(before.len(), 1);
    assert!(pets.files() == before, "the database, its time or its folder changed");
    assert_eq!(std::fs::read_dir(".").unwrap().count(), here, "files in the current folder");
    pets.check("SELECT count(*) FROM pet", "SELECT 4", true);
}

#[test]
fn only_one_statement_is_executed() {
    let pets = Pets::new();
    // Python's sqlparse, and so the original, takes the first of several.
    pets.check("SELECT 1", "SELECT 1; DROP TABLE pet", true);
    pets.check("SELECT 1", "DROP TABLE pet; SELECT 1", false);
    pets.check("SELECT 1", "SELECT 1; -- and that's all", true);
    // A comment for the former only.
    pets.check("SELECT 1", "SELECT 1; # and that is all", false);
    // Here it sees none but one, and SQLite two: a backslash escapes a quote for the former only.
    pets.check("SELECT 'a\\'", "SELECT 'a\\'; SELECT ';'", false);
}

#[test]
fn a_query_is_stopped_by_its_steps_on_every_machine_alike() {
    let pets = Pets::new();
    for _ in 0..3 {
        assert_eq!(pets.score(ENDLESS, "SELECT 1").note, "step limit: it takes more than 3000000 steps");
    }
    let counting = |n: u32| {
        format!("WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {n}) SELECT count(*) FROM n")
    };
    pets.check("SELECT 100000", &counting(100_000), true);
    pets.check("SELECT 1000000", &counting(1_000_000), false);
}

#[test]
fn the_clock_is_the_last_resort() {
    let limits = Limits { wall_clock: Duration::from_millis(200), steps: u64::MAX, ..LIMITS };
    let pets = Pets::with(limits);
    assert_eq!(pets.score(ENDLESS, "SELECT 1").note, "time limit: it takes longer than 0.2 s");
    // One step of many seconds, which cannot be interrupted: each of the letters is compared with all others. Who
    // waited for it would see its result.
    let slow = "SELECT trim(printf('%.*c', 60000, 'a'), printf('%.*c', 60000, 'b') || 'a')";
    assert_eq!(pets.score(slow, "SELECT 1").note, "time limit: it takes longer than 0.2 s");
    pets.check("SELECT 1", "SELECT 1", true);
}

#[test]
fn a_database_in_use_by_a_log_is_read_without_touching_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logged.sqlite");
    let database = Connection::open(&path).unwrap();
    database.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t AS SELECT 1 AS a;").unwrap();
    drop(database);
    let mut file = std::fs::metadata(&path).unwrap().permissions();
    file.set_readonly(true);
    std::fs::set_permissions(&path, file).unwrap();
    let scorer = Scorer::open(&[DataFile { name: "logged.sqlite".to_owned(), path }], LIMITS).unwrap();
    assert!(scorer.score("logged", "SELECT a FROM t", "SELECT 1").unwrap().correct);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A question's database and gold query.
type Question = (String, String);

/// Spider's dev split and its databases, where `TACQ_DATA` says that they are.
fn spider() -> Option<(Vec<Question>, Vec<DataFile>)> {
    let Some(data) = std::env::var_os("TACQ_DATA") else {
        eprintln!("skipped: TACQ_DATA does not name a folder with spider/dev.json and spider/database");
        return None;
    };
    let folder = Path::new(&data).join("spider");
    let text = std::fs::read_to_string(folder.join("dev.json")).unwrap();
    let questions: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let field = |question: &serde_json::Value, name: &str| question[name].as_str().unwrap().to_owned();
    let questions = questions.iter().map(|q| (field(q, "db_id"), field(q, "query"))).collect();
    let databases = std::fs::read_dir(folder.join("database")).unwrap().map(|entry| {
        let folder = entry.unwrap().path();
        let name = format!("{}.sqlite", folder.file_name().unwrap().display());
        DataFile { path: folder.join(&name), name }
    });
    Some((questions, databases.collect()))
}

#[test]
fn spider_s_gold_queries_are_right() {
    let Some((questions, databases)) = spider() else { return };
    let scorer = Scorer::open(&databases, Limits::default()).unwrap();
    assert_eq!(questions.len(), 1034);
    let mut right = 0;
    let mut missing = 0;
    for (db_id, query) in &questions {
        match scorer.score(db_id, query, query) {
            Ok(verdict) => {
                assert!(verdict.correct, "{db_id}: {query}: {}", verdict.note);
                right += 1;
            }
            Err(error) => {
                assert!(!scorer.has_database(db_id), "{error}");
                assert!(error.to_string().starts_with(&format!("there is no {db_id}.sqlite")), "{error}");
                missing += 1;
            }
        }
    }
    let expected = questions.iter().filter(|(db_id, _)| scorer.has_database(db_id)).count();
    assert_eq!((right, missing), (expected, questions.len() - expected));
    eprintln!("{right} gold queries are right, {missing} without their database");
}
