//! What can be typed after `store`.

use super::args::{Format, RemotePlace, remote_place};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use std::time::Duration;
use tacq_protocol::StageKind;

/// Where the store is if neither `--store` nor an experiment file says so.
pub(super) const DEFAULT_STORE: &str = ".tacq";

/// Experiment files whose plans are meant, and their store.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct PlanArgs {
    /// Experiment files.
    pub files: Vec<PathBuf>,
    /// Set a value of the files: a dotted path and a YAML value, such as 'sweep.seed=3'.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "files")]
    pub sets: Vec<String>,
    /// The store's folder, in place of the files' run.store; without a file: .tacq.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// A store that machines share, in place of the files' run.remote: s3://bucket/prefix or a folder.
    #[arg(long, env = "TACQ_REMOTE", value_name = "PLACE", value_parser = remote_place)]
    pub remote: Option<RemotePlace>,
}

/// Which artifacts are meant.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct ArtifactFilter {
    /// Only artifacts of this kind; may be given several times.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Vec<StageKind>,
    /// Only artifacts whose label matches (`*` and `?`), or whose key begins so.
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// List artifacts: key, size, age, seconds they took. With files: those of their plans.
    Ls {
        #[command(flatten)]
        plans: PlanArgs,
        #[command(flatten)]
        filter: ArtifactFilter,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show what takes up how much, and what `store gc` with the same files would free.
    Du {
        #[command(flatten)]
        plans: PlanArgs,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Read every file again and compare it with its digest. What is damaged is moved aside, so that the next run
    /// computes it again. Exits with 1 if something was damaged.
    Verify {
        #[command(flatten)]
        plans: PlanArgs,
        #[command(flatten)]
        filter: ArtifactFilter,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Remove artifacts that no plan of the files needs, and what killed and old runs left. Never what a run uses.
    Gc {
        #[command(flatten)]
        plans: PlanArgs,
        /// Only what has been in the store for so long, such as 14d, 12h, 30m. Without a file, age alone decides.
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
        /// Keep artifacts of this kind; may be given several times.
        #[arg(long, value_name = "KIND", value_parser = kind)]
        keep: Vec<StageKind>,
        /// Show what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Push artifacts of the files' plans to the remote store: results, masks and calibration sets, and the kinds that
    /// run.remote.push names.
    Push {
        #[command(flatten)]
        plans: PlanArgs,
        #[command(flatten)]
        filter: ArtifactFilter,
        /// Also look at each file of what is there already, and replace what is missing.
        #[arg(long)]
        check: bool,
    },
    /// Fetch artifacts of the files' plans from the remote store: all that it has, or those that are named.
    Pull {
        #[command(flatten)]
        plans: PlanArgs,
        #[command(flatten)]
        filter: ArtifactFilter,
        /// Only results, which is what tables need.
        #[arg(long, conflicts_with = "kind")]
        results: bool,
    },
}

/// A kind by its name.
fn kind(text: &str) -> Result<StageKind, String> {
    StageKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names: Vec<_> = StageKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

/// An age: a whole number with a unit.
fn age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600), ("w", 7 * 24 * 3600)];
    let parsed = units.iter().find_map(|(unit, secs)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(*secs)?))
    });
    parsed.ok_or_else(|| "write a number and a unit: 90s, 30m, 12h, 14d or 2w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_number_and_a_unit() {
        assert_eq!(age("14d"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        for wrong in ["14", "d", "-1d", "1.5h", "99999999999999999999w", ""] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
