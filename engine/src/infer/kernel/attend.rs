//! Causal attention of packed tokens to a shared prefix and to their own sequences.

use super::exp::exp;
use super::tile::{self, TILE};
use super::{LANES, has_avx2};
use rayon::prelude::*;

/// Floats of scores that a task holds: within a core's second-level cache.
const TASK_SCORES: usize = 1 << 16;
/// Most tokens of a task: several tasks per thread even when few tokens are decoded.
const TASK_TOKENS: usize = 16;

/// Keys and values of one head.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// Blocks of [`LANES`] keys: \[block\]\[dim\]\[LANES\].
    pub keys: &'a [f32],
    /// \[key\]\[width\], where width is dim rounded up to [`LANES`].
    pub values: &'a [f32],
}

/// Tokens of one sequence among the packed ones.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The first one's place among the packed tokens.
    pub at: usize,
    /// How many.
    pub len: usize,
    /// Keys of the sequence before the first token, not counting the prefix.
    pub start: usize,
    /// The sequence's row in the cache.
    pub row: usize,
}

/// One layer's attention for a pass.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Query heads for each key and value head.
    pub group: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Dimensions of a head.
    pub dim: usize,
    /// Keys in the shared prefix.
    pub prefix: usize,
    /// All packed tokens in order.
    pub spans: &'a [Span],
}

/// Tokens of a task, as spans that may be parts of those given.
struct Task<'a, 'o> {
    head: usize,
    spans: Vec<Span>,
    tokens: usize,
    /// \[token\]\[group · dim\]
    out: &'o mut [f32],
    prefix: Keys<'a>,
}

/// Buffers of a thread.
#[derive(Default)]
struct Scratch {
    /// Scaled queries of the task: \[tile\]\[dim\]\[queries of the tile\].
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
}

