//! With a real slurmctld and two slurmd, private to the tests; skipped where `TACQ_SLURM_CONF` does not name their
//! configuration.
//!
//! One test at a time has the cluster: they stop daemons, and wait for the queue to be empty.

use crate::sandbox::{EXPERIMENT, Finished, STAGES, Sandbox};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Stages that are jobs: all but the three downloads.
const JOBS: usize = STAGES - 3;

static CLUSTER: Mutex<()> = Mutex::new(());

/// A sandbox on the cluster.
struct Site {
    sandbox: Sandbox,
    conf: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Site {
    /// None where there is no cluster; the test is skipped then.
    fn new(settings: &str) -> Option<Self> {
        let Some(conf) = std::env::var_os("TACQ_SLURM_CONF") else {
            eprintln!("skipped: TACQ_SLURM_CONF names no cluster; `make test-slurm` starts one");
            return None;
        };
        let alone = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let sandbox = Sandbox::new();
        sandbox.write("exp.yaml", &format!("{EXPERIMENT}run: {{executor: slurm, retries: 0{settings}}}\n"));
        let site = Self { sandbox, conf: conf.into(), _alone: alone };
        site.cluster(&["up"]);
        site.slurm("scancel", &["--me"]);
        site.wait("an empty queue", || site.slurm("squeue", &["--noheader"]).is_empty());
        Some(site)
    }

    /// A command of the cluster's script.
    fn cluster(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm_cluster.py");
        let dir = self.conf.parent().unwrap();
        let status =
            Command::new("python3").arg(script).arg("--dir").arg(dir).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = command.args(arguments).env("SLURM_CONF", &self.conf).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.env("SLURM_CONF", &self.conf).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("TACQ_SLURM_POLL_SECS", "0.5").env("TACQ_SLURM_GRACE_SECS", "2");
        command
    }

    /// A run with the stand-in engine.
    fn start(&self, arguments: &[&str], told: &str) -> Child {
        self.prepared(self.sandbox.command_fake(arguments, told)).spawn().expect("the program starts")
    }

    fn sweep(&self, arguments: &[&str], told: &str) -> Finished {
        finish(self.start(arguments, told))
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_there() {
            assert!(started.elapsed() < Duration::from_secs(120), "waited two minutes for {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the stand-in engine was asked for a kind of stage so often.
    fn wait_for(&self, kind: &str, times: usize) {
        let asked = || fs::read_to_string(self.sandbox.root.join("fake.log")).unwrap_or_default();
        self.wait(&format!("{kind} x {times}"), || {
            asked().lines().filter(|line| *line == kind).count() >= times
        });
    }

    /// The task and node on which a kind of stage runs, such as `12_0` and `tacq1`.
    fn running(&self, kind: &str) -> (String, String) {
        let mut found = None;
        self.wait(&format!("{kind} to run"), || {
            let queue = self.slurm("squeue", &["--noheader", "--states=RUNNING", "--format=%i|%N|%k"]);
            found = queue.lines().find(|line| line.ends_with(&format!(": {kind}"))).map(|line| {
                let mut cells = line.split('|').map(str::to_owned);
                (cells.next().unwrap(), cells.next().unwrap())
            });
            found.is_some()
        });
        found.unwrap()
    }

    /// How often each kind was asked for; all stages once is what a run without trouble does.
    #[track_caller]
    fn assert_asked(&self, times: usize) {
        let asked = self.sandbox.asked();
        assert_eq!(asked.len(), times, "{asked:?}");
    }

    #[track_caller]
    fn assert_tables_are_local(&self) {
        let local = Sandbox::new();
        local.sweep_fake(&["run", "exp.yaml"]).expect(0);
        assert_eq!(self.sandbox.tables(), local.tables());
    }
}

/// Waits for the end of a program, three minutes at most.
fn finish(mut program: Child) -> Finished {
    let started = Instant::now();
    while program.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(180) {
            program.kill().unwrap();
            let output = Finished::from(program.wait_with_output().unwrap());
            panic!("it did not end within three minutes; it said:\n{}", output.stderr);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Finished::from(program.wait_with_output().unwrap())
}

#[test]
fn a_sweep_ends_with_the_tables_of_a_local_one() {
    let Some(site) = Site::new("") else { return };
    let output = site.sweep(&["run", "exp.yaml"], "").expect(0);
    assert!(output.stderr.contains(&format!("{STAGES} computed, 0 reused")), "{}", output.stderr);
    site.assert_asked(JOBS);
    site.assert_tables_are_local();
    let again = site.sweep(&["run", "exp.yaml"], "").expect(0);
    assert!(again.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", again.stderr);
}

/// The cluster's MaxArraySize is 4: five masks on the same terms are two arrays.
#[test]
fn arrays_are_cut_at_the_largest_index_that_the_site_allows() {
    let Some(site) = Site::new("") else { return };
    let set = ["--set", "sweep.methods=[{tacq: {outlier_ratio: [0.01, 0.011, 0.012, 0.013, 0.014]}}]"];
    site.sweep(&[&["run", "exp.yaml"], &set[..]].concat(), "").expect(0);
    let runs = fs::read_dir(site.sandbox.root.join(".tacq/v1/slurm")).unwrap().flatten();
    let journal = runs.filter_map(|run| fs::read_to_string(run.path().join("journal.jsonl")).ok()).next();
    let selects = journal
        .unwrap()
        .lines()
        .filter(|line| line.contains("\"kind\":\"select\""))
        .map(|line| line.matches("\"label\":").count())
        .collect::<Vec<_>>();
    assert_eq!(selects, [4, 1]);
}

#[test]
fn a_sweep_on_libtorch_has_the_bytes_of_a_local_one() {
    let Some(site) = Site::new("") else { return };
    let run = site.prepared(site.sandbox.command(&["run", "exp.yaml"])).spawn().unwrap();
    finish(run).expect(0);
    let local = Sandbox::new();
    local.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(site.sandbox.tables(), local.tables());
}

#[test]
fn a_node_that_dies_costs_no_stage() {
    let Some(site) = Site::new("") else { return };
    let driver = site.start(&["run", "exp.yaml"], "gradients=wait:8000");
    let (_, node) = site.running("gradients");
    site.cluster(&["kill-node", node.trim_start_matches("tacq")]);
    // Slurm takes the node for dead after a while, and puts its jobs on the other one.
    let output = finish(driver);
    site.cluster(&["start-node", node.trim_start_matches("tacq")]);
    let output = output.expect(0);
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    site.assert_tables_are_local();
}

#[test]
fn a_job_that_a_person_cancels_is_a_failed_stage() {
    let Some(site) = Site::new("") else { return };
    let driver = site.start(&["run", "exp.yaml"], "gradients=wait:60000");
    let (task, _) = site.running("gradients");
    site.slurm("scancel", &[&task]);
    let output = finish(driver).expect(1);
    let output = output.says(&["gradients[model,prose]", "was cancelled", "2 of 4 trials done"]);
    assert!(output.stderr.contains("1 failed, 7 blocked"), "{}", output.stderr);
    site.wait("an empty queue", || site.slurm("squeue", &["--noheader"]).is_empty());
    site.sweep(&["run", "exp.yaml"], "").expect(0);
    site.assert_tables_are_local();
}

#[test]
fn a_controller_that_dies_is_waited_for() {
    let Some(site) = Site::new("") else { return };
    let driver = site.start(&["run", "exp.yaml"], "gradients=wait:3000");
    site.running("gradients");
    site.cluster(&["stop-controller"]);
    std::thread::sleep(Duration::from_secs(3));
    site.cluster(&["restart-controller"]);
    let output = finish(driver).expect(0);
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    site.assert_asked(JOBS);
    site.assert_tables_are_local();
}

#[test]
fn a_killed_driver_is_followed_by_one_that_takes_its_jobs_over() {
    let Some(site) = Site::new("") else { return };
    let mut driver = site.start(&["run", "exp.yaml"], "calibrate=wait:10000");
    site.running("calibrate");
    driver.kill().unwrap();
    driver.wait().unwrap();
    let output = site.sweep(&["run", "exp.yaml"], "").expect(0).says(&["taking over"]);
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    site.assert_asked(JOBS);
    site.assert_tables_are_local();
}

#[test]
fn cancel_empties_the_queue() {
    let Some(site) = Site::new("") else { return };
    let mut driver = site.start(&["run", "exp.yaml"], "calibrate=wait:60000");
    site.running("calibrate");
    driver.kill().unwrap();
    driver.wait().unwrap();
    site.sweep(&["cancel", "exp.yaml"], "").expect(0).says(&["cancelled"]);
    site.wait("an empty queue", || site.slurm("squeue", &["--noheader"]).is_empty());
}

#[test]
fn a_preempted_job_comes_back() {
    let Some(site) = Site::new(", partition: low") else { return };
    let driver = site.start(&["run", "exp.yaml"], "gradients=work:6000");
    site.running("gradients");
    site.wait_for("gradients", 1);
    // All cores of the cluster, in the partition that goes first.
    let hog = site.slurm("sbatch", &["--parsable", "--array=0-3", "--output=/dev/null", "--wrap=sleep 2"]);
    assert!(!hog.is_empty());
    let output = finish(driver).expect(0);
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    site.wait_for("gradients", 2);
    site.assert_tables_are_local();
}

/// The limit is a minute, and the stage takes longer: warned in time, it writes its progress and goes on from there.
#[test]
fn a_job_that_reaches_its_time_limit_goes_on_from_its_progress() {
    let settings = ", kinds: {gradients: {time: 1m, extra: --signal=B:USR1@50}}";
    let Some(site) = Site::new(settings) else { return };
    let output = site.sweep(&["run", "exp.yaml"], "gradients=work:15000").expect(0);
    assert!(!output.stderr.contains("FAILED") && !output.stderr.contains("trying"), "{}", output.stderr);
    assert!(output.stderr.contains("resumed   gradients[model,prose]"), "{}", output.stderr);
    let asked = site.sandbox.asked();
    assert!(asked.iter().filter(|kind| *kind == "gradients").count() >= 2, "{asked:?}");
    site.assert_tables_are_local();
}
