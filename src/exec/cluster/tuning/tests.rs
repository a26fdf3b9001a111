use super::*;
use crate::slurm::Tasks;

fn row(state: JobState, reason: &str) -> Row {
    let (name, reason, node) = ("tacq".to_owned(), reason.to_owned(), Some("n1".to_owned()));
    Row { tasks: Tasks::All, state, name, reason, node }
}

fn resources() -> Resources {
    let time = Some(Duration::from_secs(3600));
    Resources { mem: Some(16 << 30), time, exclude: vec!["n0".to_owned()], ..Resources::default() }
}

fn judged(row: Option<&Row>, ending: Option<Ending>, has_inputs: bool, tuning: &Tuning) -> Verdict {
    judged_by_log("no space", row, ending, has_inputs, tuning)
}

fn judged_by_log(
    log: &str,
    row: Option<&Row>,
    ending: Option<Ending>,
    has_inputs: bool,
    tuning: &Tuning,
) -> Verdict {
    let result = ending.map(|ending| JobResult {
        ending,
        host: "h".to_owned(),
        job: None,
        restarts: 0,
        ended_unix: 0,
    });
    let (id, last_words, resources) = ("7_1".to_owned(), log.to_owned(), resources());
    judge(&Ended { id, row, result: result.as_ref(), last_words, has_inputs, resources: &resources }, tuning)
}

fn with(state: JobState) -> Verdict {
    judged(Some(&row(state, "None")), None, true, &Tuning::default())
}

#[track_caller]
fn expect_again(verdict: Verdict) -> Tuning {
    match verdict {
        Verdict::Again(tuning, _) => tuning,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn expect_failed(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_is_raised_by_half_once() {
    let tuning = expect_again(with(JobState::OutOfMemory));
    assert_eq!(tuning.apply(&resources()).mem, Some(24 << 30));
    let oom = row(JobState::OutOfMemory, "None");
    let failure = expect_failed(judged(Some(&oom), None, true, &tuning));
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.to_string().contains("7_1") && failure.to_string().contains("run.mem"), "{failure}");
}

#[test]
fn slurms_word_about_memory_wins_over_an_engine_that_died() {
    let died = Failure { kind: FailureKind::EngineDied, message: "killed".into(), hint: None };
    let oom = row(JobState::OutOfMemory, "None");
    let ending = Some(Ending::Failed { failure: died.clone() });
    assert!(expect_again(judged(Some(&oom), ending.clone(), true, &Tuning::default())).more_memory);
    let failed = row(JobState::Failed, "NonZeroExitCode");
    assert_eq!(expect_failed(judged(Some(&failed), ending, true, &Tuning::default())), died);
}

#[test]
fn time_is_doubled_once() {
    let tuning = expect_again(with(JobState::Timeout));
    assert_eq!(tuning.apply(&resources()).time, Some(Duration::from_secs(7200)));
    let timeout = row(JobState::Timeout, "TimeLimit");
    assert_eq!(expect_failed(judged(Some(&timeout), None, true, &tuning)).kind, FailureKind::Timeout);
}

#[test]
fn a_failed_node_is_left_out_from_then_on() {
    for failed in [row(JobState::NodeFail, "NodeDown"), row(JobState::Failed, "JobLaunchFailure")] {
        let mut tuning = expect_again(judged(Some(&failed), None, true, &Tuning::default()));
        assert_eq!(tuning.apply(&resources()).exclude, ["n0", "n1"]);
        tuning.node_failures = NODE_FAILURES;
        assert!(expect_failed(judged(Some(&failed), None, true, &tuning)).to_string().contains("n1"));
    }
}

#[test]
fn a_preempted_job_comes_back_on_the_same_terms() {
    let tuning = expect_again(with(JobState::Preempted));
    assert_eq!(tuning.apply(&resources()), resources());
}

#[test]
fn a_person_cancels_a_stage_and_a_dependency_only_delays_it() {
    let failure = expect_failed(with(JobState::Cancelled));
    assert!(failure.to_string().contains("cancelled"), "{failure}");
    let dependency = row(JobState::Cancelled, "DependencyNeverSatisfied");
    assert_eq!(judged(Some(&dependency), None, true, &Tuning::default()), Verdict::NotYet);
    let cancelled = row(JobState::Cancelled, "None");
    assert_eq!(judged(Some(&cancelled), None, false, &Tuning::default()), Verdict::NotYet);
}

#[test]
fn what_is_forgotten_is_tried_again_once() {
    let tuning = expect_again(judged(None, None, true, &Tuning::default()));
    let failure = expect_failed(judged(None, None, true, &tuning));
    assert!(failure.to_string().contains("no longer known"), "{failure}");
    assert_eq!(judged(None, None, false, &tuning), Verdict::NotYet, "it went with what it reads");
    let completed = row(JobState::Completed, "None");
    let failure = expect_failed(judged(Some(&completed), None, true, &tuning));
    assert!(failure.to_string().contains("share"), "{failure}");
}

#[test]
fn a_job_that_could_not_requeue_itself_is_submitted_again_however_slurm_calls_it() {
    let failed = row(JobState::Failed, "NonZeroExitCode");
    let tuning = expect_again(judged(Some(&failed), Some(Ending::Interrupted), true, &Tuning::default()));
    assert_eq!(tuning, Tuning::default());
}

#[test]
fn a_job_without_its_input_waits_for_it_and_fails_only_if_it_should_be_there() {
    let failed = row(JobState::Failed, "NonZeroExitCode");
    let missing =
        || Some(Ending::MissingInput { message: "calibrate[x], which it reads, is not there".into() });
    assert_eq!(judged(Some(&failed), missing(), false, &Tuning::default()), Verdict::NotYet);
    let tuning = expect_again(judged(None, missing(), true, &Tuning::default()));
    let failure = expect_failed(judged(None, missing(), true, &tuning));
    assert!(failure.to_string().contains("calibrate[x]"), "{failure}");
}

#[test]
fn a_job_that_failed_silently_is_told_with_its_last_words() {
    assert!(expect_failed(with(JobState::Failed)).to_string().contains("no space"));
}

#[test]
fn a_job_that_never_began_is_tried_again_and_then_elsewhere() {
    let failed = row(JobState::Failed, "NonZeroExitCode");
    let judged = |tuning: &Tuning| judged_by_log("", Some(&failed), None, true, tuning);
    let once = expect_again(judged(&Tuning::default()));
    assert_eq!(once.apply(&resources()), resources(), "the node may just have come back");
    let mut twice = expect_again(judged(&once));
    assert_eq!(twice.apply(&resources()).exclude, ["n0", "n1"], "it may lack a file system");
    twice.node_failures = NODE_FAILURES;
    let failure = expect_failed(judged(&twice)).to_string();
    assert!(failure.contains("before it wrote a word (node n1)"), "{failure}");
}

#[test]
fn what_changes_is_said() {
    let before = Tuning::default();
    let after = Tuning { more_memory: true, ..before.clone() };
    assert_eq!(changes(&before, &after, &resources()).unwrap(), "with 24576 MiB of memory");
    let after = Tuning { more_time: true, ..before.clone() };
    assert_eq!(changes(&before, &after, &resources()).unwrap(), "with a limit of 120 minutes");
    assert_eq!(changes(&before, &before, &resources()), None);
}
