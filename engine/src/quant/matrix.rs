//! One quantized matrix, unpacked in memory.

use super::MatrixMask;
use super::grid::GridFinder;
use super::levels::{Grids, Levels};
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
        group_cols(self.group_size, cols)
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

/// Columns that share a grid, in a matrix of `cols`: all of them where there are no groups.
pub fn group_cols(group_size: Option<GroupSize>, cols: usize) -> usize {
    group_size.map_or(cols, |size| (size.get() as usize).min(cols))
}

/// Codes, what they stand for, and outliers of one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedMatrix {
    /// Its shape.
    pub shape: Shape,
    /// [rows, cols]; 0 at outliers.
    pub codes: Vec<u8>,
    /// What the codes stand for.
    pub levels: Levels,
    /// Where the outliers are.
    pub mask: MatrixMask,
    /// Their values, in the mask's order.
    pub outliers: Vec<bf16>,
}

impl QuantizedMatrix {
    /// All zero codes on grids of one, to be filled.
    pub fn zeroed(shape: Shape, spec: MatrixSpec, mask: MatrixMask) -> QuantizedMatrix {
        assert_eq!(mask.rows(), shape.rows, "the mask is of this matrix");
        let grids = shape.rows * spec.groups(shape.cols);
        let outliers = vec![bf16::ZERO; mask.len()];
        let (scales, zeros) = (vec![1.0; grids], vec![0; grids]);
        let levels = Levels::Grids(Grids { spec, scales, zeros, group_of: None, column_scales: None });
        QuantizedMatrix { shape, codes: vec![0; shape.len()], levels, mask, outliers }
    }

    /// The weights it stands for, row-major: those of the codes, outliers as they are.
    pub fn dequantize(&self) -> Vec<f32> {
        let cols = self.shape.cols;
        let mut weights = vec![0.0; self.shape.len()];
        weights.par_chunks_mut(cols).enumerate().for_each(|(row, weights)| {
            self.levels.fill(self.shape, row, &self.codes[row * cols..][..cols], weights);
            let values = &self.outliers[self.mask.range(row)];
            for (&col, value) in self.mask.row(row).iter().zip(values) {
                weights[col as usize] = value.to_f32();
            }
        });
        weights
    }
}
