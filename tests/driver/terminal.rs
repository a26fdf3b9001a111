//! What a person sees on a terminal: tables as wide as the window, sparklines, `--watch`.

use crate::sandbox::{EXPERIMENT, Finished, Sandbox, wait_for};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A terminal on which a program runs.
struct Terminal {
    program: Child,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a program whose standard output is a terminal of so many columns and rows.
    fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut ours, mut its) = (0, 0);
        let none = std::ptr::null_mut::<libc::c_char>();
        // SAFETY: the places for both ends outlive the call, the name is not asked for, and the settings are only read.
        let opened = unsafe { libc::openpty(&mut ours, &mut its, none, std::ptr::null(), &size) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both are open and nobody else's.
        let (mut ours, its) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(its)) };
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm").stdout(Stdio::from(its)).stderr(Stdio::null());
        let program = command.spawn().expect("the program starts");
        // With it goes our copy of its end: reading ends when the program does.
        drop(command);
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n) = ours.read(&mut bytes)
                && n > 0
            {
                sink.lock().unwrap().extend_from_slice(&bytes[..n]);
            }
        });
        Self { program, written, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Its exit code, and all that it wrote.
    fn end(mut self) -> (i32, String) {
        let code = self.program.wait().unwrap().code().unwrap_or(-1);
        self.reader.join().unwrap();
        let text = String::from_utf8_lossy(&self.written.lock().unwrap()).replace("\r\n", "\n");
        (code, text)
    }
}

/// Ctrl-C, for a process that has not been waited for.
fn interrupt(program: &Child) {
    // SAFETY: a plain system call on a process of our own.
    unsafe { libc::kill(i32::try_from(program.id()).unwrap(), libc::SIGINT) };
}

fn shown(sandbox: &Sandbox, arguments: &[&str], columns: u16) -> String {
    let (code, text) = Terminal::start(sandbox.command(arguments), columns, 24).end();
    assert_eq!(code, 0, "{text}");
    text
}

#[test]
fn tables_fit_the_terminal_and_are_whole_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    for columns in [40, 80, 120] {
        for arguments in [&["report", "exp.yaml"][..], &["status", "exp.yaml"], &["store", "ls"]] {
            let text = shown(&sandbox, arguments, columns);
            let is_wide = |line: &&str| line.chars().count() > columns.into() && !line.contains('/');
            assert_eq!(text.lines().find(is_wide), None, "wider than {columns}:\n{text}");
        }
    }
    let narrow = shown(&sandbox, &["report", "exp.yaml"], 80);
    assert!(narrow.contains("in every line: model model"), "{narrow}");
    let whole = sandbox.sweep(&["report", "exp.yaml"]).expect(0).stdout;
    assert!(!whole.contains("every line") && !whole.contains('…'), "{whole}");
    let summary = sandbox.read("results/demo/summary.csv");
    let table = whole.lines().skip_while(|line| !line.starts_with("quantized"));
    let scores: Vec<&str> = table.skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(scores.len(), summary.lines().count() - 1, "{whole}");
    assert!(scores[0].starts_with("16 bit") && scores[0].contains('['), "{whole}");
}

/// What the engine writes into each artifact of a kind, and the stand-in does not.
fn fill(sandbox: &Sandbox, kind: &str, files: &[(&str, &[u8])]) {
    let children =
        |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut artifacts = 0;
    for artifact in children(&sandbox.root.join(".tacq/v1").join(kind)).iter().flat_map(|dir| children(dir)) {
        artifacts += usize::from(artifact.join("manifest.json").exists());
        for (name, bytes) in files {
            fs::write(artifact.join(name), bytes).unwrap();
        }
    }
    assert!(artifacts > 0, "{kind} has artifacts");
}

#[test]
fn saliencies_and_masks_have_sparklines() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let histograms = r#"{"score":"tacq","tensors":[
        {"tensor":"a","zeros":3,"max":1.0,"sum":2.0,"candidates":1,"first_exponent":-20,"counts":[1,0,8]},
        {"tensor":"b","zeros":2,"max":1.0,"sum":2.0,"candidates":1,"first_exponent":-19,"counts":[0,8,4]}]}"#;
    fill(&sandbox, "saliency", &[("histograms.json", histograms.as_bytes())]);
    let layout = r#"{"tensors":[
        {"name":"model.layers.0.self_attn.q_proj.weight","rows":2,"cols":4},
        {"name":"model.layers.1.self_attn.q_proj.weight","rows":2,"cols":4}]}"#;
    let index: Vec<u8> = [1_i64, 8, 10, 11, 15].iter().flat_map(|index| index.to_le_bytes()).collect();
    let header = r#"{"index":{"dtype":"I64","shape":[5],"data_offsets":[0,40]}}     "#;
    let mask = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &index].concat();
    fill(&sandbox, "select", &[("layout.json", layout.as_bytes()), ("mask.safetensors", &mask)]);
    let locale = |target: &str, locale: &str| {
        let mut command = sandbox.command(&["show", "exp.yaml", target]);
        Finished::from(command.env("LC_ALL", locale).output().unwrap()).expect(0).stdout
    };
    let saliency = locale("saliency*", "en_US.UTF-8");
    assert!(saliency.ends_with("saliency: 26 weights, 5 of them 0\n  2^-20 ▂▁█▃ 2^-16\n\n"), "{saliency}");
    let ascii = locale("saliency*", "C");
    assert!(ascii.ends_with("  2^-20 ._#: 2^-16\n\n"), "{ascii}");
    let mask = locale("select*0.01*", "C.UTF-8");
    assert!(mask.ends_with("kept: 5 weights, by layer\n  q_proj ▃█ 1 to 4\n\n"), "{mask}");
    let json = sandbox.sweep(&["show", "exp.yaml", "select*0.01*", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["kept"]["q_proj"][1], serde_json::json!({ "layer": 1, "kept": 4 }), "{json}");
}

