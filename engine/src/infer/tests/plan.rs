//! Which prompts are computed together.

use super::ids;
use crate::infer::plan::{Group, Sequence, groups};

fn plan(texts: &[Vec<u32>], overhead: usize) -> Vec<Group> {
    let sequence = |ids: &'_ Vec<u32>| -> usize { ids.len() - 1 };
    let sequences: Vec<_> = texts.iter().map(|ids| Sequence { ids, limit: sequence(ids) }).collect();
    let mut found = groups(&sequences, overhead);
    // Whatever the groups: each sequence is in one, and shares the beginning with the others of it.
    let mut seen: Vec<usize> = found.iter().flat_map(|g| g.members.clone()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..texts.len()).collect::<Vec<_>>());
    for group in &found {
        let first = &texts[group.members[0]];
        for &i in &group.members {
            assert_eq!(texts[i][..group.prefix], first[..group.prefix]);
            assert!(group.prefix < texts[i].len());
        }
        assert!(group.members.is_sorted_by_key(|&i| std::cmp::Reverse(texts[i].len())));
    }
    found.sort_by_key(|g| g.members.iter().min().copied());
    found
}

fn after(beginning: &[u32], n: usize, seed: u32) -> Vec<u32> {
    [beginning, &ids(n, seed)].concat()
}

#[test]
fn questions_of_two_subjects_share_their_shots() {
    let subjects = [ids(300, 1), ids(400, 2)];
    let texts: Vec<_> = (0..40).map(|i| after(&subjects[i % 2], 20 + i, 10 + i as u32)).collect();
    let found = plan(&texts, 128);
    assert_eq!(found.iter().map(|g| (g.prefix, g.members.len())).collect::<Vec<_>>(), [(300, 20), (400, 20)]);
}

#[test]
fn what_begins_alike_by_chance_stays_together() {
    // All share 200 tokens, and each pair one or two more.
    let shared = ids(200, 1);
    let texts: Vec<_> = (0..30).map(|i| after(&[&shared[..], &[i / 2, 3]].concat(), 20, 10 + i)).collect();
    let found = plan(&texts, 128);
    assert_eq!((found.len(), found[0].prefix), (1, 200));
}

#[test]
fn schemas_after_a_system_message_are_groups_where_that_pays() {
    // One message; five questions about a schema of 600 tokens; two about one of 30; single ones.
    let system = ids(20, 1);
    let (large, small) = (after(&system, 600, 2), after(&system, 30, 3));
    let mut texts: Vec<_> = (0..5).map(|i| after(&large, 15, 10 + i)).collect();
    texts.extend((0..2).map(|i| after(&small, 15, 20 + i)));
    texts.extend((0..8).map(|i| after(&system, 40, 30 + i)));
    let found = plan(&texts, 128);
    let sizes: Vec<_> = found.iter().map(|g| (g.prefix, g.members.len())).collect();
    assert_eq!(sizes, [(620, 5), (20, 10)]);
}

#[test]
fn nothing_in_common_is_one_group_without_a_prefix() {
    let texts: Vec<_> = (0..9).map(|i| after(&[i], 30, i)).collect();
    let found = plan(&texts, 128);
    assert_eq!((found.len(), found[0].prefix), (1, 0));
    assert_eq!(plan(&[], 128), []);
}

#[test]
fn equal_texts_and_beginnings_of_others_keep_a_token_of_their_own() {
    let text = ids(500, 1);
    let equal = plan(&vec![text.clone(); 4], 128);
    assert_eq!((equal.len(), equal[0].prefix), (1, 499));
    // As deep as there are texts: no recursion that could exhaust the stack.
    let nested: Vec<_> = (1..=3000).map(|n| ids(3000, 5)[..n].to_vec()).collect();
    plan(&nested, 128);
}

#[test]
fn what_is_wanted_is_not_shared() {
    let texts = vec![ids(500, 1); 3];
    let sequences: Vec<_> = texts.iter().map(|ids| Sequence { ids, limit: 480 }).collect();
    assert_eq!(groups(&sequences, 10)[0].prefix, 480);
}
