//! Which artifacts are there, in few requests.

use super::layout::Layout;
use super::{Remote, RemoteError};
use crate::stage_key::StageKey;
use crate::store::parallel::in_parallel;
use std::collections::{BTreeMap, BTreeSet};
use tacq_protocol::StageKind;

/// Up to so many keys of a kind are asked for one by one; more are looked for in a listing.
const SINGLE_LOOKS: usize = 8;
/// Names that a server lists in one answer.
const PER_LISTING: usize = 1000;
/// Requests under way together.
const AT_ONCE: usize = 16;

impl Remote {
    /// Which of these artifacts are there. A kind is listed where that takes fewer requests than asking for each key.
    pub fn present(&self, wanted: &[(StageKind, StageKey)]) -> Result<BTreeSet<StageKey>, RemoteError> {
        let mut by_kind: BTreeMap<StageKind, BTreeSet<StageKey>> = BTreeMap::new();
        for (kind, key) in wanted {
            by_kind.entry(*kind).or_default().insert(*key);
        }
        let mut found = BTreeSet::new();
        let (many, few): (Vec<_>, Vec<_>) =
            by_kind.into_iter().partition(|(_, keys)| keys.len() > SINGLE_LOOKS);
        let mut singles: Vec<(StageKind, StageKey)> =
            few.into_iter().flat_map(|(kind, keys)| keys.into_iter().map(move |key| (kind, key))).collect();
        for listed in in_parallel(AT_ONCE, &many, |(kind, keys)| self.listed(*kind, keys)) {
            let (there, unknown) = listed?;
            found.extend(there);
            singles.extend(unknown);
        }
        let asked = in_parallel(AT_ONCE, &singles, |(kind, key)| self.has(*kind, key));
        for ((_, key), is_there) in singles.iter().zip(asked) {
            if is_there? {
                found.insert(*key);
            }
        }
        Ok(found)
    }

    /// Whether an artifact is there.
    pub fn has(&self, kind: StageKind, key: &StageKey) -> Result<bool, RemoteError> {
        let (client, layout) = self.client()?;
        Ok(client.size(&layout.manifest(kind, key))?.is_some())
    }

    /// Looks for keys in the listing of their kind. Gives up where the store holds so many others that asking for each
    /// key is less work; what is then not known is returned too.
    #[expect(clippy::type_complexity, reason = "two lists, named where they are used")]
    fn listed(
        &self,
        kind: StageKind,
        keys: &BTreeSet<StageKey>,
    ) -> Result<(Vec<StageKey>, Vec<(StageKind, StageKey)>), RemoteError> {
        let (client, layout) = self.client()?;
        let (mut there, mut seen, most) = (Vec::new(), 0, keys.len() * PER_LISTING);
        let mut gave_up = false;
        client.list(&layout.manifests(kind), &mut |name| {
            seen += 1;
            if let Some(key) = Layout::key_of(name) {
                there.extend(keys.contains(&key).then_some(key));
            }
            gave_up = seen >= most;
            !gave_up
        })?;
        // Listings of buckets are in the order of names, but those of folders are not: all that was not seen is asked.
        let known: BTreeSet<StageKey> = there.iter().copied().collect();
        let unknown = keys.iter().filter(|key| gave_up && !known.contains(key)).map(|key| (kind, *key));
        let unknown = unknown.collect();
        Ok((there, unknown))
    }
}
