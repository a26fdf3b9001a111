//! Causal attention of packed tokens to a shared prefix and to their own sequences.

use super::exp::exp;
use super::tile::{self, TILE};
#[cfg(target_arch = "x86_64")]
use super::vector::Avx2;
use super::vector::Vector;
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
    /// Scaled queries of the task: \[query\]\[dim\].
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
            // SAFETY: arrays need no particular processor.
            unsafe { run_task::<[f32; LANES]>(self, queries, &own, task, scratch) };
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
    // SAFETY: callers have seen both features.
    unsafe { run_task::<Avx2>(shape, queries, own, task, scratch) };
}

/// Scores, softmax and weighted values of one task.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
unsafe fn run_task<'a, V: Vector>(
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
    let block = dim * LANES;
    let Scratch { queries: packed, scores, sums } = scratch;
    let (packed, scores, sums) = (sized(packed, n * dim), sized(scores, n * stride), sized(sums, n * width));
    pack(shape, queries, &task, packed);

    // All queries of the task see all of the prefix. What its last block holds beyond it is overwritten next.
    let keys = &task.prefix.keys[..prefix.div_ceil(LANES) * block];
    for (first, m) in tiles(n) {
        // SAFETY: as for this function.
        unsafe {
            tile::scores::<V>(m, &packed[first * dim..], dim, keys, &mut scores[first * stride..], stride)
        };
    }
    // Own tokens: a tile's queries are of one span.
    let mut at = 0;
    for span in &task.spans {
        let keys = own(span.row).keys;
        for (offset, m) in tiles(span.len * group) {
            let first = at + offset;
            let keys = &keys[..seen(span, offset + m, group).div_ceil(LANES) * block];
            let out = &mut scores[first * stride + prefix..];
            // SAFETY: as for this function.
            unsafe { tile::scores::<V>(m, &packed[first * dim..], dim, keys, out, stride) };
        }
        at += span.len * group;
    }
    let mut rows = scores.chunks_exact_mut(stride);
    for span in &task.spans {
        for i in 0..span.len {
            for row in rows.by_ref().take(group) {
                softmax::<V>(row, prefix + span.start + i + 1);
            }
        }
    }
    sums.fill(0.0);
    let values = &task.prefix.values[..prefix * width];
    for (first, m) in tiles(n) {
        let sums = &mut sums[first * width..];
        // SAFETY: as for this function.
        unsafe { tile::add_values::<V>(m, &scores[first * stride..], stride, values, width, sums) };
    }
    let mut at = 0;
    for span in &task.spans {
        let values = own(span.row).values;
        for (offset, m) in tiles(span.len * group) {
            let first = at + offset;
            // A query's weights of keys after its own token are 0.
            let values = &values[..seen(span, offset + m, group) * width];
            let weights = &scores[first * stride + prefix..];
            // SAFETY: as for this function.
            unsafe { tile::add_values::<V>(m, weights, stride, values, width, &mut sums[first * width..]) };
        }
        at += span.len * group;
    }
    for (out, sum) in task.out.chunks_exact_mut(dim).zip(sums.chunks_exact(width)) {
        out.copy_from_slice(&sum[..dim]);
    }
}

/// Own keys that the last of a span's first `queries` queries sees.
fn seen(span: &Span, queries: usize, group: usize) -> usize {
    span.start + (queries - 1) / group + 1
}

/// The task's queries, divided by √dim: \[token\]\[heads\]\[dim\] → `out` \[query\]\[dim\].
#[inline(always)]
fn pack(shape: &Attention<'_>, queries: &[f32], task: &Task<'_, '_>, out: &mut [f32]) {
    let len = shape.group * shape.dim;
    let scale = 1.0 / (shape.dim as f32).sqrt();
    let tokens = task.spans.iter().flat_map(|span| span.at..span.at + span.len);
    for (out, token) in out.chunks_exact_mut(len).zip(tokens) {
        let from = &queries[(token * shape.kv_heads + task.head) * len..][..len];
        for i in 0..len {
            out[i] = from[i] * scale;
        }
    }
}

/// Starts and sizes of tiles that cover `n` queries.
fn tiles(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(TILE).map(move |first| (first, TILE.min(n - first)))
}

/// The first `n` scores become weights that add to one, the others 0.
#[inline(always)]
fn softmax<V: Vector>(scores: &mut [f32], n: usize) {
    // Unseen scores lose to any other; e^−∞ is 0.
    scores[n..].fill(f32::NEG_INFINITY);
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let (chunks, unseen) = chunks.split_at_mut(n.div_ceil(LANES));
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks.iter() {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    let mut max = f32::NEG_INFINITY;
    for lane in lanes {
        max = if lane > max { lane } else { max };
    }
    let mut sums = [0f32; LANES];
    for chunk in chunks.iter_mut() {
        for i in 0..LANES {
            chunk[i] = exp(chunk[i] - max, V::FUSED);
            sums[i] += chunk[i];
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += sum;
    }
    let inverse = 1.0 / total;
    for chunk in chunks {
        for x in chunk {
            *x *= inverse;
        }
    }
    unseen.as_flattened_mut().fill(0.0);
}

/// The first `len` numbers of a buffer, whatever they are.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
