//! Names of stages for people: `kind[model,data,…]`, unique in a plan.

use std::collections::BTreeMap;
use tacq_protocol::StageKind;

/// Appends `#2`, `#3`, … to a label that stands for another stage already.
#[derive(Default)]
pub(super) struct Labels {
    seen: BTreeMap<String, usize>,
}

impl Labels {
    pub(super) fn unique(&mut self, kind: StageKind, parts: &[String]) -> String {
        let label = format!("{kind}[{}]", parts.join(","));
        let count = self.seen.entry(label.clone()).or_default();
        *count += 1;
        if *count == 1 { label } else { format!("{label}#{count}") }
    }
}
