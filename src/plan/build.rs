//! Expands an experiment's trials into stages, each once.

use super::commands::Artifacts;
use super::graph::{Plan, PlannedTrial, Role, Stage, StageId};
use super::label::Labels;
use super::source::{self, SourceProblem};
use crate::digest::canonical_json;
use crate::hub::Hub;
use crate::spec::dataset::{Content, Dataset, Decoding, Measure, Part, Task};
use crate::spec::experiment::{Calibration, CalibrationSampling, Each, Method, Quantizer, Tacq};
use crate::spec::{Experiment, Position, Trial, model_names, trials};
use crate::stage_key::{StageKey, canonical_params, key_of};
use crate::store::SourceDigests;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::{
    DownloadParams, GradientsParams, LocalFiles, Needs, QuantizeParams, Reduction, SaliencyParams, Score,
    SelectParams,
};
use tacq_protocol::task::{
    CalibrateParams, CalibrationData, EvaluateParams, Sampling, TaskParams, TextFormat,
};
use tacq_protocol::units::{Bits, FewShot, OutlierRatio, Seed};
use tacq_protocol::{StageKind, StageParams};

/// Shares of the weights that saliency keeps as candidates: the smallest that holds the outlier ratio. Steps, so
/// that another ratio within a step is a prefix of candidates already ranked.
const CANDIDATE_SHARES: [&str; 5] = ["0.05", "0.1", "0.2", "0.5", "1"];

/// All stages of an experiment, with keys from the contents of its sources.
pub fn build(experiment: &Experiment, digests: &mut SourceDigests, hub: &Hub) -> Plan {
    let mut builder = Builder {
        experiment,
        digests,
        hub,
        model_names: model_names(experiment),
        stages: Vec::new(),
        labels: Labels::default(),
        canonical: Canonical::default(),
        known: BTreeMap::new(),
        sources: BTreeMap::new(),
        model_files: BTreeMap::new(),
        formats: BTreeMap::new(),
        missing: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut of_models: Vec<Artifacts> = Vec::new();
    let mut commands = Vec::new();
    for index in 0..experiment.models.len() {
        let mut artifacts = Artifacts::new();
        if experiment.stages.iter().any(|stage| stage.each == Each::Model) {
            artifacts.insert(role::MODEL.into(), builder.model(index));
            commands.extend(builder.commands_of_model(index, &mut artifacts));
        }
        of_models.push(artifacts);
    }
    let mut planned: Vec<PlannedTrial> =
        trials(experiment).into_iter().map(|trial| builder.trial(trial, &of_models)).collect();
    // Of a trial that is there for a command alone, and lacks what it needs, nothing is left.
    planned.retain(|planned| !planned.evaluations.is_empty() || planned.trial.tasks.is_empty());
    let mut problems = builder.problems;
    problems.sort_by(|a, b| (a.position, &a.message).cmp(&(b.position, &b.message)));
    problems.dedup();
    Plan { stages: builder.stages, trials: planned, commands, problems }
}

/// What tells stages apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Key(StageKey),
    Blocked(String),
}

/// The canonical JSON of the parameters met last. A plan has few, and many stages of each.
#[derive(Default)]
struct Canonical {
    known: VecDeque<(StageParams, Rc<str>)>,
}

impl Canonical {
    /// How many are remembered.
    const MOST: usize = 64;

    fn of(&mut self, params: &StageParams) -> Rc<str> {
        if let Some((_, text)) = self.known.iter().find(|(known, _)| known == params) {
            return Rc::clone(text);
        }
        let text: Rc<str> = canonical_params(params).into();
        if self.known.len() == Self::MOST {
            self.known.pop_front();
        }
        self.known.push_back((params.clone(), Rc::clone(&text)));
        text
    }
}

