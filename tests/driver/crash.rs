//! kill -9 of driver, engine or both at random moments: the next run finishes, nothing is done twice, no table
//! differs from those of a run left alone.

use crate::aftermath::{self, artifacts, wait_for_engines};
use crate::sandbox::{STAGES, Sandbox};
use std::fs;
use std::process::{Child, Stdio};
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
    let store = sandbox.root.join(".tacq");

    let mut random = Random::new(11);
    let (mut kills, mut round) = (0, 0);
    while kills < KILLS {
        round += 1;
        assert!(round < 10 * KILLS, "the sweep always ends before it can be killed");
        fs::remove_dir_all(sandbox.root.join(".tacq/v1")).unwrap();
        fs::remove_dir_all(sandbox.root.join("results")).unwrap();
        // Some rounds kill several times before the sweep may finish.
        for _ in 0..=random.below(3) {
            let before = artifacts(&store);
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
            wait_for_engines("tacq-engine", &sandbox.root);
            let after = artifacts(&store);
            for (dir, inode) in &before {
                assert_eq!(after.get(dir), Some(inode), "{} was computed again", dir.display());
            }
        }
        let before = artifacts(&store);
        let last = sandbox.sweep(&arguments).expect(0);
        let said = format!("{} computed, {} reused", STAGES - before.len(), before.len());
        assert!(last.stderr.contains(&said), "expected {said}:\n{}", last.stderr);
        assert_eq!(sandbox.tables(), expected, "after {kills} kills");
    }
}

/// Kills the driver (0), its engine (1), or both (2).
fn kill(driver: &mut Child, which: usize) {
    let engines = aftermath::engines_of(driver.id());
    if which != 0 {
        engines.into_iter().for_each(aftermath::kill);
    }
    if which != 1 {
        driver.kill().expect("it is ours");
    }
}
