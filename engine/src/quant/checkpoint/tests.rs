use super::*;
use crate::model::LinearSource;
use crate::quant::levels::{Levels, Mixed, MixedSpec, Stats, Table, TableSpec, TwoLevel, TwoLevelSpec};
use crate::quant::testing::{Normal, spec};
use crate::quant::{MatrixMask, QuantizedMatrix, Scheme, Shape, round_to_nearest};
use crate::tensorfile::{TensorSpec, TensorWriter};
use safetensors::Dtype;
use std::path::{Path, PathBuf};
use tacq_protocol::units::{Bits, GroupSize};
use tch::{Device, Tensor};

fn matrix(bits: u64, group: Option<u64>, shape: Shape, outliers: &[u64]) -> QuantizedMatrix {
    let weights = Normal::new(bits).vector(shape.len(), 0.1);
    let mask = MatrixMask::from_sorted(shape.rows, shape.cols, outliers.iter().copied());
    round_to_nearest("w", &weights, shape, spec(bits, group), mask).unwrap()
}

#[test]
fn matrices_of_every_width_and_odd_sizes_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for bits in 1..=8 {
        for group in [None, Some(16)] {
            let shapes =
                [Shape { rows: 3, cols: 37 }, Shape { rows: 1, cols: 1 }, Shape { rows: 5, cols: 64 }];
            let outliers: [&[u64]; 3] = [&[0, 36, 37, 110], &[0], &[]];
            let matrices: Vec<_> = shapes
                .into_iter()
                .zip(outliers)
                .enumerate()
                .map(|(i, (shape, outliers))| (format!("w{i}"), matrix(bits, group, shape, outliers)))
                .collect();
            write(&path, Scheme::Grids(spec(bits, group)), &matrices).unwrap();
            let checkpoint = Checkpoint::open(&path).unwrap();
            for (name, matrix) in &matrices {
                assert_eq!(&checkpoint.load(name).unwrap(), matrix, "{bits} bits, {group:?}");
                let tensor = checkpoint.linear(name, Device::Cpu).unwrap().unwrap();
                assert_eq!(Vec::<f32>::try_from(tensor.reshape([-1])).unwrap(), matrix.dequantize());
            }
            assert_eq!(checkpoint.n_outliers(), 5);
        }
    }
}

/// A matrix of random codes, levels and outliers.
fn of_scheme(scheme: Scheme, shape: Shape, outliers: &[u64]) -> QuantizedMatrix {
    let mut normal = Normal::new(shape.len() as u64);
    let mut code = |bits: Bits| (normal.uniform() * f64::from(1u32 << bits.get())) as u8;
    let mut codes: Vec<u8> = (0..shape.len()).map(|_| code(scheme.bits())).collect();
    outliers.iter().for_each(|&at| codes[at as usize] = 0);
    let levels = match scheme {
        Scheme::Grids(_) => unreachable!("round_to_nearest makes them"),
        Scheme::TwoLevel(spec) => {
            let mut levels = TwoLevel::zeroed(spec, shape);
            for stats in [&mut levels.scales, &mut levels.zeros] {
                stats.codes.fill_with(|| code(spec.stats_bits));
                let mut number = || half::f16::from_f64(0.3 * normal_number(&mut code));
                stats.bases.fill_with(&mut number);
                stats.steps.fill_with(&mut number);
            }
            Levels::TwoLevel(levels)
        }
        Scheme::Mixed(spec) => {
            let (group_cols, average) = (spec.group_cols(shape.cols), spec.bits.get());
            let widths: Vec<u8> = (0..spec.groups(shape.cols) as u8).map(|g| average - 1 + g % 3).collect();
            for (at, code) in codes.iter_mut().enumerate() {
                *code &= u8::MAX >> (8 - widths[at % shape.cols / group_cols]);
            }
            let mut mixed = Mixed::zeroed(spec, shape, widths);
            let mut number = || half::f16::from_f64(0.3 * normal_number(&mut code));
            mixed.scales.fill_with(&mut number);
            mixed.zeros.fill_with(&mut number);
            Levels::Mixed(mixed)
        }
        Scheme::Table(spec) => {
            let values = normal.vector(shape.rows * spec.values(), 0.1).into_iter().map(half::f16::from_f32);
            Levels::Table(Table { spec, values: values.collect() })
        }
    };
    let mask = MatrixMask::from_sorted(shape.rows, shape.cols, outliers.iter().copied());
    let outliers = outliers.iter().map(|&at| half::bf16::from_f64(at as f64)).collect();
    QuantizedMatrix { shape, codes, levels, mask, outliers }
}

