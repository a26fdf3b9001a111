//! The command line: `serve`, `run REQUEST.json`, `--version`.

use crate::{mkl, serve};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
The worker of tacq-sweep: runs one stage at a time on libtorch.

Usage:
  tacq-engine serve             requests as JSON lines on stdin, events as JSON lines on stdout
  tacq-engine run REQUEST.json  one request from a file, events on stdout; exit status 1 if it failed
  tacq-engine --version

People normally start `tacq-sweep`, which starts the engine.
";

/// Exit status for a wrong command line.
const USAGE_ERROR: u8 = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    mkl::keep();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve::serve(),
        ["run", request] => serve::run_file(Path::new(request)),
        ["--version" | "-V"] => {
            println!("tacq-engine {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        [] => {
            eprint!("{USAGE}");
            ExitCode::from(USAGE_ERROR)
        }
        [unknown, ..] => {
            eprint!("tacq-engine: cannot understand `{unknown}` here\n\n{USAGE}");
            ExitCode::from(USAGE_ERROR)
        }
    }
}
