//! Finding all verdicts again after something changed.
//!
//! Each act has a *turn*, and is judged only by acts with an earlier one. So a queue by turn that
//! starts with what changed, and to which a changed verdict adds those it may concern, judges each
//! act at most once and all that it needs before it. Why turns are an order:
//!
//! | an act | depends on | which have an earlier turn because |
//! | --- | --- | --- |
//! | any | the grant it cites | that was given under a stronger one; a join has the first turn of its depth |
//! | any | caps by others on that grant | they cite a grant that outranks it |
//! | any | unlinks of the device, or above, as strong | unlinks come first |
//! | an unlink | unlinks of its device, or above, by others | their devices stand above it |
//! | not an unlink, not a leave | leaves as strong | they come before all but unlinks |
//! | a join | invite, revokes, caps | all are of admins and owners, and a join gives less |

use super::{Access, Act, ActKind, ActNo, Changes, Depth, Stored, Verdict};
use crate::id::PersonId;
use std::collections::BTreeSet;

/// When an act is judged. The number tells unlinks apart: the rank of the device that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn(Depth, Class, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Join,
    Unlink,
    Leave,
    Other,
}

type Queue = BTreeSet<(Turn, ActNo)>;

impl Access {
    /// Judges the new act and `concerned` ones, and whatever that concerns.
    pub(super) fn settle(&mut self, new: ActNo, concerned: Vec<ActNo>, changes: &mut Changes) {
        let first = concerned.into_iter().chain([new]);
        let mut open: Queue = first.map(|no| (self.turn(no), no)).collect();
        while let Some((turn, no)) = open.pop_first() {
            changes.judged += 1;
            let verdict = self.judge(no);
            let before = std::mem::replace(&mut self.acts[no].verdict, verdict);
            if before.is_effective() != verdict.is_effective() && no != new {
                changes.acts.push(self.acts[no].act.at);
            }
            if before.weight() != verdict.weight() {
                self.spread(no, turn, !before.is_effective(), &mut open);
                changes.people.extend(self.whose_entries(no).filter(|_| no != new || self.is_judge(no)));
            }
        }
    }

    fn turn(&self, no: ActNo) -> Turn {
        let stored = &self.acts[no];
        let depth = self.depth(stored);
        match stored.act.kind {
            ActKind::Join => Turn(Depth::Lower, Class::Join, 0),
            ActKind::Unlink { .. } => Turn(depth, Class::Unlink, self.rank(&stored.act)),
            _ if stored.is_leaving() => Turn(depth, Class::Leave, 0),
            _ => Turn(depth, Class::Other, 0),
        }
    }

    fn rank(&self, act: &Act) -> u32 {
        self.people.get(&act.person).map_or(0, |person| person.devices.rank(act.device))
    }

    fn is_judge(&self, no: ActNo) -> bool {
        self.acts[no].act.kind.is_judge()
    }

    /// Whose entries are judged by the verdict on an act.
    fn whose_entries(&self, no: ActNo) -> impl Iterator<Item = PersonId> + use<> {
        let Stored { act: Act { kind, person, .. }, ref grant, .. } = self.acts[no];
        let judged = match kind {
            ActKind::Cap { subject, .. } => Some(subject),
            ActKind::Unlink { .. } => Some(person),
            _ => grant.as_ref().map(|grant| grant.subject),
        };
        judged.into_iter()
    }

    /// Queues the acts that a changed verdict may concern. `rises` says that it was void before.
    fn spread(&mut self, no: ActNo, turn: Turn, rises: bool, open: &mut Queue) {
        let cuts = self.cuts(&self.acts[no], rises);
        if cuts {
            self.reach(self.acts[no].act.person);
        }
        let judge = &self.acts[no];
        let turned = self.concerned(judge).filter(|other| {
            let other = &self.acts[*other];
            (cuts || !judge.saw(other.act.at)) && may_turn(judge, other, rises)
        });
        let later = turned.map(|other| (self.turn(other), other)).filter(|(later, _)| *later > turn);
        open.extend(later.collect::<Vec<_>>());
    }

    /// Whether an unlink may change how far devices below its target are linked: it had not seen
    /// who brought their certificates, and no other unlink as strong does the same.
    fn cuts(&self, unlink: &Stored, rises: bool) -> bool {
        let ActKind::Unlink { device } = unlink.act.kind else { return false };
        let Some(person) = self.people.get(&unlink.act.person) else { return false };
        let depth = self.depth(unlink);
        person.devices.below(device).any(|(until, brought)| {
            (!rises || until > Some(depth)) && brought.iter().any(|at| !unlink.saw(*at))
        })
    }

    /// The acts that are judged by the verdict on `judge`, and some more.
    fn concerned<'a>(&'a self, judge: &Stored) -> impl Iterator<Item = ActNo> + use<'a> {
        let (acts, joins): (&[ActNo], &[ActNo]) = match judge.act.kind {
            ActKind::Cap { subject, .. } => {
                (self.acts_of(subject), self.people.get(&subject).map_or(&[], |person| &person.joins))
            }
            ActKind::Unlink { .. } => (self.acts_of(judge.act.person), &[]),
            ActKind::Revoke { invite } => {
                let invite = self.numbers.get(&invite).map(|no| &self.acts[*no]);
                (invite.map_or(&[], |invite| &invite.cited_by), &[])
            }
            _ => {
                let cited = self.numbers.get(&judge.act.at).map(|no| &self.acts[*no]);
                (cited.map_or(&[], |cited| &cited.cited_by), &[])
            }
        };
        acts.iter().chain(joins).copied()
    }
}

/// Whether the verdict on `other` can turn when that on `judge` does. A judge that begins to count
/// leaves alone what is void, and a cap what is as low already; so nobody makes the same acts be
/// judged again and again by many judges that do the same.
fn may_turn(judge: &Stored, other: &Stored, rises: bool) -> bool {
    match (judge.act.kind, other.verdict) {
        (ActKind::Cap { role, .. }, Verdict::Effective(carried)) => {
            !rises || role < Some(carried) || other.act.kind == ActKind::Join
        }
        (ActKind::Cap { .. }, Verdict::Void(_)) => !rises,
        (ActKind::Unlink { .. } | ActKind::Revoke { .. }, verdict) => verdict.is_effective() == rises,
        _ => true,
    }
}
