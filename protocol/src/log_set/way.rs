//! Ways to an entry: along its chain, and the chains which that left. Two devices that hold different
//! parts of a log find what they have in common.

use super::LogSet;
use crate::{
    id::{EntryId, LogId},
    limits,
    store::EntryAt,
};

impl LogSet {
    /// Whether an entry that is here is on the disk, too.
    pub fn is_durable(&self, at: EntryAt) -> bool {
        self.chain(at.chain).is_some_and(|chain| at.position <= chain.durable)
    }

    /// The furthest position on the way to `head` up to which somebody has everything who has the entries
    /// `others`.
    pub fn common_position(&self, head: EntryAt, others: &[EntryId]) -> u64 {
        let way: Vec<EntryAt> = self.way_to(head).collect();
        let common = |at: EntryAt| {
            let on_way = |at: EntryAt| {
                let shared = way.iter().find(|step| step.chain == at.chain)?;
                Some(shared.position.min(at.position))
            };
            self.way_to(at).find_map(on_way)
        };
        others.iter().filter_map(|id| common(self.find(*id)?)).max().unwrap_or(0)
    }

    /// An entry, and the places at which its chain left another, and that another.
    fn way_to(&self, at: EntryAt) -> impl Iterator<Item = EntryAt> {
        std::iter::successors(Some(at), |at| self.chain(at.chain)?.parent)
    }

    /// Entries of a log by which somebody who has one at `position` finds what is here on the way to it:
    /// the ends of its branches. Where that one cannot simply lie beyond them, a branch may leave anywhere
    /// before, so entries at doubling distances are among them.
    pub fn places(&self, log: LogId, position: u64) -> Vec<EntryId> {
        let chains: Vec<_> = self.chains_of(log).iter().filter_map(|number| self.chain(*number)).collect();
        let forks = chains.len() > 1 || chains.iter().any(|chain| chain.end.head.position >= position);
        let mut places = Vec::new();
        for chain in chains {
            let mut back = 0;
            while let Some(id) = chain.own_id(chain.end.head.position.saturating_sub(back)) {
                places.push(id);
                if !forks {
                    break;
                }
                back = 2 * back + 1;
            }
        }
        places.truncate(limits::WANT_PLACES / 2);
        places
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        crypto::SecretKey,
        id::{DeviceId, EntryId, Incarnation, LogId, PersonId, WorkspaceId},
        log::{ChainEnd, Head, Origin},
        log_set::LogSet,
        store::{ChainNo, EntryAt},
    };

    const LOG: LogId = LogId([1; 32]);

    fn id(chain: u8, position: u64) -> EntryId {
        let mut id = [chain; 32];
        id[..8].copy_from_slice(&position.to_le_bytes());
        EntryId(id)
    }

    /// A chain with entries behind `from` up to `to`, which left `parent` there.
    fn add(logs: &mut LogSet, parent: Option<EntryAt>, from: u64, to: u64) -> ChainNo {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let origin = Origin {
            person: PersonId([2; 32]),
            device: DeviceId([3; 32]),
            incarnation: Incarnation([4; 8]),
            founder: false,
        };
        let head = parent.and_then(|at| Some(Head { position: at.position, id: logs.id_at(at)? }));
        let end = ChainEnd { head: head.unwrap_or(Head::start(LOG)), ..ChainEnd::start(LOG) };
        let number = logs.add_chain(LOG, origin, key, parent, end);
        for position in from + 1..=to {
            let id = id(number.0 as u8 + 10, position);
            logs.index(id, EntryAt { chain: number, position });
            let chain = &mut logs.chains[number.0 as usize];
            chain.ids.push(id);
            chain.end.head = Head { position, id };
        }
        number
    }

    #[test]
    fn branches_have_in_common_what_lies_before_they_part() {
        let mut logs = LogSet::new(WorkspaceId([9; 32]));
        let trunk = add(&mut logs, None, 0, 100);
        let early = add(&mut logs, Some(EntryAt { chain: trunk, position: 40 }), 40, 60);
        let late = add(&mut logs, Some(EntryAt { chain: trunk, position: 70 }), 70, 90);
        let twig = add(&mut logs, Some(EntryAt { chain: early, position: 50 }), 50, 55);
        let at = |chain, position| EntryAt { chain, position };
        let common = |head, held: &[EntryAt]| {
            let held: Vec<_> = held.iter().map(|at| logs.id_at(*at).unwrap()).collect();
            logs.common_position(head, &held)
        };
        assert_eq!(common(at(trunk, 100), &[]), 0);
        assert_eq!(common(at(trunk, 100), &[at(trunk, 30)]), 30);
        assert_eq!(common(at(trunk, 100), &[at(late, 90)]), 70);
        assert_eq!(common(at(late, 90), &[at(trunk, 100), at(early, 60)]), 70);
        assert_eq!(common(at(twig, 55), &[at(early, 60)]), 50);
        assert_eq!(common(at(early, 60), &[at(twig, 52)]), 50);
        assert_eq!(common(at(twig, 55), &[at(late, 80)]), 40);
        assert_eq!(logs.common_position(at(trunk, 100), &[id(99, 5)]), 0, "nobody's");
    }

    #[test]
    fn a_head_beyond_the_end_needs_that_alone_and_one_of_a_fork_more() {
        let mut logs = LogSet::new(WorkspaceId([9; 32]));
        assert!(logs.places(LOG, 7).is_empty());
        let trunk = add(&mut logs, None, 0, 1_000);
        let at = |position| logs.id_at(EntryAt { chain: trunk, position }).unwrap();
        assert_eq!(logs.places(LOG, 1_001), [at(1_000)]);
        let places = logs.places(LOG, 900);
        assert_eq!(places.len(), 10);
        assert_eq!(places[..3], [at(1_000), at(999), at(997)]);
    }
}
