//! Methods as written → methods with one value per parameter: each parameter that is a list multiplies the axis.

use super::experiment::{Method, Tacq, Uniform, default_damp};
use super::raw;
use super::read::{Field, List, Reader};
use super::resolve::values;
use std::collections::BTreeMap;
use tacq_protocol::stage::{Grid, Rounding, RoundingParams, Score};
use tacq_protocol::units::{BlockSize, Damp, GroupSize};

/// More variants of one method than this are a mistake.
const MAX_VARIANTS: usize = 10_000;

impl Method {
    /// `rtn`, `gptq` or `tacq`.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Uniform(Uniform { rounding: RoundingParams::Rtn, .. }) => "rtn",
            Method::Uniform(Uniform { rounding: RoundingParams::Gptq { .. }, .. }) => "gptq",
            Method::Tacq(_) => "tacq",
        }
    }

    /// How the weights that are not kept are quantized.
    pub fn uniform(&self) -> &Uniform {
        match self {
            Method::Uniform(uniform) => uniform,
            Method::Tacq(tacq) => &tacq.quantizer,
        }
    }

    /// Whether the result depends on a calibration set.
    pub fn needs_calibration(&self) -> bool {
        let by_rounding = self.uniform().rounding != RoundingParams::Rtn;
        by_rounding || matches!(self, Method::Tacq(tacq) if tacq.saliency.reduction().is_some())
    }

    /// Name and parameters, those at their defaults left out: `tacq weight r=0.0035 g=128`. One text per method.
    pub fn label(&self) -> String {
        let mut parts = vec![self.name().to_owned()];
        if let Method::Tacq(tacq) = self {
            if tacq.saliency != Score::Tacq {
                parts.push(tacq.saliency.to_string());
            }
            parts.push(format!("r={}", tacq.outlier_ratio));
        }
        if let Some(group_size) = self.uniform().group_size {
            parts.push(format!("g={group_size}"));
        }
        parts.extend(self.variant());
        parts.join(" ")
    }

    /// The parameters that have no column in tables, as far as they are not at their defaults: `minmax damp=0.1`.
    pub fn variant(&self) -> Option<String> {
        let mut parts = Vec::new();
        let Uniform { rounding, grid, .. } = self.uniform();
        if matches!(self, Method::Tacq(_)) && *rounding == RoundingParams::Rtn {
            parts.push("on rtn".to_owned());
        }
        if *grid == Grid::Minmax {
            parts.push("minmax".to_owned());
        }
        if let RoundingParams::Gptq { damp, block_size, true_sequential } = rounding {
            if *damp != default_damp() {
                parts.push(format!("damp={damp}"));
            }
            if *block_size != default_block_size() {
                parts.push(format!("block={block_size}"));
            }
            if !true_sequential {
                parts.push("one-pass".to_owned());
            }
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

fn default_block_size() -> BlockSize {
    BlockSize::new(128).expect("in range")
}

/// Expands all methods, in the order of the file, a method's later parameters varying fastest.
pub fn expand(list: List<raw::Method>, reader: &mut Reader) -> Vec<Method> {
    let mut methods = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for item in list.items {
        let variants = match item.value {
            raw::Method::Rtn(raw) => {
                let choices = Choices::new(raw.group_size, raw.grid, None, reader);
                choices.uniform(Rounding::Rtn).into_iter().map(Method::Uniform).collect()
            }
            raw::Method::Gptq(raw) => {
                let gptq = (raw.damp, raw.block_size, raw.true_sequential);
                let choices = Choices::new(raw.group_size, raw.grid, Some(gptq), reader);
                match choices.count() <= MAX_VARIANTS {
                    true => choices.uniform(Rounding::Gptq).into_iter().map(Method::Uniform).collect(),
                    false => too_many(&raw.place, choices.count(), reader),
                }
            }
            raw::Method::Tacq(raw) => tacq(*raw, reader),
        };
        for method in variants {
            let label = method.label();
            let at = item.place.at.trim_start_matches("--set ").to_owned();
            if let Some(earlier) = seen.get(&label) {
                let message = format!("`{label}` is in the sweep already, by `{earlier}`");
                reader.report_with(&item.place, message, Some("remove one of them".to_owned()));
                break;
            }
            seen.insert(label, at);
            methods.push(method);
        }
    }
    methods
}

fn too_many(place: &super::node::Place, count: usize, reader: &mut Reader) -> Vec<Method> {
    let message = format!("these lists make {count} variants of one method; at most {MAX_VARIANTS}");
    reader.report_with(place, message, Some("split the sweep into several experiments".to_owned()));
    Vec::new()
}

fn tacq(raw: raw::Tacq, reader: &mut Reader) -> Vec<Method> {
    let ratios = raw.outlier_ratio.given().map(|list| values(reader.distinct(list))).unwrap_or_default();
    let scores = chosen(raw.saliency, Score::Tacq, reader);
    let quantizers = chosen(raw.quantizer, Rounding::Gptq, reader);
    if !quantizers.contains(&Rounding::Gptq) {
        let gptq_only = [
            ("damp", place_of(&raw.damp)),
            ("block_size", place_of(&raw.block_size)),
            ("true_sequential", place_of(&raw.true_sequential)),
        ];
        for (name, place) in gptq_only {
            if let Some(place) = place {
                let message = format!("`{name}` is a parameter of gptq, but the quantizer is rtn");
                reader.report_with(place, message, Some("remove it, or write `quantizer: gptq`".to_owned()));
            }
        }
    }
    let gptq = (raw.damp, raw.block_size, raw.true_sequential);
    let choices = Choices::new(raw.group_size, raw.grid, Some(gptq), reader);
    let count = [ratios.len(), scores.len(), quantizers.len(), choices.count()]
        .into_iter()
        .fold(1, usize::saturating_mul);
    if count > MAX_VARIANTS {
        return too_many(&raw.place, count, reader);
    }
    let mut methods = Vec::new();
    for &outlier_ratio in &ratios {
        for &saliency in &scores {
            for &rounding in &quantizers {
                methods.extend(
                    choices
                        .uniform(rounding)
                        .into_iter()
                        .map(|quantizer| Method::Tacq(Tacq { outlier_ratio, saliency, quantizer })),
                );
            }
        }
    }
    methods
}

fn place_of<T>(field: &Field<List<T>>) -> Option<&super::node::Place> {
    match field {
        Field::Given(list) => Some(&list.place),
        Field::Absent | Field::Invalid => None,
    }
}

/// The values of a parameter, or its default.
fn chosen<T: PartialEq>(field: Field<List<T>>, default: T, reader: &mut Reader) -> Vec<T> {
    field.given().map_or_else(|| vec![default], |list| values(reader.distinct(list)))
}

type GptqFields = (Field<List<Damp>>, Field<List<BlockSize>>, Field<List<bool>>);

/// The values of each parameter of uniform quantization.
struct Choices {
    group_sizes: Vec<Option<GroupSize>>,
    grids: Vec<Grid>,
    damps: Vec<Damp>,
    block_sizes: Vec<BlockSize>,
    true_sequential: Vec<bool>,
}

impl Choices {
    fn new(
        group_size: Field<List<super::scalar::Group>>,
        grid: Field<List<Grid>>,
        gptq: Option<GptqFields>,
        reader: &mut Reader,
    ) -> Choices {
        let (damp, block_size, true_sequential) = gptq.unwrap_or_default();
        let row = super::scalar::Group(None);
        Choices {
            group_sizes: chosen(group_size, row, reader).into_iter().map(|group| group.0).collect(),
            grids: chosen(grid, Grid::default(), reader),
            damps: chosen(damp, default_damp(), reader),
            block_sizes: chosen(block_size, default_block_size(), reader),
            true_sequential: chosen(true_sequential, true, reader),
        }
    }

    fn count(&self) -> usize {
        let lens = [
            self.group_sizes.len(),
            self.grids.len(),
            self.damps.len(),
            self.block_sizes.len(),
            self.true_sequential.len(),
        ];
        lens.into_iter().fold(1, usize::saturating_mul)
    }

    /// The product; round to nearest has no parameters but the grid's.
    fn uniform(&self, rounding: Rounding) -> Vec<Uniform> {
        let roundings = match rounding {
            Rounding::Rtn => vec![RoundingParams::Rtn],
            Rounding::Gptq => self.gptq(),
        };
        let mut all = Vec::new();
        for &group_size in &self.group_sizes {
            for &grid in &self.grids {
                all.extend(roundings.iter().map(|rounding| Uniform {
                    rounding: rounding.clone(),
                    group_size,
                    grid,
                }));
            }
        }
        all
    }

    fn gptq(&self) -> Vec<RoundingParams> {
        let mut all = Vec::new();
        for &damp in &self.damps {
            for &block_size in &self.block_sizes {
                for &true_sequential in &self.true_sequential {
                    all.push(RoundingParams::Gptq { damp, block_size, true_sequential });
                }
            }
        }
        all
    }
}
