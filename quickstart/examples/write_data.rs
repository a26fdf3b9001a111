//! Writes the quickstart's data sets and tokenizer: `write_data FOLDER` makes `mmlu`, `gsm8k`, `spider`, `text` and
//! `model/tokenizer.json` with its configuration. The same bytes on every machine.

use std::error::Error;
use std::path::Path;
use tacq_quickstart::assets::{Data, SEED};
use tacq_quickstart::corpus::Corpus;
use tacq_quickstart::tokenizer;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let Some(folder) = std::env::args_os().nth(1) else { return Err("usage: write_data FOLDER".into()) };
    let folder = Path::new(&folder);
    let data = Data::new();
    data.write(folder).map_err(|error| error.to_string())?;
    let tokenizer = tokenizer::train(&Corpus::new(&data, SEED))?;
    tokenizer::write(&tokenizer, &folder.join("model"))
}
