//! A query on a database, which it can only read, for as long as it may.

use super::compare::Table;
use super::limits::Limits;
use super::value::Value;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Instructions between two looks at the limits.
const STEPS_PER_LOOK: u16 = 1000;

/// SQLite compiles nested queries by recursion; its own limit on nesting is met long before this much is used.
const STACK_BYTES: usize = 64 << 20;

/// How much longer than its time a query is waited for: it looks at the clock itself, only not within a step.
const GRACE: Duration = Duration::from_secs(1);

/// Where a result is large enough to know that it is not the one looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Columns that it must have; any number when absent.
    pub(super) columns: Option<usize>,
    pub(super) rows: usize,
    /// Bytes of all texts and blobs.
    pub(super) bytes: usize,
}

/// Why a query has no result that could be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("SQL error: {0}")]
    Sql(String),
    #[error("step limit: it takes more than {0} steps")]
    Steps(u64),
    #[error("time limit: it takes longer than {} s", .0.as_secs_f64())]
    WallClock(Duration),
    #[error("{found} columns, not {expected}")]
    Columns { found: usize, expected: usize },
    #[error("more than {0} rows")]
    Rows(usize),
    #[error("more text than {0} bytes in all")]
    Bytes(usize),
    /// Not the query's fault.
    #[error("{0}")]
    Database(String),
}

/// Executes one statement. One at a time in this process, so that they do not share the memory they may use.
pub(super) fn run(path: &Path, sql: &str, limits: &Limits, bounds: Bounds) -> Result<Table, Failure> {
    static RUNNING: Mutex<()> = Mutex::new(());
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let (sender, receiver) = mpsc::channel();
    let (path, sql, limits) = (path.to_owned(), sql.to_owned(), *limits);
    let work = move || {
        // Nobody listens any more where this took too long.
        let _ = sender.send(execute(&path, &sql, &limits, bounds));
    };
    let thread = thread::Builder::new().name("sqlite".to_owned()).stack_size(STACK_BYTES).spawn(work);
    let thread = thread.map_err(|error| Failure::Database(format!("no thread for it: {error}")))?;
    match receiver.recv_timeout(limits.wall_clock + GRACE) {
        Ok(result) => {
            // Not later than this, so that its memory and its files are given back. It has nothing left that fails.
            let _ = thread.join();
            result
        }
        // A step that takes for ever can be neither interrupted nor killed; the thread is left to itself.
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::WallClock(limits.wall_clock)),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Failure::Database("SQLite's thread failed".to_owned()))
        }
    }
}

fn execute(path: &Path, sql: &str, limits: &Limits, bounds: Bounds) -> Result<Table, Failure> {
    let mut connection = open(path, limits).map_err(|error| Failure::Database(message(error)))?;
    let watch = Watch::default();
    watch.begin(&mut connection, limits).map_err(|error| Failure::Database(message(error)))?;
    // SQLite would end it there; Python refuses it.
    if sql.contains('\0') {
        return Err(Failure::Sql("the query contains a null character".to_owned()));
    }
    result(&connection, sql, bounds).map_err(|failure| watch.reason(limits).unwrap_or(failure))
}

/// A connection that reads, and finds no journal, no log and no lock worth a look.
fn open(path: &Path, limits: &Limits) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path), flags)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, limits.value_bytes)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, limits.sql_bytes)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // "text" is a text where it is no column, as in the SQLite of every Python.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true)?;
    let heap_bytes = limits.heap_bytes;
    // Sorting writes no files.
    connection
        .execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {heap_bytes};"))?;
    Ok(connection)
}

/// `file:…?mode=ro&immutable=1`, with all that means something in a URI escaped.
fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?mode=ro&immutable=1"
}

/// What a query may do: read, and call functions that do not leave the database.
fn permit(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// Ends what exceeds its limits, and says which.
#[derive(Debug, Clone, Default)]
struct Watch(Arc<AtomicU8>);

const STEPS: u8 = 1;
const WALL_CLOCK: u8 = 2;

impl Watch {
    fn begin(&self, connection: &mut Connection, limits: &Limits) -> rusqlite::Result<()> {
        let (exceeded, limits, start) = (Arc::clone(&self.0), *limits, Instant::now());
        let mut steps = 0_u64;
        let look = move || {
            steps += u64::from(STEPS_PER_LOOK);
            if steps > limits.steps {
                exceeded.store(STEPS, Ordering::Relaxed);
            } else if start.elapsed() > limits.wall_clock {
                exceeded.store(WALL_CLOCK, Ordering::Relaxed);
            }
            exceeded.load(Ordering::Relaxed) != 0
        };
        connection.progress_handler(STEPS_PER_LOOK.into(), Some(look))?;
        connection.authorizer(Some(permit))
    }

    fn reason(&self, limits: &Limits) -> Option<Failure> {
        match self.0.load(Ordering::Relaxed) {
            STEPS => Some(Failure::Steps(limits.steps)),
            WALL_CLOCK => Some(Failure::WallClock(limits.wall_clock)),
            _ => None,
        }
    }
}

/// What Python's `cursor.execute(sql)` and `fetchall()` give.
fn result(connection: &Connection, sql: &str, bounds: Bounds) -> Result<Table, Failure> {
    let mut statement = connection.prepare(sql).map_err(failure)?;
    // Nothing but spaces and comments, of which SQLite makes no statement: no error in Python, and no rows.
    if statement.expanded_sql().is_none() {
        return Ok(Table::default());
    }
    let n_columns = statement.column_count();
    if n_columns == 0 {
        return Err(Failure::Sql("it is no query".to_owned()));
    }
    if statement.parameter_count() > 0 {
        return Err(Failure::Sql("it has parameters, which nothing is given for".to_owned()));
    }
    if let Some(expected) = bounds.columns.filter(|&expected| expected != n_columns) {
        return Err(Failure::Columns { found: n_columns, expected });
    }
    let mut table = Table { n_columns, rows: Vec::new() };
    let mut bytes = 0;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failure)? {
        let row = values(row, n_columns).map_err(failure)?;
        bytes += row.iter().map(Value::bytes).sum::<usize>();
        table.rows.push(row);
        if table.rows.len() > bounds.rows {
            return Err(Failure::Rows(bounds.rows));
        }
        if bytes > bounds.bytes {
            return Err(Failure::Bytes(bounds.bytes));
        }
    }
    Ok(table)
}

fn values(row: &Row<'_>, n_columns: usize) -> rusqlite::Result<Vec<Value>> {
    let value = |i| {
        Ok(match row.get_ref(i)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(i) => Value::Integer(i),
            ValueRef::Real(x) => Value::Real(x),
            // Python's `decode(errors="ignore")`.
            ValueRef::Text(bytes) => Value::Text(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        })
    };
    (0..n_columns).map(value).collect()
}

fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen,
        ) => Failure::Database(message(error)),
        _ => Failure::Sql(message(error)),
    }
}

/// What SQLite says, without the query.
fn message(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        rusqlite::Error::SqliteFailure(_, Some(msg)) => msg,
        error => error.to_string(),
    }
}
