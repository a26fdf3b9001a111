//! What a stage leaves behind, without computing it: files that the driver can read, whose contents depend on the
//! request's parameters and on the contents of its inputs, as a real stage's do.

mod evaluation;
mod shell;

pub use shell::run_body;

use serde_json::json;
use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::Path;
use tacq_protocol::artifact::{WeightCounts, WeightHistogram, WeightHistograms, file};
use tacq_protocol::{Request, StageKind, StageParams};

/// Writes the files that the driver reads from a stage of this kind, and one more.
pub fn write_output(request: &Request) -> io::Result<()> {
    let value = digest(request)?;
    fs::write(Path::new(&request.output).join(shell::OUTPUT), format!("{value:016x}\n"))?;
    write_readable(request, value)
}

/// Writes the files that the driver reads from a stage of this kind.
pub fn write_results(request: &Request) -> io::Result<()> {
    write_readable(request, digest(request)?)
}

/// A number that depends on the request's parameters and on what its inputs hold.
fn digest(request: &Request) -> io::Result<u64> {
    // Not std's keyed hasher: equal requests must give equal files in every process.
    let mut hasher = Fnv::default();
    hasher.write(serde_json::to_string(&request.stage)?.as_bytes());
    for (role, path) in &request.inputs {
        hasher.write(role.as_bytes());
        for name in [shell::OUTPUT, "config.json"] {
            hasher.write(&fs::read(path.join(name)).unwrap_or_default());
        }
    }
    for (role, files) in &request.data {
        hasher.write(role.as_bytes());
        for file in files {
            hasher.write(&fs::read(&file.path)?);
        }
    }
    Ok(hasher.finish())
}

fn write_readable(request: &Request, value: u64) -> io::Result<()> {
    let write = |name: &str, text: String| fs::write(Path::new(&request.output).join(name), text);
    if let StageParams::Evaluate(params) = &request.stage {
        let mut asked = Fnv::default();
        asked.write(serde_json::to_string(&params.task)?.as_bytes());
        for file in request.data.values().flatten() {
            asked.write(&fs::read(&file.path)?);
        }
        let (metrics, records) = evaluation::evaluate(&params.task, asked.finish(), value);
        write(file::METRICS, serde_json::to_string(&metrics)?)?;
        let records = tacq_tasks::records::write(&records).map_err(io::Error::other)?;
        fs::write(Path::new(&request.output).join(file::RECORDS), records)?;
    }
    if let StageParams::Command(params) = &request.stage {
        for path in &params.outputs {
            let path = Path::new(&request.output).join(path);
            fs::create_dir_all(path.parent().expect("it lies in the output folder"))?;
            fs::write(path, format!("{value:016x}\n"))?;
        }
        if params.metrics.is_some() {
            let metrics = json!({ "metrics": { "score": (value % 1000) as f64 / 1000.0 }, "n_examples": 0 });
            write(file::METRICS, metrics.to_string())?;
        }
    }
    match request.stage.kind() {
        StageKind::Quantize | StageKind::MixedQuantize => {
            write(file::WEIGHT_HISTOGRAMS, serde_json::to_string(&histograms(value))?)?;
            write(
                file::CHECKPOINT_SUMMARY,
                json!({ "n_weights": 1000, "n_outliers": value % 7, "avg_bits": 2.5, "bytes": 320 })
                    .to_string(),
            )
        }
        _ => Ok(()),
    }
}

/// Of two matrices of 500 weights, one in each layer.
fn histograms(value: u64) -> WeightHistograms {
    let of = |nth: u64, tensor: &str| {
        let counts = |salt: u64| {
            let mut counts = vec![0; WeightHistogram::BINS];
            let at = (value >> (8 * nth + salt)) as usize % WeightHistogram::BINS;
            let beyond = value % 50;
            counts[at] = 500 - 3 * beyond;
            WeightCounts { below: beyond, counts, above: 2 * beyond }
        };
        let relative_error = (value % 97 + nth) as f64 / 100.0;
        let (original, quantized) = (counts(0), counts(3));
        WeightHistogram { tensor: tensor.to_owned(), range: 0.5, original, quantized, relative_error }
    };
    let names = ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"];
    WeightHistograms { tensors: (0..).zip(names).map(|(nth, name)| of(nth, name)).collect() }
}

/// FNV-1a.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
