//! Commands of the user's own as stages, on the real engine.

use crate::aftermath::{engines_of, kill, list};
use crate::sandbox::{EXPERIMENT, Finished, Sandbox, beside, wait_for};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use tacq_protocol::StageKind;
use tacq_sweep::store::Artifact;

/// The usual experiment with commands.
fn sandbox(stages: &str) -> Sandbox {
    beside("tacq-engine");
    let sandbox = Sandbox::new();
    sandbox.write("exp.yaml", &format!("{EXPERIMENT}stages:\n{stages}"));
    sandbox
}

/// What the command of this name left, in all trials.
fn left(sandbox: &Sandbox, name: &str) -> Vec<Artifact> {
    let all = sandbox.store().artifacts(StageKind::Command).unwrap();
    let of_name = format!(",{name}]");
    let mut left: Vec<_> =
        all.into_iter().filter(|artifact| artifact.manifest.label.ends_with(&of_name)).collect();
    left.sort_by(|a, b| a.manifest.label.cmp(&b.manifest.label));
    left
}

fn files(artifact: &Artifact) -> Vec<&str> {
    artifact.manifest.files.iter().map(|file| file.path.as_str()).collect()
}

/// Rows of a task in results.csv.
fn rows(sandbox: &Sandbox, task: &str) -> Vec<String> {
    let csv = sandbox.read("results/demo/results.csv");
    csv.lines().filter(|line| line.split(',').any(|cell| cell == task)).map(str::to_owned).collect()
}

const COMMANDS: &str = r#"
  size:
    command: |
      printf '{"perplexity": 2.5, "bytes": %s}' "$(stat -L -c %s "$WEIGHTS/model.safetensors")" > "$OUTPUT/size.json"
      echo forgotten > "$OUTPUT/scratch"
    metrics: size.json
  note:
    command: [sh, notes/read.sh, a word]
    needs: [mask, size, card]
    files: [notes]
    env: {GREETING: hello, NUMBER: 3}
    pass: [TOKEN]
    outputs: [deep/note.txt, folder]
  card:
    command: 'cp "$MODEL/config.json" "$OUTPUT/card.json"'
    each: model
    outputs: card.json
"#;

const SCRIPT: &str = r#"set -eu
mkdir -p "$OUTPUT/deep" "$OUTPUT/folder/inner"
echo "$GREETING $NUMBER $1 ${TOKEN:-none} ${SECRET:-none} $DEVICE" > "$OUTPUT/deep/note.txt"
echo inner > "$OUTPUT/folder/inner/file"
test -s "$MASK/mask.safetensors"
test -s "$SIZE/metrics.json"
test -s "$CARD/card.json"
test ! -e "$SIZE/scratch"
env | sort
"#;

#[test]
fn commands_join_the_sweep_and_its_tables() {
    let sandbox = sandbox(COMMANDS);
    fs::create_dir_all(sandbox.root.join("notes/.hidden")).unwrap();
    sandbox.write("notes/read.sh", SCRIPT);
    sandbox.age();
    let run = |sandbox: &Sandbox| {
        let mut command = sandbox.command(&["run", "exp.yaml"]);
        command.env("SECRET", "not told").env("TOKEN", "told");
        Finished::from(command.output().unwrap()).expect(0)
    };
    let first = run(&sandbox);
    assert!(!first.stderr.contains("not compared"), "commands have no examples to compare: {}", first.stderr);
    let sizes = rows(&sandbox, "size");
    assert_eq!(sizes.len(), 8, "two metrics of the 16-bit model, GPTQ, TaCQ at two ratios: {sizes:#?}");
    assert_eq!(sizes.iter().filter(|row| row.contains(",bytes,")).count(), 4, "{sizes:#?}");
    let size = left(&sandbox, "size");
    assert_eq!((size.len(), files(&size[0])), (4, vec!["metrics.json"]), "what is not declared is not kept");
    let notes = left(&sandbox, "note");
    assert_eq!(notes.len(), 2, "only TaCQ has masks");
    assert_eq!(files(&notes[0]), ["deep/note.txt", "folder/inner/file"]);
    let note = fs::read_to_string(notes[0].dir.join("deep/note.txt")).unwrap();
    assert_eq!(note, "hello 3 a word told none cpu\n", "only what is declared is in the environment");
    let card = left(&sandbox, "card");
    let config = fs::read(sandbox.root.join("model/config.json")).unwrap();
    assert_eq!(fs::read(card[0].dir.join("card.json")).unwrap(), config);
    // What it wrote is in the log, under its stage.
    let logs = sandbox.root.join(".tacq/v1/runs");
    let run_dir = fs::read_dir(logs).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(run_dir.join("log.jsonl")).unwrap();
    let told = log.lines().find(|line| line.contains("GREETING=hello")).expect("its output is logged");
    assert!(told.contains("tacq r=0.01,2-bit,note]"), "{told}");

    run(&sandbox).says(&["0 computed"]);
    // Another script is another result, of what reads it and nothing else.
    sandbox.write("notes/read.sh", &SCRIPT.replace("echo inner", "echo other"));
    sandbox.write("notes/.hidden/state", "of no interest");
    sandbox.age();
    let why = sandbox.sweep(&["why", "exp.yaml", "command*r=0.01,*note]"]).expect(0).stdout;
    assert!(why.contains("files[0].blake3") || why.contains("params.files"), "{why}");
    run(&sandbox).says(&["3 computed"]);
    assert_eq!(left(&sandbox, "note").len(), 4);
    let text = sandbox.read("exp.yaml").replace("NUMBER: 3", "NUMBER: 4");
    sandbox.write("exp.yaml", &text);
    let why = sandbox.sweep(&["why", "exp.yaml", "command*r=0.01,*note]"]).expect(0).stdout;
    assert!(why.contains("params.env.NUMBER"), "{why}");
    run(&sandbox).says(&["2 computed"]);
}

