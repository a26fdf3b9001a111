//! Logs: for people on standard error, as JSON lines in a run's folder.

use crate::fsx;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Starts logging. `RUST_LOG` decides what people see, if set; else the number of `-v`.
pub(super) fn start(verbose: u8, color: bool, json: Option<&Path>) -> Result<(), fsx::FsError> {
    let level = match verbose {
        // Failures and retries are told by the progress display.
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let people = fmt::layer().with_ansi(color).with_writer(io::stderr).with_target(false).without_time();
    let file = match json {
        Some(path) => {
            let layer = fmt::layer().json().with_ansi(false).with_writer(Mutex::new(fsx::append(path)?));
            Some(layer.with_filter(LevelFilter::DEBUG))
        }
        None => None,
    };
    // A second call, from a test in this process, changes nothing.
    let _ = tracing_subscriber::registry().with(people.with_filter(filter)).with(file).try_init();
    Ok(())
}
