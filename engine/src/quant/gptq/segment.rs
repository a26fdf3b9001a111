//! A run of columns that is quantized before the rest of the matrix is updated.

use super::super::Factor;
use super::super::MatrixMask;
use super::super::grid::Scratch;
use super::super::levels::Grids;
use super::super::mask::replace_outliers_by_mean;
use super::super::matrix::QuantizedMatrix;
use super::tile::{ROWS, Tile};
use super::{Loop, download};
use half::bf16;
use rayon::prelude::*;
use std::ops::Range;
use tch::{TchError, Tensor};

/// Splits `cols` into runs of at most `block_size` columns. A group that would start inside a run and reach beyond it
/// starts a run of its own: when its grid is found, all its weights are then up to date.
pub fn segments(cols: usize, block_size: usize, group_cols: usize) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < cols {
        let mut end = cols.min(start + block_size);
        let last_group = (end - 1) / group_cols * group_cols;
        if last_group > start && cols.min(last_group + group_cols) > end {
            end = last_group;
        }
        runs.push(start..end);
        start = end;
    }
    runs
}

/// Splits a segment's columns at the starts of groups, and into runs of at most `most`.
pub fn runs(columns: Range<usize>, group_cols: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let run = move |start: usize| {
        let next_group = (start / group_cols + 1) * group_cols;
        (start < columns.end).then(|| start..columns.end.min(next_group).min(start.saturating_add(most)))
    };
    std::iter::successors(run(columns.start), move |last| run(last.end))
}

/// Finds the grids of all rows or groups from weights [rows, cols] whose errors are not compensated yet; `mask` says what of
/// them stays in 16 bit.
pub fn find_grids(grids: &mut Grids, weights: &[f32], cols: usize, mask: &MatrixMask) {
    let Grids { spec, scales, zeros, .. } = grids;
    let (finder, group_cols, groups) = (spec.finder(), spec.group_cols(cols), spec.groups(cols));
    let of_rows = scales.par_chunks_mut(groups).zip(zeros.par_chunks_mut(groups));
    of_rows.zip(weights.par_chunks(cols)).enumerate().for_each_init(
        Work::default,
        |work, (row, ((scales, zeros), weights))| {
            for (group, weights) in weights.chunks(group_cols).enumerate() {
                work.values.clear();
                work.values.extend_from_slice(weights);
                replace_outliers_by_mean(&mut work.values, group * group_cols, mask.row(row));
                let grid = finder.find(&work.values, &mut work.scratch);
                (scales[group], zeros[group]) = (grid.scale, grid.zero as u8);
            }
        },
    );
}

/// One run with what is needed to quantize it, on the host.
pub struct Segment {
    /// The run.
    pub columns: Range<usize>,
    /// Columns in `weights`: those of the run, and beyond it those of a group that starts with it.
    pub window: usize,
    /// [rows, window] current weights.
    pub weights: Vec<f32>,
    /// [len, len] the run's diagonal block of U.
    pub upper: Vec<f32>,
    /// \[window\] the diagonal of U.
    pub diagonal: Vec<f32>,
}

/// Working space of one thread.
#[derive(Default)]
struct Work {
    values: Vec<f32>,
    scratch: Scratch,
}

/// What all tiles of a run share.
struct Context<'a> {
    segment: &'a Segment,
    by: &'a Loop,
    mask: &'a MatrixMask,
    cols: usize,
    group_cols: usize,
    groups: usize,
}

/// The rows of one tile, with their share of the result.
struct RowBlock<'a> {
    rows: Range<usize>,
    codes: &'a mut [u8],
    scales: &'a mut [f32],
    zeros: &'a mut [u8],
    outliers: &'a mut [bf16],
    errors: &'a mut [f32],
}

impl Segment {
    /// Copies what is needed of the current weights `rest` [rows, cols]. Grids of `group_cols` columns are found from all
    /// the group's columns, which may reach beyond the run.
    pub fn load(
        rest: &Tensor,
        factor: &Factor,
        columns: Range<usize>,
        group_cols: usize,
    ) -> Result<Segment, TchError> {
        let (start, len, cols) = (columns.start as i64, columns.len() as i64, rest.size()[1]);
        let window = (cols - start).min(len.max(group_cols as i64));
        let upper = factor.upper.f_narrow(0, start, len)?.f_narrow(1, start, len)?;
        let diagonal = factor.upper.f_diagonal(0, 0, 1)?.f_narrow(0, start, window)?;
        Ok(Segment {
            columns,
            window: window as usize,
            weights: download(&rest.f_narrow(1, start, window)?)?,
            upper: download(&upper)?,
            diagonal: download(&diagonal)?,
        })
    }

    /// Fills in codes, grids and outliers of the run; returns the negated errors, [rows, len].
    pub(super) fn quantize(&self, result: &mut QuantizedMatrix, by: &Loop) -> Vec<f32> {
        let len = self.columns.len();
        let mut errors = vec![0.0; result.shape.rows * len];
        let QuantizedMatrix { shape, codes, levels, mask, outliers } = result;
        let Grids { spec, scales, zeros, .. } = levels.grids_mut();
        let (cols, groups) = (shape.cols, spec.groups(shape.cols));
        let mut outliers = outliers.as_mut_slice();
        let blocks: Vec<RowBlock<'_>> = codes
            .chunks_mut(ROWS * cols)
            .zip(scales.chunks_mut(ROWS * groups))
            .zip(zeros.chunks_mut(ROWS * groups))
            .zip(errors.chunks_mut(ROWS * len))
            .enumerate()
            .map(|(tile, (((codes, scales), zeros), errors))| {
                let rows = tile * ROWS..shape.rows.min((tile + 1) * ROWS);
                let count = rows.clone().map(|row| mask.row(row).len()).sum();
                let (own, others) = std::mem::take(&mut outliers).split_at_mut(count);
                outliers = others;
                RowBlock { rows, codes, scales, zeros, outliers: own, errors }
            })
            .collect();
        let group_cols = spec.group_cols(cols);
        let context = Context { segment: self, by, mask, cols, group_cols, groups };
        blocks.into_par_iter().for_each_init(
            || (Tile::new(self.window, len), Work::default()),
            |(tile, work), mut block| context.quantize(&mut block, tile, work),
        );
        errors
    }
}

