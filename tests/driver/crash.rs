//! kill -9 of driver, engine or both at random moments: the next run finishes, nothing is done twice, no table
//! differs from those of a run left alone.

use crate::sandbox::{STAGES, Sandbox};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use tacq_protocol::StageKind;
use tacq_testkit::random::Random;

/// Rounds in which something is killed; each ends with the sweep finished from what was left.
const KILLS: usize = 24;

/// A sweep of a second or two, so that kills fall into all of its parts.
const SLOWER: [&str; 4] = ["--set", "calibration.n_samples=24", "--set", "run.checkpoint_secs=1"];

#[test]
fn killed_sweeps_finish_with_the_same_tables() {
    let sandbox = Sandbox::new();
    let arguments = [&["run", "exp.yaml"], &SLOWER[..]].concat();
    let started = std::time::Instant::now();
    sandbox.sweep(&arguments).expect(0);
    let whole = started.elapsed();
    let expected = sandbox.tables();

    let mut random = Random::new(11);
    let (mut kills, mut round) = (0, 0);
    while kills < KILLS {
        round += 1;
        assert!(round < 10 * KILLS, "the sweep always ends before it can be killed");
        fs::remove_dir_all(sandbox.root.join(".tacq/v1")).unwrap();
        fs::remove_dir_all(sandbox.root.join("results")).unwrap();
        // Some rounds kill several times before the sweep may finish.
        for _ in 0..=random.below(3) {
            let before = committed(&sandbox.root);
            let mut driver = sandbox
                .command(&arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            let at = whole.mul_f64(random.below(1000) as f64 / 1000.0);
            std::thread::sleep(at);
            if driver.try_wait().unwrap().is_none() {
                kills += 1;
                kill(&mut driver, random.below(3));
            }
            driver.wait().unwrap();
            wait_for_engines(&sandbox.root);
            let after = committed(&sandbox.root);
            for (dir, inode) in &before {
                assert!(after.contains(&(dir.clone(), *inode)), "{} was computed again", dir.display());
            }
        }
        let before = committed(&sandbox.root);
        let last = sandbox.sweep(&arguments).expect(0);
        let said = format!("{} computed, {} reused", STAGES - before.len(), before.len());
        assert!(last.stderr.contains(&said), "expected {said}:\n{}", last.stderr);
        assert_eq!(sandbox.tables(), expected, "after {kills} kills");
    }
}

/// Kills the driver (0), its engine (1), or both (2).
fn kill(driver: &mut Child, which: usize) {
    let engines = children(driver.id());
    if which != 0 {
        for pid in engines {
            // SAFETY: a plain system call; a process that has ended already is no error to us.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
    if which != 1 {
        driver.kill().expect("it is ours");
    }
}

fn children(parent: u32) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    // The main thread starts no engine itself: its slots' threads do.
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let of_threads = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    let all: BTreeSet<i32> = std::iter::once(text)
        .chain(of_threads)
        .flat_map(|text| text.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect();
    all.into_iter().collect()
}

/// An engine whose driver was killed ends by itself; the test waits so that its own clean-up meets no writer.
fn wait_for_engines(root: &Path) {
    let marker = root.to_string_lossy().into_owned();
    for _ in 0..400 {
        let alive = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let is_engine = fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("tacq-engine"));
            is_engine && fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&marker))
        });
        if !alive {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("an engine outlived its driver");
}

/// All artifacts by folder and inode: a folder made anew has another inode.
fn committed(root: &Path) -> BTreeSet<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeSet::new();
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
    };
    for kind in list(&root.join(".tacq/v1")) {
        let name = kind.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !StageKind::ALL.iter().any(|kind| kind.name() == name) {
            continue;
        }
        for prefix in list(&kind) {
            for dir in list(&prefix) {
                let inode = fs::metadata(&dir).unwrap().ino();
                found.insert((dir, inode));
            }
        }
    }
    found
}
