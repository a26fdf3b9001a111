//! `serve`: sweeps in a browser. What a run leaves in the store is watched, whoever started it, and shown as it changes; the
//! report beside it is the one that `report --format html` writes.
//!
//! Nothing here computes a stage: a run that is started from the page is a process of its own, so that whatever happens to
//! this one, the sweep goes on.

mod answers;
mod connections;
mod control;
mod demo;
mod devices;
mod error;
mod events;
mod guard;
mod host;
mod log;
mod pages;
mod runs;
mod server;
mod site;
mod snapshot;
mod stage;
mod token;
mod watch;

pub use demo::DemoSettings;
pub use error::ServeError;
pub use server::{Settings, serve};
pub use site::{Opened, Site};
pub use token::Token;
