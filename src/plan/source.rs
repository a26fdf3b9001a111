//! The user's models and data sets: found, checked without libtorch, and hashed before anything runs.

use crate::fsx;
use crate::spec::experiment::{ModelSource, SplitSource};
use crate::spec::{Location, Position};
use crate::store::{Fingerprint, SourceDigests};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use tacq_protocol::DataFile;
use tacq_protocol::artifact::SUPPORTED_ARCHITECTURES;
use tacq_protocol::stage::{DownloadParams, FileDigest, LocalFiles};

/// A local model folder or data file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is; what stages that read it are given.
    pub path: PathBuf,
    /// Its files, each as it was when its digest was taken, by the names under which they are hashed.
    pub files: Vec<SourceFile>,
}

/// One file of a [`Source`].
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its name in the key.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it was when its digest was taken.
    pub fingerprint: Fingerprint,
}

impl Source {
    /// The files as a data set's, for a request.
    pub fn data_files(&self) -> Vec<DataFile> {
        let file = |file: &SourceFile| DataFile { name: file.name.clone(), path: file.path.clone() };
        self.files.iter().map(file).collect()
    }
}

/// A source that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// Where the experiment file names it.
    pub position: Position,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// A source's files and what identifies them.
pub(super) struct Resolved {
    pub source: Source,
    pub params: DownloadParams,
}

/// The single name of a data set's file in its key: what the user's file is called does not matter.
const TEXT: &str = "text";

/// Files of a model folder that stages read, where present.
const OPTIONAL_MODEL_FILES: [&str; 3] =
    ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"];

/// Finds and hashes a model folder.
pub(super) fn model(model: &ModelSource, digests: &mut SourceDigests) -> Result<Resolved, SourceProblem> {
    let problem = |message: String| SourceProblem { position: model.position, message };
    let Location::Local(folder) = &model.location else {
        return Err(problem(format!(
            "there is no model folder {}; download the model and set `model` to its folder (--set model=FOLDER)",
            model.location
        )));
    };
    if !fsx::metadata(folder).is_ok_and(|m| m.is_dir()) {
        return Err(problem(format!(
            "there is no model folder {}; set `model` to a folder with config.json, tokenizer.json and safetensors (--set model=FOLDER)",
            folder.display()
        )));
    }
    check_config(folder).map_err(problem)?;
    if !fsx::exists(&folder.join("tokenizer.json")) {
        return Err(problem(format!(
            "model folder {} has no tokenizer.json; save the tokenizer in the Hugging Face fast format",
            folder.display()
        )));
    }
    let mut names = vec!["config.json".to_owned(), "tokenizer.json".to_owned()];
    names.extend(weight_files(folder).map_err(problem)?);
    names.extend(
        OPTIONAL_MODEL_FILES.iter().filter(|n| fsx::exists(&folder.join(n))).map(|n| (*n).to_owned()),
    );
    names.sort();
    let files = names.iter().map(|n| (n.clone(), folder.join(n))).collect();
    hash(folder, files, digests).map_err(|e| problem(e.to_string()))
}

/// Finds and hashes one split of a data set.
pub(super) fn split(
    dataset: &str,
    split: &str,
    source: &SplitSource,
    digests: &mut SourceDigests,
) -> Result<Resolved, SourceProblem> {
    let problem = |message: String| SourceProblem { position: source.position, message };
    let found = fsx::metadata(&source.path).map_err(|_| {
        problem(format!(
            "there is no file {} for the {split} split of data set {dataset} (--set datasets.{dataset}.{split}=FILE)",
            source.path.display()
        ))
    })?;
    let file = if found.is_dir() {
        split_file(&source.path, split).ok_or_else(|| {
            problem(format!(
                "folder {} of data set {dataset} holds none of {} for its {split} split; name the file: --set datasets.{dataset}.{split}=FILE",
                source.path.display(),
                split_names(split).join(", ")
            ))
        })?
    } else {
        source.path.clone()
    };
    hash(&file, vec![(TEXT.to_owned(), file.clone())], digests).map_err(|e| problem(e.to_string()))
}

/// Names that published text data sets give a split's file.
fn split_names(split: &str) -> Vec<String> {
    ["wiki.{}.raw", "wiki.{}.tokens", "{}.txt", "{}.raw", "ptb.{}.txt"]
        .iter()
        .map(|n| n.replace("{}", split))
        .collect()
}