/// A number from -1 to 1.
fn normal_number(code: &mut impl FnMut(Bits) -> u8) -> f64 {
    f64::from(code(Bits::new(8).unwrap())) / 128.0 - 1.0
}

fn schemes() -> Vec<Scheme> {
    let bits = |n| Bits::new(n).unwrap();
    let two_level = |width, group, stats| {
        let group_size = GroupSize::new(group).unwrap();
        Scheme::TwoLevel(TwoLevelSpec { bits: bits(width), group_size, stats_bits: bits(stats) })
    };
    let mut all = vec![two_level(2, 16, 3), two_level(1, 7, 4), two_level(8, 100, 8)];
    let mixed = |width, group| MixedSpec { bits: bits(width), group_size: GroupSize::new(group).unwrap() };
    all.extend([mixed(2, 16), mixed(3, 7), mixed(7, 100)].map(Scheme::Mixed));
    all.extend([1, 3, 8].map(|width| Scheme::Table(TableSpec { bits: bits(width) })));
    all
}

#[test]
fn every_form_of_levels_round_trips_and_is_the_same_on_every_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
    for scheme in schemes() {
        let shapes =
            [(Shape { rows: 35, cols: 37 }, &[0, 36, 37, 1294][..]), (Shape { rows: 1, cols: 1 }, &[])];
        let matrices =
            shapes.map(|(shape, outliers)| (format!("w{}", shape.rows), of_scheme(scheme, shape, outliers)));
        write(&path, scheme, &matrices).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.scheme(), scheme);
        for (name, matrix) in &matrices {
            assert_eq!(&checkpoint.load(name).unwrap(), matrix, "{scheme:?}");
            let expected = matrix.dequantize();
            let tensor = checkpoint.linear(name, device).unwrap().unwrap().to_device(Device::Cpu);
            assert_eq!(Vec::<f32>::try_from(tensor.reshape([-1])).unwrap(), expected, "{scheme:?}");
            // As libtorch computes it, whatever device there is.
            let codes = Tensor::from_slice(&matrix.codes).view([matrix.shape.rows as i64, -1]);
            let tensor = matrix.levels.on_device(&codes, matrix.shape).unwrap();
            let mut found = Vec::<f32>::try_from(tensor.reshape([-1])).unwrap();
            let outliers = matrix.mask.positions(matrix.shape.cols).zip(&matrix.outliers);
            outliers.for_each(|(at, value)| found[at as usize] = value.to_f32());
            assert_eq!(found, expected, "{scheme:?}");
        }
    }
}

#[test]
fn two_level_weights_are_those_of_plain_float64() {
    let Scheme::TwoLevel(spec) = schemes()[0] else { unreachable!() };
    let shape = Shape { rows: 35, cols: 37 };
    let matrix = of_scheme(Scheme::TwoLevel(spec), shape, &[]);
    let Levels::TwoLevel(levels) = &matrix.levels else { unreachable!() };
    let groups = 37usize.div_ceil(16);
    let found = matrix.dequantize();
    for row in 0..35 {
        for col in 0..37 {
            let (tile, group) = (row / 16 * groups + col / 16, row * groups + col / 16);
            let statistic = |stats: &Stats| {
                stats.bases[tile].to_f64() + stats.steps[tile].to_f64() * f64::from(stats.codes[group])
            };
            let code = f64::from(matrix.codes[row * 37 + col]);
            let expected = statistic(&levels.scales) * (code - statistic(&levels.zeros));
            assert_eq!(found[row * 37 + col].to_bits(), (expected as f32).to_bits());
        }
    }
}

