//! Weighted k-means in one dimension, solved exactly.
//!
//! In one dimension the best clusters are runs of the sorted points, so the least cost of the first i points in j
//! clusters follows from that of fewer points in j − 1. Where the last cluster begins never moves left as i grows, which
//! halves the search again and again: O(k·n·log n) for n points (Grønlund et al., arXiv 1701.07204, section 2). Costs are
//! differences of running sums in f64.

/// A value with the weight of its squared error, above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where it is.
    pub value: f32,
    /// How much it counts.
    pub weight: f64,
}

/// Working space, kept between calls.
#[derive(Debug, Default)]
pub struct KMeans {
    /// Σ weight, Σ weight·x, Σ weight·x² of the points before each, x counted from the mean.
    sums: Vec<[f64; 3]>,
    /// Least cost of the points up to each, in the clusters so far and in one fewer.
    costs: Vec<f64>,
    earlier: Vec<f64>,
    /// For each number of clusters beyond the first, where the last of them begins, by last point.
    starts: Vec<u32>,
}

impl KMeans {
    /// The centres of at most `k` clusters, ascending: Σ weight·(value − nearest centre)² is the least that `k` centres
    /// reach. `points` ascend strictly and there is at least one.
    pub fn centres(&mut self, points: &[Point], k: usize, centres: &mut Vec<f64>) {
        centres.clear();
        let n = points.len();
        if n <= k {
            centres.extend(points.iter().map(|point| f64::from(point.value)));
            return;
        }
        self.sum_up(points);
        self.costs.clear();
        self.costs.extend((0..n).map(|last| cost(&self.sums, 0, last)));
        self.starts.clear();
        self.starts.resize((k - 1) * n, 0);
        for clusters in 1..k {
            std::mem::swap(&mut self.costs, &mut self.earlier);
            self.costs.resize(n, 0.0);
            let starts = &mut self.starts[(clusters - 1) * n..][..n];
            let search = Search { sums: &self.sums, earlier: &self.earlier };
            // Fewer points than clusters cost nothing, and their clusters are found for fewer clusters.
            self.costs[..clusters].fill(0.0);
            search.run([clusters, n], [clusters, n - 1], &mut self.costs, starts);
        }
        let mut last = n - 1;
        for clusters in (0..k).rev() {
            let first = if clusters == 0 { 0 } else { self.starts[(clusters - 1) * n + last] as usize };
            // From the points themselves: in differences of sums, a light cluster behind a heavy one is lost.
            let run = &points[first..=last];
            let weight: f64 = run.iter().map(|point| point.weight).sum();
            let sum: f64 = run.iter().map(|point| point.weight * f64::from(point.value)).sum();
            centres.push((sum / weight).clamp(f64::from(run[0].value), f64::from(run[run.len() - 1].value)));
            last = first.saturating_sub(1);
        }
        centres.reverse();
    }

    /// Fills in the running sums.
    fn sum_up(&mut self, points: &[Point]) {
        let total: f64 = points.iter().map(|point| point.weight).sum();
        let mean = points.iter().map(|point| point.weight * f64::from(point.value)).sum::<f64>() / total;
        self.sums.clear();
        let mut sums = [0.0; 3];
        self.sums.push(sums);
        for point in points {
            let x = f64::from(point.value) - mean;
            sums = [sums[0] + point.weight, sums[1] + point.weight * x, sums[2] + point.weight * x * x];
            self.sums.push(sums);
        }
    }
}

fn difference(sums: &[[f64; 3]], first: usize, last: usize) -> [f64; 3] {
    let (a, b) = (&sums[first], &sums[last + 1]);
    [b[0] - a[0], b[1] - a[1], b[2] - a[2]]
}

/// Σ weight·(x − mean)² of the points `first ..= last`.
fn cost(sums: &[[f64; 3]], first: usize, last: usize) -> f64 {
    let [weight, sum, squares] = difference(sums, first, last);
    if weight > 0.0 { (squares - sum * sum / weight).max(0.0) } else { 0.0 }
}

/// What the search for one more cluster looks at.
struct Search<'a> {
    sums: &'a [[f64; 3]],
    earlier: &'a [f64],
}

