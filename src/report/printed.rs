//! Printed scores beside measured ones: `comparison.csv`.

use super::coordinates::Coordinates;
use super::error::ReportError;
use super::summary::Group;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::metric;

/// The printed scores of arXiv 2504.07389v1; results/paper/README.md explains the columns.
const PAPER: &str = include_str!("../../results/paper/2504.07389v1.csv");

/// What measured scores are put beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The tables of the TaCQ paper.
    Paper,
    /// A file with the same columns.
    File(PathBuf),
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        match text {
            "paper" => Source::Paper,
            path => Source::File(path.into()),
        }
    }
}

/// One printed score; the first columns of `comparison.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// Where it is printed.
    pub place: String,
    /// The model's name, without the organization.
    pub model: String,
    /// As in the tables.
    pub method: String,
    /// What ranked the weights that stay in 16 bit.
    pub saliency: Option<String>,
    /// Bits per quantized weight.
    pub bits: Option<u32>,
    /// As printed.
    pub avg_bits: Option<f64>,
    /// Columns of a group.
    pub group_size: Option<u32>,
    /// Share of the linear weights kept in 16 bit.
    pub outlier_ratio: Option<f64>,
    /// Calibration set.
    pub condition_on: Option<String>,
    /// Calibration sequences of which gradients were taken, where they vary.
    pub n_samples: Option<u32>,
    /// Task.
    pub task: String,
    /// Metric.
    pub metric: String,
    /// The score, shares as shares.
    pub value: f64,
    /// What is printed behind ±.
    pub spread: Option<f64>,
    /// Runs that it is the mean of.
    pub n: Option<u32>,
    /// What to know about it.
    pub note: Option<String>,
}

/// A printed score beside a measured one; a line of `comparison.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What is printed.
    pub printed: Printed,
    /// What was measured.
    pub measured: Group,
}

impl Compared {
    /// Measured minus printed.
    pub fn difference(&self) -> f64 {
        self.measured.mean - self.printed.value
    }

    /// The difference in printed spreads.
    pub fn in_spreads(&self) -> Option<f64> {
        self.printed.spread.filter(|spread| *spread > 0.0).map(|spread| self.difference() / spread)
    }

    /// Printed, measured and their difference in words: shares as percent, differences in percentage points.
    pub fn words(&self) -> [String; 3] {
        let is_share = metric::is_share(&self.printed.metric);
        let times = if is_share { 100.0 } else { 1.0 };
        let with = |value: f64, spread: Option<f64>| {
            let spread = spread.map_or(String::new(), |spread| format!(" ± {:.2}", spread * times));
            format!("{:.2}{spread}", value * times)
        };
        let unit = if is_share { " pp" } else { "" };
        let spreads = self.in_spreads().map_or(String::new(), |n| format!(" ({n:+.1} ±)"));
        let difference = format!("{:+.2}{unit}{spreads}", self.difference() * times).replace('-', "−");
        let measured = with(self.measured.mean, self.measured.sd);
        [with(self.printed.value, self.printed.spread), measured, difference]
    }
}

impl Printed {
    /// Whether a result is of what this one is. What the source does not say may be anything, but for groups: without
    /// a size, a grid is a row's.
    fn is_of(&self, group: &Group, n_samples: u32) -> bool {
        let Coordinates { model, method, saliency, bits, group_size, condition_on, .. } = &group.trial;
        let same_model = self.model.eq_ignore_ascii_case(model) && self.method == *method;
        let same_score = self.task == group.task && self.metric == group.metric;
        if !same_model || !same_score {
            return false;
        }
        if group.trial.is_baseline() {
            return true;
        }
        let same_ratio =
            self.outlier_ratio.is_none() || self.outlier_ratio == group.trial.outlier_ratio_value();
        self.bits.is_none_or(|printed| printed == *bits)
            && self.saliency == *saliency
            && self.group_size == *group_size
            && same_ratio
            && (self.condition_on.is_none() || self.condition_on == *condition_on)
            && self.n_samples.unwrap_or(n_samples) == gradient_samples(&group.trial, n_samples)
    }
}

