//! The engine program: requests in, events out, failures as sentences, resume to the same bytes.

mod bad_input;
mod resume;
mod serve;
mod tasks;

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tacq_protocol::artifact::role;
use tacq_protocol::event::Provenance;
use tacq_protocol::{Event, FailureKind};

/// Folders for one stage, and the text and model of the fixtures.
struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["output", "progress"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a text of so many copies of the fixture's text; its path.
    fn text(&self, copies: usize) -> PathBuf {
        let text = fs::read_to_string(fixture("text.txt")).unwrap().repeat(copies);
        let path = self.path("text.txt");
        fs::write(&path, text).unwrap();
        path
    }

    /// A copy of a fixture's model folder that a test may damage.
    fn model(&self, name: &str) -> PathBuf {
        let copy = self.path("model");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let entry = entry.unwrap().path();
            fs::copy(&entry, copy.join(entry.file_name().unwrap())).unwrap();
        }
        copy
    }

    fn request(&self, kind: &str, params: Value, inputs: &[(&str, &Path)]) -> Value {
        let (data, inputs): (Vec<_>, Vec<_>) = inputs.iter().partition(|(role, _)| role::DATA.contains(role));
        let inputs: serde_json::Map<_, _> = inputs.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let data: serde_json::Map<_, _> =
            data.iter().map(|(role, path)| ((*role).to_owned(), data_files(path))).collect();
        json!({
            "id": 5, "stage": {"kind": kind, "params": params}, "inputs": inputs, "data": data,
            "output": self.path("output"), "progress": self.path("progress"),
            "run": {"device": "cpu", "threads": 1, "checkpoint_secs": 0}
        })
    }

    fn calibrate(&self, model: &Path, text: &Path, n_samples: u32, seq_len: u32) -> Value {
        let params = json!({"data": {"from": "text", "format": "plain"}, "n_samples": n_samples, "seq_len": seq_len,
            "draw": {"sampling": "first"}});
        self.request("calibrate", params, &[("model", model), ("dataset", text)])
    }

    /// A request for gradients over so many sequences of 16 tokens.
    fn gradients(&self, model: &Path, n_samples: u32) -> Value {
        let set = Sandbox::new();
        let calibrate = set.calibrate(&fixture("qwen2"), &set.text(n_samples as usize), n_samples, 16);
        set.run(&calibrate).done();
        let calibration = self.path("calibration");
        fs::rename(set.path("output"), &calibration).unwrap();
        let params = json!({"reduction": "abs", "dtype": "f32"});
        self.request("gradients", params, &[("model", model), ("calibration", &calibration)])
    }

    fn perplexity(&self, model: &Path, text: &Path) -> Value {
        let params =
            json!({"task": {"protocol": "perplexity", "format": "plain", "seq_len": 16}, "dtype": "f32"});
        self.request("evaluate", params, &[("model", model), ("dataset", text)])
    }

    /// Runs a request to its end with `tacq-engine run`.
    fn run(&self, request: &Value) -> Finished {
        let output = self.start(request).wait_with_output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let events = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Finished { status: output.status.code(), events }
    }

    fn start(&self, request: &Value) -> Child {
        let path = self.path("request.json");
        fs::write(&path, request.to_string()).unwrap();
        engine().arg("run").arg(path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn output(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("output").join(name)).unwrap()
    }
}

/// The events and exit status of a request that has ended.
struct Finished {
    status: Option<i32>,
    events: Vec<Event>,
}

impl Finished {
    #[track_caller]
    fn done(&self) -> &Provenance {
        let Some(Event::Done { provenance, .. }) = self.events.last() else {
            panic!("{:?}", self.events.last())
        };
        assert_eq!(self.status, Some(0));
        provenance
    }

    #[track_caller]
    fn failed(&self) -> (FailureKind, &str, &str) {
        let Some(Event::Failed { id: 5, kind, message, hint }) = self.events.last() else {
            panic!("{:?}", self.events.last())
        };
        assert_eq!(self.status, Some(1));
        (*kind, message, hint.as_deref().unwrap_or(""))
    }
}

fn engine() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacq-engine"));
    command.env("OMP_WAIT_POLICY", "passive");
    command
}

/// A file, or the files of a folder, as a request names them.
fn data_files(path: &Path) -> Value {
    if !path.is_dir() {
        return json!([{"name": "text", "path": path}]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| json!({"name": name(path), "path": path})).collect()
}

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// Reads events until one says that some but not all units are done, and how many.
fn wait_for_progress(child: &mut Child) -> u64 {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    for line in stdout.lines() {
        if let Event::Progress { done, total, .. } = serde_json::from_str(&line.unwrap()).unwrap()
            && done > 0
        {
            assert!(done < total, "the stage was too fast to be interrupted");
            return done;
        }
    }
    panic!("the stage ended without progress");
}
