//! A folder with a tiny model, a text and an experiment, and the programs to run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tacq_sweep::hub::{Hub, Settings};
use tacq_sweep::plan::{self, Plan};
use tacq_sweep::spec::{self, Experiment};
use tacq_sweep::store::Store;
use tacq_testkit::{Size, random_llama, sentences};

/// The experiment that most tests run: 16-bit model, GPTQ, TaCQ at two ratios.
pub const EXPERIMENT: &str = "\
name: demo
model: model
datasets:
  prose: {train: train.txt, test: test.txt}
sweep:
  condition_on: prose
  bits: [2]
  methods:
    - gptq
    - tacq: {outlier_ratio: [0.01, 0.02]}
calibration: {n_samples: 4, seq_len: 32}
tasks:
  prose: {seq_len: 32, n_windows: 4}
evaluate: matched
";

/// Its stages: 3 downloads, calibrate, quantize, gradients, saliency, 2 select, 2 mixed_quantize, 4 evaluate.
pub const STAGES: usize = 15;

pub struct Sandbox {
    // Removed when dropped.
    _dir: tempfile::TempDir,
    pub root: PathBuf,
}

impl Sandbox {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().canonicalize().expect("it exists");
        random_llama(&root.join("model"), &Size::TINY, 1).expect("a model");
        fs::write(root.join("train.txt"), sentences(4096, 2)).expect("a text");
        fs::write(root.join("test.txt"), sentences(2048, 3)).expect("a text");
        let sandbox = Self { _dir: dir, root };
        sandbox.write("exp.yaml", EXPERIMENT);
        sandbox.age();
        sandbox
    }

    /// Files as young as the clock's grain are hashed at every look; tests want them remembered.
    pub fn age(&self) {
        std::thread::sleep(std::time::Duration::from_millis(60));
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).expect("writable");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn store(&self) -> Store {
        Store::new(&self.root.join(".tacq"))
    }

    /// The experiment with its paths inside this folder, whatever the working folder.
    pub fn experiment(&self, text: &str) -> Experiment {
        let absolute = |name: &str| self.root.join(name).display().to_string();
        let text = text
            .replace("model: model", &format!("model: {}", absolute("model")))
            .replace("model: [model]", &format!("model: [{}]", absolute("model")))
            .replace("train.txt", &absolute("train.txt"))
            .replace("test.txt", &absolute("test.txt"));
        spec::parse_str(Path::new("exp.yaml"), &text, &[]).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn plan(&self, text: &str) -> Plan {
        let plan =
            plan::build(&self.experiment(text), &mut self.store().source_digests(), &offline_hub(&self.root));
        assert_eq!(plan.problems, [], "the sandbox has all sources");
        plan
    }

    /// `tacq-sweep` with these arguments in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacq-sweep"));
        command.args(arguments).current_dir(&self.root);
        for variable in
            ["RUST_LOG", "NO_COLOR", "TACQ_ENGINE", "TACQ_REMOTE", "TACQ_SERVE_TOKEN", "OPENAI_API_KEY"]
        {
            command.env_remove(variable);
        }
        command
    }

    /// Runs it to its end.
    pub fn sweep(&self, arguments: &[&str]) -> Finished {
        Finished::from(self.command(arguments).output().expect("the program starts"))
    }

    /// [`Self::command`] with the stand-in engine, told what to do on a stage; see `tacq-fake-engine`.
    pub fn command_fake(&self, arguments: &[&str], told: &str) -> Command {
        let mut command = self.command(arguments);
        command.env("TACQ_ENGINE", beside("tacq-fake-engine"));
        command.env("FAKE_ENGINE_LOG", self.root.join("fake.log")).env("FAKE_ENGINE_DO", told);
        command
    }

    /// Runs it with the stand-in engine.
    pub fn sweep_fake(&self, arguments: &[&str]) -> Finished {
        self.sweep_told(arguments, "")
    }

    /// Runs it with the stand-in engine, told what to do on a stage.
    pub fn sweep_told(&self, arguments: &[&str], told: &str) -> Finished {
        Finished::from(self.command_fake(arguments, told).output().expect("the program starts"))
    }

    /// Kinds of stages that the stand-in engine was asked for since the last call, in order.
    pub fn asked(&self) -> Vec<String> {
        let path = self.root.join("fake.log");
        // Under another name, so that what an engine adds meanwhile is neither read twice nor lost.
        let taken = self.root.join("fake.log.taken");
        if fs::rename(&path, &taken).is_err() {
            return Vec::new();
        }
        fs::read_to_string(&taken).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// All tables of the experiment, byte by byte.
    pub fn tables(&self) -> Vec<(String, Vec<u8>)> {
        let dir = self.root.join("results/demo");
        let mut tables: Vec<_> = fs::read_dir(&dir)
            .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
            .map(|entry| {
                let path = entry.expect("readable").path();
                let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                (name, fs::read(&path).expect("readable"))
            })
            // A kill may leave a file that was being written, hidden beside the table that it never became.
            .filter(|(name, _)| !(name.starts_with('.') && name.ends_with(".tmp")))
            .collect();
        tables.sort();
        tables
    }
}

/// Waits for something that another process does soon.
#[track_caller]
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_so() {
        assert!(std::time::Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error has all these words in one message.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in:\n{}", self.stderr);
        }
        self
    }
}

/// A hub that is not asked, with an empty cache in this folder.
pub fn offline_hub(root: &Path) -> Hub {
    let settings = Settings { offline: true, cache: root.join("hf/hub"), ..Settings::from_env() };
    Hub::new(settings, root.join(".tacq/v1/hub"), false)
}

/// A program of the workspace, built beside this one.
pub fn beside(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_tacq-sweep")).with_file_name(name);
    assert!(path.exists(), "{} is missing: build it with `cargo build --workspace`", path.display());
    path
}
