//! An experiment that is shown.

use super::control::Control;
use super::snapshot::Snapshot;
use crate::plan::Plan;
use crate::spec::Experiment;
use crate::store::Store;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// An experiment with its plan and its store.
#[derive(Debug)]
pub struct Opened {
    /// What is asked for.
    pub experiment: Experiment,
    /// Its stages.
    pub plan: Plan,
    /// Where artifacts are.
    pub store: Store,
}

/// Loads an experiment, as its file is now.
pub type Open = Box<dyn Fn() -> Result<Opened, String> + Send + Sync>;

/// The report as a part of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Fragment {
    /// Grows with each one; 0 before the first.
    pub version: u64,
    /// HTML; empty while there are no results.
    pub html: Arc<str>,
    /// Why it could not be made.
    pub problem: Option<String>,
}

/// An experiment that is shown.
pub struct Site {
    /// What it is called in addresses.
    pub(super) slug: String,
    pub(super) file: PathBuf,
    pub(super) open: Open,
    pub(super) control: Control,
    pub(super) snapshot: watch::Sender<Arc<Snapshot>>,
    opened: Mutex<Option<Arc<Opened>>>,
    fragment: Mutex<Fragment>,
    wake: (Mutex<bool>, Condvar),
}

impl Site {
    /// The experiment of a file; `arguments` follow `tacq-sweep run` and `tacq-sweep cancel`, with this engine if it is not the
    /// one beside the program.
    pub fn new(file: PathBuf, arguments: Vec<OsString>, engine: Option<PathBuf>, open: Open) -> Self {
        Self {
            slug: slug(&file.file_stem().unwrap_or_default().to_string_lossy()),
            control: Control::new(arguments, engine),
            file,
            open,
            snapshot: watch::Sender::default(),
            opened: Mutex::default(),
            fragment: Mutex::default(),
            wake: (Mutex::new(false), Condvar::new()),
        }
    }

    /// What was last seen of it.
    pub(super) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// As it was last loaded.
    pub(super) fn opened(&self) -> Option<Arc<Opened>> {
        lock(&self.opened).clone()
    }

    pub(super) fn set_opened(&self, opened: Option<Arc<Opened>>) {
        *lock(&self.opened) = opened;
    }

    pub(super) fn fragment(&self) -> Fragment {
        lock(&self.fragment).clone()
    }

    /// Shows another report from now on.
    pub(super) fn set_fragment(&self, made: Result<String, String>) {
        let mut fragment = lock(&self.fragment);
        fragment.version += 1;
        match made {
            Ok(html) => (fragment.html, fragment.problem) = (html.into(), None),
            // The last one that could be made is worth more than none.
            Err(problem) => fragment.problem = Some(problem),
        }
    }

    /// Has it looked at again now.
    pub(super) fn wake(&self) {
        *lock(&self.wake.0) = true;
        self.wake.1.notify_all();
    }

    /// Waits so long, unless it is woken.
    pub(super) fn rest(&self, most: Duration) {
        let woken = lock(&self.wake.0);
        let waited = self.wake.1.wait_timeout_while(woken, most, |woken| !*woken);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("slug", &self.slug).field("file", &self.file).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name in an address: letters, digits and hyphens.
fn slug(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let slug = plain.to_lowercase().split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if slug.is_empty() { "experiment".to_owned() } else { slug }
}

/// Gives experiments of one name numbers.
pub(super) fn tell_apart(sites: &mut [Site]) {
    for at in 1..sites.len() {
        let (before, rest) = sites.split_at_mut(at);
        let name = rest[0].slug.clone();
        let mut n = 2;
        while before.iter().any(|site| site.slug == rest[0].slug) {
            rest[0].slug = format!("{name}-{n}");
            n += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_has_an_address_of_its_own() {
        let site = |file: &str| Site::new(file.into(), Vec::new(), None, Box::new(|| Err("not here".into())));
        let mut sites =
            [site("a/Table 1.yaml"), site("b/table-1.yaml"), site("../.."), site("c/table_1.yml")];
        tell_apart(&mut sites);
        let slugs: Vec<_> = sites.iter().map(|site| site.slug.as_str()).collect();
        assert_eq!(slugs, ["table-1", "table-1-2", "experiment", "table-1-3"]);
    }
}
