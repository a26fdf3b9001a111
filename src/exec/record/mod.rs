//! What a run leaves behind: a folder below `runs/` of the store, which tells others how it goes and how it went.
//!
//! ```text
//! runs/<time>-<pid>/
//!   run.json         what was started, when, by which process
//!   alive            locked while the run lives
//!   live.json        what runs at this moment, renewed every second
//!   stages.jsonl     a line for each stage that ended: how, where, how long, how large
//!   log.jsonl        the log
//!   requests/        the frozen request of each stage that was sent to a worker
//!   engine-N.log     what engines wrote to standard error
//!   summary.json     how the run ended; absent while it lives, or if it was killed
//! ```

mod folder;
mod journal;
mod live;
mod past;

pub(super) use folder::unix_now;
pub use folder::{RunFolder, RunRecord, Started};
pub(super) use journal::Journal;
pub use journal::StageRecord;
pub use live::{Live, LiveStage};
pub use past::{PastRun, RunState};
