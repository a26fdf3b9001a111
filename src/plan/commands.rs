//! The stages of the user's own commands.

use super::build::Builder;
use super::graph::{Role, StageId};
use super::source;
use crate::spec::Trial;
use crate::spec::experiment::{CommandStage, Each, Need};
use std::collections::BTreeMap;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::role;
use tacq_protocol::command::CommandParams;

/// What commands can read: the base model and what was made of it by role, what other commands made by name.
pub(super) type Artifacts = BTreeMap<Role, StageId>;

impl Builder<'_> {
    /// The stages that run once for a model.
    pub(super) fn commands_of_model(&mut self, index: usize, artifacts: &mut Artifacts) -> Vec<StageId> {
        let experiment = self.experiment;
        let stages = experiment.stages.iter().filter(|stage| stage.each == Each::Model);
        let parts = [self.model_names[index].clone()];
        stages.filter_map(|stage| self.command(stage, index, &parts, artifacts)).collect()
    }

    /// The stage that runs a command for a trial, if the trial has what the command needs.
    pub(super) fn command_of_trial(
        &mut self,
        trial: &Trial,
        name: &str,
        artifacts: &mut Artifacts,
    ) -> Option<StageId> {
        let experiment = self.experiment;
        let stage = experiment.stages.iter().find(|stage| stage.name == name)?;
        let parts = self.parts_with_method(trial);
        self.command(stage, trial.model, &parts, artifacts)
    }

    /// What was made for a trial, by role: its checkpoint and all that went into it.
    pub(super) fn made_for(&self, model: StageId, checkpoint: Option<StageId>) -> Artifacts {
        let mut made = Artifacts::from([(role::MODEL.into(), model)]);
        let mut open: Vec<(Role, StageId)> =
            checkpoint.into_iter().map(|id| (role::CHECKPOINT.into(), id)).collect();
        while let Some((role, id)) = open.pop() {
            if !role::DATA.contains(&&*role) && !made.contains_key(&role) {
                made.insert(role, id);
                open.extend(self.stages[id].inputs.iter().map(|(role, &id)| (role.clone(), id)));
            }
        }
        made
    }

    fn command(
        &mut self,
        stage: &CommandStage,
        model: usize,
        parts: &[String],
        artifacts: &mut Artifacts,
    ) -> Option<StageId> {
        let mut inputs = Artifacts::new();
        let mut weights = None;
        for need in &stage.needs {
            match need {
                Need::Weights => {
                    inputs.insert(role::MODEL.into(), artifacts[role::MODEL]);
                    if let Some(&checkpoint) = artifacts.get(role::CHECKPOINT) {
                        inputs.insert(role::CHECKPOINT.into(), checkpoint);
                    }
                    weights = Some(self.experiment.run.dtype);
                }
                Need::Role(name) => _ = inputs.insert((*name).into(), *artifacts.get(*name)?),
                Need::Stage(name) => _ = inputs.insert(name.clone().into(), *artifacts.get(&**name)?),
            }
        }
        if inputs.contains_key(role::MODEL)
            && let Some(files) = self.model_files(model)
        {
            inputs.insert(role::MODEL_FILES.into(), files);
        }
        if !stage.files.is_empty() {
            inputs.insert(role::FILES.into(), self.files(stage));
        }
        let params = StageParams::Command(CommandParams {
            command: stage.command.clone(),
            env: stage.env.clone(),
            pass: stage.pass.clone(),
            image: stage.image.clone(),
            outputs: stage.outputs.clone(),
            metrics: stage.metrics.clone(),
            weights,
        });
        let parts: Vec<String> = parts.iter().chain([&stage.name]).cloned().collect();
        let id = self.stage(&parts, params, inputs);
        artifacts.insert(stage.name.clone().into(), id);
        Some(id)
    }

    /// What commands see of a model folder beside what other stages read, if there is something.
    fn model_files(&mut self, index: usize) -> Option<StageId> {
        if let Some(known) = self.model_files.get(&index) {
            return *known;
        }
        let model = &self.experiment.models[index];
        let name = (role::MODEL_FILES, model.text.clone());
        let parts = [self.model_names[index].clone(), role::FILES.to_owned()];
        let found = source::other_model_files(model, self.digests);
        let id = found.map(|found| self.source(name, &parts, found));
        self.model_files.insert(index, id);
        id
    }

    /// The user's files that a command reads.
    fn files(&mut self, stage: &CommandStage) -> StageId {
        let name = (role::FILES, stage.name.clone());
        if let Some(&id) = self.sources.get(&name) {
            return id;
        }
        let found = source::files(stage, self.digests);
        self.source(name, &[stage.name.clone(), role::FILES.to_owned()], found)
    }
}
