//! Late verdicts: what was applied and turns out void, or the other way round.

use crate::{
    same,
    world::{Peer, Written, entries},
};
use proptest::prelude::*;
use velo_protocol::{access::Why, op};

const VOID: Why = Why::NoAuthority;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_late_verdict_is_as_good_as_an_early_one(
        (entries, early, late) in entries().prop_flat_map(|entries| {
            // Who is in follows from the rule, not from the state.
            let can_turn: Vec<bool> = entries.iter().map(|entry| op::has_data_body(entry.kind)).collect();
            let verdicts = || {
                let can_turn = can_turn.clone();
                let any = prop::collection::vec(prop::bool::weighted(0.3), entries.len());
                any.prop_map(move |void| void.iter().zip(&can_turn).map(|(void, can)| *void && *can).collect())
            };
            let verdicts: [BoxedStrategy<Vec<bool>>; 2] = [verdicts().boxed(), verdicts().boxed()];
            let [early, late] = verdicts;
            (Just(entries), early, late)
        })
    ) {
        let judged = |verdicts: &[bool]| {
            let mut peer = Peer::default();
            for (entry, void) in entries.iter().zip(verdicts) {
                peer.apply_as(entry, void.then_some(VOID));
            }
            peer
        };
        let (mut turned, fresh) = (judged(&early), judged(&late));
        let verdict = |entry: &Written| {
            let at = entries.iter().position(|other| other.prefix == entry.prefix && other.tail == entry.tail);
            at.filter(|at| late[*at]).map(|_| VOID)
        };
        for (_, entry) in entries.iter().enumerate().filter(|(at, _)| early[*at] != late[*at]) {
            turned.rejudge(entry, verdict);
        }
        same(&turned.state, &fresh.state)?;
    }
}