impl Attention<'_> {
    /// `queries` \[token\]\[heads\]\[dim\] → `out` \[kv head\]\[token\]\[group · dim\]. `prefix` gives a head's keys in
    /// the prefix, `own` those of a row and head, including the packed tokens' own.
    pub fn run<'a>(
        &self,
        queries: &[f32],
        prefix: impl Fn(usize) -> Keys<'a>,
        own: impl Fn(usize, usize) -> Keys<'a> + Sync,
        out: &mut [f32],
    ) {
        let parts = self.parts();
        let mut tasks = Vec::with_capacity(parts.len() * self.kv_heads);
        let mut rest = out;
        for head in 0..self.kv_heads {
            for spans in &parts {
                let tokens = spans.iter().map(|s| s.len).sum();
                let (own_out, after) = rest.split_at_mut(tokens * self.group * self.dim);
                rest = after;
                tasks.push(Task { head, spans: spans.clone(), tokens, out: own_out, prefix: prefix(head) });
            }
        }
        let avx2 = has_avx2();
        tasks.into_par_iter().for_each_init(Scratch::default, |scratch, task| {
            let head = task.head;
            let own = |row| own(row, head);
            #[cfg(target_arch = "x86_64")]
            if avx2 {
                // SAFETY: the processor has both features.
                return unsafe { run_avx2(self, queries, &own, task, scratch) };
            }
            let _ = avx2;
            run_task::<false>(self, queries, &own, task, scratch);
        });
    }

    /// Spans in parts of few enough tokens for a task.
    fn parts(&self) -> Vec<Vec<Span>> {
        let mut parts = Vec::new();
        let mut part: Vec<Span> = Vec::new();
        let (mut tokens, mut longest) = (0, 0);
        for span in self.spans {
            let mut span = *span;
            while span.len > 0 {
                let keys = self.prefix + span.start + span.len.min(TASK_TOKENS);
                let fit = (TASK_SCORES / (self.group * keys.max(longest))).clamp(1, TASK_TOKENS);
                if tokens >= fit {
                    parts.push(std::mem::take(&mut part));
                    (tokens, longest) = (0, 0);
                    continue;
                }
                let len = span.len.min(fit - tokens);
                part.push(Span { len, ..span });
                (tokens, longest) = (tokens + len, longest.max(keys));
                span = Span { at: span.at + len, len: span.len - len, start: span.start + len, ..span };
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<'a>(
    shape: &Attention<'_>,
    queries: &[f32],
    own: &dyn Fn(usize) -> Keys<'a>,
    task: Task<'a, '_>,
    scratch: &mut Scratch,
) {
    run_task::<true>(shape, queries, own, task, scratch);
}

/// Scores, softmax and weighted values of one task.
#[inline(always)]
fn run_task<'a, const FUSED: bool>(
    shape: &Attention<'_>,
    queries: &[f32],
    own: &dyn Fn(usize) -> Keys<'a>,
    task: Task<'a, '_>,
    scratch: &mut Scratch,
) {
    let (group, dim, prefix) = (shape.group, shape.dim, shape.prefix);
    let width = dim.next_multiple_of(LANES);
    let n = task.tokens * group;
    let longest = task.spans.iter().map(|s| prefix + s.start + s.len).max().unwrap_or(0);
    let stride = longest.next_multiple_of(LANES) + LANES;
    let scores = sized(&mut scratch.scores, n * stride);
    let packed = sized(&mut scratch.queries, n * dim);

    // Prefix: all queries of the task see all of it.
    let heads = shape.kv_heads * group;
    let scale = 1.0 / (dim as f32).sqrt();
    let mut q = 0;
    for span in &task.spans {
        for at in span.at..span.at + span.len {
            let from = &queries[(at * heads + task.head * group) * dim..][..group * dim];
            for query in from.chunks_exact(dim) {
                for (d, x) in query.iter().enumerate() {
                    packed[q * dim + d] = x * scale;
                }
                q += 1;
            }
        }
    }
    let mut tile_queries = Vec::with_capacity(TILE * dim);
    for first in (0..n).step_by(TILE) {
        let m = TILE.min(n - first);
        transpose(&packed[first * dim..], m, dim, &mut tile_queries);
        for (b, block) in task.prefix.keys.chunks_exact(dim * LANES).enumerate() {
            if b * LANES >= prefix {
                break;
            }
            tile::scores::<FUSED>(m, &tile_queries, block, &mut scores[first * stride + b * LANES..], stride);
        }
    }
    // Own tokens: a tile's queries are of one span.
    let mut first = 0;
    for span in &task.spans {
        let keys = own(span.row);
        for (offset, m) in tiles(span.len * group) {
            transpose(&packed[(first + offset) * dim..], m, dim, &mut tile_queries);
            let seen = span.start + (offset + m - 1) / group + 1;
            let blocks = keys.keys.chunks_exact(dim * LANES).take(seen.div_ceil(LANES));
            for (b, block) in blocks.enumerate() {
                let out = &mut scores[(first + offset) * stride + prefix + b * LANES..];
                tile::scores::<FUSED>(m, &tile_queries, block, out, stride);
            }
        }
        first += span.len * group;
    }
    // Softmax; keys after a query's own token get the weight 0.
    let sums = sized(&mut scratch.sums, n * width);
    sums.fill(0.0);
    let mut q = 0;
    for span in &task.spans {
        for i in 0..span.len {
            for _ in 0..group {
                let row = &mut scores[q * stride..][..stride];
                softmax::<FUSED>(row, prefix + span.start + i + 1);
                q += 1;
            }
        }
    }
    for first in (0..n).step_by(TILE) {
        let m = TILE.min(n - first);
        let values = &task.prefix.values[..prefix * width];
        for column in (0..width).step_by(LANES) {
            let sums = &mut sums[first * width..];
            tile::add_values::<FUSED>(m, &scores[first * stride..], stride, values, (width, column), sums);
        }
    }
    let mut first = 0;
    for span in &task.spans {
        let values = own(span.row).values;
        for (offset, m) in tiles(span.len * group) {
            let seen = span.start + (offset + m - 1) / group + 1;
            let at = first + offset;
            for column in (0..width).step_by(LANES) {
                let weights = &scores[at * stride + prefix..];
                let sums = &mut sums[at * width..];
                tile::add_values::<FUSED>(m, weights, stride, &values[..seen * width], (width, column), sums);
            }
        }
        first += span.len * group;
    }
    for (out, sum) in task.out.chunks_exact_mut(dim).zip(sums.chunks_exact(width)) {
        out.copy_from_slice(&sum[..dim]);
    }
}

/// Starts and sizes of tiles that cover `n` queries.
#[inline(always)]
fn tiles(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(TILE).map(move |first| (first, TILE.min(n - first)))
}

/// `queries` \[m\]\[dim\] → \[dim\]\[m\].
#[inline(always)]
fn transpose(queries: &[f32], m: usize, dim: usize, out: &mut Vec<f32>) {
    out.resize(m * dim, 0.0);
    for (i, query) in queries.chunks_exact(dim).take(m).enumerate() {
        for (d, x) in query.iter().enumerate() {
            out[d * m + i] = *x;
        }
    }
}

/// The first `n` scores become weights that add to one, the others 0.
#[inline(always)]
fn softmax<const FUSED: bool>(scores: &mut [f32], n: usize) {
    let (seen, unseen) = scores.split_at_mut(n);
    unseen.fill(0.0);
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = seen.chunks_exact(LANES);
    for (lane, s) in chunks.remainder().iter().enumerate() {
        lanes[lane] = *s;
    }
    for chunk in chunks {
        for (lane, s) in lanes.iter_mut().zip(chunk) {
            *lane = if *s > *lane { *s } else { *lane };
        }
    }
    let max = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let mut sums = [0f32; LANES];
    // The row's length is a multiple of LANES, so its last chunk exists; what it adds beyond n is 0.
    let padded = n.next_multiple_of(LANES);
    for (c, chunk) in scores[..padded].chunks_exact_mut(LANES).enumerate() {
        let left = n - c * LANES;
        for (lane, s) in chunk.iter_mut().enumerate() {
            let e = exp::<FUSED>(*s - max);
            *s = if lane < left { e } else { 0.0 };
        }
        for (sum, s) in sums.iter_mut().zip(chunk.iter()) {
            *sum += *s;
        }
    }
    let inverse = 1.0 / sums.iter().sum::<f32>();
    for s in &mut scores[..padded] {
        *s *= inverse;
    }
}

/// The first `len` numbers of a buffer, whatever they are.
#[inline(always)]
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