pub(super) struct Builder<'a> {
    pub experiment: &'a Experiment,
    pub digests: &'a mut SourceDigests,
    hub: &'a Hub,
    pub model_names: Vec<String>,
    pub stages: Vec<Stage>,
    labels: Labels,
    canonical: Canonical,
    /// Stages by what they are.
    known: BTreeMap<Known, StageId>,
    /// Sources by what the experiment calls them.
    pub sources: BTreeMap<(&'static str, String), StageId>,
    /// What commands see of models beside what other stages read, by model.
    pub model_files: BTreeMap<usize, Option<StageId>>,
    /// How texts become strings, by their `download` stages.
    formats: BTreeMap<StageId, TextFormat>,
    /// What Spider's databases lack, by their `download` stages, with where they were named.
    missing: BTreeMap<StageId, (Position, Vec<String>)>,
    problems: Vec<SourceProblem>,
}

impl Builder<'_> {
    fn trial(&mut self, trial: Trial, of_models: &[Artifacts]) -> PlannedTrial {
        let model = self.model(trial.model);
        let checkpoint = match (&trial.method, trial.bits) {
            (Some(Method::Quantizer(quantizer)), Some(bits)) => {
                Some(self.quantize(&trial, model, quantizer, bits))
            }
            (Some(Method::Tacq(tacq)), Some(bits)) => Some(self.tacq(&trial, model, tacq, bits)),
            _ => None,
        };
        let mut artifacts = Artifacts::new();
        let mut evaluations = Vec::with_capacity(trial.tasks.len());
        for task in &trial.tasks {
            if self.experiment.tasks.contains_key(task) {
                evaluations.push((task.clone(), self.evaluate(&trial, model, checkpoint, task)));
                continue;
            }
            if artifacts.is_empty() {
                artifacts = self.made_for(model, checkpoint);
                artifacts.extend(of_models[trial.model].clone());
            }
            let stage = self.command_of_trial(&trial, task, &mut artifacts);
            evaluations.extend(stage.map(|id| (task.clone(), id)));
        }
        PlannedTrial { trial, checkpoint, evaluations }
    }

    /// Saliency, mask and mixed-precision checkpoint (arXiv 2504.07389, section 3).
    fn tacq(&mut self, trial: &Trial, model: StageId, tacq: &Tacq, bits: Bits) -> StageId {
        let saliency = self.saliency(trial, model, tacq, bits);
        let mut parts = self.parts(trial);
        parts.extend([Method::Tacq(tacq.clone()).label(), format!("{bits}-bit")]);
        let mask = self.stage(
            &parts,
            StageParams::Select(SelectParams { outlier_ratio: tacq.outlier_ratio }),
            BTreeMap::from([(role::SALIENCY.into(), saliency)]),
        );
        let mut inputs = self.quantizer_inputs(&tacq.quantizer, trial, model);
        inputs.insert(role::MASK.into(), mask);
        self.stage(&parts, StageParams::MixedQuantize(self.quantize_params(&tacq.quantizer, bits)), inputs)
    }

    fn saliency(&mut self, trial: &Trial, model: StageId, tacq: &Tacq, bits: Bits) -> StageId {
        let score = tacq.saliency;
        let mut inputs = BTreeMap::from([(role::MODEL.into(), model)]);
        let mut parts = self.parts(trial);
        parts.push(score.to_string());
        if let Some(reduction) = score.reduction() {
            // Drawn with the same seed, a smaller set is the beginning of a larger one.
            let n_samples = tacq.gradient_samples.unwrap_or(trial.calibration.n_samples);
            let mut trial = trial.clone();
            trial.calibration = Calibration { n_samples, ..trial.calibration };
            inputs.insert(role::GRADIENTS.into(), self.gradients(&trial, model, reduction));
            parts.extend(tacq.gradient_samples.map(|n_samples| format!("gradient-samples={n_samples}")));
        }
        if score.needs_uniform() {
            let uniform = self.quantize(trial, model, &tacq.quantizer, bits);
            inputs.insert(role::UNIFORM.into(), uniform);
            parts.push(format!("{bits}-bit"));
        }
        let seed =
            (score == Score::Random).then(|| trial.seed.unwrap_or(Seed::new(0).expect("zero is a seed")));
        let candidates = candidates(tacq.outlier_ratio);
        self.stage(&parts, StageParams::Saliency(SaliencyParams { score, candidates, seed }), inputs)
    }

    fn gradients(&mut self, trial: &Trial, model: StageId, reduction: Reduction) -> StageId {
        let calibration = self.calibration(trial, model);
        let mut parts = self.parts(trial);
        match reduction {
            Reduction::Abs => {}
            Reduction::Square => parts.push("square".to_owned()),
            Reduction::Signed => parts.push("signed".to_owned()),
        }
        let params =
            StageParams::Gradients(GradientsParams { reduction, dtype: self.experiment.run.gradient_dtype });
        let inputs = BTreeMap::from([(role::MODEL.into(), model), (role::CALIBRATION.into(), calibration)]);
        self.stage(&parts, params, inputs)
    }

    fn quantize(&mut self, trial: &Trial, model: StageId, quantizer: &Quantizer, bits: Bits) -> StageId {
        let inputs = self.quantizer_inputs(quantizer, trial, model);
        let mut parts = match quantizer.rounding.needs() {
            Needs::Nothing => vec![self.model_names[trial.model].clone()],
            Needs::Calibration | Needs::Gradients(_) => self.parts(trial),
        };
        parts.extend([Method::Quantizer(quantizer.clone()).label(), format!("{bits}-bit")]);
        self.stage(&parts, StageParams::Quantize(self.quantize_params(quantizer, bits)), inputs)
    }

    fn quantize_params(&self, quantizer: &Quantizer, bits: Bits) -> QuantizeParams {
        QuantizeParams {
            bits,
            group_size: quantizer.group_size,
            grid: quantizer.grid,
            rounding: quantizer.rounding.clone(),
            dtype: (quantizer.rounding.needs() == Needs::Calibration).then_some(self.experiment.run.dtype),
        }
    }

    fn evaluate(
        &mut self,
        trial: &Trial,
        model: StageId,
        checkpoint: Option<StageId>,
        task: &str,
    ) -> StageId {
        let Task { dataset, measure } = &self.experiment.tasks[task];
        let mut inputs = BTreeMap::from([(role::MODEL.into(), model)]);
        inputs.extend(checkpoint.map(|id| (role::CHECKPOINT.into(), id)));
        let content = &self.experiment.datasets[dataset].content;
        let test = self.part(dataset, Part::Test);
        inputs.insert(role::DATASET.into(), test);
        inputs.extend(self.example_inputs(dataset, self.experiment.tasks[task].few_shot()));
        if matches!(content, Content::Spider) {
            let skip = matches!(measure, Measure::Generate { skip_missing_databases: true, .. });
            inputs.insert(role::DATABASES.into(), self.databases(dataset, task, skip));
        }
        let params = StageParams::Evaluate(EvaluateParams {
            task: task_params(measure, content, self.formats.get(&test).copied(), trial.seed),
            dtype: self.experiment.run.dtype,
            batch_size: self.experiment.run.fixed_batch(),
        });
        let mut parts = self.parts_with_method(trial);
        parts.push(format!("on {task}"));
        self.stage(&parts, params, inputs)
    }

    /// [`Self::parts`], method and bit width of a trial.
    pub(super) fn parts_with_method(&self, trial: &Trial) -> Vec<String> {
        let mut parts = self.parts(trial);
        match (&trial.method, trial.bits) {
            (Some(method), Some(bits)) => parts.extend([method.label(), format!("{bits}-bit")]),
            _ => parts.push("16-bit".to_owned()),
        }
        parts
    }

    /// Model, conditioning and (where it matters) seed of a trial, as parts of a label.
    fn parts(&self, trial: &Trial) -> Vec<String> {
        let mut parts = vec![self.model_names[trial.model].clone()];
        parts.extend(trial.condition_on.clone());
        parts.extend(trial.calibration.variant(self.experiment.calibration));
        if self.experiment.has_seeds() {
            parts.extend(trial.seed.map(|s| format!("seed {s}")));
        }
        parts
    }

    /// What a quantizer reads.
    fn quantizer_inputs(
        &mut self,
        quantizer: &Quantizer,
        trial: &Trial,
        model: StageId,
    ) -> BTreeMap<Role, StageId> {
        let mut inputs = BTreeMap::from([(role::MODEL.into(), model)]);
        match quantizer.rounding.needs() {
            Needs::Nothing => {}
            Needs::Calibration => {
                inputs.insert(role::CALIBRATION.into(), self.calibration(trial, model));
            }
            Needs::Gradients(reduction) => {
                inputs.insert(role::GRADIENTS.into(), self.gradients(trial, model, reduction));
            }
        }
        inputs
    }

    fn calibration(&mut self, trial: &Trial, model: StageId) -> StageId {
        let name = trial.condition_on.clone().expect("a trial that calibrates names its data set");
        let settings = trial.calibration;
        let draw = match settings.sampling {
            CalibrationSampling::First => Sampling::First,
            CalibrationSampling::Random => {
                Sampling::Random { seed: trial.seed.expect("a trial that draws at random has a seed") }
            }
        };
        let Dataset { content, few_shot, .. } = &self.experiment.datasets[&name];
        let dataset = self.part(&name, content.calibration_part());
        let mut inputs = BTreeMap::from([(role::MODEL.into(), model), (role::DATASET.into(), dataset)]);
        inputs.extend(self.example_inputs(&name, *few_shot));
        let data = match content.examples(*few_shot) {
            Some(examples) => CalibrationData::Examples { examples },
            None => CalibrationData::Text { format: self.formats.get(&dataset).copied().unwrap_or_default() },
        };
        let (n_samples, seq_len) = (settings.n_samples, settings.seq_len);
        let params = StageParams::Calibrate(CalibrateParams { data, n_samples, seq_len, draw });
        let parts = self.parts(trial);
        self.stage(&parts, params, inputs)
    }

    /// What prompts are made of beside the questions.
    fn example_inputs(&mut self, dataset: &str, few_shot: FewShot) -> Vec<(Role, StageId)> {
        let mut inputs = Vec::new();
        if few_shot.get() > 0 {
            inputs.push((role::FEW_SHOT.into(), self.part(dataset, Part::FewShot)));
        }
        if matches!(self.experiment.datasets[dataset].content, Content::Spider) {
            inputs.push((role::TABLES.into(), self.part(dataset, Part::Tables)));
        }
        inputs
    }

    /// Spider's databases; that some are missing is a problem unless the task leaves their questions out.
    fn databases(&mut self, dataset: &str, task: &str, skip: bool) -> StageId {
        let id = self.part(dataset, Part::Databases);
        let Some((position, missing)) = self.missing.get(&id).filter(|_| !skip) else {
            return id;
        };
        let name = ("incomplete", dataset.to_owned());
        if let Some(&blocked) = self.sources.get(&name) {
            return blocked;
        }
        let message = format!(
            "the databases of data set {dataset} lack {}; add them, or leave their questions out: --set tasks.{task}.skip_missing_databases=true",
            missing.join(", ")
        );
        let problem = SourceProblem { position: *position, message };
        self.source(name, &[dataset.to_owned(), "databases".to_owned()], Err(problem))
    }

    fn model(&mut self, index: usize) -> StageId {
        let model = &self.experiment.models[index];
        let parts = [self.model_names[index].clone()];
        match self.sources.get(&("model", model.text.clone())) {
            Some(&id) => id,
            None => {
                let found = source::model(model, self.digests, self.hub);
                self.source(("model", model.text.clone()), &parts, found)
            }
        }
    }

    fn part(&mut self, dataset: &str, part: Part) -> StageId {
        let data = &self.experiment.datasets[dataset];
        let name = (part.key(), data.files_of.clone());
        if let Some(&id) = self.sources.get(&name) {
            return id;
        }
        let found = source::part(dataset, data, part, self.digests, self.hub);
        let (mut format, mut missing) = (None, Vec::new());
        let resolved = found.map(|found| {
            (format, missing) = (found.format, found.missing);
            found.resolved
        });
        let id = self.source(name, &[data.files_of.clone(), part.key().to_owned()], resolved);
        self.formats.extend(format.map(|format| (id, format)));
        if !missing.is_empty() {
            let position = data.parts.get(&part).map(|source| source.position).unwrap_or_default();
            self.missing.insert(id, (position, missing));
        }
        id
    }

    /// The `download` stage of a source; a source that cannot be used gets one without a key.
    pub(super) fn source(
        &mut self,
        name: (&'static str, String),
        parts: &[String],
        found: Result<source::Resolved, SourceProblem>,
    ) -> StageId {
        let id = match found {
            Ok(found) => {
                let id = self.stage(parts, StageParams::Download(found.params), BTreeMap::new());
                let stage = &mut self.stages[id];
                stage.source = stage.source.take().or(found.source);
                stage.remote = stage.remote.take().or(found.remote);
                id
            }
            Err(problem) => {
                self.problems.push(problem);
                let label = self.labels.unique(StageKind::Download, parts);
                let params = StageParams::Download(DownloadParams::Local(LocalFiles { files: Vec::new() }));
                let inputs = BTreeMap::new();
                self.push(Stage { label, params, inputs, key: None, source: None, remote: None })
            }
        };
        self.sources.insert(name, id);
        id
    }

    /// The stage of these parameters on these inputs, made if it is new.
    pub(super) fn stage(
        &mut self,
        parts: &[String],
        params: StageParams,
        inputs: BTreeMap<Role, StageId>,
    ) -> StageId {
        let keys: Option<Vec<(&str, &StageKey)>> =
            inputs.iter().map(|(role, &id)| Some((&**role, self.stages[id].key()?))).collect();
        let key = keys.map(|keys| {
            let text = self.canonical.of(&params);
            key_of(params.kind(), &text, keys.into_iter())
        });
        // A stage without a key is told from others by what it would be hashed from.
        let what = match key {
            Some(key) => Known::Key(key),
            None => Known::Blocked(canonical_json(&(&params, &inputs))),
        };
        if let Some(&id) = self.known.get(&what) {
            return id;
        }
        let label = self.labels.unique(params.kind(), parts);
        let id = self.push(Stage { label, params, inputs, key, source: None, remote: None });
        self.known.insert(what, id);
        id
    }

    fn push(&mut self, stage: Stage) -> StageId {
        self.stages.push(stage);
        self.stages.len() - 1
    }
}