#[test]
fn a_watched_report_is_drawn_in_place_until_ctrl_c() {
    let sandbox = Sandbox::new();
    let (report, rows) = (["report", "exp.yaml", "--watch"], 20);
    let terminal = Terminal::start(sandbox.command(&report), 80, rows);
    wait_for("the first look", || terminal.text().contains("no trial has results yet"));
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "model/16-bit"]).expect(0);
    wait_for("a result", || terminal.text().contains("16 bit"));
    let table = sandbox.root.join("results/demo/table.md");
    assert!(fs::read_to_string(&table).unwrap().contains("16"), "the files are written too");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    wait_for("all results", || terminal.text().contains("2 bit tacq 2 %"));
    interrupt(&terminal.program);
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("\x1b[?25l") && text.ends_with("\x1b[?25h"), "the cursor comes back: {text:?}");
    // Each frame but the first begins by going up what the last one took.
    let frames: Vec<&str> = text.split("\x1b[0J").collect();
    assert!(frames.len() > 3, "{text:?}");
    for pair in frames[1..].windows(2) {
        let lines = pair[0].matches('\n').count();
        assert!(lines < usize::from(rows), "{text:?}");
        assert!(pair[0].ends_with(&format!("\x1b[{lines}A\r")), "{lines}: {text:?}");
    }
}

#[test]
fn a_watched_status_ends_with_the_run() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.command_fake(&["run", "exp.yaml"], "gradients=wait:600000");
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = sandbox.root.join("printed");
    let mut status = sandbox.command(&["status", "exp.yaml", "--watch"]);
    let mut status = status.stdout(File::create(&path).unwrap()).spawn().unwrap();
    let printed = || fs::read_to_string(&path).unwrap();
    wait_for("gradients", || printed().contains(" gradients[model,prose]"));
    assert!(status.try_wait().unwrap().is_none(), "it goes on as long as something runs");
    interrupt(&run);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(status.wait().unwrap().success());
    let printed = printed();
    let (_, last) = printed.rsplit_once("4 trials, 15 stages").unwrap();
    assert!(last.contains("last run: ") && !last.contains(" gradients[model,prose]"), "{printed}");
    assert!(printed.contains("\n\n4 trials, 15 stages"), "blocks are apart: {printed}");
    // Of a grid that is done nothing is left to wait for.
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let after = sandbox.sweep(&["status", "exp.yaml", "--watch"]).expect(0).stdout;
    assert_eq!(after, sandbox.sweep(&["status", "exp.yaml"]).expect(0).stdout);
}

#[test]
fn a_watched_report_elsewhere_prints_what_changed_as_blocks() {
    let sandbox = Sandbox::new();
    sandbox.write("exp.yaml", &EXPERIMENT.replace("    - gptq\n", "").replace("[0.01, 0.02]", "0.01"));
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "model/16-bit"]).expect(0);
    let path = sandbox.root.join("printed");
    let mut report = sandbox.command(&["report", "exp.yaml", "--watch", "--format", "html"]);
    let mut report = report.stdout(File::create(&path).unwrap()).spawn().unwrap();
    let printed = || fs::read_to_string(&path).unwrap();
    wait_for("the first block", || printed().contains("16 bit"));
    // Two looks at least, at which nothing is new.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(printed().matches("quantized").count(), 1, "{}", printed());
    let page = sandbox.root.join("results/demo/report.html");
    let before = fs::read_to_string(&page).unwrap();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    wait_for("the second block", || printed().contains("2 bit tacq 1 %"));
    wait_for("the page", || fs::read_to_string(&page).unwrap() != before);
    interrupt(&report);
    assert_eq!(report.wait().unwrap().code(), Some(0));
    assert!(!printed().contains('\x1b') && printed().contains("\n\nmodel\nquantized"), "{}", printed());
}
