//! What is left when programs were killed: their engines, and what they committed.

use crate::sandbox::beside;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tacq_protocol::StageKind;

/// The paths inside a folder, sorted; none if it is not there.
pub fn list(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

pub fn kill(pid: i32) {
    // SAFETY: a plain system call; a process that has ended already is no error to us.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Children of a driver, of all its threads: the slots' threads start engines, not the main one.
pub fn engines_of(driver: u32) -> BTreeSet<i32> {
    let tasks = list(Path::new(&format!("/proc/{driver}/task")));
    let children = tasks.iter().map(|task| fs::read_to_string(task.join("children")).unwrap_or_default());
    children
        .flat_map(|text| text.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// An engine whose driver was killed ends by itself; waits until none of this program is left in this folder.
pub fn wait_for_engines(program: &str, folder: &Path) {
    let engine = beside(program).canonicalize().unwrap();
    let is_ours = |pid: &Path| {
        fs::read_link(pid.join("exe")).is_ok_and(|exe| exe == engine)
            && fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    for _ in 0..400 {
        if !list(Path::new("/proc")).iter().any(|pid| is_ours(pid)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("an engine outlived its driver");
}

/// All artifacts of a store by folder and inode: a folder that is made anew has another one.
pub fn artifacts(store: &Path) -> BTreeMap<PathBuf, u64> {
    let kinds = StageKind::ALL.iter().map(|kind| store.join("v1").join(kind.name()));
    let dirs = kinds.flat_map(|kind| list(&kind)).flat_map(|prefix| list(&prefix));
    dirs.map(|dir| (dir.clone(), fs::metadata(&dir).unwrap().ino())).collect()
}
