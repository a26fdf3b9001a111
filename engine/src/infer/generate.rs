//! Continuing prompts token by token.

use super::beginnings::{Beginnings, Copied};
use super::cache::Cache;
use super::memory::Limit;
use super::packed::Packed;
use super::plan::{self, Sequence};
use super::runner::Runner;
use super::{InferError, Options, Prompt, ROWS, sampling};
use crate::cuda::staging::Outgoing;
use crate::model::Model;
use crate::{Result, device};
use std::collections::{BTreeMap, VecDeque};
use tacq_protocol::task::Decoding;
use tch::Tensor;

/// A group of its own must save more than this many tokens: the last of a group's rows are computed in batches that
/// are not full.
const GROUP_OVERHEAD: usize = 2048;

/// How prompts are continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// How tokens are chosen.
    pub decoding: Decoding,
    /// Most tokens of a continuation, at least one.
    pub max_new_tokens: usize,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
}

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model ended the text.
    Eos,
    /// The caller had what it wanted.
    Stopped,
    /// It is as long as it may be.
    Length,
}

/// A continuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its tokens, without one that ends the text.
    pub ids: Vec<u32>,
    /// Why there are no more.
    pub end: End,
}

/// Continues every prompt. `stop(prompt's position, tokens so far)` is asked after each token but one that ends the
/// text; true ends the continuation there. Results are handed over as they end, each with its prompt's position.
///
/// When a continuation ends, the next prompt of the same group takes its place.
pub fn generate(
    model: &Model,
    prompts: &[Prompt],
    generation: &Generation,
    options: &Options,
    stop: &dyn Fn(usize, &[u32]) -> bool,
    on_batch: &mut dyn FnMut(Vec<(usize, Generated)>) -> Result<()>,
) -> Result<()> {
    if let Some(prompt) = prompts.iter().position(|prompt| prompt.ids.is_empty()) {
        return Err(InferError::EmptyPrompt { prompt }.into());
    }
    let longest = prompts.iter().map(|prompt| prompt.ids.len()).max().unwrap_or(0);
    let runner = Runner::new(model, longest + generation.max_new_tokens)?;
    runner.check(prompts.iter().flat_map(|prompt| &prompt.ids))?;
    let sequences: Vec<_> =
        prompts.iter().map(|prompt| Sequence { ids: &prompt.ids, limit: prompt.ids.len() - 1 }).collect();
    let mut work = Work { runner: &runner, prompts, generation, stop, limit: Limit::new(options.batch_size) };
    let groups = plan::groups(&sequences, GROUP_OVERHEAD);
    // How many rows there may be, and how many there is room for if each has all of its tokens.
    let wanted = options.batch_size.min(prompts.len());
    let fit = runner.rows_in(options.cache_bytes, 0, longest + generation.max_new_tokens);
    let is_one_group = groups.len() == 1 && groups[0].prefix > 0;
    if runner.space.is_host() || is_one_group && fit < wanted {
        // Attention reads a shared beginning where it is, so all rows of a batch have the same one.
        for group in groups.chunks(1) {
            let prefix = runner.prefix(&group[0], &prompts[group[0].members[0]].ids)?;
            work.run(group, options, || Beginnings::Shared(&prefix), on_batch)?;
        }
        Ok(())
    } else {
        // Rows are kept whole, each with a copy of its group's beginning, so that any may stand side by side; and a step
        // asks for fewer kernels than attention to two parts does, which counts where the host is what bounds it.
        work.run(&groups, options, || Beginnings::Copied(Copied::new(&groups, prompts.len())), on_batch)
    }
}

/// What all batches have in common.
struct Work<'a> {
    runner: &'a Runner<'a>,
    prompts: &'a [Prompt],
    generation: &'a Generation,
    stop: &'a dyn Fn(usize, &[u32]) -> bool,
    limit: Limit,
}

impl Work<'_> {
    /// Continues the prompts of these groups.
    fn run<'b>(
        &mut self,
        groups: &[plan::Group],
        options: &Options,
        beginnings: impl Fn() -> Beginnings<'b>,
        on_batch: OnBatch<'_>,
    ) -> Result<()> {
        let (runner, prompts, generation) = (self.runner, self.prompts, self.generation);
        // Longest first in each group, so that a group's rest never needs more room.
        let order: Vec<usize> = groups.iter().flat_map(|group| group.members.iter().copied()).collect();
        let mut place = vec![0; prompts.len()];
        order.iter().enumerate().for_each(|(at, &prompt)| place[prompt] = at);
        let mut waiting = VecDeque::from(order);
        while !waiting.is_empty() {
            let beginnings = beginnings();
            let longest = waiting.iter().map(|&i| prompts[i].ids.len()).max().unwrap_or(0);
            let room = longest - beginnings.shared_len() + generation.max_new_tokens;
            let fit = runner.rows_in(options.cache_bytes, beginnings.shared_len(), room);
            let n = self.limit.get().min(fit).min(waiting.len());
            let mut batch = Batch::new(self, beginnings);
            if let Err(error) = batch.run(n, room, &mut waiting, on_batch) {
                self.limit.halve_after(error, n)?;
                // Begun continuations begin again: computed anew, they come out the same.
                waiting.extend(batch.rows.iter().map(|row| row.prompt));
                waiting.make_contiguous().sort_by_key(|&i| place[i]);
            }
        }
        Ok(())
    }
}

