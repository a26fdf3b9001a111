//! Which sequences are computed together, and how much of their beginning once for all.
//!
//! Sorted token sequences form a trie. A node with the first `n` tokens in common can be a group: its n tokens are
//! computed once, then what follows in each sequence. Or parts of it are groups of their own, with a longer common
//! beginning but the first n tokens computed again. The cheaper is chosen, from the leaves up, counting tokens.

/// Sequences with a common beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Tokens that are computed once; below every member's limit.
    pub prefix: usize,
    /// Positions of the sequences, longest first.
    pub members: Vec<usize>,
}

/// A sequence to compute.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// Its tokens.
    pub ids: &'a [u32],
    /// At most so many of them may be shared: what comes after is wanted for itself.
    pub limit: usize,
}

/// What was found so far for a node of the trie.
#[derive(Default)]
struct Node {
    /// Tokens in common.
    depth: usize,
    /// Sequences that are not in a group of their own yet.
    open: Vec<usize>,
    /// Σ length of the open ones.
    open_tokens: usize,
    /// Groups below.
    groups: Vec<Group>,
}

/// Groups such that each sequence is in one. `overhead` is what a group of its own costs, in tokens: a batch that is
/// not full. Equal sets of sequences give equal groups.
pub fn groups(sequences: &[Sequence<'_>], overhead: usize) -> Vec<Group> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| (sequences[i].ids, i));
    // The path from the root to the last leaf, depths ascending: nodes are closed as the common beginning of
    // neighbours gets shorter.
    let mut path = vec![Node::default()];
    for (at, &i) in order.iter().enumerate() {
        let next = order.get(at + 1).map_or(0, |&j| common(sequences[i].ids, sequences[j].ids));
        let length = sequences[i].ids.len();
        if path.last().is_none_or(|node| node.depth < next) {
            path.push(Node { depth: next, ..Node::default() });
        }
        let node = path.last_mut().expect("the root is never closed here");
        node.open.push(i);
        node.open_tokens += length;
        while path.last().is_some_and(|node| node.depth > next) {
            let node = path.pop().expect("just seen");
            let outer = path.last().map_or(0, |node| node.depth);
            let closed = close(node, outer.max(next), overhead, sequences);
            if path.last().is_none_or(|node| node.depth < next) {
                path.push(Node { depth: next, ..Node::default() });
            }
            join(path.last_mut().expect("just pushed"), closed);
        }
    }
    let mut root = path.into_iter().next().unwrap_or_default();
    if !root.open.is_empty() {
        let group = group(0, std::mem::take(&mut root.open), sequences);
        root.groups.push(group);
    }
    root.groups
}

/// Decides whether a finished node's open sequences become a group, given that `outer` tokens are shared anyhow.
fn close(mut node: Node, outer: usize, overhead: usize, sequences: &[Sequence<'_>]) -> Node {
    let n = node.open.len();
    let saved = (node.depth - outer) * n;
    if n > 1 && saved > node.depth + overhead {
        let members = std::mem::take(&mut node.open);
        node.groups.push(group(node.depth, members, sequences));
        node.open_tokens = 0;
    }
    node
}

fn join(into: &mut Node, mut from: Node) {
    into.open.append(&mut from.open);
    into.open_tokens += from.open_tokens;
    into.groups.append(&mut from.groups);
}

fn group(depth: usize, mut members: Vec<usize>, sequences: &[Sequence<'_>]) -> Group {
    let limit = members.iter().map(|&i| sequences[i].limit).min().unwrap_or(0);
    members.sort_by_key(|&i| (std::cmp::Reverse(sequences[i].ids.len()), i));
    Group { prefix: depth.min(limit), members }
}

/// Length of the common beginning.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}
