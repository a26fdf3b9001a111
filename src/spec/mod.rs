//! Experiment files: what may be written, what it means, and everything that is wrong with one, at once.
//!
//! Text → [`node`] tree with positions ([`parse`], then [`set`]) → [`raw`], what was written ([`read`]) →
//! [`Experiment`], what is meant ([`resolve`]) → [`Trial`]s ([`axes`]).

pub mod axes;
pub mod builtin;
pub mod dataset;
mod datasets;
mod declared;
pub mod error;
mod evaluate;
pub mod experiment;
mod load;
pub mod location;
mod measure;
mod methods;
mod node;
mod parse;
pub mod quantity;
mod raw;
mod raw_data;
mod raw_methods;
mod raw_remote;
mod raw_stages;
mod read;
pub mod remote;
mod resolve;
pub mod retention;
pub mod run;
mod scalar;
mod schema;
mod set;
pub mod slurm;
mod stages;
mod suggest;
mod tasks;
mod templates;

pub use axes::{Trial, model_names, trials};
pub use error::{Diagnostic, LoadError, Position, SpecErrors};
pub use experiment::Experiment;
pub use load::{load, parse_str};
pub use location::{HubRepo, Location};
pub use resolve::DEFAULT_TEMPLATE;
pub use scalar::TEMPLATE_SUFFIX;
pub use schema::schema;