#[test]
fn metrics_may_lie_in_a_folder_that_is_kept() {
    let sandbox = sandbox(
        r#"
  score:
    command: 'mkdir "$OUTPUT/all"; echo "{\"score\": 0.5}" > "$OUTPUT/all/score.json"; echo x > "$OUTPUT/all/more"'
    outputs: [all]
    metrics: all/score.json
"#,
    );
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    assert_eq!(files(&left(&sandbox, "score")[0]), ["all/more", "all/score.json", "metrics.json"]);
    assert_eq!(rows(&sandbox, "score").len(), 4);
}

/// What a command can see of the user's files is in its key: its scripts without their neighbours, all of the model.
#[test]
fn a_command_sees_nothing_that_is_in_no_key() {
    let sandbox = sandbox(
        r#"
  look:
    command: |
      readlink -f look.sh > "$OUTPUT/at"
      ls -A "$WEIGHTS" > "$OUTPUT/model"
      cat "$MODEL/notes.json" >> "$OUTPUT/model"
    needs: [weights, model]
    files: [scripts/look.sh]
    outputs: [at, model]
"#,
    );
    let text = sandbox.read("exp.yaml").replace("readlink -f look.sh", "readlink -f scripts/look.sh");
    sandbox.write("exp.yaml", &text);
    fs::create_dir(sandbox.root.join("scripts")).unwrap();
    sandbox.write("scripts/look.sh", "");
    sandbox.write("scripts/neighbour.sh", "");
    sandbox.write("model/notes.json", "{}\n");
    sandbox.write("model/.hidden", "");
    sandbox.write("model/pytorch_model.bin", "");
    sandbox.age();
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    for artifact in left(&sandbox, "look") {
        let read = |name: &str| fs::read_to_string(artifact.dir.join(name)).unwrap();
        assert!(!read("at").starts_with(sandbox.root.join("scripts").to_str().unwrap()), "{}", read("at"));
        let seen = read("model");
        assert!(seen.contains("notes.json") && seen.contains("model.safetensors"), "{seen}");
        assert!(!seen.contains(".hidden") && !seen.contains(".bin"), "{seen}");
    }
    sandbox.write("model/pytorch_model.bin", "changed");
    sandbox.age();
    sandbox.sweep(&["run", "exp.yaml"]).expect(0).says(&["0 computed"]);
    sandbox.write("model/notes.json", "{\"a\": 1}\n");
    sandbox.age();
    let ended = sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    ended.says(&["5 computed"]);
}

/// The folder that `$WEIGHTS` names is a model: as such it scores what the checkpoint scores.
#[test]
fn weights_are_a_model_folder_that_scores_as_the_checkpoint_does() {
    let sandbox = sandbox("  export: {command: 'cp -rL \"$WEIGHTS\" \"$OUTPUT/model\"', outputs: model}\n");
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    let value = |name: &str, wanted: &str| -> String {
        let csv = sandbox.read(&format!("results/{name}/results.csv"));
        let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        let at = |column: &str| header.iter().position(|name| *name == column).unwrap();
        let rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let mut found = rows.filter(|row| row[at("method")] == wanted).map(|row| row[at("value")].to_owned());
        found.next().unwrap()
    };
    for (method, label) in [("gptq", "gptq,2-bit"), ("none", "16-bit")] {
        let artifact =
            left(&sandbox, "export").into_iter().find(|a| a.manifest.label.contains(label)).unwrap();
        let model: PathBuf = artifact.dir.join("model");
        let config: serde_json::Value =
            serde_json::from_slice(&fs::read(model.join("config.json")).unwrap()).unwrap();
        assert!(config["architectures"].is_array());
        let text = EXPERIMENT.replace("name: demo", "name: exported");
        let text = text.replace("model: model", &format!("model: {}", model.display()));
        sandbox.write("exported.yaml", &text);
        sandbox.sweep(&["run", "exported.yaml", "--only", "evaluate*16-bit*"]).expect(0);
        assert_eq!(value("exported", "none"), value("demo", method), "{label}");
    }
}

