//! The user's models and data sets: found, checked without libtorch, and hashed before anything runs.

use super::graph::Remote;
use super::{layout, remote};
use crate::fsx;
use crate::hub::Hub;
use crate::spec::dataset::{Content, Dataset, Part, PartSource};
use crate::spec::experiment::{CommandStage, ModelSource};
use crate::spec::{HubRepo, Location, Position, builtin};
use crate::store::{Fingerprint, SourceDigests};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use tacq_protocol::DataFile;
use tacq_protocol::artifact::SUPPORTED_ARCHITECTURES;
use tacq_protocol::command::is_shown;
use tacq_protocol::stage::{DownloadParams, FileDigest, LocalFiles};
use tacq_protocol::task::TextFormat;

/// A local model folder or data file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Source {
    /// Where it is; what stages that read it are given.
    pub path: PathBuf,
    /// Its files, each as it was when its digest was taken, by the names under which they are hashed.
    pub files: Vec<SourceFile>,
}

/// One file of a [`Source`].
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// What is here; nothing of what has to be downloaded.
    pub source: Option<Source>,
    pub remote: Option<Remote>,
    pub params: DownloadParams,
}

/// Files of a model folder that stages read, where present.
pub(super) const OPTIONAL_MODEL_FILES: [&str; 3] =
    ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"];

/// Finds and hashes a model folder.
pub(super) fn model(
    model: &ModelSource,
    digests: &mut SourceDigests,
    hub: &Hub,
) -> Result<Resolved, SourceProblem> {
    let problem = |message: String| SourceProblem { position: model.position, message };
    let folder = match &model.location {
        Location::Local(folder) => folder,
        Location::Hub(repo) => return remote::model(repo, hub).map_err(problem),
        Location::Url { .. } => unreachable!("a model is a folder or a repository"),
    };
    if !fsx::metadata(folder).is_ok_and(|m| m.is_dir()) {
        return Err(problem(format!(
            "there is no model folder {}; set `model` to a folder with config.json, tokenizer.json and safetensors (--set model=FOLDER)",
            folder.display()
        )));
    }
    check_config(&folder.join("config.json")).map_err(problem)?;
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

/// Finds and hashes the files that a command reads; of a folder, all that are in it.
pub(super) fn files(stage: &CommandStage, digests: &mut SourceDigests) -> Result<Resolved, SourceProblem> {
    let problem = |message: String| SourceProblem { position: stage.position, message };
    let mut files = Vec::new();
    for (name, path) in &stage.files {
        let metadata = fsx::metadata(path).map_err(|e| {
            problem(match e.is_not_found() {
                true => format!("there is no file {} for stage {}", path.display(), stage.name),
                false => e.to_string(),
            })
        })?;
        if !metadata.is_dir() {
            files.push((name.clone(), path.clone()));
            continue;
        }
        let inside = fsx::list_files(path).map_err(|e| problem(e.to_string()))?;
        let inside = inside.into_iter().filter(|inner| !is_left_out(inner));
        files.extend(inside.map(|inner| (format!("{name}/{inner}"), path.join(&inner))));
    }
    files.sort();
    hash(Path::new("."), files, digests).map_err(|e| problem(e.to_string()))
}

/// Files of a local model folder that commands see, beside those that are hashed as the model. Of a repository of the hub
/// only the latter are here.
pub(super) fn other_model_files(
    model: &ModelSource,
    digests: &mut SourceDigests,
) -> Option<Result<Resolved, SourceProblem>> {
    let Location::Local(folder) = &model.location else { return None };
    let problem = |e: fsx::FsError| SourceProblem { position: model.position, message: e.to_string() };
    let is_model = |name: &str| {
        ["config.json", "tokenizer.json"].contains(&name) || OPTIONAL_MODEL_FILES.contains(&name)
    };
    let found = fsx::list_dir(folder).map(|paths| {
        let named = paths.into_iter().filter(|path| fsx::metadata(path).is_ok_and(|m| m.is_file()));
        let named = named.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)));
        named.filter(|(name, _)| is_shown(name) && !is_model(name)).collect::<Vec<_>>()
    });
    match found {
        Ok(files) if files.is_empty() => None,
        Ok(files) => Some(hash(folder, files, digests).map_err(problem)),
        // The model itself is not there; that is told.
        Err(_) => None,
    }
}