fn split_file(folder: &Path, split: &str) -> Option<PathBuf> {
    split_names(split).into_iter().map(|n| folder.join(n)).find(|p| fsx::exists(p))
}

fn hash(
    path: &Path,
    files: Vec<(String, PathBuf)>,
    digests: &mut SourceDigests,
) -> Result<Resolved, fsx::FsError> {
    let mut params = LocalFiles { files: Vec::with_capacity(files.len()) };
    let mut paths = Vec::with_capacity(files.len());
    for (name, file) in files {
        let (fingerprint, digest) = digests.digest(&file)?;
        let bytes = fingerprint.bytes();
        params.files.push(FileDigest { path: name.clone(), bytes, blake3: digest.to_string() });
        paths.push(SourceFile { name, path: fsx::canonicalize(&file)?, fingerprint });
    }
    let source = Source { path: fsx::canonicalize(path)?, files: paths };
    Ok(Resolved { source, params: DownloadParams::Local(params) })
}

/// config.json is there and names an architecture that the engine has.
fn check_config(folder: &Path) -> Result<(), String> {
    let path = folder.join("config.json");
    let bytes = fsx::read(&path).map_err(|e| {
        if e.is_not_found() {
            format!(
                "model folder {} has no config.json; is it a Hugging Face model folder?",
                folder.display()
            )
        } else {
            e.to_string()
        }
    })?;
    let config: Value =
        serde_json::from_slice(&bytes).map_err(|e| format!("{} is not valid JSON: {e}", path.display()))?;
    let architecture = config["architectures"][0].as_str().unwrap_or("none named");
    if SUPPORTED_ARCHITECTURES.contains(&architecture) {
        return Ok(());
    }
    Err(format!(
        "{}: architecture {architecture} is not supported; supported are {}",
        path.display(),
        SUPPORTED_ARCHITECTURES.join(", ")
    ))
}

/// The safetensors files, each checked to be as long as its header says.
fn weight_files(folder: &Path) -> Result<Vec<String>, String> {
    let index_name = "model.safetensors.index.json";
    let index = folder.join(index_name);
    let mut names = BTreeSet::new();
    // A single file wins over an index beside it, in the engine as here.
    if fsx::exists(&folder.join("model.safetensors")) {
        check_length(&folder.join("model.safetensors"))?;
        names.insert("model.safetensors".to_owned());
    } else if let Some(bytes) = fsx::read_if_exists(&index).map_err(|e| e.to_string())? {
        let parsed: Value = serde_json::from_slice(&bytes)
            .map_err(|e| format!("{} is not valid JSON: {e}", index.display()))?;
        let map = parsed["weight_map"]
            .as_object()
            .ok_or_else(|| format!("{} has no weight_map", index.display()))?;
        names.extend(map.values().filter_map(|v| v.as_str()).map(str::to_owned));
        for name in &names {
            check_length(&folder.join(name))?;
        }
        names.insert(index_name.to_owned());
    } else {
        return Err(format!(
            "model folder {} has neither model.safetensors nor {index_name}; convert the weights to safetensors",
            folder.display()
        ));
    }
    Ok(names.into_iter().collect())
}

/// A download cut short is the commonest damage; the header tells without reading the weights.
fn check_length(path: &Path) -> Result<(), String> {
    let broken = |what: &str| format!("{} is {what}; download it again", path.display());
    let mut file = fsx::open(path).map_err(|e| e.to_string())?;
    let total = fsx::metadata(path).map_err(|e| e.to_string())?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| broken("too short to be a safetensors file"))?;
    let length = u64::from_le_bytes(length);
    if length > total.saturating_sub(8) || length > 100_000_000 {
        return Err(broken("truncated or no safetensors file: its header is longer than the file"));
    }
    let mut header = vec![0; usize::try_from(length).map_err(|e| e.to_string())?];
    file.read_exact(&mut header).map_err(|_| broken("truncated in its header"))?;
    let header: Value =
        serde_json::from_slice(&header).map_err(|_| broken("no safetensors file: its header is not JSON"))?;
    let end = header
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, tensor)| tensor["data_offsets"][1].as_u64())
        .max()
        .unwrap_or(0);
    let expected = 8 + length + end;
    if total < expected {
        return Err(broken(&format!("truncated: {total} bytes where its header promises {expected}")));
    }
    Ok(())
}