#[test]
fn what_a_command_does_wrong_is_told_and_leaves_nothing() {
    let sandbox = sandbox(
        r#"
  fails: {command: 'echo on the way; echo this is why >&2; exit 3', outputs: x}
  forgets: {command: 'true', outputs: [there, not/there], each: model}
  mute: {command: 'echo "{\"accuracy\": \"high\"}" > "$OUTPUT/m.json"', metrics: m.json}
  links: {command: 'ln -s /etc "$OUTPUT/x"', outputs: x, each: model}
  absent: {command: [no-such-program], outputs: x, each: model}
  latin: {command: 'mkdir "$OUTPUT/x"; touch "$OUTPUT/x/$(printf "\\344")"', outputs: x, each: model}
  behind: {command: 'touch "$OUTPUT/x"', needs: [forgets], outputs: x, each: model}
"#,
    );
    let ended = sandbox.sweep(&["run", "exp.yaml"]).expect(1);
    ended.says(&[
        "exit status 3; its last words: on the way | this is why",
        "did not write $OUTPUT/not/there",
        "$OUTPUT/m.json does not hold metrics: accuracy is \"high\", not a number",
        "$OUTPUT/x is neither a file nor a folder",
        "exit status 127, a program was not found",
        "has a name that is not UTF-8",
    ]);
    assert_eq!(sandbox.store().artifacts(StageKind::Command).unwrap().len(), 0);
    assert_eq!(rows(&sandbox, "prose").len(), 4, "the sweep's own results are there");
}

/// A stage that says that it has begun, and then waits for ever; asked to stop, it notes how far it was.
const SLOW: &str = r#"
  slow:
    command: |
      if test -e "$PROGRESS/half"; then cp "$PROGRESS/half" "$OUTPUT/x"; exit; fi
      trap 'echo saved > "$PROGRESS/half"; echo half > "$OUTPUT/x"; exit 0' TERM
      echo $$ > BEGUN
      sleep 600 & sleep_id=$!
      echo $sleep_id >> BEGUN
      wait
    each: model
    outputs: x
"#;

/// Starts the run and waits until the command has begun; its processes.
fn begun(sandbox: &Sandbox) -> (std::process::Child, Vec<i32>) {
    let begun = sandbox.root.join("begun");
    let text = sandbox.read("exp.yaml").replace("BEGUN", &begun.display().to_string());
    sandbox.write("exp.yaml", &text);
    let mut run = sandbox.command(&["run", "exp.yaml", "--only", "command*"]);
    let run = run.process_group(0).stderr(Stdio::piped()).spawn().unwrap();
    let ids = || -> Vec<i32> {
        fs::read_to_string(&begun)
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect()
    };
    wait_for("the command", || ids().len() == 2);
    (run, ids())
}

fn lives(id: i32) -> bool {
    // A process that has ended and is not yet waited for has no command line.
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|text| !text.is_empty())
}

#[test]
fn ctrl_c_reaches_a_command_and_the_next_run_finds_its_progress() {
    let sandbox = sandbox(SLOW);
    let (run, ids) = begun(&sandbox);
    // SAFETY: a plain system call on a process of our own.
    unsafe { libc::kill(i32::try_from(run.id()).unwrap(), libc::SIGINT) };
    Finished::from(run.wait_with_output().unwrap()).expect(130).says(&["interrupted; resume with"]);
    wait_for("the end of the command", || !ids.iter().any(|id| lives(*id)));
    assert_eq!(left(&sandbox, "slow").len(), 0, "half of its work is no result, however it ended");
    let progress: Vec<_> =
        list(&sandbox.root.join(".tacq/v1/progress")).iter().map(|path| list(&path.join("cpu"))).collect();
    assert_eq!(progress.concat().len(), 1, "scratch folders are gone: {progress:?}");
    sandbox.sweep(&["run", "exp.yaml", "--only", "command*"]).expect(0);
    let left = left(&sandbox, "slow");
    assert_eq!(fs::read_to_string(left[0].dir.join("x")).unwrap(), "saved\n");
    assert!(left[0].manifest.execution.engine.resumed);
}

#[test]
fn a_command_ends_with_the_engine_or_the_driver_that_is_killed() {
    for what in ["engine", "driver"] {
        let sandbox = sandbox(SLOW);
        let (mut run, ids) = begun(&sandbox);
        match what {
            "engine" => engines_of(run.id()).into_iter().for_each(kill),
            _ => kill(i32::try_from(run.id()).unwrap()),
        }
        wait_for("the end of the command", || !ids.iter().any(|id| lives(*id)));
        kill(i32::try_from(run.id()).unwrap());
        run.wait().unwrap();
    }
}

#[test]
fn files_that_are_not_there_are_told_before_anything_runs() {
    let sandbox = sandbox("  plot: {command: sh plot.sh, files: [plot.sh], outputs: plot.svg}\n");
    let told = ["exp.yaml:16:3", "there is no file plot.sh for stage plot"];
    sandbox.sweep(&["run", "exp.yaml"]).expect(2).says(&told);
    sandbox.write("plot.sh", "echo > \"$OUTPUT/plot.svg\"");
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
}
