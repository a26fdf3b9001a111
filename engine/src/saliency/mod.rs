//! Which weights matter: scores, the best candidates over all matrices, and masks.
//!
//! A weight's global index counts through the linear weights in model order
//! ([`linear_weights`](crate::model::linear_weights)), row by row. Candidates are ordered by descending score, ties by
//! ascending index, so that any ratio up to theirs is a prefix of them.

mod candidates;
mod device;
mod error;
mod histogram;
mod mask;
mod random;
mod score;
mod top;

pub use candidates::{BestIndices, Ranked, read_best};
pub use device::{DeviceCandidates, DeviceInputs, histogram_on_device, scores_on_device};
pub use error::SaliencyError;
pub use histogram::histogram;
pub use mask::{Mask, read_layout};
pub use random::uniform;
pub use score::{ScoreInputs, scores};
pub use top::{Candidate, TopCandidates};
