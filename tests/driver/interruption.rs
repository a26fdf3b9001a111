//! Ctrl-C once and twice, and engines that hang or take too long.

use crate::sandbox::{Finished, STAGES, Sandbox};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Starts a run whose calibration takes ten minutes, in a process group of its own, and waits until it has begun.
fn started(sandbox: &Sandbox, how: &str) -> Child {
    let arguments = ["run", "exp.yaml", "--set", "run.checkpoint_secs=7"];
    let mut run = sandbox.command_fake(&arguments, &format!("calibrate={how}:600000"));
    let run = run.process_group(0).stderr(Stdio::piped()).spawn().unwrap();
    while !fs::read_to_string(sandbox.root.join("fake.log")).is_ok_and(|log| log.contains("calibrate")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    run
}

/// As a terminal does it: the signal goes to the whole process group.
fn ctrl_c(run: &Child) {
    // SAFETY: a plain system call on a process group of our own.
    unsafe { libc::kill(-i32::try_from(run.id()).unwrap(), libc::SIGINT) };
}

#[test]
fn ctrl_c_lets_a_stage_keep_its_progress_and_says_how_to_resume() {
    let sandbox = Sandbox::new();
    let run = started(&sandbox, "wait");
    ctrl_c(&run);
    let ended = Finished::from(run.wait_with_output().unwrap()).expect(130);
    ended.says(&[
        "stopping: 1 stage to finish a batch",
        "interrupted; resume with: tacq-sweep run exp.yaml --set run.checkpoint_secs=7",
    ]);
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
}

#[test]
fn a_second_ctrl_c_ends_a_stage_that_does_not_stop() {
    let sandbox = Sandbox::new();
    let mut run = started(&sandbox, "stuck");
    ctrl_c(&run);
    std::thread::sleep(Duration::from_millis(600));
    assert!(run.try_wait().unwrap().is_none(), "the stage is left to finish its batch");
    let asked = Instant::now();
    ctrl_c(&run);
    let ended = Finished::from(run.wait_with_output().unwrap()).expect(130);
    assert!(asked.elapsed() < Duration::from_secs(20));
    ended.says(&["interrupted; resume with"]);
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
}

#[test]
fn an_engine_that_ends_while_it_starts_is_started_again() {
    let sandbox = Sandbox::new();
    // Ends twice, then is an engine.
    let engine = sandbox.root.join("engine");
    let fake = crate::sandbox::beside("tacq-fake-engine");
    let script = format!("#!/bin/sh\nmkdir one || mkdir two || exec {} \"$@\"\nexit 9\n", fake.display());
    fs::write(&engine, script).unwrap();
    fs::set_permissions(&engine, PermissionsExt::from_mode(0o755)).unwrap();
    let run = |sandbox: &Sandbox| {
        let mut command = sandbox.command_fake(&["run", "exp.yaml"], "");
        Finished::from(command.env("TACQ_ENGINE", &engine).output().unwrap())
    };
    run(&sandbox).expect(0);
    // One that never starts ends the run, in words.
    fs::write(&engine, "#!/bin/sh\necho no libtorch here >&2\nexit 9\n").unwrap();
    fs::remove_dir_all(sandbox.root.join(".tacq")).unwrap();
    run(&sandbox).expect(3).says(&["ended before it was ready", "no libtorch here"]);
}

#[test]
fn an_engine_that_hangs_is_replaced_and_the_stage_tried_again() {
    let sandbox = Sandbox::new();
    let once = sandbox.root.join("once");
    fs::create_dir(&once).unwrap();
    let arguments = ["run", "exp.yaml", "--set", "run.hang=1s"];
    let mut run = sandbox.command_fake(&arguments, "gradients=silent:600000;quantize=garbage;saliency=exit");
    let ended = Finished::from(run.env("FAKE_ENGINE_ONCE", &once).output().unwrap()).expect(0);
    ended.says(&[
        "trying gradients[model,prose] again: the engine gave no sign of life for 1 s",
        "trying quantize[model,prose,gptq,2-bit] again: the engine died: it wrote something that is no event",
        "trying saliency[model,prose,tacq,2-bit] again: the engine died",
        &format!("{STAGES} computed"),
    ]);
}

#[test]
fn a_stage_that_takes_too_long_fails_with_its_limit() {
    let sandbox = Sandbox::new();
    let set = ["--set", "run.kinds.gradients.timeout=1s", "--set", "run.kinds.gradients.retries=1"];
    let arguments = [&["run", "exp.yaml"], &set[..]].concat();
    let ended = sandbox.sweep_told(&arguments, "gradients=stuck:600000").expect(1);
    let ended =
        ended.says(&["failed: gradients[model,prose]", "its time limit of 1 s", "run.kinds.KIND.timeout"]);
    assert_eq!(ended.stderr.matches("trying gradients[model,prose] again").count(), 1, "{}", ended.stderr);
    assert_eq!(sandbox.asked().iter().filter(|kind| *kind == "gradients").count(), 2);
}
