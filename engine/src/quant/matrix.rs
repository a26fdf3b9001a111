//! One quantized matrix, unpacked in memory.

use super::MatrixMask;
use super::grid::{Grid, GridFinder};
use half::bf16;
use rayon::prelude::*;
use tacq_protocol::stage::Grid as GridKind;
use tacq_protocol::units::{Bits, GroupSize};

/// Rows (output features) and columns (input features).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Output features.
    pub rows: usize,
    /// Input features.
    pub cols: usize,
}

impl Shape {
    /// Weights in the matrix.
    pub fn len(self) -> usize {
        self.rows * self.cols
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// How a matrix's grids are laid and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixSpec {
    /// Bits of a code.
    pub bits: Bits,
    /// Columns that share a grid; a whole row when absent.
    pub group_size: Option<GroupSize>,
    /// How ranges are found.
    pub grid: GridKind,
}

impl MatrixSpec {
    /// Columns that share a grid, in a matrix of `cols`.
    pub fn group_cols(self, cols: usize) -> usize {
        self.group_size.map_or(cols, |size| (size.get() as usize).min(cols))
    }

    /// Grids in each row.
    pub fn groups(self, cols: usize) -> usize {
        cols.div_ceil(self.group_cols(cols))
    }

    /// The finder of its grids; groups store their scales in 16 bit.
    pub fn finder(self) -> GridFinder {
        GridFinder::new(self.bits, self.grid, self.group_size.is_some())
    }
}

/// Codes, grids and outliers of one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedMatrix {
    /// Its shape.
    pub shape: Shape,
    /// Its grids' layout.
    pub spec: MatrixSpec,
    /// [rows, cols]; 0 at outliers.
    pub codes: Vec<u8>,
    /// [rows, groups]
    pub scales: Vec<f32>,
    /// [rows, groups]
    pub zeros: Vec<u8>,
    /// Where the outliers are.
    pub mask: MatrixMask,
    /// Their values, in the mask's order.
    pub outliers: Vec<bf16>,
}

impl QuantizedMatrix {
    /// All zero codes, to be filled.
    pub fn zeroed(shape: Shape, spec: MatrixSpec, mask: MatrixMask) -> QuantizedMatrix {
        assert_eq!(mask.rows(), shape.rows, "the mask is of this matrix");
        let grids = shape.rows * spec.groups(shape.cols);
        let outliers = vec![bf16::ZERO; mask.len()];
        let (codes, scales, zeros) = (vec![0; shape.len()], vec![1.0; grids], vec![0; grids]);
        QuantizedMatrix { shape, spec, codes, scales, zeros, mask, outliers }
    }

    /// The weights it stands for, row-major: scale·(code − zero), outliers as they are.
    ///
    /// Codes become weights in these operations and no others ([`super::dequantize_on`] does them on a GPU): the passes that
    /// collect statistics and every later reader of the checkpoint see the same numbers.
    pub fn dequantize(&self) -> Vec<f32> {
        let (cols, group_cols) = (self.shape.cols, self.spec.group_cols(self.shape.cols));
        let groups = self.spec.groups(cols);
        let mut weights = vec![0.0; self.shape.len()];
        weights.par_chunks_mut(cols).enumerate().for_each(|(row, weights)| {
            let codes = &self.codes[row * cols..][..cols];
            for (group, (weights, codes)) in
                weights.chunks_mut(group_cols).zip(codes.chunks(group_cols)).enumerate()
            {
                let at = row * groups + group;
                let grid = Grid { scale: self.scales[at], zero: f32::from(self.zeros[at]) };
                for (weight, &code) in weights.iter_mut().zip(codes) {
                    *weight = grid.value(code);
                }
            }
            let values = &self.outliers[self.mask.range(row)];
            for (&col, value) in self.mask.row(row).iter().zip(values) {
                weights[col as usize] = value.to_f32();
            }
        });
        weights
    }
}
