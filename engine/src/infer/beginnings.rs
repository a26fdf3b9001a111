//! What prompts share with others, and how the rows of a batch come by it.

use super::plan::Group;
use super::runner::{Prefix, Runner};
use crate::Result;

/// How the rows of a batch come by what their prompts share with others.
pub enum Beginnings<'a> {
    /// All rows have this one, and the cache is made after it.
    Shared(&'a Prefix),
    /// Each row has a copy of its group's.
    Copied(Copied<'a>),
}

/// Beginnings by group; the last one that was computed is kept.
pub struct Copied<'a> {
    groups: &'a [Group],
    /// The group of each prompt.
    group_of: Vec<usize>,
    computed: Option<(usize, Prefix)>,
}

impl<'a> Copied<'a> {
    pub fn new(groups: &'a [Group], prompts: usize) -> Self {
        let mut group_of = vec![0; prompts];
        for (nth, group) in groups.iter().enumerate() {
            group.members.iter().for_each(|&prompt| group_of[prompt] = nth);
        }
        Self { groups, group_of, computed: None }
    }

    /// The beginning of a prompt.
    pub fn of(&mut self, prompt: usize, runner: &Runner<'_>, ids: &[u32]) -> Result<&Prefix> {
        let group = self.group_of[prompt];
        if self.computed.as_ref().is_none_or(|(computed, _)| *computed != group) {
            // Two need not be there at once.
            self.computed = None;
            self.computed = Some((group, runner.prefix(&self.groups[group], ids)?));
        }
        Ok(&self.computed.as_ref().expect("just computed").1)
    }
}

impl Beginnings<'_> {
    /// Tokens that the cache does not count.
    pub fn shared_len(&self) -> usize {
        match self {
            Beginnings::Shared(prefix) => prefix.len,
            Beginnings::Copied(_) => 0,
        }
    }

    /// Tokens of a prompt that need not be computed for it alone.
    pub fn len_of(&self, prompt: usize) -> usize {
        match self {
            Beginnings::Shared(prefix) => prefix.len,
            Beginnings::Copied(copied) => copied.groups[copied.group_of[prompt]].prefix,
        }
    }
}