impl Context<'_> {
    fn quantize(&self, block: &mut RowBlock<'_>, tile: &mut Tile, work: &mut Work) {
        self.load(block, tile);
        let finder = self.by.spec.finder();
        for (group, run) in self.by.runs(self.segment.columns.clone(), self.cols, usize::MAX) {
            if self.by.finds_grids() && run.start == group * self.group_cols {
                self.find_group_grids(block, tile, group, work);
            }
            for lane in 0..block.rows.len() {
                let at = lane * self.groups + group;
                (tile.scale[lane], tile.zero[lane]) = (block.scales[at], f32::from(block.zeros[at]));
            }
            let first = self.segment.columns.start;
            tile.sweep(run.start - first..run.end - first, &self.segment.upper, finder.max_code());
        }
        self.store(block, tile);
    }

    /// Fills the tile with the block's weights and outlier marks.
    fn load(&self, block: &RowBlock<'_>, tile: &mut Tile) {
        tile.clear();
        for (lane, row) in block.rows.clone().enumerate() {
            let weights = &self.segment.weights[row * self.segment.window..][..self.segment.window];
            for (column, &weight) in tile.weights.iter_mut().zip(weights) {
                column[lane] = weight;
            }
            let outliers = self.outliers(row);
            for &col in &self.mask.row(row)[outliers] {
                tile.mark_outlier(col as usize - self.segment.columns.start, lane);
            }
        }
    }

    /// Finds the grid of one group in each row, from the current weights.
    fn find_group_grids(&self, block: &mut RowBlock<'_>, tile: &Tile, group: usize, work: &mut Work) {
        let first = group * self.group_cols;
        let from = first - self.segment.columns.start;
        let to = from + self.group_cols.min(self.cols - first);
        for (lane, row) in block.rows.clone().enumerate() {
            work.values.clear();
            work.values.extend(tile.weights[from..to].iter().map(|column| column[lane]));
            replace_outliers_by_mean(&mut work.values, first, self.mask.row(row));
            let grid = self.by.spec.finder().find(&work.values, &mut work.scratch);
            let at = lane * self.groups + group;
            (block.scales[at], block.zeros[at]) = (grid.scale, grid.zero as u8);
        }
    }

    /// Copies codes, errors and outliers out of the tile.
    fn store(&self, block: &mut RowBlock<'_>, tile: &Tile) {
        let (first, len) = (self.segment.columns.start, self.segment.columns.len());
        let first_outlier = self.mask.range(block.rows.start).start;
        for (lane, row) in block.rows.clone().enumerate() {
            let codes = &mut block.codes[lane * self.cols + first..][..len];
            for (code, column) in codes.iter_mut().zip(&tile.codes) {
                *code = column[lane] as u8; // a whole number in 0 ..= 255
            }
            for (error, column) in block.errors[lane * len..][..len].iter_mut().zip(&tile.errors) {
                *error = -column[lane];
            }
            let row_start = self.mask.range(row).start - first_outlier;
            for nth in self.outliers(row) {
                let col = self.mask.row(row)[nth] as usize - first;
                block.outliers[row_start + nth] = bf16::from_f32(tile.weights[col][lane]);
            }
        }
    }

    /// Which of a row's outliers lie in the segment.
    fn outliers(&self, row: usize) -> Range<usize> {
        let columns = self.mask.row(row);
        let before = |limit: usize| columns.partition_point(|&col| (col as usize) < limit);
        before(self.segment.columns.start)..before(self.segment.columns.end)
    }
}

#[cfg(test)]
mod tests {
    use super::{runs, segments};

    #[test]
    fn runs_cover_all_columns_and_do_not_cut_a_group_behind_its_start() {
        assert_eq!(segments(576, 128, 576), [0..128, 128..256, 256..384, 384..512, 512..576]);
        assert_eq!(segments(256, 128, 32), [0..128, 128..256]);
        assert_eq!(segments(400, 128, 192), [0..128, 128..192, 192..320, 320..400]);
        assert_eq!(segments(130, 128, 48), [0..96, 96..130]);
        assert_eq!(segments(5, 1, 5), [0..1, 1..2, 2..3, 3..4, 4..5]);
    }
    #[test]
    fn runs_end_with_groups_and_are_not_too_long() {
        let split = |columns, group, most| runs(columns, group, most).collect::<Vec<_>>();
        assert_eq!(split(0..256, 576, 128), [0..128, 128..256]);
        assert_eq!(split(128..256, 48, usize::MAX), [128..144, 144..192, 192..240, 240..256]);
        assert_eq!(split(0..300, 1000, 128), [0..128, 128..256, 256..300]);
        assert_eq!(split(64..200, 96, 64), [64..96, 96..160, 160..192, 192..200]);
    }
}