/// The task as the engine is told it. The format is that of the text, absent if its source is missing.
fn task_params(
    measure: &Measure,
    content: &Content,
    format: Option<TextFormat>,
    seed: Option<Seed>,
) -> TaskParams {
    let examples =
        |few_shot| content.examples(few_shot).expect("tasks with questions are on data sets of examples");
    match measure.clone() {
        Measure::Perplexity { seq_len, n_windows } => {
            TaskParams::Perplexity { format: format.unwrap_or_default(), seq_len, n_windows }
        }
        Measure::MultipleChoice { few_shot, choices, limit } => {
            TaskParams::MultipleChoice { examples: examples(few_shot), choices, limit }
        }
        Measure::Generate { few_shot, decoding, max_new_tokens, answer, skip_missing_databases, limit } => {
            let decoding = match decoding {
                Decoding::Greedy => tacq_protocol::task::Decoding::Greedy,
                Decoding::Sampled { temperature, top_p } => {
                    let seed = seed.expect("a trial with a sampled task has a seed");
                    tacq_protocol::task::Decoding::Sample { temperature, top_p, seed }
                }
            };
            let examples = examples(few_shot);
            TaskParams::Generate { examples, decoding, max_new_tokens, answer, skip_missing_databases, limit }
        }
    }
}

fn candidates(ratio: OutlierRatio) -> OutlierRatio {
    CANDIDATE_SHARES
        .iter()
        .map(|text| text.parse::<OutlierRatio>().expect("a valid ratio"))
        .find(|share| *share >= ratio)
        .expect("the last share is the largest ratio there is")
}