#[test]
fn levels_count_as_their_papers_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let shape = Shape { rows: 32, cols: 64 };
    let average = |scheme: Scheme, outliers: &[u64]| {
        write(&path, scheme, &[("w".into(), of_scheme(scheme, shape, outliers))]).unwrap();
        summarize(&Checkpoint::open(&path).unwrap()).unwrap().avg_bits
    };
    // SpQR (arXiv 2306.03078, section 4.3): b + (3 + 3)/16 + 64/(16·16).
    assert!((average(schemes()[0], &[]) - (2.0 + 6.0 / 16.0 + 64.0 / 256.0)).abs() < 1e-12);
    let ratio = 2.0 / 2048.0;
    // SliM-LLM: the widths' mean, and 32 bits a group. Groups of 16 columns have 1, 2, 3 and 1 bits.
    let mixed = average(schemes()[3], &[]);
    assert!((mixed - (7.0 / 4.0 + 32.0 / 16.0)).abs() < 1e-12, "{mixed}");
    assert!((average(schemes()[7], &[1, 2]) - (3.0 - 3.0 * ratio + 32.0 * ratio)).abs() < 1e-12);
}

#[test]
fn levels_that_are_no_numbers_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    for (scheme, part, position) in [(schemes()[0], "zero_steps", 2), (schemes()[7], "values", 5)] {
        let mut matrix = of_scheme(scheme, Shape { rows: 2, cols: 40 }, &[]);
        match &mut matrix.levels {
            Levels::TwoLevel(levels) => levels.zeros.steps[2] = half::f16::INFINITY,
            Levels::Table(table) => table.values[5] = half::f16::INFINITY,
            Levels::Grids(_) | Levels::Mixed(_) => unreachable!(),
        }
        write(&path, scheme, &[("w".into(), matrix)]).unwrap();
        let message = Checkpoint::open(&path).unwrap().load("w").unwrap_err().to_string();
        let expected = format!("number {position} of `w.{part}` is inf, expected a finite number");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn parts_merge_into_what_one_write_would_make() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let spec = Scheme::Grids(spec(3, None));
    let all: Vec<_> =
        [4, 9].map(|rows| (format!("w{rows}"), matrix(3, None, Shape { rows, cols: 50 }, &[1, 70]))).into();
    write(&at("all"), spec, &all).unwrap();
    write(&at("first"), spec, &all[..1]).unwrap();
    write(&at("second"), spec, &all[1..]).unwrap();
    let parts = ["first", "second"].map(|name| Checkpoint::open(&at(name)).unwrap());
    merge(&at("merged"), spec, &parts).unwrap();
    assert_eq!(std::fs::read(at("merged")).unwrap(), std::fs::read(at("all")).unwrap());
}

#[test]
fn the_summary_counts_bits_by_the_papers_formula() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let shape = Shape { rows: 10, cols: 100 };
    write(&path, Scheme::Grids(spec(3, None)), &[("w".into(), matrix(3, None, shape, &[1, 2, 3, 4, 999]))])
        .unwrap();
    let summary = summarize(&Checkpoint::open(&path).unwrap()).unwrap();
    assert_eq!((summary.n_weights, summary.n_outliers), (1000, 5));
    assert!((summary.avg_bits - (3.0 - 3.0 * 0.005 + 32.0 * 0.005)).abs() < 1e-12);
    assert_eq!(summary.bytes, std::fs::metadata(&path).unwrap().len());
    write(&path, Scheme::Grids(spec(4, Some(32))), &[("w".into(), matrix(4, Some(32), shape, &[]))]).unwrap();
    let summary = summarize(&Checkpoint::open(&path).unwrap()).unwrap();
    assert!((summary.avg_bits - (4.0 + 32.0 * 40.0 / 1000.0)).abs() < 1e-12);
}

/// A small valid checkpoint as its pieces, each of which a test can make lie.
struct Pieces {
    metadata: Vec<(&'static str, String)>,
    tensors: Vec<(TensorSpec, Vec<u8>)>,
}

impl Pieces {
    /// One weight `w` [2, 3] of 3 bits with two outliers.
    fn valid() -> Pieces {
        let layout = r#"{"tensors":[{"name":"w","rows":2,"cols":3}]}"#;
        let metadata = [
            ("format", "tacq-checkpoint"),
            ("version", "1"),
            ("bits", "3"),
            ("group_size", "row"),
            ("grid", "mse"),
            ("layout", layout),
        ];
        let scales = [0.5f32, 0.25].iter().flat_map(|s| s.to_le_bytes()).collect();
        Pieces {
            metadata: metadata.map(|(key, value)| (key, value.to_owned())).into(),
            tensors: vec![
                (TensorSpec::new("w.codes", Dtype::U8, &[2, 2]), vec![0b0101_0001, 1, 0, 0]),
                (TensorSpec::new("w.scales", Dtype::F32, &[2]), scales),
                (TensorSpec::new("w.zeros", Dtype::U8, &[2]), vec![4, 7]),
                (TensorSpec::new("w.outlier_gaps", Dtype::U16, &[2]), vec![2, 0, 4, 0]),
                (TensorSpec::new("w.outlier_values", Dtype::BF16, &[2]), vec![0x80, 0x3f, 0x00, 0x40]),
            ],
        }
    }

