//! `tacq-testkit FOLDER [SEED]`: writes what `experiments/quickstart.yaml` reads into FOLDER: `random-llama/`,
//! `train.txt` and `test.txt`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use tacq_testkit::{Size, random_llama, sentences};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seed = arguments.get(1).map_or(Some(0), |text| text.parse().ok());
    match (arguments.as_slice(), seed) {
        ([folder] | [folder, _], Some(seed)) => match write(Path::new(folder), seed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: cannot write {folder}: {error}");
                ExitCode::from(3)
            }
        },
        _ => {
            eprintln!("usage: tacq-testkit FOLDER [SEED]");
            ExitCode::from(2)
        }
    }
}

fn write(folder: &Path, seed: u64) -> io::Result<()> {
    random_llama(&folder.join("random-llama"), &Size::SMALL, seed)?;
    fs::write(folder.join("train.txt"), sentences(64 << 10, seed ^ 1))?;
    fs::write(folder.join("test.txt"), sentences(16 << 10, seed ^ 2))
}