/// Calibration sequences of which a trial takes gradients: `n_samples`, if its variant does not say otherwise.
fn gradient_samples(trial: &Coordinates, n_samples: u32) -> u32 {
    let named = |name: &str| {
        let mut words = trial.variant.as_deref().unwrap_or_default().split(' ');
        words.find_map(|word| word.strip_prefix(name)?.split('x').next()?.parse().ok())
    };
    named("gradient-samples=").or_else(|| named("calibration=")).unwrap_or(n_samples)
}

/// Reads printed scores.
pub fn read(source: &Source) -> Result<Vec<Printed>, ReportError> {
    let (text, path) = match source {
        Source::Paper => (PAPER.to_owned(), Path::new("paper")),
        Source::File(path) => {
            let bytes = crate::fsx::read(path)?;
            (String::from_utf8_lossy(&bytes).into_owned(), path.as_path())
        }
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Result<Vec<Printed>, csv::Error> = reader.deserialize().collect();
    rows.map_err(|source| ReportError::Printed { path: path.to_owned(), source })
}

/// Puts each printed score beside all results that are of what it is of, in the order of the source.
pub fn compare(printed: &[Printed], groups: &[Group], n_samples: u32) -> Vec<Compared> {
    let of = |printed: &Printed| {
        let found: Vec<_> = groups.iter().filter(|group| printed.is_of(group, n_samples)).collect();
        let compared = |group: &Group| Compared { printed: printed.clone(), measured: group.clone() };
        found.into_iter().map(compared).collect::<Vec<_>>()
    };
    printed.iter().flat_map(of).collect()
}

/// The line that is written.
#[derive(Serialize)]
struct Line<'a> {
    place: &'a str,
    model: &'a str,
    method: &'a str,
    saliency: Option<&'a str>,
    bits: u32,
    group_size: Option<u32>,
    outlier_ratio: Option<f64>,
    variant: Option<&'a str>,
    condition_on: Option<&'a str>,
    task: &'a str,
    metric: &'a str,
    printed: f64,
    printed_spread: Option<f64>,
    printed_n: Option<u32>,
    printed_avg_bits: Option<f64>,
    measured: f64,
    sd: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    n: u64,
    avg_bits: Option<f64>,
    difference: f64,
    in_spreads: Option<f64>,
    note: Option<&'a str>,
}