/// Whether a file of a folder is a program's own, and not what the user means: hidden, or compiled by Python.
fn is_left_out(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__pycache__")
}

/// A part of a data set.
pub(super) struct ResolvedPart {
    pub resolved: Resolved,
    /// How its files become one string, if it is a text.
    pub format: Option<TextFormat>,
    /// Of Spider's databases: what the questions ask for and the folder lacks.
    pub missing: Vec<String>,
}

/// Finds and hashes a part of a data set.
pub(super) fn part(
    name: &str,
    dataset: &Dataset,
    part: Part,
    digests: &mut SourceDigests,
    hub: &Hub,
) -> Result<ResolvedPart, SourceProblem> {
    let source = dataset
        .parts
        .get(&part)
        .ok_or_else(|| SourceProblem { position: dataset.position, message: unpublished(dataset, part) })?;
    let problem = |message: String| SourceProblem { position: source.position, message };
    let content = &dataset.content;
    let format_of = |found: Option<TextFormat>| match content {
        Content::Text { format, .. } => format.or(found),
        _ => None,
    };
    let elsewhere =
        |(resolved, format)| ResolvedPart { resolved, format: format_of(format), missing: Vec::new() };
    match &source.location {
        Location::Local(_) => {}
        Location::Hub(repo) => {
            let found = of_repository(repo, source, content, part, hub);
            let message =
                |e| format!("the {} of data set {name}: {e} ({})", describe(part), option(dataset, part));
            return found.map(elsewhere).map_err(|e| problem(message(e)));
        }
        Location::Url { url, sha256 } => {
            let file =
                url.split(['?', '#']).next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
            let names = layout::names(content, part, &[file.to_owned()]);
            let key_name = names.first().map_or(file, String::as_str);
            return Ok(elsewhere((remote::url(url, sha256, key_name), file_format(content, file))));
        }
    }
    let found = locate(name, dataset, part, source).map_err(problem)?;
    let (mut files, mut missing) = (found.files, Vec::new());
    if part == Part::Databases
        && let Some(needed) = needed_databases(name, dataset)
    {
        let id = |name: &str| name.strip_suffix(".sqlite").unwrap_or(name).to_owned();
        let present: BTreeSet<String> = files.iter().map(|(name, _)| id(name)).collect();
        files.retain(|(name, _)| needed.contains(&id(name)));
        missing = needed.difference(&present).cloned().collect();
    }
    let resolved = hash(&found.path, files, digests).map_err(|e| problem(e.to_string()))?;
    Ok(ResolvedPart { resolved, format: format_of(found.format), missing })
}

/// The files of a repository that are a part of a data set: those that are named, else those with published names.
fn of_repository(
    repo: &HubRepo,
    source: &PartSource,
    content: &Content,
    part: Part,
    hub: &Hub,
) -> Result<(Resolved, Option<TextFormat>), String> {
    if let Some(first) = source.files.first() {
        let format = file_format(content, first);
        return remote::named_files(repo, hub, &source.files).map(|resolved| (resolved, format));
    }
    let patterns = layout::patterns(content, part);
    let mut format = None;
    let resolved = remote::files(repo, hub, |listing| {
        let paths = listing.files.iter().map(|file| file.path.as_str());
        let Some((files, found)) = layout::find_in_listing(paths, &patterns) else {
            let looked_for: Vec<&str> = patterns.iter().map(|pattern| pattern.path.as_str()).collect();
            return Err(format!("{repo} holds none of {}", looked_for.join(", ")));
        };
        format = found;
        Ok(files)
    })?;
    Ok((resolved, format))
}

/// The format of a file that is named itself, if it is a text's.
fn file_format(content: &Content, path: &str) -> Option<TextFormat> {
    match content {
        Content::Text { layout, .. } => {
            Some(layout::format_of_file(*layout, path.rsplit('/').next().unwrap_or(path)))
        }
        _ => None,
    }
}

/// Files on this machine, by their names in keys.
struct Located {
    /// The file or folder that was named.
    path: PathBuf,
    files: Vec<(String, PathBuf)>,
    format: Option<TextFormat>,
}

