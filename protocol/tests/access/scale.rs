//! What judging costs, counted in verdicts; and depths at which recursion would not survive.

use std::collections::BTreeMap;
use velo_protocol::{
    access::{Access, Act, ActKind, Link, Role},
    causality::Frontier,
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

const DEEP: u32 = 100_000;

/// The number `number` as an id.
fn id(number: u32) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn in_log(log: u32, position: u64) -> EntryAt {
    EntryAt { chain: ChainNo(log), position }
}

/// An act by the root key of person `number`, in a log of the same number.
fn act(number: u32, position: u64, auth: Option<EntryAt>, kind: ActKind) -> Act {
    let (person, device) = (PersonId(id(number)), DeviceId(id(number)));
    Act { at: in_log(number, position), device, person, auth, kind }
}

fn seen(entries: impl IntoIterator<Item = EntryAt>) -> Frontier {
    let mut seen = Frontier::default();
    entries.into_iter().for_each(|at| _ = seen.raise(at));
    seen
}

/// Each of 12 owners appoints the next one and then, knowing nothing but that, caps it 8 times.
fn owner_chain() -> Vec<(Act, Frontier)> {
    let mut acts = vec![(act(0, 1, None, ActKind::Genesis), Frontier::default())];
    let auth_of = |owner: u32| if owner == 0 { in_log(0, 1) } else { in_log(owner - 1, 2) };
    for owner in 0..12 {
        let past = seen((0..owner).map(|above| in_log(above, 2)).chain([in_log(owner, 2)]));
        let kind = ActKind::Grant { subject: PersonId(id(owner + 1)), role: Role::Owner };
        acts.push((act(owner, 2, Some(auth_of(owner)), kind), past));
    }
    for owner in 0..12 {
        for cap in 0..8 {
            let past = seen((0..owner).map(|above| in_log(above, 2)).chain([in_log(owner, 2 + cap)]));
            let role = [None, Some(Role::Admin), Some(Role::Member)][cap as usize % 3];
            let kind = ActKind::Cap { subject: PersonId(id(owner + 1)), role };
            acts.push((act(owner, 3 + cap, Some(auth_of(owner)), kind), past));
        }
    }
    acts
}

#[test]
fn an_owner_chain_with_many_caps_takes_few_verdicts() {
    let founding = 13;
    let (mut access, mut judged) = (Access::new(), Vec::new());
    for (act, past) in owner_chain() {
        judged.push(access.add(act, &[], past).judged);
    }
    // Everything but the caps of the founder is void in the end.
    assert_eq!(access.members().count(), 1);
    assert!(judged.iter().sum::<usize>() < 3 * access.len(), "{judged:?}");
    // The last caps are those of the weakest: from the other end each cap concerns what stands below.
    let (mut access, mut acts) = (Access::new(), owner_chain());
    acts[founding..].reverse();
    acts[founding..].chunks_mut(8).for_each(<[_]>::reverse);
    let judged: usize = acts.into_iter().map(|(act, past)| access.add(act, &[], past).judged).sum();
    assert_eq!(access.members().count(), 1);
    assert!(judged < 12 * access.len(), "{judged}");
}

#[test]
fn a_long_chain_of_owners_needs_no_stack() {
    let mut access = Access::new();
    access.add(act(0, 1, None, ActKind::Genesis), &[], Frontier::default());
    let mut auth = in_log(0, 1);
    for owner in 0..DEEP {
        let kind = ActKind::Grant { subject: PersonId(id(owner + 1)), role: Role::Owner };
        let appoints = act(owner, 2, Some(auth), kind);
        let (at, past) = (appoints.at, seen([auth]));
        assert_eq!(access.add(appoints, &[], past).judged, 1);
        auth = at;
    }
    assert_eq!(access.role_of(PersonId(id(DEEP))), Some(Role::Owner));
    // The owner in the middle outranks the last one, not the one above itself.
    let (middle, above) = (DEEP / 2, DEEP / 2 - 1);
    let cap = |access: &mut Access, by: u32, position, subject| {
        let kind = ActKind::Cap { subject: PersonId(id(subject)), role: None };
        let auth = in_log(by - 1, 2);
        access.add(act(by, position, Some(auth), kind), &[], seen([auth, in_log(subject, 2)])).acts.len()
    };
    assert_eq!(cap(&mut access, middle, 3, DEEP), 0);
    assert_eq!(cap(&mut access, middle, 4, above), 0);
    assert_eq!(access.role_of(PersonId(id(DEEP))), None);
    assert_eq!(access.role_of(PersonId(id(above))), Some(Role::Owner));
    // The founder had not seen that the second owner appointed anybody: all below were never owners.
    let kind = ActKind::Cap { subject: PersonId(id(1)), role: None };
    let fall = access.add(act(0, 3, Some(in_log(0, 1)), kind), &[], seen([in_log(0, 2)]));
    assert_eq!(fall.acts.len(), DEEP as usize - 1 + 2, "all appointments but the first, and two caps");
    assert!(fall.judged <= access.len());
    assert_eq!(access.members().count(), 1);
}

#[test]
fn a_long_chain_of_links_needs_no_stack() {
    let mut access = Access::new();
    access.add(act(0, 1, None, ActKind::Genesis), &[], Frontier::default());
    let genesis = in_log(0, 1);
    let person = PersonId(id(0));
    for key in 0..DEEP {
        let device = DeviceId(id(key));
        let links = Act { device, person, ..act(key, 2, Some(genesis), ActKind::Link) };
        let link = Link { parent: device, child: DeviceId(id(key + 1)) };
        let changes = access.add(links, &[link], seen([genesis]));
        assert_eq!((changes.judged, changes.people.len()), (1, 1));
    }
    assert_eq!(access.devices(person).count(), DEEP as usize + 1);
    // The root unlinks the first device, having seen its certificate and nothing it did.
    let kind = ActKind::Unlink { device: DeviceId(id(1)) };
    let fall = access.add(act(0, 3, Some(genesis), kind), &[], seen([in_log(0, 2)]));
    assert_eq!(fall.acts.len(), DEEP as usize - 1, "all links but that of the root");
    assert!(fall.judged <= access.len());
    assert_eq!(access.devices(person).count(), 1);
    // A second way to a device in the middle, past the unlinked one.
    let link = Link { parent: DeviceId(id(0)), child: DeviceId(id(DEEP / 2)) };
    let again = access.add(act(0, 4, Some(genesis), ActKind::Link), &[link], seen([in_log(0, 3)]));
    assert_eq!(again.acts.len(), DEEP as usize / 2);
    assert_eq!(access.devices(person).count(), DEEP as usize / 2 + 2);
}

#[test]
fn many_caps_on_many_people_cost_what_they_concern() {
    // 2,000 members with 5 acts each; the founder removes every second one, unseen.
    let mut access = Access::new();
    access.add(act(0, 1, None, ActKind::Genesis), &[], Frontier::default());
    let genesis = in_log(0, 1);
    let mut grants = BTreeMap::new();
    for member in 1..=2000 {
        let kind = ActKind::Grant { subject: PersonId(id(member)), role: Role::Member };
        let grant = act(0, 1 + u64::from(member), Some(genesis), kind);
        grants.insert(member, grant.at);
        access.add(grant, &[], seen([genesis]));
    }
    for (member, grant) in &grants {
        for position in 1..=5 {
            access.add(act(*member, position, Some(*grant), ActKind::Link), &[], seen([*grant]));
        }
    }
    for member in (2..=2000).step_by(2) {
        let kind = ActKind::Cap { subject: PersonId(id(member)), role: None };
        let cap = act(0, 5000 + u64::from(member), Some(genesis), kind);
        let changes = access.add(cap, &[], seen([in_log(0, 2001)]));
        assert_eq!((changes.acts.len(), changes.judged), (5, 6));
    }
    assert_eq!(access.members().count(), 1001);
}

#[test]
fn judging_the_same_again_and_again_costs_nothing_more() {
    // A member who forks writes 500 links unseen by 500 caps on himself, and devices that 500
    // unlinks of his own had not seen.
    let mut access = Access::new();
    access.add(act(0, 1, None, ActKind::Genesis), &[], Frontier::default());
    let (genesis, member) = (in_log(0, 1), PersonId(id(1)));
    let auth = in_log(0, 2);
    let kind = ActKind::Grant { subject: member, role: Role::Member };
    access.add(act(0, 2, Some(genesis), kind), &[], seen([genesis]));
    let mut judged = 0;
    let mut by_member = |log: u32, kind, links: &[Link]| {
        let act = Act { at: in_log(log, 1), ..act(1, 1, Some(auth), kind) };
        judged += access.add(act, links, seen([auth])).judged;
    };
    let root = DeviceId(id(1));
    for log in 0..500 {
        let link = Link { parent: root, child: DeviceId(id(1000 + log)) };
        by_member(1000 + log, ActKind::Link, &[link]);
    }
    for log in 0..500 {
        by_member(2000 + log, ActKind::Cap { subject: member, role: Some(Role::Viewer) }, &[]);
        by_member(3000 + log, ActKind::Unlink { device: root }, &[]);
    }
    assert!(judged < 4 * 1500, "{judged}");
    assert_eq!(access.devices(member).count(), 0);
}
