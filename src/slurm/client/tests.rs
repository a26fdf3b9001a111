use super::*;
use crate::slurm::{JobState, Resources};
use std::path::Path;
use std::sync::{Arc, Mutex};

type Calls = Arc<Mutex<Vec<(String, Vec<String>)>>>;

/// Answers each call alike and remembers it.
struct Fake(Finished, Calls);

impl Runner for Fake {
    fn run(&mut self, program: &str, arguments: &[String], _: &str) -> Result<Finished, SlurmError> {
        self.1.lock().unwrap().push((program.to_owned(), arguments.to_vec()));
        Ok(self.0.clone())
    }
}

fn slurm(success: bool, stdout: &str, stderr: &str) -> (Slurm, Calls) {
    let calls = Calls::default();
    let finished = Finished { success, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
    (Slurm::new(Box::new(Fake(finished, Arc::clone(&calls)))), calls)
}

fn submit(slurm: &mut Slurm) -> Result<JobId, SlurmError> {
    let resources = Resources::default();
    let (dir, log) = (Path::new("/s"), Path::new("/s/%a.log"));
    let (name, comment, script) = ("n", "c", "");
    let submission =
        Submission { name, comment, tasks: Some(1), resources: &resources, after: &[], dir, log, script };
    slurm.submit(&submission)
}

#[test]
fn a_jobs_number_is_found_beside_clusters_and_chatter() {
    assert_eq!(submit(&mut slurm(true, "12\n", "").0), Ok(12));
    assert_eq!(submit(&mut slurm(true, "Welcome to the cluster.\n\n12;main\n", "").0), Ok(12));
    let garbled = submit(&mut slurm(true, "queued", "").0).unwrap_err();
    assert!(matches!(garbled, SlurmError::Garbled { .. }), "{garbled}");
}

#[test]
fn an_outage_is_not_a_refusal() {
    for said in [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "slurm_load_jobs error: Socket timed out on send/recv operation",
        "sacct: error: slurmdbd: Sending PersistInit msg: Connection refused",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    ] {
        let error = submit(&mut slurm(false, "", said).0).unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
    for said in
        ["invalid partition specified: nope", "Job violates accounting/QOS policy (job submit limit)", ""]
    {
        let error = submit(&mut slurm(false, "", said).0).unwrap_err();
        assert!(matches!(error, SlurmError::Refused { .. }), "{error}");
    }
}

#[test]
fn limits_are_read_from_the_configuration() {
    let text = "Configuration data as of 2026-11-22\nAccountingStorageType   = accounting_storage/slurmdbd\n\
                MaxArraySize            = 4\n\nSlurmctld(primary) at vm is UP\n";
    assert_eq!(slurm(true, text, "").0.limits(), Ok(Limits { array: 4, accounting: true }));
    let without = "AccountingStorageType = accounting_storage/none\n";
    assert_eq!(slurm(true, without, "").0.limits(), Ok(Limits { array: 1001, accounting: false }));
}

#[test]
fn history_asks_for_times_before_midnight() {
    let (mut slurm, calls) = slurm(true, "3_0|CANCELLED by 0|tacq|None|n1\n", "");
    let listing = slurm.history(&[3, 4], Duration::from_secs(90_000)).unwrap();
    assert_eq!(listing.of(TaskId { job: 3, task: Some(0) }, "tacq").unwrap().state, JobState::Cancelled);
    let (program, arguments) = calls.lock().unwrap()[0].clone();
    assert_eq!(program, "sacct");
    assert!(arguments.contains(&"--jobs=3,4".to_owned()), "{arguments:?}");
    assert!(arguments.contains(&"--starttime=now-90000seconds".to_owned()), "{arguments:?}");
}

#[test]
fn jobs_are_cancelled_a_hundred_at_a_time_and_all_of_them() {
    let (mut slurm, calls) = slurm(false, "", "scancel: error: Kill job error on job id 9: Invalid job id");
    let tasks: Vec<TaskId> = (0..250).map(|task| TaskId { job: 9, task: Some(task) }).collect();
    assert!(slurm.cancel(&tasks).is_err());
    let sizes: Vec<usize> = calls.lock().unwrap().iter().map(|(_, arguments)| arguments.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn a_program_that_is_not_there_is_told_with_what_to_do() {
    let mut slurm = Slurm::default();
    let error = slurm.runner.run("tacq-no-such-program", &[], "").unwrap_err();
    assert!(matches!(error, SlurmError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("login node"), "{error}");
}

#[test]
fn programs_are_run_with_input_and_both_outputs() {
    let script = "cat; echo problem >&2; exit 3";
    let finished = Program.run("sh", &["-c".to_owned(), script.to_owned()], "hello").unwrap();
    let expected = Finished { success: false, stdout: "hello".into(), stderr: "problem\n".into() };
    assert_eq!(finished, expected);
}