fn locate(name: &str, dataset: &Dataset, part: Part, source: &PartSource) -> Result<Located, String> {
    let Location::Local(path) = &source.location else {
        return Err(format!(
            "the {} of data set {name} is not here but at {} ({})",
            describe(part),
            source.location,
            option(dataset, part)
        ));
    };
    let metadata = fsx::metadata(path).map_err(|_| {
        format!(
            "there is no file {} for the {} of data set {name} ({})",
            path.display(),
            describe(part),
            option(dataset, part)
        )
    })?;
    let content = &dataset.content;
    if !metadata.is_dir() {
        let file_name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let format = file_format(content, &file_name);
        let names = layout::names(content, part, &[file_name]);
        let files = names.into_iter().map(|name| (name, path.clone())).collect();
        return Ok(Located { path: path.clone(), files, format });
    }
    let patterns = layout::patterns(content, part);
    let found = layout::find_in_folder(path, &patterns).map_err(|e| e.to_string())?;
    let Some((files, format)) = found else {
        let looked_for: Vec<&str> = patterns.iter().map(|pattern| pattern.path.as_str()).collect();
        return Err(format!(
            "folder {} of data set {name} holds none of {} for its {}; {}",
            path.display(),
            looked_for.join(", "),
            describe(part),
            option(dataset, part)
        ));
    };
    let names = layout::names(content, part, &files);
    let files = names.into_iter().zip(files.iter().map(|file| path.join(file))).collect();
    Ok(Located { path: path.clone(), files, format })
}

/// The databases that Spider's questions ask for, if the questions are here and readable.
fn needed_databases(name: &str, dataset: &Dataset) -> Option<BTreeSet<String>> {
    #[derive(serde::Deserialize)]
    struct Question {
        db_id: String,
    }
    let source = dataset.parts.get(&Part::Test)?;
    let questions = locate(name, dataset, Part::Test, source).ok()?;
    let (_, file) = questions.files.first()?;
    // What is wrong with the file is the engine's to say.
    let questions: Vec<Question> = serde_json::from_slice(&fsx::read(file).ok()?).ok()?;
    Some(questions.into_iter().map(|question| question.db_id).collect())
}

/// That a part is nowhere: one sentence for all parts of a data set that has none.
fn unpublished(dataset: &Dataset, part: Part) -> String {
    let name = &dataset.files_of;
    if dataset.parts.is_empty() {
        return format!(
            "data set {name} cannot be downloaded by a program; get it with its databases from {SPIDER} and give its folder: --set datasets.{name}.path=FOLDER"
        );
    }
    format!("data set {name} lacks its {} ({})", describe(part), option(dataset, part))
}

/// Where people get Spider.
const SPIDER: &str = "https://yale-lily.github.io/spider";

/// What a part is, in words.
fn describe(part: Part) -> &'static str {
    match part {
        Part::Train => "train split",
        Part::Test => "test split",
        Part::FewShot => "solved examples",
        Part::Tables => "database schemas",
        Part::Databases => "databases",
    }
}

/// How to say where a part lies.
fn option(dataset: &Dataset, part: Part) -> String {
    let what = if part == Part::Databases { "FOLDER" } else { "FILE" };
    let files_of = &dataset.files_of;
    let mut text = format!("--set datasets.{files_of}.{}={what}", part.key());
    if builtin::content(files_of).is_some() {
        text += &format!(", or --set datasets.{files_of}.path=FOLDER");
    }
    if matches!(dataset.content, Content::Spider) {
        text += &format!("; Spider with its databases is at {SPIDER}");
    }
    text
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
    let source = Some(Source { path: fsx::canonicalize(path)?, files: paths });
    Ok(Resolved { source, remote: None, params: DownloadParams::Local(params) })
}

/// config.json is there and names an architecture that the engine has.
pub(super) fn check_config(path: &Path) -> Result<(), String> {
    let bytes = fsx::read(path).map_err(|e| {
        if e.is_not_found() {
            let folder = path.parent().unwrap_or(path);
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
    } else if fsx::exists(&index) {
        names = shards(&index)?;
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

/// The files that an index of weights names.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, String> {
    let bytes = fsx::read(index).map_err(|e| e.to_string())?;
    let parsed: Value =
        serde_json::from_slice(&bytes).map_err(|e| format!("{} is not valid JSON: {e}", index.display()))?;
    let map =
        parsed["weight_map"].as_object().ok_or_else(|| format!("{} has no weight_map", index.display()))?;
    Ok(map.values().filter_map(|v| v.as_str()).map(str::to_owned).collect())
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
