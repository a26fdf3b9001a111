//! Where everything is from: the stages, what they read, and how they came to be.

use super::Source;
use super::error::PageError;
use super::table::Table;
use serde::Serialize;

/// A line of `stages`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub label: String,
    pub kind: String,
    /// Longest way from a stage that reads nothing.
    pub depth: usize,
    /// Labels of what it reads, parted by spaces.
    pub reads: String,
    /// `stored`, `not stored`, `no source`.
    pub state: &'static str,
    pub key: Option<String>,
    pub wall_secs: Option<f64>,
    pub device: Option<String>,
    pub host: Option<String>,
    pub engine: Option<String>,
    pub libtorch: Option<String>,
}

/// The table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Stages {
    pub lines: Vec<Line>,
}

impl Stages {
    pub fn table(&self) -> Result<Table, PageError> {
        Table::of("stages", &self.lines)
    }
}

/// Reads the manifests that are there.
pub(super) fn collect(source: Source<'_>) -> Result<Stages, PageError> {
    let mut lines: Vec<Line> = Vec::new();
    for stage in source.plan.stages.iter() {
        let artifact = match stage.key() {
            Some(key) => source.store.get(stage.kind(), key)?,
            None => None,
        };
        let execution = artifact.map(|artifact| artifact.manifest.execution);
        let inputs = || stage.inputs.values().map(|&id| &lines[id]);
        let line = Line {
            label: stage.label.clone(),
            kind: stage.kind().to_string(),
            depth: inputs().map(|line| line.depth + 1).max().unwrap_or(0),
            reads: inputs().map(|line| line.label.as_str()).collect::<Vec<_>>().join(" "),
            state: match (&execution, stage.key()) {
                (Some(_), _) => "stored",
                (None, Some(_)) => "not stored",
                (None, None) => "no source",
            },
            key: stage.key().map(ToString::to_string),
            wall_secs: execution.as_ref().map(|e| e.engine.wall_secs),
            device: execution.as_ref().map(|e| e.engine.device.clone()),
            host: execution.as_ref().map(|e| e.host.clone()),
            engine: execution.as_ref().map(|e| e.engine.engine.clone()),
            libtorch: execution.map(|e| e.engine.libtorch),
        };
        lines.push(line);
    }
    Ok(Stages { lines })
}
