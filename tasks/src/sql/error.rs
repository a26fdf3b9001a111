use std::path::PathBuf;

/// Why a prediction could not be scored; what is wrong is never the prediction.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// A question is about a database that is not there.
    #[error(
        "there is no {db_id}.sqlite among the {given} databases: add Spider's database/{db_id}/{db_id}.sqlite"
    )]
    MissingDatabase {
        /// The database.
        db_id: String,
        /// How many there are.
        given: usize,
    },
    /// A file that is no database by its name.
    #[error("{name}: a database of Spider is called DB_ID.sqlite")]
    Name {
        /// Its name.
        name: String,
    },
    /// Two files for one database.
    #[error("the database {db_id} is given twice: {} and {}", first.display(), second.display())]
    Twice {
        /// The database.
        db_id: String,
        /// A file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A database that cannot be read.
    #[error("{}: {reason}", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// A gold query that has no result to compare with.
    #[error("the gold query on {db_id} fails ({reason}): {query}")]
    Gold {
        /// The database.
        db_id: String,
        /// The query as executed.
        query: String,
        /// What SQLite says, or which limit was met.
        reason: String,
    },
}
