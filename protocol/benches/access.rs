#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What it costs to judge control entries: twelve owners, each appointed by the one before, who cap
//! each other without having seen it. A rule that asked recursively would take hours.

use criterion::{Criterion, criterion_group, criterion_main};
use velo_protocol::{
    access::{Access, Act, ActKind, Role},
    causality::Frontier,
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

const OWNERS: u8 = 12;
const CAPS: u64 = 8;

fn in_log(owner: u8, position: u64) -> EntryAt {
    EntryAt { chain: ChainNo(u32::from(owner)), position }
}

fn act(owner: u8, position: u64, kind: ActKind) -> Act {
    let auth = match (kind, owner) {
        (ActKind::Genesis, _) => None,
        (_, 0) => Some(in_log(0, 1)),
        _ => Some(in_log(owner - 1, 2)),
    };
    let (person, device) = (PersonId([owner + 1; 32]), DeviceId([owner + 1; 32]));
    Act { at: in_log(owner, position), device, person, auth, kind }
}

/// What the owner had seen: how those above it were appointed, and its own log.
fn past(owner: u8, position: u64) -> Frontier {
    let mut past = Frontier::default();
    (0..owner).for_each(|above| _ = past.raise(in_log(above, 2)));
    past.raise(in_log(owner, position));
    past
}

fn acts(weakest_first: bool) -> Vec<(Act, Frontier)> {
    let subject = |owner: u8| PersonId([owner + 2; 32]);
    let grant = |owner| act(owner, 2, ActKind::Grant { subject: subject(owner), role: Role::Owner });
    let cap = |owner, cap: u64| {
        let role = [None, Some(Role::Admin), Some(Role::Member)][cap as usize % 3];
        act(owner, 3 + cap, ActKind::Cap { subject: subject(owner), role })
    };
    let mut acts = vec![act(0, 1, ActKind::Genesis)];
    acts.extend((0..OWNERS).map(grant));
    for turn in 0..OWNERS {
        let owner = if weakest_first { OWNERS - 1 - turn } else { turn };
        acts.extend((0..CAPS).map(|number| cap(owner, number)));
    }
    let past = |act: &Act| past(act.person.0[0] - 1, act.at.position);
    acts.into_iter().map(|act| (act.clone(), past(&act))).collect()
}

fn judge(acts: &[(Act, Frontier)]) -> Access {
    let mut access = Access::new();
    for (act, past) in acts {
        access.add(act.clone(), &[], past.clone());
    }
    access
}

fn access(c: &mut Criterion) {
    let mut group = c.benchmark_group("access");
    for (name, weakest_first) in
        [("owner chain, strongest first", false), ("owner chain, weakest first", true)]
    {
        let acts = acts(weakest_first);
        assert_eq!(judge(&acts).members().count(), 1);
        group.bench_function(name, |b| b.iter(|| judge(&acts)));
    }
    group.finish();
}

criterion_group!(benches, access);
criterion_main!(benches);