/// A continuation under way; its place in [`Batch::rows`] is its row in the cache.
struct Row {
    /// Differs from that of every other row of the batch.
    id: usize,
    prompt: usize,
    /// Tokens that were looked at.
    ids: Vec<u32>,
    /// Tokens that were chosen; the last ones may not have been looked at.
    chosen: u64,
    /// Tokens of the row in the cache, not counting a shared beginning: the prompt, and all that were chosen but the last.
    cached: usize,
}

/// Tokens on their way to be looked at.
struct Unseen {
    /// The rows that they were chosen for, by [`Row::id`].
    rows: Vec<usize>,
    /// i64 \[rows\] as of [`sampling::choose`].
    tokens: Outgoing,
}

/// Continuations side by side.
///
/// A device is not kept waiting for the host to look at its tokens: they stay there as the next pass's input, which is
/// begun before they are looked at. A row that turns out to have ended has then been given a token in vain.
struct Batch<'a> {
    runner: &'a Runner<'a>,
    beginnings: Beginnings<'a>,
    prompts: &'a [Prompt],
    generation: &'a Generation,
    stop: &'a dyn Fn(usize, &[u32]) -> bool,
    rows: Vec<Row>,
    /// The last token of each row, i64 \[rows\].
    last: Option<Tensor>,
    /// Oldest first.
    unseen: VecDeque<Unseen>,
    /// How many of them may wait while the next pass is begun.
    lag: usize,
    /// The next row's [`Row::id`].
    next_id: usize,
}

type OnBatch<'a> = &'a mut dyn FnMut(Vec<(usize, Generated)>) -> Result<()>;

impl<'a> Batch<'a> {
    fn new(work: &Work<'a>, beginnings: Beginnings<'a>) -> Self {
        let Work { runner, prompts, generation, stop, .. } = *work;
        // The host computes and looks in turn: for it, a token in vain is only lost time.
        let lag = usize::from(runner.space.device.is_cuda());
        let (rows, unseen) = (Vec::new(), VecDeque::new());
        Self { runner, beginnings, prompts, generation, stop, rows, last: None, unseen, lag, next_id: 0 }
    }

    /// Takes prompts from `waiting` until there are none, at most `n` at a time, and continues them to their ends.
    fn run(
        &mut self,
        n: usize,
        room: usize,
        waiting: &mut VecDeque<usize>,
        on_batch: OnBatch<'_>,
    ) -> Result<()> {
        let mut cache = match &self.beginnings {
            Beginnings::Shared(prefix) => self.runner.cache(Some(prefix), n, room)?,
            Beginnings::Copied(_) => self.runner.cache(None, rows_of_cache(n), room)?,
        };
        loop {
            while self.rows.len() < n && !waiting.is_empty() {
                self.admit(n, &mut cache, waiting)?;
                self.look(&mut cache, on_batch)?;
            }
            if self.rows.is_empty() {
                return Ok(());
            }
            self.step(&mut cache)?;
            self.look(&mut cache, on_batch)?;
        }
    }

    /// Computes prompts into free rows, as many as a pass takes (at least one), and their first tokens.
    fn admit(&mut self, n: usize, cache: &mut Cache, waiting: &mut VecDeque<usize>) -> Result<()> {
        let before = self.rows.len();
        let mut packed = Packed::default();
        let mut ends = Vec::new();
        while self.rows.len() < n
            && let Some(&prompt) = waiting.front()
        {
            let (all, begun) = (&self.prompts[prompt].ids, self.beginnings.len_of(prompt));
            let ids = &all[begun..];
            if !packed.is_empty() && packed.len() + ids.len() > self.runner.pass_tokens {
                break;
            }
            let row = self.rows.len();
            let shared = self.beginnings.shared_len();
            if let Beginnings::Copied(copied) = &mut self.beginnings
                && let Some(prefix) = &copied.of(prompt, self.runner, all)?.cache
            {
                cache.adopt(prefix, row)?;
            }
            // From here on it is the row's: a failure finds it there.
            waiting.pop_front();
            let cached = all.len() - shared;
            self.rows.push(Row { id: self.next_id, prompt, ids: Vec::new(), chosen: 0, cached });
            self.next_id += 1;
            // Only a prompt longer than a pass has more than one part, and it comes first.
            let parts = ids.chunks(self.runner.pass_tokens).enumerate();
            for (i, part) in parts {
                if i > 0 {
                    let _ = self.runner.hidden(cache, &packed)?;
                    packed = Packed::default();
                }
                packed.push(row, begun - shared + i * self.runner.pass_tokens, shared, part);
            }
            ends.push(packed.len() - 1);
        }
        let hidden = self.runner.hidden(cache, &packed)?;
        let tokens = self.choose(before, &hidden, &ends)?;
        self.last = Some(match self.last.take() {
            Some(last) => Tensor::f_cat(&[last, tokens], 0)?,
            None => tokens,
        });
        Ok(())
    }

