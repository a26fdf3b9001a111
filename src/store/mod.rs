//! Artifacts on disk, found by stage key, committed whole or not at all.
//!
//! ```text
//! <store>/v1/
//!   <kind>/<2 hex>/<key>/        one artifact: the stage's files and manifest.json; appears by one rename
//!   staging/<kind>-<key>/        files of a stage that is running or was killed; renamed into their place as a whole
//!   progress/<kind>-<key>/       what a stage that was killed goes on from
//!   locks/<key>.lock             advisory lock held while a stage is being computed; dies with its process
//!   pins/<run>                   keys that a living run uses; locked by it, so that it dies with its process
//!   gate.lock                    passed by runs that begin, together, and by who removes artifacts, alone
//!   summaries/<kind>/<2 hex>/<key>.json  what tables need of checkpoints that are not here (any more)
//!   outbox/<kind>-<key>          artifacts that are still to be pushed to the remote store
//!   quarantine/<kind>-<key>-<time>/  a damaged artifact that was moved aside, with reason.json
//!   trash/                       what was removed and is being deleted
//!   sources.json                 digests of local files by path, size, times and inode: a cache, may be deleted
//!   rendered.json                what rendered pages were made of: a cache, may be deleted
//!   hub/<repository>.json          commits that revisions of the hub stood for, and their files; may be deleted
//!   slurm/<run>/                 jobs submitted to Slurm, their results and logs; may go when none is queued or runs
//!   runs/<time>-<pid>/           log.jsonl, summary.json and the frozen requests of one `run`
//! ```
//!
//! A lookup is a hit, a miss that *holds* the reservation, or busy (another process holds it). Only a
//! reservation can commit, so nothing is stored that was not missed first, and no stage runs twice at once.

mod error;
mod gc;
mod layout;
mod list;
mod lock;
mod manifest;
mod outbox;
mod parallel;
mod pins;
pub mod remote;
mod remove;
mod reservation;
mod sources;
mod summary;
mod usage;
mod verify;

pub use error::StoreError;
pub use gc::{Garbage, GcScope, Sort};
pub use layout::Store;
pub use list::Entry;
pub use manifest::{Artifact, Execution, Glance, Manifest};
pub(crate) use parallel::in_parallel;
pub use pins::Pins;
pub use remove::Removal;
pub use reservation::{Lookup, Reservation};
pub use sources::{Fingerprint, SourceDigests};
pub use summary::has_summaries;
pub use usage::Usage;
pub use verify::{Damage, Finding};