impl Search<'_> {
    /// Finds costs and starts for the last points `of[0] .. of[1]`, of which the last cluster begins within `within`, both
    /// ends included.
    fn run(&self, of: [usize; 2], within: [usize; 2], costs: &mut [f64], starts: &mut [u32]) {
        if of[0] >= of[1] {
            return;
        }
        let middle = (of[0] + of[1]) / 2;
        let mut best = (f64::INFINITY, within[0]);
        for first in within[0]..=within[1].min(middle) {
            let total = self.earlier[first - 1] + cost(self.sums, first, middle);
            if total < best.0 {
                best = (total, first);
            }
        }
        costs[middle] = best.0;
        starts[middle] = best.1 as u32;
        self.run([of[0], middle], [within[0], best.1], costs, starts);
        self.run([middle + 1, of[1]], [best.1, within[1]], costs, starts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    fn points(n: usize, seed: u64, heavy: bool) -> Vec<Point> {
        let mut normal = Normal::new(seed);
        let mut all: Vec<Point> = (0..n)
            .map(|_| {
                let value = normal.draw() as f32;
                // Fisher information spans many orders of magnitude.
                let weight = if heavy { (3.0 * normal.draw()).exp() } else { 1.0 };
                Point { value, weight }
            })
            .collect();
        all.sort_by(|a, b| a.value.total_cmp(&b.value));
        all.dedup_by(|a, b| a.value == b.value);
        all
    }

    fn cost_of(points: &[Point], centres: &[f64]) -> f64 {
        let nearest = |value: f64| centres.iter().map(|c| (value - c).powi(2)).fold(f64::INFINITY, f64::min);
        points.iter().map(|point| point.weight * nearest(f64::from(point.value))).sum()
    }

    /// The least cost by trying all runs.
    fn by_trying(points: &[Point], k: usize) -> f64 {
        if k == 1 || points.len() <= 1 {
            let weight: f64 = points.iter().map(|p| p.weight).sum();
            let mean = points.iter().map(|p| p.weight * f64::from(p.value)).sum::<f64>() / weight.max(1e-300);
            return cost_of(points, &[mean]);
        }
        (1..points.len())
            .map(|first| by_trying(&points[..first], k - 1) + by_trying(&points[first..], 1))
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_cost_is_the_least_of_all_partitions() {
        let (mut kmeans, mut centres) = (KMeans::default(), Vec::new());
        for seed in 0..20 {
            for k in 1..=4 {
                let points = points(12, seed, seed % 2 == 1);
                kmeans.centres(&points, k, &mut centres);
                assert_eq!(centres.len(), k);
                assert!(centres.is_sorted());
                let (found, least) = (cost_of(&points, &centres), by_trying(&points, k));
                assert!((found - least).abs() <= 1e-9 * least.max(1e-9), "{seed} {k}: {found} {least}");
            }
        }
    }

    /// Lloyd's algorithm from distinct random points, until nothing moves.
    fn lloyd(points: &[Point], k: usize, normal: &mut Normal) -> f64 {
        let mut centres: Vec<f64> = (0..k)
            .map(|_| f64::from(points[(normal.uniform() * points.len() as f64) as usize].value))
            .collect();
        let mut cost = f64::INFINITY;
        loop {
            let mut sums = vec![(0.0, 0.0); k];
            for point in points {
                let value = f64::from(point.value);
                let distance = |c: &usize| (value - centres[*c]).abs();
                let nearest = (0..k).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
                sums[nearest].0 += point.weight;
                sums[nearest].1 += point.weight * value;
            }
            for (centre, (weight, sum)) in centres.iter_mut().zip(sums) {
                if weight > 0.0 {
                    *centre = sum / weight;
                }
            }
            let next = cost_of(points, &centres);
            if next >= cost {
                return cost;
            }
            cost = next;
        }
    }

    #[test]
    fn lloyds_algorithm_is_never_better_from_twenty_starts() {
        let (mut kmeans, mut centres, mut normal) = (KMeans::default(), Vec::new(), Normal::new(1));
        for (n, k, heavy) in [(576, 4, true), (576, 8, true), (1536, 8, false), (300, 16, true)] {
            let points = points(n, n as u64, heavy);
            kmeans.centres(&points, k, &mut centres);
            let ours = cost_of(&points, &centres);
            for start in 0..20 {
                let theirs = lloyd(&points, k, &mut normal);
                assert!(ours <= theirs * (1.0 + 1e-9), "{n} {k} start {start}: {ours} {theirs}");
            }
        }
    }

    #[test]
    fn a_few_heavy_points_leave_the_others_their_clusters() {
        let (mut kmeans, mut centres) = (KMeans::default(), Vec::new());
        for heavy in [1e12, 1e16, 1e20, 1e30] {
            for seed in 0..20 {
                let mut points = points(128, seed, false);
                points[3].weight = heavy;
                points[90].weight = heavy;
                kmeans.centres(&points, 8, &mut centres);
                let range = f64::from(points[0].value)..=f64::from(points[127].value);
                assert!(
                    centres.is_sorted() && centres.iter().all(|c| range.contains(c)),
                    "{heavy}: {centres:?}"
                );
                for at in [3, 90] {
                    let off = |c: &f64| (c - f64::from(points[at].value)).abs();
                    assert!(
                        centres.iter().map(off).fold(f64::INFINITY, f64::min) < 1e-6,
                        "{heavy}: {centres:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn few_points_are_their_own_centres() {
        let (mut kmeans, mut centres) = (KMeans::default(), Vec::new());
        let points = [Point { value: -1.0, weight: 2.0 }, Point { value: 3.0, weight: 1e-30 }];
        kmeans.centres(&points, 4, &mut centres);
        assert_eq!(centres, [-1.0, 3.0]);
        kmeans.centres(&points, 1, &mut centres);
        assert!((centres[0] + 1.0).abs() < 1e-12);
    }
}
