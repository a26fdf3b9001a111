//! Grids and GPTQ's column loop on a CUDA device; the same numbers as on the host, bit by bit.

use super::grid::power::{EXPONENT_OFFSET, FIFTH_POWERS, MANTISSA};
use super::levels::spread;
use super::matrix::{MatrixSpec, Shape};
use crate::cuda::kernel::{self, Argument, Grid, KernelError, Module};
use std::fmt::Write as _;
use tch::{Device, Kind, TchError, Tensor};

/// Most columns of a [`sweep`].
pub const MAX_COLUMNS: usize = 128;
/// Bytes of shared memory that the kernels have besides.
const FIXED_SHARED_BYTES: usize = 2 << 10;

/// Threads that look for a row's grid, sixteen to a range that is compared.
const SEARCH_THREADS: u32 = 256;
/// Rows of a block of [`sweep`], and its threads.
const SWEEP_ROWS: usize = 32;
const SWEEP_THREADS: u32 = 128;

static KERNELS: Module = Module::new("quant/cuda/kernels.cu", source);

fn source() -> String {
    let mut text = format!("#define EXPONENT_OFFSET {EXPONENT_OFFSET}\n");
    let mut define = |name: &str, values: &[f32]| {
        for (i, value) in values.iter().enumerate() {
            let _ = writeln!(text, "#define {name}_{i} __int_as_float({:#x})", value.to_bits());
        }
    };
    define("MANTISSA", &MANTISSA);
    define("FIFTH", &FIFTH_POWERS[..5]);
    text + include_str!("kernels.cu")
}

/// Scales and zero points of rows, f32 [rows, groups] each, on the device.
#[derive(Debug)]
pub struct Grids {
    /// Distances between levels.
    pub scales: Tensor,
    /// Codes of the weight 0.
    pub zeros: Tensor,
}

/// Whether a block of this device has the shared memory for groups of so many columns, and for sweeps.
pub fn fits(device: Device, group_cols: usize) -> bool {
    let needed = search_shared_bytes(group_cols).max(sweep_shared_bytes(MAX_COLUMNS));
    needed + FIXED_SHARED_BYTES <= kernel::shared_bytes(device)
}

fn search_shared_bytes(columns: usize) -> usize {
    columns.next_multiple_of(16) * size_of::<f32>()
}

fn sweep_shared_bytes(len: usize) -> usize {
    len * (len + 2 * (SWEEP_ROWS + 1)) * size_of::<f32>()
}

/// Finds the grids of group `group` in each row: from `weights` f32 [rows, columns of the group], a view whose rows are
/// contiguous. `outliers` u8 of the same shape marks weights that do not count.
pub fn find_grids(
    weights: &Tensor,
    outliers: Option<&Tensor>,
    spec: MatrixSpec,
    grids: &Grids,
    group: i64,
) -> Result<(), Error> {
    let (rows, columns) = weights.size2()?;
    let finder = spec.finder();
    let [scales, zeros] = [&grids.scales, &grids.zeros].map(|all| all.f_narrow(1, group, 1));
    let (mut scales, zeros) = (scales?, zeros?);
    let arguments = [
        Argument::Tensor(weights),
        Argument::Long(row_stride(weights)),
        Argument::Int(columns as i32),
        outliers.map_or(Argument::Nothing, Argument::Tensor),
        Argument::Long(outliers.map_or(0, row_stride)),
        Argument::Float(finder.max_code()),
        Argument::Int(finder.steps()),
        Argument::Tensor(&scales),
        Argument::Tensor(&zeros),
        Argument::Long(row_stride(&scales)),
    ];
    let shared = search_shared_bytes(columns as usize);
    let grid = Grid { blocks: rows as usize, threads: SEARCH_THREADS, shared_bytes: shared as u32 };
    // SAFETY: these are the kernel's parameters; views reach from their first element to their last row's end.
    unsafe { KERNELS.launch("find_grids", weights.device(), grid, &arguments)? };
    if finder.stores_half_scales() {
        // As GridFinder::find rounds them.
        let least = f64::from(half::f16::MIN_POSITIVE_SUBNORMAL);
        let rounded = scales.f_clamp(least, f64::from(half::f16::MAX))?.f_to_kind(Kind::Half)?;
        scales.f_copy_(&rounded)?;
    }
    Ok(())
}

/// Some columns of all rows; views whose rows are contiguous.
#[derive(Debug)]
pub struct Columns {
    /// f32 [rows, len], current weights; updated, but an outlier keeps what it has at its turn.
    pub weights: Tensor,
    /// f32 [len, len], the columns' diagonal block of U.
    pub upper: Tensor,
    /// u8 [rows, len], not 0 at outliers.
    pub outliers: Option<Tensor>,
    /// u8 [rows, len], written.
    pub codes: Tensor,
    /// f32 [rows, len], written: the errors, negated.
    pub errors: Tensor,
}

/// Quantizes columns with the grids of group `group` and compensates those right of each.
pub fn sweep(columns: &Columns, grids: &Grids, group: i64, max_code: f32) -> Result<(), Error> {
    let Columns { weights, upper, outliers, codes, errors } = columns;
    let (rows, len) = weights.size2()?;
    assert!(len as usize <= MAX_COLUMNS, "callers split at MAX_COLUMNS");
    let [scales, zeros] = [&grids.scales, &grids.zeros].map(|all| all.f_narrow(1, group, 1));
    let (scales, zeros) = (scales?, zeros?);
    let arguments = [
        Argument::Tensor(weights),
        Argument::Long(row_stride(weights)),
        Argument::Int(rows as i32),
        Argument::Int(len as i32),
        Argument::Tensor(upper),
        Argument::Long(row_stride(upper)),
        Argument::Tensor(&scales),
        Argument::Tensor(&zeros),
        Argument::Long(row_stride(&scales)),
        outliers.as_ref().map_or(Argument::Nothing, Argument::Tensor),
        Argument::Long(outliers.as_ref().map_or(0, row_stride)),
        Argument::Float(max_code),
        Argument::Tensor(codes),
        Argument::Long(row_stride(codes)),
        Argument::Tensor(errors),
        Argument::Long(row_stride(errors)),
    ];
    let len = len as usize;
    let grid = Grid {
        blocks: (rows as usize).div_ceil(SWEEP_ROWS),
        threads: SWEEP_THREADS,
        shared_bytes: sweep_shared_bytes(len) as u32,
    };
    // SAFETY: these are the kernel's parameters; views reach from their first element to their last row's end.
    unsafe { KERNELS.launch("sweep", weights.device(), grid, &arguments)? };
    Ok(())
}

/// scale·(code − zero), f32 [rows, cols] from codes u8 of that shape, in the operations of
/// [`QuantizedMatrix::dequantize`](super::QuantizedMatrix::dequantize). `group_of`: the group of each column, where these
/// are not of neighbours.
pub fn dequantize(
    codes: &Tensor,
    grids: &Grids,
    group_of: Option<&[u16]>,
    spec: MatrixSpec,
    shape: Shape,
) -> Result<Tensor, TchError> {
    let spread = |of_groups| spread(of_groups, group_of, spec.group_cols(shape.cols), shape.cols);
    codes.f_to_kind(Kind::Float)?.f_sub_(&spread(&grids.zeros)?)?.f_mul_(&spread(&grids.scales)?)
}

/// Elements between two rows.
fn row_stride(tensor: &Tensor) -> i64 {
    tensor.stride()[0]
}

/// What can fail on the way to a kernel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not start.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// libtorch refuses a view.
    #[error(transparent)]
    Torch(#[from] TchError),
}