    fn set(mut self, key: &str, value: &str) -> Pieces {
        self.metadata.iter_mut().find(|(k, _)| *k == key).unwrap().1 = value.to_owned();
        self
    }

    fn tensor(mut self, name: &str, dtype: Dtype, shape: &[u64], bytes: &[u8]) -> Pieces {
        let at = self.tensors.iter().position(|(t, _)| t.name == name).unwrap();
        self.tensors[at] = (TensorSpec::new(name, dtype, shape), bytes.to_vec());
        self
    }

    fn without(mut self, name: &str) -> Pieces {
        self.tensors.retain(|(t, _)| t.name != name);
        self
    }

    fn write(&self, path: &Path) {
        let specs: Vec<TensorSpec> = self.tensors.iter().map(|(t, _)| t.clone()).collect();
        let mut writer = TensorWriter::create_with_metadata(path, &specs, &self.metadata).unwrap();
        for (_, bytes) in &self.tensors {
            writer.write(bytes).unwrap();
        }
        writer.commit().unwrap();
    }
}

/// Expects the error, without the path before it, of reading a checkpoint of these pieces.
#[track_caller]
fn rejects(pieces: Pieces, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("c");
    pieces.write(&path);
    let error = Checkpoint::open(&path).and_then(|c| c.load("w")).unwrap_err();
    let message = error.to_string().replace(&format!("{}: ", path.display()), "");
    assert_eq!(message, expected);
    assert_eq!(error.kind(), tacq_protocol::FailureKind::InvalidInput);
}

#[test]
fn the_valid_pieces_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    Pieces::valid().write(&path);
    let weights = Checkpoint::open(&path).unwrap().load("w").unwrap().dequantize();
    assert_eq!(weights, [-1.5, 1.0, 0.5, -1.75, -1.75, 2.0]);
}

#[test]
fn a_truncated_file_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    Pieces::valid().write(&path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let message = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(message.contains("truncated"), "{message}");
}

#[test]
fn other_files_and_versions_are_rejected() {
    rejects(
        Pieces::valid().set("format", "pt"),
        "not a packed checkpoint: the header does not say format `tacq-checkpoint`",
    );
    rejects(Pieces::valid().set("version", "2"), "checkpoint version `2` is not known here (known: 1)");
}

#[test]
fn a_header_out_of_range_is_rejected() {
    rejects(Pieces::valid().set("bits", "9"), "the header's `bits` is `9`, expected a bit width from 1 to 8");
    rejects(
        Pieces::valid().set("group_size", "0"),
        "the header's `group_size` is `0`, expected `row` or a group size from 1 to 65536",
    );
    let mut pieces = Pieces::valid();
    pieces.metadata.push(("levels", "stairs".to_owned()));
    rejects(pieces, "the header's `levels` is `stairs`, expected absent, `two_level`, `mixed` or `table`");
    rejects(Pieces::valid().set("grid", "x"), "the header's `grid` is `x`, expected `minmax` or `mse`");
    let layout = r#"{"tensors":[{"name":"w","rows":2,"cols":0}]}"#;
    rejects(
        Pieces::valid().set("layout", layout),
        &format!(
            "the header's `layout` is `{layout}`, expected a list of differently named weights with rows and \
             columns, each from 1 to 2^30"
        ),
    );
}

#[test]
fn wrong_shapes_and_types_are_rejected() {
    rejects(Pieces::valid().set("bits", "6"), "tensor `w.codes` has shape [2, 2], expected [2, 3]");
    rejects(
        Pieces::valid().tensor("w.scales", Dtype::F32, &[1], &[0; 4]),
        "tensor `w.scales` has shape [1], expected [2]",
    );
    rejects(
        Pieces::valid().tensor("w.scales", Dtype::F16, &[2], &[0; 4]),
        "tensor `w.scales` has dtype F16, expected F32",
    );
    rejects(
        Pieces::valid().tensor("w.outlier_gaps", Dtype::U16, &[1, 2], &[2, 0, 4, 0]),
        "tensor `w.outlier_gaps` has shape [1, 2], expected [2]",
    );
}