    /// One more token for every row.
    fn step(&mut self, cache: &mut Cache) -> Result<()> {
        let mut packed = Packed::default();
        let shared = self.beginnings.shared_len();
        for (i, row) in self.rows.iter_mut().enumerate() {
            packed.push_unknown(i, row.cached, shared);
            row.cached += 1;
        }
        let last = self.last.take().expect("every row has a token once it is admitted");
        let hidden = self.runner.hidden_of(cache, &last, &packed)?;
        let ends: Vec<usize> = (0..self.rows.len()).collect();
        self.last = Some(self.choose(0, &hidden, &ends)?);
        Ok(())
    }

    /// Chooses the next tokens of the rows from `first` on, whose last tokens are these of a pass: i64 \[rows\].
    fn choose(&mut self, first: usize, hidden: &Tensor, ends: &[usize]) -> Result<Tensor> {
        let mut chosen = Vec::new();
        let mut start = first;
        for part in ends.chunks(self.runner.logit_rows()) {
            let rows = &self.rows[start..start + part.len()];
            let draws: Vec<_> = rows.iter().map(|r| (self.prompts[r.prompt].index, r.chosen)).collect();
            let logits = self.runner.logits(hidden, part)?;
            chosen.push(sampling::choose(&self.generation.decoding, &logits, &draws)?);
            start += part.len();
        }
        let tokens = Tensor::f_cat(&chosen, 0)?;
        self.rows[first..].iter_mut().for_each(|row| row.chosen += 1);
        let rows = self.rows[first..].iter().map(|row| row.id).collect();
        self.unseen.push_back(Unseen { rows, tokens: Outgoing::new(&tokens)? });
        Ok(tokens)
    }

    /// Looks at the tokens that have waited long enough. Rows that have ended leave, and the last ones take their places.
    fn look(&mut self, cache: &mut Cache, on_batch: OnBatch<'_>) -> Result<()> {
        while self.unseen.len() > self.lag
            && let Some(Unseen { rows, tokens }) = self.unseen.pop_front()
        {
            let bytes = tokens.bytes()?;
            let tokens = bytes.as_chunks().0.iter().map(|token| i64::from_le_bytes(*token));
            let of_row: BTreeMap<usize, i64> = rows.into_iter().zip(tokens).collect();
            let mut ended = Vec::new();
            for (at, row) in self.rows.iter_mut().enumerate() {
                let Some(&token) = of_row.get(&row.id) else { continue };
                let token = u32::try_from(token).map_err(|_| InferError::NotFinite { prompt: row.prompt })?;
                if let Some(end) = next(row, token, self.generation, self.stop) {
                    ended.push((at, end));
                }
            }
            let done = self.remove(&ended, cache)?;
            if !done.is_empty() {
                on_batch(done)?;
            }
        }
        Ok(())
    }

    /// Removes rows, named in their order.
    fn remove(&mut self, ended: &[(usize, End)], cache: &mut Cache) -> Result<Vec<(usize, Generated)>> {
        let mut done = Vec::with_capacity(ended.len());
        let mut order: Vec<i64> = (0..self.rows.len() as i64).collect();
        // From the last to the first, so that a row that fills a gap stays.
        for &(at, end) in ended.iter().rev() {
            order.swap_remove(at);
            let row = self.rows.swap_remove(at);
            if let Some(moved) = self.rows.get(at) {
                cache.copy_row(self.rows.len(), at, moved.cached)?;
            }
            done.push((row.prompt, Generated { ids: row.ids, end }));
        }
        done.reverse();
        if !ended.is_empty() {
            let last = self.last.take();
            let keep = |last: Tensor| last.f_index_select(0, &device::place(&order, last.device())?);
            self.last = last.filter(|_| !order.is_empty()).map(keep).transpose()?;
        }
        Ok(done)
    }
}

/// Rows for `n` continuations: where they are many, a few more, so that a step's padding has rows of its own and the
/// kernel for single tokens can be used.
fn rows_of_cache(n: usize) -> usize {
    if n < 4 * ROWS { n } else { n.next_multiple_of(ROWS) }
}

/// Adds a token to a row; whether and why that was the last one.
fn next(
    row: &mut Row,
    token: u32,
    generation: &Generation,
    stop: &dyn Fn(usize, &[u32]) -> bool,
) -> Option<End> {
    if generation.eos.contains(&token) {
        return Some(End::Eos);
    }
    row.ids.push(token);
    if stop(row.prompt, &row.ids) {
        Some(End::Stopped)
    } else if row.ids.len() >= generation.max_new_tokens {
        Some(End::Length)
    } else {
        None
    }
}
