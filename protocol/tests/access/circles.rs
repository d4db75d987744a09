//! Keys with several certificates, as the reference does not have them.

use crate::random::Chance;
use velo_protocol::{
    access::{Access, Act, ActKind, Link, Role, Why},
    causality::Frontier,
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

const FOUNDER: PersonId = PersonId([1; 32]);

fn key(number: u8) -> DeviceId {
    DeviceId([number; 32])
}

fn at(number: u32) -> EntryAt {
    EntryAt { chain: ChainNo(number), position: 1 }
}

/// An act of the founder by one of his keys, which has seen these and the genesis.
struct Deed(u32, u8, ActKind, Vec<(u8, u8)>, Vec<u32>);

fn add(access: &mut Access, Deed(number, by, kind, links, past): &Deed) {
    let mut seen = Frontier::default();
    past.iter().chain([&0]).for_each(|number| _ = seen.raise(at(*number)));
    let auth = (*number > 0).then_some(at(0));
    let act = Act { at: at(*number), device: key(*by), person: FOUNDER, auth, kind: *kind };
    let link = |(parent, child): &(u8, u8)| Link { parent: key(*parent), child: key(*child) };
    access.add(act, &links.iter().map(link).collect::<Vec<_>>(), seen);
}

fn judged(deeds: &[Deed]) -> Access {
    let mut access = Access::new();
    add(&mut access, &Deed(0, 1, ActKind::Genesis, vec![], vec![]));
    for deed in deeds {
        add(&mut access, deed);
    }
    access
}

fn link(number: u32, by: u8, links: &[(u8, u8)], past: &[u32]) -> Deed {
    Deed(number, by, ActKind::Link, links.to_vec(), past.to_vec())
}

fn unlink(number: u32, by: u8, target: u8, past: &[u32]) -> Deed {
    Deed(number, by, ActKind::Unlink { device: key(target) }, vec![], past.to_vec())
}

#[test]
fn a_certificate_counts_if_any_of_its_bringers_was_seen() {
    // Device 2 certifies 3, and two entries bring that. The root unlinks 2 having seen one, or none.
    let brought =
        || vec![link(1, 1, &[(1, 2)], &[]), link(2, 2, &[(2, 3)], &[1]), link(3, 3, &[(2, 3)], &[1])];
    let work = || link(5, 3, &[], &[2, 3]);
    for (seen, stands) in [(&[1, 2][..], true), (&[1, 3], true), (&[1, 2, 3], true), (&[1], false)] {
        let deeds: Vec<_> = brought().into_iter().chain([work(), unlink(4, 1, 2, seen)]).collect();
        let access = judged(&deeds);
        assert_eq!(access.is_effective(at(5)), stands, "{seen:?}");
        assert_eq!(access.why_void(at(5)), (!stands).then_some(Why::Unlinked));
        assert_eq!(access.devices(FOUNDER).any(|device| device == key(3)), stands);
        assert!(access.devices(FOUNDER).all(|device| device != key(2)));
    }
}

#[test]
fn one_entry_may_bring_a_whole_chain_and_one_of_its_own() {
    let access = judged(&[link(1, 4, &[(1, 2), (2, 3), (3, 4)], &[])]);
    assert!(access.is_effective(at(1)));
    assert_eq!(access.devices(FOUNDER).count(), 4);
    let backwards = judged(&[link(1, 4, &[(3, 4), (2, 3), (1, 2)], &[])]);
    assert!(backwards.is_effective(at(1)));
    let early = judged(&[link(1, 3, &[(2, 3)], &[])]);
    assert_eq!(early.why_void(at(1)), Some(Why::NotLinked));
    let late = judged(&[link(1, 3, &[(2, 3)], &[]), link(2, 1, &[(1, 2)], &[])]);
    assert!(late.is_effective(at(1)), "the set is what counts");
}

#[test]
fn a_device_that_was_linked_again_elsewhere_stays() {
    // The root unlinks 2 and had not seen that it linked 3; then links 3 itself.
    let mut deeds = vec![link(1, 1, &[(1, 2)], &[]), link(2, 2, &[(2, 3)], &[1]), unlink(3, 1, 2, &[1])];
    deeds.push(link(4, 3, &[], &[2]));
    assert!(!judged(&deeds).is_effective(at(4)));
    deeds.push(link(5, 1, &[(1, 3)], &[3]));
    assert!(judged(&deeds).is_effective(at(4)));
    deeds.push(unlink(6, 2, 3, &[1, 2, 3, 5]));
    assert_eq!(judged(&deeds).why_void(at(6)), Some(Why::Unlinked));
    deeds.push(unlink(7, 1, 3, &[5]));
    assert!(!judged(&deeds).is_effective(at(4)), "an unlink takes the key, whoever answers for it");
}

#[test]
fn keys_that_certify_each_other_are_equals() {
    // 2 and 3 are both linked by the root, 4 by 3. Each of 2 and 3 certifies the other.
    let ways = || vec![link(1, 1, &[(1, 2)], &[]), link(2, 1, &[(1, 3)], &[]), link(3, 3, &[(3, 4)], &[2])];
    let circle = || link(4, 2, &[(2, 3), (3, 2)], &[1, 2]);
    let duel = || [unlink(5, 2, 3, &[1, 2, 4]), unlink(6, 3, 2, &[1, 2, 4]), unlink(7, 2, 4, &[1, 2, 3, 4])];
    let access = judged(&ways().into_iter().chain([circle()]).chain(duel()).collect::<Vec<_>>());
    assert_eq!(access.why_void(at(5)), Some(Why::NotBelow));
    assert_eq!(access.why_void(at(6)), Some(Why::NotBelow));
    assert!(access.is_effective(at(7)), "4 stands below the two");
    // Whether the circle closed before or after is the same.
    let late = judged(&ways().into_iter().chain(duel()).chain([circle()]).collect::<Vec<_>>());
    (5..8).for_each(|act| assert_eq!(late.why_void(at(act)), access.why_void(at(act))));
    // The root is above everybody, whoever certifies it.
    let crown = [link(8, 2, &[(2, 1)], &[1]), unlink(9, 2, 1, &[1]), unlink(10, 1, 2, &[1, 8, 9])];
    let access = judged(&ways().into_iter().chain(crown).collect::<Vec<_>>());
    assert_eq!(access.why_void(at(9)), Some(Why::NotBelow));
    assert!(access.is_effective(at(10)));
}

#[test]
fn no_order_changes_a_verdict_in_any_graph_of_certificates() {
    for seed in 0..1000 {
        let mut chance = Chance::new(seed);
        let mut deeds = Vec::new();
        for number in 1..=24 {
            let by = 1 + chance.below(6) as u8;
            let past: Vec<u32> = (1..number).filter(|_| chance.percent(40)).collect();
            deeds.push(if chance.percent(50) {
                let link = (1 + chance.below(6) as u8, 1 + chance.below(6) as u8);
                link_deed(number, by, link, past)
            } else {
                Deed(number, by, ActKind::Unlink { device: key(1 + chance.below(6) as u8) }, vec![], past)
            });
        }
        let verdicts = |access: &Access| (1..=24).map(|act| access.why_void(at(act))).collect::<Vec<_>>();
        let expected = verdicts(&judged(&deeds));
        for _ in 0..4 {
            // Pasts are not closed here, so any order in which each comes after its own will do.
            let mut left: Vec<_> = (0..deeds.len()).collect();
            let (mut order, mut access) = (Vec::new(), judged(&[]));
            while !left.is_empty() {
                let ready = |deed: &usize| deeds[*deed].4.iter().all(|past| order.contains(past));
                let ready: Vec<_> = left.iter().copied().filter(ready).collect();
                let deed = chance.pick(&ready);
                left.retain(|other| *other != deed);
                order.push(deeds[deed].0);
                add(&mut access, &deeds[deed]);
            }
            assert_eq!(verdicts(&access), expected, "world {seed} in the order {order:?}");
        }
    }
}

fn link_deed(number: u32, by: u8, link: (u8, u8), past: Vec<u32>) -> Deed {
    Deed(number, by, ActKind::Link, vec![link], past)
}

#[test]
fn a_ticket_is_open_until_it_or_who_made_it_is_taken_away() {
    let guest = PersonId([9; 32]);
    let mut deeds = vec![Deed(1, 1, ActKind::Invite { role: Role::Member }, vec![], vec![])];
    let access = judged(&deeds);
    assert_eq!(access.invites().collect::<Vec<_>>(), [(at(1), Role::Member)]);
    deeds.push(Deed(2, 1, ActKind::Revoke { invite: at(1) }, vec![], vec![1]));
    let mut access = judged(&deeds);
    assert_eq!(access.invites().count(), 0);
    let mut seen = Frontier::default();
    seen.raise(at(0));
    seen.raise(at(1));
    let join = Act { at: at(3), device: key(9), person: guest, auth: Some(at(1)), kind: ActKind::Join };
    access.add(join, &[], seen);
    assert_eq!(access.why_void(at(3)), Some(Why::TicketRevoked { by: at(2) }));
    assert_eq!(access.role_of(guest), None);
}
