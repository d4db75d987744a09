//! Verdicts on entries that are not stored here.
//!
//! All entries of a log that cite one grant are judged by the same judges, and a judge had seen the
//! log up to some position. So they are effective up to the least of those positions, and void from
//! there on: there is an *end*, and no need to look at entries one by one.

use super::{Access, ActNo, Role, Why, devices::Walk, grant::Depth, judge::Carried};
use crate::{
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

/// From this position on, up to the next segment, all entries of a log have one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first position.
    pub from: u64,
    /// Whether its entries take effect.
    pub effective: bool,
}

/// Where what cites one grant stops to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// The last position that does; 0 if none.
    last: u64,
    why: Why,
}

impl Access {
    /// Whether an entry other than a control entry takes effect: one of `person` by `device` at
    /// `at`, done under the grant `auth`, which needs the role `need`. That `auth` lies in its
    /// past has been checked.
    pub fn allows(&self, at: EntryAt, person: PersonId, device: DeviceId, auth: EntryAt, need: Role) -> bool {
        self.why_not(at, person, device, auth, need).is_none()
    }

    /// Why [`Access::allows`] says no.
    pub fn why_not(
        &self,
        at: EntryAt,
        person: PersonId,
        device: DeviceId,
        auth: EntryAt,
        need: Role,
    ) -> Option<Why> {
        let end = self.end(at.chain, person, device, auth, need)?;
        (at.position > end.last).then_some(end.why)
    }

    /// Whether a device belonged to its person for the entry at `at`, whatever that rests on: nobody
    /// who had not seen it took the device away.
    pub fn is_linked(&self, at: EntryAt, person: PersonId, device: DeviceId) -> bool {
        let mut unlinks = self.unlinks_on(person, device, Walk::Other, Depth::Lower);
        self.reaches(person, device, Walk::Other, Depth::Lower).is_ok()
            && unlinks.all(|unlink| unlink.saw(at))
    }

    /// The verdicts on all entries of a log, up to position `end`, that need the role `need`.
    /// `auths` says what is cited from which position on, ascending; `None` is what its author had
    /// not seen. The first segment begins with the first of them; neighbours differ.
    pub fn segments(
        &self,
        chain: ChainNo,
        person: PersonId,
        device: DeviceId,
        auths: &[(u64, Option<EntryAt>)],
        end: u64,
        need: Role,
    ) -> Vec<Segment> {
        let mut segments = Vec::new();
        let nexts = auths.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
        for ((from, auth), next) in auths.iter().zip(nexts) {
            let last = match auth.map(|auth| self.end(chain, person, device, auth, need)) {
                None => 0,
                Some(None) => u64::MAX,
                Some(Some(end)) => end.last,
            };
            let to = next.min(end.saturating_add(1));
            append(&mut segments, *from, to.min(last.saturating_add(1)), true);
            append(&mut segments, (*from).max(last.saturating_add(1)), to, false);
        }
        segments
    }

    /// Where entries that cite `auth` stop to take effect. `None`: they do not stop.
    pub(super) fn end(
        &self,
        chain: ChainNo,
        person: PersonId,
        device: DeviceId,
        auth: EntryAt,
        need: Role,
    ) -> Option<End> {
        let never = |why| Some(End { last: 0, why });
        let Some(&no) = self.numbers.get(&auth) else { return never(Why::Malformed) };
        let Some(grant) = self.grant(no).filter(|grant| grant.subject == person) else {
            return never(Why::Malformed);
        };
        if !self.acts[no].verdict.is_effective() {
            return never(Why::NoAuthority);
        }
        if grant.role < need {
            return never(Why::RoleTooLow { by: None });
        }
        if let Err(why) = self.reaches(person, device, Walk::Other, grant.depth) {
            return never(why);
        }
        let unlinks = self.unlinks_on(person, device, Walk::Other, grant.depth);
        let unlinked = unlinks.map(|unlink| End { last: unlink.seen.get(chain), why: Why::Unlinked });
        unlinked.chain(self.lowered_below(no, chain, need)).min()
    }

    /// The ends that caps make.
    fn lowered_below(&self, grant: ActNo, chain: ChainNo, need: Role) -> impl Iterator<Item = End> + '_ {
        let caps = self.caps_on(grant, true).filter(move |cap| cap.to < Some(need));
        caps.map(move |cap| {
            let why = self.why_lowered(Carried { role: cap.to, by: Some(cap.by) });
            End { last: self.acts[cap.by].seen.get(chain), why }
        })
    }
}

/// Appends the positions from `from` up to before `to`, if there are any.
fn append(segments: &mut Vec<Segment>, from: u64, to: u64, effective: bool) {
    if from < to && segments.last().is_none_or(|last| last.effective != effective) {
        segments.push(Segment { from, effective });
    }
}
