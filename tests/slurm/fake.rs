//! With a stand-in for Slurm.

use crate::sandbox::{EXPERIMENT, Finished, STAGES, Sandbox};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tacq_protocol::StageKind;

/// Stages that are jobs: all but the three downloads.
const JOBS: usize = STAGES - 3;

/// Arrays that they make: the two masks are one.
const ARRAYS: usize = JOBS - 1;

const SETTINGS: &str = "run: {executor: slurm, mem: 1000M, time: 10m, retries: 0}\n";

/// A sandbox with a stand-in for Slurm.
struct Site {
    sandbox: Sandbox,
    dir: PathBuf,
    programs: PathBuf,
}

impl Site {
    fn new() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("exp.yaml", &format!("{EXPERIMENT}{settings}"));
        let (dir, programs) = (sandbox.root.join("slurm"), sandbox.root.join("programs"));
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all(&programs).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/fake_slurm.py");
        for name in ["sbatch", "squeue", "sacct", "scancel", "scontrol"] {
            symlink(&script, programs.join(name)).unwrap();
        }
        Self { sandbox, dir, programs }
    }

    fn command(&self, arguments: &[&str], told: &str) -> Command {
        let mut command = self.sandbox.command_fake(arguments, told);
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("FAKE_SLURM_DIR", &self.dir);
        command.env("TACQ_SLURM_POLL_SECS", "0.2").env("TACQ_SLURM_GRACE_SECS", "1");
        command
    }

    fn sweep_told(&self, arguments: &[&str], told: &str) -> Finished {
        finish(self.spawn(arguments, told))
    }

    fn sweep(&self, arguments: &[&str]) -> Finished {
        self.sweep_told(arguments, "")
    }

    fn start(&self, told: &str) -> Child {
        self.spawn(&["run", "exp.yaml"], told)
    }

    fn spawn(&self, arguments: &[&str], told: &str) -> Child {
        let mut command = self.command(arguments, told);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Starts a driver and kills it once all is submitted.
    fn kill_a_driver(&self) {
        let mut driver = self.start("");
        self.wait("all submissions", || self.journaled() == ARRAYS);
        // The evaluation of the 16-bit model needs no calibration.
        self.wait("the first evaluation", || self.sandbox.root.join(".tacq/v1/evaluate").exists());
        driver.kill().unwrap();
        driver.wait().unwrap();
    }

    fn order(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).unwrap();
    }

    fn countermand(&self, name: &str) {
        fs::remove_file(self.dir.join(name)).unwrap();
    }

    /// Calls of a program, without its name.
    fn calls(&self, program: &str) -> Vec<String> {
        let log = fs::read_to_string(self.dir.join("calls.log")).unwrap_or_default();
        let calls = log.lines().filter_map(|line| line.strip_prefix(program));
        calls.filter(|rest| rest.is_empty() || rest.starts_with(' ')).map(str::to_owned).collect()
    }

    /// Submissions of a kind of stage.
    fn submitted(&self, kind: &str) -> Vec<String> {
        // The comment has spaces and ends with the kind.
        let end = format!(": {kind} --chdir");
        self.calls("sbatch").into_iter().filter(|call| call.contains(&end)).collect()
    }

    /// Arrays whose numbers are written down.
    fn journaled(&self) -> usize {
        let runs = fs::read_dir(self.sandbox.root.join(".tacq/v1/slurm")).into_iter().flatten().flatten();
        let journals = runs.filter_map(|run| fs::read_to_string(run.path().join("journal.jsonl")).ok());
        journals.map(|journal| journal.matches("\"entry\":\"submitted\"").count()).sum()
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_there() {
            assert!(started.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits for the end of a program, a minute at most.
fn finish(mut program: Child) -> Finished {
    let started = Instant::now();
    while program.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            program.kill().unwrap();
            let output = Finished::from(program.wait_with_output().unwrap());
            panic!("it did not end within a minute; it said:\n{}", output.stderr);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Finished::from(program.wait_with_output().unwrap())
}

/// The tables that a run on this machine makes.
fn local_tables() -> Vec<(String, Vec<u8>)> {
    static TABLES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let run = || {
        let sandbox = Sandbox::new();
        sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
        sandbox.tables()
    };
    TABLES.get_or_init(run).clone()
}

#[test]
fn a_sweep_on_a_cluster_ends_with_the_tables_of_a_local_one() {
    let site = Site::new();
    let first = site.sweep(&["run", "exp.yaml"]).expect(0);
    assert!(first.stderr.contains(&format!("{STAGES} computed, 0 reused")), "{}", first.stderr);
    assert_eq!(site.sandbox.asked().len(), JOBS, "each stage once");
    assert_eq!(site.sandbox.tables(), local_tables());
    let calls = site.calls("sbatch").len();
    let again = site.sweep(&["run", "exp.yaml"]).expect(0);
    assert!(again.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", again.stderr);
    assert_eq!(site.calls("sbatch").len(), calls, "hits need no jobs");
}

#[test]
fn a_cluster_leaves_what_is_kept_and_takes_nothing_beyond_the_quota() {
    let settings = SETTINGS.replace("retries: 0", "retries: 0, keep: results");
    let site = Site::with(&settings);
    site.sweep(&["run", "exp.yaml"]).expect(0).says(&["removed 8 artifacts"]);
    assert_eq!(site.sandbox.tables(), local_tables());
    let left = |kind| site.sandbox.store().entries(kind).unwrap().len();
    let kinds = [StageKind::Gradients, StageKind::MixedQuantize, StageKind::Evaluate];
    assert_eq!(kinds.map(left), [0, 0, 4]);
}

#[test]
fn jobs_that_are_expected_to_go_over_the_quota_are_not_submitted() {
    let site = Site::with(SETTINGS);
    site.sweep(&["run", "exp.yaml"]).expect(0);
    let before = site.calls("sbatch").len();
    let usage = site.sweep(&["store", "du", "--format", "json"]).expect(0).stdout;
    let usage: serde_json::Value = serde_json::from_str(&usage).unwrap();
    let used: u64 = usage.as_array().unwrap().iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
    // The next run's record takes some of it; what its artifacts take is known from the first.
    let other = |room: u64| {
        let quota = format!("run.quota={}B", used + room);
        let arguments = ["run", "exp.yaml", "--set", &quota, "--set", "calibration.n_samples=5"];
        site.sweep(&arguments)
    };
    other(1).expect(4).says(&["of its quota of"]);
    assert_eq!(site.calls("sbatch").len(), before, "nothing was submitted");
    other(1 << 20).expect(0);
}

#[test]
fn stages_are_submitted_in_arrays_and_before_their_inputs_are_there() {
    let site = Site::new();
    site.sweep(&["run", "exp.yaml"]).expect(0);
    let selects = site.submitted("select");
    assert_eq!(selects.len(), 1, "two stages on the same terms are one array: {selects:?}");
    assert!(
        selects[0].contains("--array=0-1") && selects[0].contains("--dependency=afterok:"),
        "{selects:?}"
    );
    assert!(selects[0].contains("--kill-on-invalid-dep=yes"), "{selects:?}");
    let calls = site.calls("sbatch");
    let before_asking = fs::read_to_string(site.dir.join("calls.log")).unwrap();
    let first_question =
        before_asking.lines().position(|line| line.starts_with("squeue")).unwrap_or(usize::MAX);
    let submitted = before_asking.lines().take(first_question).filter(|l| l.starts_with("sbatch")).count();
    assert_eq!(submitted, calls.len(), "all were in the queue before anything was asked");
}

#[test]
fn arrays_stay_below_the_sites_largest_index_and_jobs_below_the_limit() {
    let site = Site::with("run: {executor: slurm, max_jobs: 3, retries: 0}\n");
    site.order("max_array_size", "1");
    site.sweep(&["run", "exp.yaml"]).expect(0);
    let calls = site.calls("sbatch");
    assert_eq!(calls.len(), JOBS, "one task each");
    assert!(calls.iter().all(|call| call.contains("--array=0-0")), "{calls:?}");
    let live = fs::read_to_string(site.dir.join("live.log")).unwrap();
    assert!(live.lines().all(|n| n.parse::<u32>().unwrap() <= 3), "{live}");
    // A site without arrays.
    let site = Site::new();
    site.order("max_array_size", "0");
    site.sweep(&["run", "exp.yaml"]).expect(0);
    let calls = site.calls("sbatch");
    assert!(calls.len() == JOBS && calls.iter().all(|call| !call.contains("--array")), "{calls:?}");
}

#[test]
fn a_controller_that_does_not_answer_is_waited_for_and_said_once() {
    let site = Site::new();
    site.order("outage", "");
    let driver = site.start("gradients=wait:1500");
    site.wait("a question", || !site.calls("scontrol").is_empty());
    site.countermand("outage");
    site.wait("submissions", || site.sandbox.root.join("fake.log").exists());
    site.order("outage", "");
    let asked = site.calls("squeue").len();
    site.wait("questions without answers", || site.calls("squeue").len() > asked + 3);
    site.countermand("outage");
    let output = finish(driver).expect(0);
    assert_eq!(output.stderr.matches("Slurm does not answer").count(), 2, "{}", output.stderr);
    assert_eq!(output.stderr.matches("Slurm answers again").count(), 2, "{}", output.stderr);
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    assert_eq!(site.sandbox.asked().len(), JOBS);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn a_submission_whose_answer_was_lost_is_found_by_its_name() {
    let site = Site::new();
    site.order("lose_answer", "");
    site.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(site.sandbox.asked().len(), JOBS, "no stage was computed twice");
    let mut names: Vec<String> = site
        .calls("sbatch")
        .iter()
        .filter_map(|call| {
            call.split_whitespace().find_map(|w| w.strip_prefix("--job-name=")).map(str::to_owned)
        })
        .collect();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "each submission has a name of its own");
    assert_eq!(site.submitted("calibrate").len(), 1, "it was not submitted again");
}

#[test]
fn what_never_reached_the_controller_is_submitted_again() {
    let site = Site::new();
    let driver = site.start("");
    // The first sbatch meets an outage that scontrol did not.
    site.wait("limits", || !site.calls("scontrol").is_empty());
    site.order("outage", "");
    std::thread::sleep(Duration::from_millis(500));
    site.countermand("outage");
    finish(driver).expect(0);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn too_little_memory_or_time_is_raised_once_and_failing_nodes_are_left_out() {
    let site = Site::new();
    site.order("fate-gradients", "OUT_OF_MEMORY");
    site.order("fate-quantize", "TIMEOUT");
    site.order("fate-calibrate", "NODE_FAIL");
    let output = site.sweep(&["run", "exp.yaml"]).expect(0);
    let last = |kind: &str| site.submitted(kind).pop().unwrap();
    assert!(last("gradients").contains("--mem=1500M"), "{}", last("gradients"));
    assert!(last("quantize").contains("--time=20"), "{}", last("quantize"));
    assert!(last("calibrate").contains("--exclude=node1"), "{}", last("calibrate"));
    assert!(last("saliency").contains("--mem=1000M"), "others are left as they are");
    assert!(output.stderr.contains("1500 MiB") && output.stderr.contains("20 minutes"), "{}", output.stderr);
    assert_eq!(site.sandbox.tables(), local_tables());

    let site = Site::new();
    site.order("fate-gradients", "OUT_OF_MEMORY OUT_OF_MEMORY");
    site.sweep(&["run", "exp.yaml"]).expect(1).says(&["gradients[model,prose]", "more memory", "run.mem"]);
}

#[test]
fn jobs_that_slurm_has_forgotten_are_looked_up_or_tried_once_more() {
    let site = Site::new();
    site.order("forgetful", "");
    site.order("fate-select", "VANISHED");
    site.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(site.sandbox.tables(), local_tables());

    let site = Site::new();
    site.order("forgetful", "");
    site.order("fate-gradients", "VANISHED VANISHED");
    site.sweep(&["run", "exp.yaml"]).expect(1).says(&["no longer known to Slurm", "share"]);

    // With an accounting, old rows of requeued jobs included.
    let site = Site::new();
    site.order("forgetful", "");
    site.order("accounting", "");
    site.order("fate-gradients", "CANCELLED");
    site.sweep(&["run", "exp.yaml"]).expect(1).says(&["gradients[model,prose]", "was cancelled"]);
    let asked = site.calls("sacct");
    assert!(asked.iter().any(|call| call.contains("--starttime=now-")), "{asked:?}");
}

#[test]
fn a_failure_blocks_what_reads_it_and_nothing_else() {
    let site = Site::new();
    let output = site.sweep_told(&["run", "exp.yaml"], "gradients=fail:numerics").expect(1);
    let output = output.says(&["told to fail", "2 of 4 trials done", "tacq-engine run"]);
    assert!(output.stderr.contains("1 failed, 7 blocked"), "{}", output.stderr);
    let left = fs::read_dir(site.dir.join("jobs")).unwrap().flatten().flat_map(|job| {
        let states = fs::read_dir(job.path()).unwrap().flatten().map(|entry| entry.path());
        states.filter(|path| path.extension().is_some_and(|e| e == "state")).collect::<Vec<_>>()
    });
    for path in left {
        let state = fs::read_to_string(&path).unwrap();
        assert!(
            !state.starts_with("PENDING") && !state.starts_with("RUNNING"),
            "{}: {state}",
            path.display()
        );
    }
    // To run again is to try again.
    site.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn what_slurm_refuses_is_a_failure_that_says_why() {
    let site = Site::new();
    site.order("refuse", "sbatch: error: invalid partition specified: nope");
    site.sweep(&["run", "exp.yaml"]).expect(1).says(&["invalid partition specified", "run.kinds.calibrate"]);
    // Limits of a site are waited for, as long as jobs run.
    let site = Site::new();
    let driver = site.start("calibrate=wait:1500");
    site.wait("a job", || site.sandbox.root.join("fake.log").exists());
    site.order("refuse", "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy");
    std::thread::sleep(Duration::from_millis(300));
    site.countermand("refuse");
    finish(driver).expect(0);
}

#[test]
fn without_slurm_it_is_said_what_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.write("exp.yaml", &format!("{EXPERIMENT}{SETTINGS}"));
    let mut command = sandbox.command_fake(&["run", "exp.yaml"], "");
    let output = command.env("PATH", "/nonexistent").output().unwrap();
    Finished::from(output).expect(3).says(&["scontrol", "login node"]);
}

#[test]
fn a_killed_driver_is_followed_by_one_that_takes_its_jobs_over() {
    let site = Site::new();
    site.order("hold-calibrate", "");
    site.kill_a_driver();
    let submitted = site.calls("sbatch").len();
    let asked = site.calls("squeue").len();
    let driver = site.start("");
    site.wait("a question of the second driver", || site.calls("squeue").len() > asked);
    site.countermand("hold-calibrate");
    finish(driver).expect(0).says(&["taking over 11 jobs", "11 computed"]);
    assert_eq!(site.calls("sbatch").len(), submitted, "nothing was submitted twice");
    assert_eq!(site.sandbox.asked().len(), JOBS);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn the_cluster_goes_on_while_no_driver_runs() {
    let site = Site::new();
    site.order("hold-calibrate", "");
    site.kill_a_driver();
    site.countermand("hold-calibrate");
    let evaluated = || {
        let folder = site.sandbox.root.join(".tacq/v1/evaluate");
        let prefixes = fs::read_dir(folder).into_iter().flatten().flatten();
        prefixes.flat_map(|prefix| fs::read_dir(prefix.path()).into_iter().flatten()).count()
    };
    site.wait("the evaluations", || evaluated() == 4);
    let output = site.sweep(&["run", "exp.yaml"]).expect(0);
    assert!(output.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", output.stderr);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn an_interrupted_driver_leaves_its_jobs_and_cancel_ends_them() {
    let site = Site::new();
    site.order("hold-calibrate", "");
    let driver = site.start("");
    site.wait("all submissions", || site.journaled() == ARRAYS);
    // SAFETY: a plain system call on a process of ours.
    unsafe { libc::kill(i32::try_from(driver.id()).unwrap(), libc::SIGINT) };
    finish(driver).expect(130).says(&["jobs stay in Slurm and go on", "tacq-sweep cancel", "resume with"]);
    site.sweep(&["cancel", "exp.yaml"]).expect(0).says(&["cancelled 11 jobs of demo"]);
    assert_eq!(site.calls("scancel").len(), 1, "all at once");
    site.sweep(&["cancel", "exp.yaml"]).expect(0).says(&["no jobs of demo are queued or running"]);
    site.countermand("hold-calibrate");
    // What was cancelled is computed by the next run.
    site.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(site.sandbox.tables(), local_tables());
}

#[test]
fn two_drivers_on_one_store_submit_each_stage_once() {
    let site = Site::new();
    let drivers = [site.start("calibrate=wait:1000"), site.start("calibrate=wait:1000")];
    for driver in drivers {
        finish(driver).expect(0);
    }
    assert_eq!(site.sandbox.asked().len(), JOBS);
    let tasks: usize = site.calls("sbatch").iter().map(|call| array_size(call)).sum();
    assert_eq!(tasks, JOBS);
    assert_eq!(site.sandbox.tables(), local_tables());
}

fn array_size(call: &str) -> usize {
    let array = call.split_whitespace().find_map(|word| word.strip_prefix("--array=0-")).unwrap();
    array.parse::<usize>().unwrap() + 1
}

#[test]
fn the_first_failure_ends_a_run_that_is_told_so_and_empties_the_queue() {
    let site = Site::new();
    site.order("hold-calibrate", "");
    let told = "evaluate=fail:numerics";
    let output = site.sweep_told(&["run", "exp.yaml", "--fail-fast"], told).expect(1);
    assert!(output.stderr.contains("1 failed") && output.stderr.contains("left"), "{}", output.stderr);
    assert_eq!(site.submitted("gradients").len(), 1);
    assert_eq!(site.sandbox.asked(), ["evaluate"]);
}

#[test]
fn a_job_alone_says_what_it_does_and_how_it_ended() {
    let site = Site::new();
    site.sweep_told(&["run", "exp.yaml"], "gradients=fail:numerics").expect(1);
    let runs = fs::read_dir(site.sandbox.root.join(".tacq/v1/slurm")).unwrap().flatten();
    let run = runs.map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    let jobs = fs::read_dir(run.join("jobs")).unwrap().flatten();
    let file = jobs
        .map(|array| array.path().join("0.json"))
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("gradients[model,prose]\"")));
    let file = file.unwrap();
    let name = file.to_str().unwrap();
    let log = fs::read_to_string(file.with_extension("log")).unwrap();
    assert!(log.contains("gradients[model,prose] on") && log.contains("told to fail"), "{log}");
    site.sweep(&["job", name]).expect(0);
    let result = fs::read_to_string(file.with_extension("result.json")).unwrap();
    assert!(result.contains("\"computed\""), "{result}");
    site.sweep(&["job", name]).expect(0);
    let result = fs::read_to_string(file.with_extension("result.json")).unwrap();
    assert!(result.contains("\"hit\""), "{result}");
    // A file of another version, and an input that is not there.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"version\": 1,\n  \"label\"", "\"version\": 99,\n  \"label\"")).unwrap();
    site.sweep(&["job", name]).expect(1).says(&["version 99", "run again"]);
    fs::write(&file, &text).unwrap();
    for kind in ["calibrate", "gradients"] {
        fs::remove_dir_all(site.sandbox.root.join(".tacq/v1").join(kind)).unwrap();
    }
    site.sweep(&["job", name]).expect(1).says(&["calibrate[model,prose]", "is not in the store"]);
}
