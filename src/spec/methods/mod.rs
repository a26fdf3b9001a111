//! Methods with one value per parameter: what they are called and what they need.

mod budget;
mod defaults;
mod expand;

pub use expand::{Sizes, at_sizes, expand};

use super::experiment::{Method, Quantizer, Tacq};
use std::fmt::Display;
use tacq_protocol::stage::{Grid, Needs, Order, RoundingParams, Score};
use tacq_protocol::units::{GroupSize, NSamples};

impl Method {
    /// As in YAML and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Quantizer(quantizer) => quantizer.rounding.name(),
            Method::Tacq(_) => "tacq",
        }
    }

    /// How the weights that are not kept are quantized.
    pub fn quantizer(&self) -> &Quantizer {
        match self {
            Method::Quantizer(quantizer) => quantizer,
            Method::Tacq(tacq) => &tacq.quantizer,
        }
    }

    /// Whether the result depends on a calibration set.
    pub fn needs_calibration(&self) -> bool {
        let by_rounding = self.quantizer().rounding.needs() != Needs::Nothing;
        by_rounding || matches!(self, Method::Tacq(tacq) if tacq.saliency.reduction().is_some())
    }

    /// The same, but that gradients of all `n_samples` sequences are not mentioned.
    pub fn without_default(mut self, n_samples: NSamples) -> Self {
        if let Method::Tacq(Tacq { gradient_samples, .. }) = &mut self
            && *gradient_samples == Some(n_samples)
        {
            *gradient_samples = None;
        }
        self
    }

    /// Name and parameters, those at their defaults left out: `tacq weight r=0.0035 g=128`. One text per method.
    pub fn label(&self) -> String {
        let mut parts = vec![self.name().to_owned()];
        if let Method::Tacq(Tacq { saliency, outlier_ratio, .. }) = self {
            parts.extend((*saliency != Score::Tacq).then(|| saliency.to_string()));
            parts.push(format!("r={outlier_ratio}"));
        }
        let group_size = self.quantizer().group_size;
        if group_size != self.default_group_size() {
            parts.push(group_size.map_or("g=row".to_owned(), |group_size| format!("g={group_size}")));
        }
        parts.extend(self.variant());
        parts.join(" ")
    }

    fn default_group_size(&self) -> Option<GroupSize> {
        match self.quantizer().rounding {
            RoundingParams::Spqr { .. } => Some(defaults::spqr_group_size()),
            RoundingParams::SlimLlm { .. } => Some(defaults::slim_group_size()),
            RoundingParams::Awq { .. } => Some(defaults::awq_group_size()),
            RoundingParams::Rtn | RoundingParams::Gptq { .. } | RoundingParams::Squeezellm { .. } => None,
        }
    }

    /// The parameters that have no column in tables, as far as they are not at their defaults: `minmax damp=0.1`.
    pub fn variant(&self) -> Option<String> {
        let mut parts = Vec::new();
        let Quantizer { rounding, grid, .. } = self.quantizer();
        if let Method::Tacq(Tacq { gradient_samples: Some(n_samples), .. }) = self {
            parts.push(format!("gradient-samples={n_samples}"));
        }
        if matches!(self, Method::Tacq(_)) && *rounding == RoundingParams::Rtn {
            parts.push("on rtn".to_owned());
        }
        // AWQ has no other grid.
        if *grid == Some(Grid::Minmax) && !matches!(rounding, RoundingParams::Awq { .. }) {
            parts.push("minmax".to_owned());
        }
        match rounding {
            RoundingParams::Rtn => {}
            RoundingParams::Gptq { damp, block_size, true_sequential, order, static_groups } => {
                unless_default(&mut parts, "damp", damp, defaults::damp());
                unless_default(&mut parts, "block", block_size, defaults::block_size());
                parts.extend((!true_sequential).then(|| "one-pass".to_owned()));
                parts.extend((*order != Order::Natural).then(|| "by-activity".to_owned()));
                parts.extend(static_groups.then(|| "static-groups".to_owned()));
            }
            RoundingParams::Spqr {
                damp,
                block_size,
                true_sequential,
                order,
                stats_bits,
                outlier_threshold,
                avg_bits,
            } => {
                unless_default(&mut parts, "threshold", outlier_threshold, defaults::outlier_threshold());
                parts.extend(avg_bits.map(|avg_bits| format!("avg={avg_bits}")));
                unless_default(&mut parts, "stats", stats_bits, defaults::stats_bits());
                unless_default(&mut parts, "damp", damp, defaults::spqr_damp());
                unless_default(&mut parts, "block", block_size, defaults::block_size());
                parts.extend((!true_sequential).then(|| "one-pass".to_owned()));
                parts.extend((*order != Order::Activity).then(|| "in-order".to_owned()));
            }
            RoundingParams::SlimLlm { damp, true_sequential, salience_weight, avg_bits } => {
                parts.extend(avg_bits.map(|avg_bits| format!("avg={avg_bits}")));
                unless_default(&mut parts, "salience-weight", salience_weight, defaults::salience_weight());
                unless_default(&mut parts, "damp", damp, defaults::damp());
                parts.extend(true_sequential.then(|| "in-sequence".to_owned()));
            }
            RoundingParams::Awq { clip } => parts.extend((!clip).then(|| "unclipped".to_owned())),
            RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio } => {
                unless_default(&mut parts, "magnitude", magnitude_ratio, defaults::magnitude_ratio());
                unless_default(&mut parts, "fisher", fisher_ratio, defaults::fisher_ratio());
            }
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

fn unless_default<T: PartialEq + Display>(parts: &mut Vec<String>, name: &str, value: &T, default: T) {
    parts.extend((*value != default).then(|| format!("{name}={value}")));
}
