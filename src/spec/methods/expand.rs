//! Methods as written → methods with one value per parameter: each parameter that is a list multiplies the axis.

use super::{budget, defaults};
use crate::spec::experiment::{Method, Quantizer, Tacq};
use crate::spec::node::Place;
use crate::spec::raw;
use crate::spec::read::{Field, List, Reader, Spanned};
use crate::spec::resolve::values;
use crate::spec::scalar::Group;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use tacq_protocol::stage::{Grid, Order, Rounding, RoundingParams, Score};
use tacq_protocol::units::{AvgBits, Bits, BlockSize, Damp, GroupSize, OutlierRatio};

/// More variants of one method than this are a mistake.
const MAX_VARIANTS: usize = 10_000;

/// At which sizes methods are wanted.
#[derive(Debug)]
pub enum Sizes {
    /// At these widths of codes.
    Bits(Vec<Bits>),
    /// At these bits per weight in all.
    Budgets(Vec<Spanned<AvgBits>>),
}

/// Methods at each size, in the order of the file.
pub fn at_sizes(methods: &[Method], sizes: Sizes, reader: &mut Reader) -> Vec<(Bits, Method)> {
    let mut all: Vec<(Bits, Method)> = Vec::new();
    match sizes {
        Sizes::Bits(widths) => {
            let of_width = |bits: Bits| methods.iter().map(move |method| (bits, method.clone()));
            all.extend(widths.into_iter().flat_map(of_width));
        }
        Sizes::Budgets(budgets) => {
            let mut known: BTreeSet<(Bits, String)> = BTreeSet::new();
            for budget in budgets {
                for method in methods {
                    match budget::fit(method.clone(), budget.value) {
                        // Two budgets can leave room for the same.
                        Ok((bits, method)) => {
                            if known.insert((bits, method.label())) {
                                all.push((bits, method));
                            }
                        }
                        Err(why) => reader.report(&budget.place, format!("{}: {why}", method.name())),
                    }
                }
            }
        }
    }
    all
}

