//! The weights of one matrix that stay in 16 bit.

use tch::{Device, TchError, Tensor};

/// Positions of a matrix's outliers, by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixMask {
    /// Row r's outliers are `columns[starts[r]..starts[r + 1]]`.
    starts: Vec<usize>,
    /// Columns, ascending within a row.
    columns: Vec<u32>,
}

impl MatrixMask {
    /// No outliers.
    pub fn empty(rows: usize) -> MatrixMask {
        MatrixMask { starts: vec![0; rows + 1], columns: Vec::new() }
    }

    /// From row-major positions in the matrix, strictly ascending and below `rows * cols`.
    pub fn from_sorted(rows: usize, cols: usize, positions: impl Iterator<Item = u64>) -> MatrixMask {
        let mut starts = Vec::with_capacity(rows + 1);
        let mut columns = Vec::new();
        for position in positions {
            let (row, col) = (position / cols as u64, position % cols as u64);
            assert!(row < rows as u64, "a mask position lies inside its matrix");
            while starts.len() as u64 <= row {
                starts.push(columns.len());
            }
            columns.push(u32::try_from(col).expect("a matrix has fewer than 2^32 columns"));
        }
        starts.resize(rows + 1, columns.len());
        MatrixMask { starts, columns }
    }

    /// The outlier columns of one row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.columns[self.range(row)]
    }

    /// Where one row's outliers lie in the matrix's list of them.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// Outliers of the matrix.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// [`Self::positions`] as i64 \[k\] on a device.
    pub fn positions_on(&self, cols: usize, device: Device) -> Result<Tensor, TchError> {
        let positions: Vec<i64> = self.positions(cols).map(|at| at as i64).collect();
        Tensor::f_from_slice(&positions)?.f_to_device(device)
    }

    /// Row-major positions, ascending.
    pub fn positions(&self, cols: usize) -> impl Iterator<Item = u64> + '_ {
        (0..self.rows()).flat_map(move |row| {
            self.row(row).iter().map(move |&col| row as u64 * cols as u64 + u64::from(col))
        })
    }
}

/// Replaces the outliers of `weights` (columns from `first` on of a row) by the mean of the others, so that they do not
/// stretch the grid. `outliers` are the row's outlier columns, ascending; those outside the slice are ignored.
pub fn replace_outliers_by_mean(weights: &mut [f32], first: usize, outliers: &[u32]) {
    let end = first + weights.len();
    let from = outliers.partition_point(|&c| (c as usize) < first);
    let to = outliers.partition_point(|&c| (c as usize) < end);
    let inside = &outliers[from..to];
    if inside.is_empty() {
        return;
    }
    for &col in inside {
        weights[col as usize - first] = 0.0;
    }
    let others = weights.len() - inside.len();
    let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let mean = if others == 0 { 0.0 } else { (sum / others as f64) as f32 };
    for &col in inside {
        weights[col as usize - first] = mean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip() {
        let positions = [0, 3, 4, 11];
        let mask = MatrixMask::from_sorted(4, 4, positions.into_iter());
        assert_eq!((mask.len(), mask.rows()), (4, 4));
        assert_eq!(
            (mask.row(0), mask.row(1), mask.row(2), mask.row(3)),
            (&[0, 3][..], &[0][..], &[3][..], &[][..])
        );
        assert_eq!(mask.positions(4).collect::<Vec<_>>(), positions);
        assert_eq!(MatrixMask::empty(3), MatrixMask::from_sorted(3, 5, std::iter::empty()));
    }

    #[test]
    fn outliers_become_the_mean_of_the_others() {
        let mut weights = [1.0, 100.0, 3.0, -50.0];
        replace_outliers_by_mean(&mut weights, 8, &[2, 9, 11, 12]);
        assert_eq!(weights, [1.0, 2.0, 3.0, 2.0]);
        let mut all = [5.0, 6.0];
        replace_outliers_by_mean(&mut all, 0, &[0, 1]);
        assert_eq!(all, [0.0, 0.0]);
    }
}