#[test]
fn missing_and_foreign_tensors_are_rejected() {
    rejects(Pieces::valid().without("w.zeros"), "tensor `w.zeros` is missing");
    rejects(Pieces::valid().without("w.outlier_values"), "tensor `w.outlier_values` is missing");
    let mut pieces = Pieces::valid();
    pieces.tensors.push((TensorSpec::new("v.codes", Dtype::U8, &[1]), vec![0]));
    rejects(pieces, "tensor `v.codes` belongs to no weight of the layout");
    let other = r#"{"tensors":[]}"#;
    let mut pieces = Pieces::valid().set("layout", other);
    pieces.tensors.clear();
    rejects(pieces, "weight `w` is not in this checkpoint; it is one of another model");
}

#[test]
fn impossible_grids_are_rejected() {
    for (scale, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (0.0, "0"), (-1.0, "-1")] {
        let bytes: Vec<u8> = [0.5, scale].iter().flat_map(|s: &f32| s.to_le_bytes()).collect();
        let expected = format!("number 1 of `w.scales` is {text}, expected a finite number above zero");
        rejects(Pieces::valid().tensor("w.scales", Dtype::F32, &[2], &bytes), &expected);
    }
    rejects(
        Pieces::valid().tensor("w.zeros", Dtype::U8, &[2], &[7, 8]),
        "number 1 of `w.zeros` is 8, expected a code from 0 to 7",
    );
}

#[test]
fn impossible_groups_and_widths_are_rejected() {
    // One grid a row: there is no group 1, and columns are divided by positive numbers.
    let mut pieces = Pieces::valid();
    pieces.tensors.push((TensorSpec::new("w.group_of", Dtype::U16, &[3]), vec![0, 0, 1, 0, 0, 0]));
    rejects(pieces, "`w.group_of` names groups that `w` does not have");
    let mut pieces = Pieces::valid();
    pieces.tensors.push((TensorSpec::new("w.column_scales", Dtype::F16, &[3]), vec![0, 0x3c, 0, 0x3c, 0, 0]));
    rejects(pieces, "`w.column_scales` must be positive, finite numbers, of a weight on grids");
    let mixed = |width: u8, bytes: u64| {
        let layout = r#"{"tensors":[{"name":"w","rows":1,"cols":3}]}"#;
        let fields = [("format", "tacq-checkpoint"), ("version", "1"), ("levels", "mixed"), ("bits", "2")];
        let metadata = fields.into_iter().chain([("group_size", "16"), ("layout", layout)]);
        Pieces {
            metadata: metadata.map(|(key, value)| (key, value.to_owned())).collect(),
            tensors: vec![
                (TensorSpec::new("w.codes", Dtype::U8, &[1, bytes]), vec![0; bytes as usize]),
                (TensorSpec::new("w.widths", Dtype::U8, &[1]), vec![width]),
                (TensorSpec::new("w.scales", Dtype::F16, &[1, 1]), vec![0, 0x3c]),
                (TensorSpec::new("w.zeros", Dtype::F16, &[1, 1]), vec![0, 0]),
            ],
        }
    };
    rejects(mixed(0, 1), "number 0 of `w.widths` is 0, expected a bit width from 1 to 8");
    rejects(mixed(9, 4), "number 0 of `w.widths` is 9, expected a bit width from 1 to 8");
    rejects(mixed(3, 1), "tensor `w.codes` has shape [1, 1], expected [1, 2]");
}

#[test]
fn impossible_outliers_are_rejected() {
    rejects(
        Pieces::valid().tensor("w.outlier_gaps", Dtype::U16, &[2], &[2, 0, 5, 0]),
        "an outlier of `w` is at position 6, but the matrix has 6 weights",
    );
    rejects(
        Pieces::valid().tensor("w.outlier_gaps", Dtype::U16, &[3], &[1, 0, 1, 0, 1, 0]),
        "`w` has 3 outlier positions and 2 outlier values",
    );
    rejects(
        Pieces::valid().tensor("w.outlier_values", Dtype::BF16, &[2], &[0x80, 0x3f, 0xc0, 0x7f]),
        "outlier 1 of `w` is not finite",
    );
}
