//! The body of `benches/orchestrators.py`: what every tool that is compared there spawns for each stage.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tacq_protocol::Request;

/// File that the body writes into a stage's output folder.
pub const OUTPUT: &str = "output.txt";

/// `$0` names the stage, `$1` is where its output goes, the rest are the files that it reads. One `echo` is one
/// `write` to a file opened for appending, so lines of several processes do not mix.
const BODY: &str = r#"name=$0; out=$1; shift
echo "+ $name $#" >> "$BENCH_LEDGER"
test ! -e "$BENCH_FAIL/$name" || exit 1
echo "$name" | cat - "$@" | sha256sum > "$out" && echo "- $name" >> "$BENCH_LEDGER""#;

/// Spawns the body. Its name for the stage is that of the staging folder, which has the stage's kind and key. An error
/// is a shell that cannot be started; `false` is a body that failed.
pub fn run_body(request: &Request) -> io::Result<bool> {
    let output = Path::new(&request.output);
    let name = output.file_name().unwrap_or(output.as_os_str());
    let mut command = Command::new("sh");
    command.args(["-c", BODY]).arg(name).arg(output.join(OUTPUT));
    command.args(request.inputs.values().map(|folder| input_file(folder)));
    command.args(request.data.values().flatten().map(|file| &file.path));
    Ok(command.status()?.success())
}

/// What of an input is read: a stage's output, or of a user's model the file that names it.
fn input_file(folder: &Path) -> PathBuf {
    let output = folder.join(OUTPUT);
    if fs::metadata(&output).is_ok() { output } else { folder.join("config.json") }
}