/// `comparison.csv`.
pub fn to_csv(table: &'static str, compared: &[Compared]) -> Result<Vec<u8>, ReportError> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    for line in compared {
        let Compared { printed, measured } = line;
        let trial = &measured.trial;
        let line = Line {
            place: &printed.place,
            model: &trial.model,
            method: &trial.method,
            saliency: trial.saliency.as_deref(),
            bits: trial.bits,
            group_size: trial.group_size,
            outlier_ratio: trial.outlier_ratio_value(),
            variant: trial.variant.as_deref(),
            condition_on: trial.condition_on.as_deref(),
            task: &measured.task,
            metric: &measured.metric,
            printed: printed.value,
            printed_spread: printed.spread,
            printed_n: printed.n,
            printed_avg_bits: printed.avg_bits,
            measured: measured.mean,
            sd: measured.sd,
            low: measured.low,
            high: measured.high,
            n: measured.n,
            avg_bits: measured.avg_bits,
            difference: line.difference(),
            in_spreads: line.in_spreads(),
            note: printed.note.as_deref(),
        };
        writer.serialize(line).map_err(|source| ReportError::Csv { table, source })?;
    }
    writer.into_inner().map_err(|error| ReportError::Csv { table, source: error.into_error().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(method: &str, bits: u32, ratio: Option<&str>, group_size: Option<u32>, mean: f64) -> Group {
        let is_tacq = method == "tacq";
        Group {
            trial: Coordinates {
                model: "Meta-Llama-3-8B-Instruct".into(),
                condition_on: (method != "none").then(|| "mmlu".to_owned()),
                method: method.into(),
                saliency: is_tacq.then(|| "tacq".to_owned()),
                bits,
                group_size,
                outlier_ratio: ratio.map(str::to_owned),
                ..Coordinates::default()
            },
            avg_bits: None,
            bytes_on_disk: None,
            task: "mmlu".into(),
            metric: "accuracy".into(),
            n: 1,
            mean,
            sd: None,
            low: None,
            high: None,
        }
    }

    #[test]
    fn the_papers_scores_are_put_beside_what_they_are_of() {
        let printed = read(&Source::Paper).unwrap();
        let groups = [
            group("none", 16, None, None, 0.66),
            group("gptq", 2, None, None, 0.27),
            group("gptq", 2, None, Some(128), 0.5),
            group("tacq", 2, Some("0.0035"), None, 0.5),
            group("tacq", 2, Some("0.02"), None, 0.6),
            group("spqr", 1, None, Some(16), 0.2),
            group("slim_llm", 3, None, Some(128), 0.6),
        ];
        let found = compare(&printed, &groups, 128);
        let of = |place: &str, method: &str| -> Vec<f64> {
            let is_of = |c: &&Compared| c.printed.place == place && c.measured.trial.method == method;
            found.iter().filter(is_of).map(|c| c.printed.value).collect()
        };
        assert_eq!(of("table 1", "tacq"), [0.4919]);
        assert_eq!(of("table 1", "gptq"), [0.2676]);
        assert_eq!(of("table 1", "none"), [0.6651]);
        assert_eq!(of("table 5", "tacq"), [0.4919]);
        assert_eq!(of("table 1", "spqr").len(), 1);
        assert_eq!(of("table 1", "slim_llm").len(), 1);
        assert!(of("table 12", "gptq").is_empty(), "that is of another model");
        assert!(
            found
                .iter()
                .all(|c| c.measured.trial.group_size != Some(128) || c.measured.trial.method == "slim_llm")
        );
        let tacq = found.iter().find(|c| c.printed.place == "table 1" && c.printed.method == "tacq").unwrap();
        assert!((tacq.difference() - 0.0081).abs() < 1e-9);
        let [printed, measured, difference] = tacq.words();
        assert!(printed.starts_with("49.19") && measured == "50.00", "{printed} {measured}");
        assert!(difference.starts_with("+0.81 pp"), "{difference}");
        let csv = String::from_utf8(to_csv("comparison.csv", &found).unwrap()).unwrap();
        assert_eq!(csv.lines().count(), found.len() + 1);
        assert!(csv.starts_with("place,model,method,"));
    }

    #[test]
    fn gradients_of_other_sample_counts_are_other_scores() {
        let printed = read(&Source::Paper).unwrap();
        let groups = [group("tacq", 3, Some("0.0035"), None, 0.63)];
        let of = |n_samples| {
            let found = compare(&printed, &groups, n_samples);
            found
                .iter()
                .filter(|c| c.printed.place == "table 13")
                .map(|c| c.printed.value)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(64), [0.637]);
        assert_eq!(of(16), [0.6316]);
        assert!(of(32).is_empty());
        for (variant, expected) in [
            ("gradient-samples=16", 16),
            ("minmax gradient-samples=64 calibration=256x512", 64),
            ("calibration=32x2048 first", 32),
            ("damp=0.1", 128),
        ] {
            let trial = Coordinates { variant: Some(variant.to_owned()), ..Coordinates::default() };
            assert_eq!(gradient_samples(&trial, 128), expected);
        }
    }

    #[test]
    fn a_file_of_other_columns_is_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        std::fs::write(&path, "place,model\nx,y\n").unwrap();
        let message = read(&Source::File(path.clone())).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("{}: ", path.display())) && message.contains("method"),
            "{message}"
        );
    }
}