/// All methods, in the order of the file, a method's later parameters varying fastest. With a budget, what it decides is
/// not set yet.
pub fn expand(list: List<raw::Method>, by_budget: bool, reader: &mut Reader) -> Vec<Method> {
    let mut methods = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for item in list.items {
        if by_budget {
            for place in open(&item.value) {
                let hint = "remove it, or write `bits` in place of `budget`".to_owned();
                reader.report_with(place, "the budget decides this parameter", Some(hint));
            }
        }
        let variants = match item.value {
            raw::Method::Rtn(raw) => {
                let grids = Grids::new(raw.group_size, raw.grid, by_budget, reader);
                plain(grids.quantizers(&[RoundingParams::Rtn]))
            }
            raw::Method::Gptq(raw) => {
                let grids = Grids::new(raw.group_size, raw.grid, by_budget, reader);
                grids.check_static(&raw.static_groups, reader);
                let written = (raw.damp, raw.block_size, raw.true_sequential, raw.order, raw.static_groups);
                let loops = ColumnLoops::new(written, defaults::damp(), Order::Natural, reader);
                match product([grids.count(), loops.count()], &raw.place, reader) {
                    true => plain(grids.quantizers(&loops.gptq())),
                    false => Vec::new(),
                }
            }
            raw::Method::Spqr(raw) => spqr(*raw, reader),
            raw::Method::SlimLlm(raw) => slim_llm(raw, reader),
            raw::Method::Awq(raw) => awq(raw, reader),
            raw::Method::Squeezellm(raw) => squeezellm(raw, reader),
            raw::Method::Tacq(raw) => tacq(*raw, by_budget, reader),
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

/// Whether so many choices make few enough variants; if not, that is said.
fn product<const N: usize>(counts: [usize; N], place: &Place, reader: &mut Reader) -> bool {
    let count = counts.into_iter().fold(1, usize::saturating_mul);
    if count > MAX_VARIANTS {
        let message = format!("these lists make {count} variants of one method; at most {MAX_VARIANTS}");
        reader.report_with(place, message, Some("split the sweep into several experiments".to_owned()));
    }
    count <= MAX_VARIANTS
}

fn plain(quantizers: Vec<Quantizer>) -> Vec<Method> {
    quantizers.into_iter().map(Method::Quantizer).collect()
}

fn spqr(raw: raw::Spqr, reader: &mut Reader) -> Vec<Method> {
    let thresholds = chosen(raw.outlier_threshold, defaults::outlier_threshold(), reader);
    let group_sizes = chosen(raw.group_size, defaults::spqr_group_size(), reader);
    let stats = chosen(raw.stats_bits, defaults::stats_bits(), reader);
    let written = (raw.damp, raw.block_size, raw.true_sequential, raw.order, Field::Absent);
    let loops = ColumnLoops::new(written, defaults::spqr_damp(), Order::Activity, reader);
    let counts = [thresholds.len(), group_sizes.len(), stats.len(), loops.count()];
    if !product(counts, &raw.place, reader) {
        return Vec::new();
    }
    let mut methods = Vec::new();
    for &outlier_threshold in &thresholds {
        for &group_size in &group_sizes {
            for &stats_bits in &stats {
                methods.extend(loops.all().into_iter().map(|column_loop| {
                    let ColumnLoop { damp, block_size, true_sequential, order, static_groups: _ } =
                        column_loop;
                    let rounding = RoundingParams::Spqr {
                        damp,
                        block_size,
                        true_sequential,
                        order,
                        stats_bits,
                        outlier_threshold,
                        avg_bits: None,
                    };
                    Method::Quantizer(Quantizer { rounding, group_size: Some(group_size), grid: None })
                }));
            }
        }
    }
    methods
}

fn slim_llm(raw: raw::SlimLlm, reader: &mut Reader) -> Vec<Method> {
    let group_sizes = chosen(raw.group_size, defaults::slim_group_size(), reader);
    let weights = chosen(raw.salience_weight, defaults::salience_weight(), reader);
    let damps = chosen(raw.damp, defaults::damp(), reader);
    let in_sequence = chosen(raw.true_sequential, false, reader);
    let counts = [group_sizes.len(), weights.len(), damps.len(), in_sequence.len()];
    if !product(counts, &raw.place, reader) {
        return Vec::new();
    }
    let mut methods = Vec::new();
    for &group_size in &group_sizes {
        for &salience_weight in &weights {
            for &damp in &damps {
                methods.extend(in_sequence.iter().map(|&true_sequential| {
                    let rounding =
                        RoundingParams::SlimLlm { damp, true_sequential, salience_weight, avg_bits: None };
                    Method::Quantizer(Quantizer { rounding, group_size: Some(group_size), grid: None })
                }));
            }
        }
    }
    methods
}

fn awq(raw: raw::Awq, reader: &mut Reader) -> Vec<Method> {
    let group_sizes = chosen(raw.group_size, Group(Some(defaults::awq_group_size())), reader);
    let clips = chosen(raw.clip, true, reader);
    let mut methods = Vec::new();
    for group_size in &group_sizes {
        methods.extend(clips.iter().map(|&clip| {
            let (rounding, grid) = (RoundingParams::Awq { clip }, Some(Grid::Minmax));
            Method::Quantizer(Quantizer { rounding, group_size: group_size.0, grid })
        }));
    }
    methods
}

fn squeezellm(raw: raw::Squeezellm, reader: &mut Reader) -> Vec<Method> {
    let magnitudes = chosen(raw.magnitude_ratio, defaults::magnitude_ratio(), reader);
    let fishers = chosen(raw.fisher_ratio, defaults::fisher_ratio(), reader);
    if !product([magnitudes.len(), fishers.len()], &raw.place, reader) {
        return Vec::new();
    }
    let mut methods = Vec::new();
    for &magnitude_ratio in &magnitudes {
        for &fisher_ratio in &fishers {
            let rounding = RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio };
            methods.push(Method::Quantizer(Quantizer { rounding, group_size: None, grid: None }));
        }
    }
    methods
}

/// Where parameters are written that a budget decides.
fn open(method: &raw::Method) -> Vec<&Place> {
    let places: [Option<&Place>; 2] = match method {
        raw::Method::Rtn(raw) => [raw.place_of("group_size"), None],
        raw::Method::Gptq(raw) => [raw.place_of("group_size"), None],
        raw::Method::Awq(raw) => [raw.place_of("group_size"), None],
        raw::Method::Spqr(raw) => [raw.place_of("outlier_threshold"), None],
        raw::Method::SlimLlm(_) => [None, None],
        raw::Method::Squeezellm(raw) => [raw.place_of("magnitude_ratio"), raw.place_of("fisher_ratio")],
        raw::Method::Tacq(raw) => [raw.place_of("outlier_ratio"), None],
    };
    places.into_iter().flatten().collect()
}

fn tacq(raw: raw::Tacq, by_budget: bool, reader: &mut Reader) -> Vec<Method> {
    if !by_budget && !raw.outlier_ratio.is_present() {
        let hint =
            "it is required: the share of the linear weights kept in 16 bit, such as 0.0035".to_owned();
        reader.report_with(&raw.place, "the key `outlier_ratio` is missing", Some(hint));
    }
    let ratios = match by_budget {
        // In place of the one that the budget leaves room for.
        true => vec![OutlierRatio::new(Decimal::ONE).expect("in range")],
        false => raw.outlier_ratio.given().map(|list| values(reader.distinct(list))).unwrap_or_default(),
    };
    let scores = chosen(raw.saliency, Score::Tacq, reader);
    let gradient_samples = match place_of(&raw.gradient_samples).cloned() {
        None => vec![None],
        Some(place) => {
            if let Some(score) = scores.iter().find(|score| score.reduction().is_none()) {
                let message = format!("saliency `{score}` takes no gradients");
                let hint = "remove `gradient_samples`, or write such saliencies as a method of their own";
                reader.report_with(&place, message, Some(hint.to_owned()));
            }
            let list = raw.gradient_samples.given();
            list.map(|list| values(reader.distinct(list))).unwrap_or_default().into_iter().map(Some).collect()
        }
    };
    let roundings = chosen(raw.quantizer, Rounding::Gptq, reader);
    if !roundings.contains(&Rounding::Gptq) {
        let gptq_only = [
            ("damp", place_of(&raw.damp)),
            ("block_size", place_of(&raw.block_size)),
            ("true_sequential", place_of(&raw.true_sequential)),
            ("order", place_of(&raw.order)),
            ("static_groups", place_of(&raw.static_groups)),
        ];
        for (name, place) in gptq_only {
            if let Some(place) = place {
                let message = format!("`{name}` is a parameter of gptq, but the quantizer is rtn");
                reader.report_with(place, message, Some("remove it, or write `quantizer: gptq`".to_owned()));
            }
        }
    }
    let grids = Grids::new(raw.group_size, raw.grid, false, reader);
    grids.check_static(&raw.static_groups, reader);
    let written = (raw.damp, raw.block_size, raw.true_sequential, raw.order, raw.static_groups);
    let loops = ColumnLoops::new(written, defaults::damp(), Order::Natural, reader);
    let samples = gradient_samples.len();
    let counts = [ratios.len(), scores.len(), samples, roundings.len(), grids.count(), loops.count()];
    if !product(counts, &raw.place, reader) {
        return Vec::new();
    }
    let mut methods = Vec::new();
    for &outlier_ratio in &ratios {
        for &saliency in &scores {
            for &gradient_samples in &gradient_samples {
                for &rounding in &roundings {
                    let quantizers = match rounding {
                        Rounding::Rtn => grids.quantizers(&[RoundingParams::Rtn]),
                        Rounding::Gptq => grids.quantizers(&loops.gptq()),
                    };
                    let tacq = |quantizer| {
                        Method::Tacq(Tacq { outlier_ratio, saliency, gradient_samples, quantizer })
                    };
                    methods.extend(quantizers.into_iter().map(tacq));
                }
            }
        }
    }
    methods
}

fn place_of<T>(field: &Field<List<T>>) -> Option<&Place> {
    match field {
        Field::Given(list) => Some(&list.place),
        Field::Absent | Field::Invalid => None,
    }
}

/// The values of a parameter, or its default.
fn chosen<T: PartialEq>(field: Field<List<T>>, default: T, reader: &mut Reader) -> Vec<T> {
    field.given().map_or_else(|| vec![default], |list| values(reader.distinct(list)))
}

/// The values of the parameters of grids.
struct Grids {
    group_sizes: Vec<Option<GroupSize>>,
    grids: Vec<Grid>,
    /// Whether the group sizes are those that are meant: not with a budget, which decides them, nor where they are wrong.
    is_final: bool,
}

impl Grids {
    fn new(
        group_size: Field<List<Group>>,
        grid: Field<List<Grid>>,
        by_budget: bool,
        reader: &mut Reader,
    ) -> Self {
        let is_final = !by_budget && !matches!(group_size, Field::Invalid);
        let group_sizes = chosen(group_size, Group(None), reader).into_iter().map(|group| group.0).collect();
        Self { group_sizes, grids: chosen(grid, Grid::default(), reader), is_final }
    }

    /// Reports static groups where grids are of rows.
    fn check_static(&self, static_groups: &Field<List<bool>>, reader: &mut Reader) {
        let Field::Given(list) = static_groups else { return };
        let is_static = list.items.iter().any(|item| item.value);
        if is_static && self.is_final && self.group_sizes.contains(&None) {
            let hint = "give a group_size, without `row`".to_owned();
            reader.report_with(&list.place, "rows are no groups that could be static", Some(hint));
        }
    }

    fn count(&self) -> usize {
        self.group_sizes.len().saturating_mul(self.grids.len())
    }

    /// The product with ways of rounding.
    fn quantizers(&self, roundings: &[RoundingParams]) -> Vec<Quantizer> {
        let mut all = Vec::new();
        for &group_size in &self.group_sizes {
            for &grid in &self.grids {
                all.extend(roundings.iter().map(|rounding| Quantizer {
                    rounding: rounding.clone(),
                    group_size,
                    grid: Some(grid),
                }));
            }
        }
        all
    }
}

/// The parameters of a column loop.
#[derive(Clone, Copy)]
struct ColumnLoop {
    damp: Damp,
    block_size: BlockSize,
    true_sequential: bool,
    order: Order,
    static_groups: bool,
}

/// As they are written.
type LoopFields =
    (Field<List<Damp>>, Field<List<BlockSize>>, Field<List<bool>>, Field<List<Order>>, Field<List<bool>>);

/// The values of these parameters.
struct ColumnLoops {
    damps: Vec<Damp>,
    block_sizes: Vec<BlockSize>,
    true_sequential: Vec<bool>,
    orders: Vec<Order>,
    static_groups: Vec<bool>,
}

impl ColumnLoops {
    fn new(written: LoopFields, damp: Damp, order: Order, reader: &mut Reader) -> Self {
        Self {
            damps: chosen(written.0, damp, reader),
            block_sizes: chosen(written.1, defaults::block_size(), reader),
            true_sequential: chosen(written.2, true, reader),
            orders: chosen(written.3, order, reader),
            static_groups: chosen(written.4, false, reader),
        }
    }

    fn count(&self) -> usize {
        let Self { damps, block_sizes, true_sequential, orders, static_groups } = self;
        let lens = [damps.len(), block_sizes.len(), true_sequential.len(), orders.len(), static_groups.len()];
        lens.into_iter().fold(1, usize::saturating_mul)
    }

    fn all(&self) -> Vec<ColumnLoop> {
        let mut all = Vec::new();
        for &damp in &self.damps {
            for &block_size in &self.block_sizes {
                for &true_sequential in &self.true_sequential {
                    for &order in &self.orders {
                        let column_loop = |&static_groups: &bool| ColumnLoop {
                            damp,
                            block_size,
                            true_sequential,
                            order,
                            static_groups,
                        };
                        all.extend(self.static_groups.iter().map(column_loop));
                    }
                }
            }
        }
        all
    }

    fn gptq(&self) -> Vec<RoundingParams> {
        let gptq = |column_loop| {
            let ColumnLoop { damp, block_size, true_sequential, order, static_groups } = column_loop;
            RoundingParams::Gptq { damp, block_size, true_sequential, order, static_groups }
        };
        self.all().into_iter().map(gptq).collect()
    }
}
