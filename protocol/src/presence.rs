//! Who is here, and what they look at: said between peers, never stored.
//!
//! Each device says so of itself: when it changes, when it meets somebody, and every few seconds, since
//! what was not renewed runs out. Others pass it on to their peers, so it travels over several hops. A
//! counter that only grows ends every loop: what is not newer than what is known goes no further.
//!
//! It is signed by the device that it is about, and encrypted under the content key that members write
//! under now. So whoever passes it on, such as a relay, neither reads what somebody looks at nor makes it
//! up, and all states are of one length. Of each device the last counter is kept as long as this one runs:
//! nobody can bring an old word back.
//!
//! [`Table`] is the state of one workspace. It is told the time, and knows no peers: `replica` says what to
//! send to whom.

use crate::{
    codec,
    crypto::{Domain, PublicKey, SecretKey, Sig},
    id::{DeviceId, EntityId, EntryId, WorkspaceId},
    limits,
    time::Now,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of an encrypted state: what is said, the task, and the tag.
pub const SEALED: usize = 18 + 16;

/// What the person at a device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// They have gone, or wish not to be seen.
    Gone,
    /// The device is on, and nobody sits at it as far as is known.
    Running,
    /// They are here.
    Here,
    /// They look at a task.
    At(EntityId),
}

/// How a state is written: of one length, whatever it says.
type Written = (u8, [u8; 16], u8);

impl Doing {
    /// The plaintext.
    pub fn write(self) -> Vec<u8> {
        let (kind, task) = match self {
            Self::Gone => (0, EntityId([0; 16])),
            Self::Running => (1, EntityId([0; 16])),
            Self::Here => (2, EntityId([0; 16])),
            Self::At(task) => (3, task),
        };
        let written: Written = (kind, task.0, 0);
        codec::encode(&written)
    }

    /// Reads a plaintext. `None` for what this version does not know.
    pub fn read(plain: &[u8]) -> Option<Self> {
        match codec::decode::<Written>(plain).ok()? {
            (0, ..) => Some(Self::Gone),
            (1, ..) => Some(Self::Running),
            (2, ..) => Some(Self::Here),
            (3, task, _) => Some(Self::At(EntityId(task))),
            _ => None,
        }
    }
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub device: DeviceId,
    /// Grows with each.
    pub counter: u64,
    /// Under whose key the state is.
    pub epoch: EntryId,
    /// Of the encryption.
    pub nonce: [u8; 24],
    /// [`Doing`], encrypted.
    pub state: Vec<u8>,
    /// By the device.
    pub by_device: Sig,
}

impl Presence {
    fn said(&self) -> Vec<u8> {
        codec::encode(&(self.workspace, self.device, self.counter, self.epoch, self.nonce, &self.state))
    }

    /// The same with its signature.
    #[must_use]
    pub fn signed(self, key: &SecretKey) -> Self {
        Self { by_device: key.sign(Domain::Presence, &self.said()), ..self }
    }

    /// Whether its device said it.
    pub fn is_genuine(&self) -> bool {
        let key = PublicKey::parse(&self.device.0);
        self.state.len() == SEALED
            && key.is_ok_and(|key| key.verify(Domain::Presence, &self.said(), &self.by_device).is_ok())
    }

    /// What the encryption binds the state to.
    pub fn context(&self) -> Vec<u8> {
        codec::encode(&(self.workspace, self.device, self.counter, self.epoch))
    }
}

/// What is known of another device.
#[derive(Debug, Clone)]
struct Known {
    counter: u64,
    /// Runs out then.
    until_ms: u64,
    /// As it came, for those who come later; `None` once it has run out.
    said: Option<Presence>,
    doing: Doing,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Table {
    known: BTreeMap<DeviceId, Known>,
    own: Own,
}

/// What this device says of itself.
#[derive(Debug, Clone, Default)]
struct Own {
    doing: Option<Doing>,
    counter: u64,
    due_ms: Option<u64>,
    said: Option<Presence>,
}

impl Table {
    /// The person at this device does something else now. What changes quickly is gathered; who goes says
    /// so at once.
    pub fn set(&mut self, now: Now, doing: Doing) {
        let before = self.own.doing.replace(doing);
        let is_news = before != Some(doing) && (before, doing) != (None, Doing::Gone);
        if is_news {
            let wait = if doing == Doing::Gone { 0 } else { limits::PRESENCE_DEBOUNCE_MS };
            let soon = now.mono_ms + wait;
            self.own.due_ms = Some(self.own.due_ms.map_or(soon, |due| due.min(soon)));
        }
    }

    /// What this device has to say now, with its counter.
    pub fn due(&mut self, now: Now) -> Option<(Doing, u64)> {
        let doing = self.own.doing.filter(|_| self.own.due_ms.is_some_and(|due| now.mono_ms >= due))?;
        // A restart begins beyond what was said before, unless the clock was set back: then others do not
        // see this device until it has caught up, or they start again.
        self.own.counter = now.wall_ms.max(self.own.counter.saturating_add(1));
        let goes_on = doing != Doing::Gone;
        self.own.due_ms = goes_on.then_some(now.mono_ms + limits::PRESENCE_RENEW_MS);
        self.own.said = None;
        Some((doing, self.own.counter))
    }

    /// What this device said last, for those who come later.
    pub fn note_said(&mut self, said: Presence) {
        self.own.said = Some(said);
    }

    /// Whether something said of a device is newer than what is known.
    pub fn is_news(&self, said: &Presence) -> bool {
        self.known.get(&said.device).is_none_or(|known| known.counter < said.counter)
    }

    /// Takes what is news. `doing`: `None` if it cannot be read here: it is passed on all the same. `kin`: the
    /// devices of the same person. Returns whether people see something else now; `Err` if there is no room.
    pub fn take(
        &mut self,
        now: Now,
        said: &Presence,
        doing: Option<Doing>,
        kin: &[DeviceId],
    ) -> Result<bool, Full> {
        if !self.known.contains_key(&said.device) {
            let known = kin.iter().filter(|device| self.known.contains_key(device));
            if known.count() >= limits::PRESENCES_PER_PERSON {
                self.make_room(|device| kin.contains(device))?;
            } else if self.known.len() >= limits::PRESENCES {
                self.make_room(|_| true)?;
            }
        }
        let before = self.known.get(&said.device).map(|known| known.doing);
        let doing = doing.unwrap_or(Doing::Gone);
        let until_ms = now.mono_ms + limits::PRESENCE_MS;
        let known = Known { counter: said.counter, until_ms, said: Some(said.clone()), doing };
        self.known.insert(said.device, known);
        Ok(before.unwrap_or(Doing::Gone) != doing)
    }

    /// Forgets the device that has been away longest, of these.
    fn make_room(&mut self, of: impl Fn(&DeviceId) -> bool) -> Result<(), Full> {
        let away = self.known.iter().filter(|(device, known)| known.said.is_none() && of(device));
        let oldest = away.min_by_key(|(_, known)| known.until_ms).map(|(device, _)| *device);
        oldest.and_then(|device| self.known.remove(&device)).map(drop).ok_or(Full)
    }

    /// Lets run out what was not renewed. Returns whether people see something else now.
    pub fn expire(&mut self, now: Now) -> bool {
        let mut any = false;
        for known in self.known.values_mut().filter(|known| now.mono_ms >= known.until_ms) {
            any |= std::mem::replace(&mut known.doing, Doing::Gone) != Doing::Gone;
            known.said = None;
        }
        any
    }

    /// When there is something to say, or something runs out.
    pub fn deadline(&self) -> Option<u64> {
        let alive = self.known.values().filter(|known| known.said.is_some());
        alive.map(|known| known.until_ms).chain(self.own.due_ms).min()
    }

    /// Everything that holds now, this device's own first: for a peer that comes.
    pub fn all(&self) -> impl Iterator<Item = &Presence> {
        self.own.said.iter().chain(self.known.values().filter_map(|known| known.said.as_ref()))
    }

    /// What other devices do.
    pub fn shown(&self) -> impl Iterator<Item = (DeviceId, Doing)> + '_ {
        let here = self.known.iter().filter(|(_, known)| known.doing != Doing::Gone);
        here.map(|(device, known)| (*device, known.doing))
    }
}

/// Too many devices are here at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 1_000_000 + mono_ms, mono_ms }
    }

    fn device(number: u16) -> DeviceId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        DeviceId(bytes)
    }

    fn said(number: u16, counter: u64) -> Presence {
        Presence {
            workspace: WorkspaceId([1; 32]),
            device: device(number),
            counter,
            epoch: EntryId([2; 32]),
            nonce: [3; 24],
            state: vec![0; SEALED],
            by_device: Sig([0; 64]),
        }
    }

    #[test]
    fn every_state_is_of_one_length_and_comes_back() {
        for doing in [Doing::Gone, Doing::Running, Doing::Here, Doing::At(EntityId([7; 16]))] {
            assert_eq!(doing.write().len() + 16, SEALED);
            assert_eq!(Doing::read(&doing.write()), Some(doing));
        }
        assert_eq!(Doing::read(&[9; 18]), None);
        assert_eq!(Doing::read(&[]), None);
    }

    #[test]
    fn what_changes_quickly_is_said_once_and_then_renewed_in_time() {
        let mut table = Table::default();
        table.set(at(0), Doing::Gone);
        assert_eq!(table.deadline(), None, "nobody was told that this device is here");
        table.set(at(0), Doing::Here);
        table.set(at(50), Doing::At(EntityId([1; 16])));
        assert_eq!(table.due(at(99)), None);
        let (doing, first) = table.due(at(100)).unwrap();
        assert_eq!(doing, Doing::At(EntityId([1; 16])));
        assert_eq!(table.due(at(100)), None);
        table.set(at(200), doing);
        assert_eq!(table.deadline(), Some(100 + limits::PRESENCE_RENEW_MS), "it is the same");
        const { assert!(2 * limits::PRESENCE_RENEW_MS < limits::PRESENCE_MS, "one may be lost") };
        let (_, second) = table.due(at(100 + limits::PRESENCE_RENEW_MS)).unwrap();
        assert!(second > first);
        table.set(at(20_000), Doing::Gone);
        assert_eq!(table.due(at(20_000)).unwrap().0, Doing::Gone);
        assert_eq!(table.deadline(), None, "who has gone says so once");
    }

    #[test]
    fn what_is_not_renewed_runs_out_and_does_not_come_back() {
        let mut table = Table::default();
        let old = said(1, 5);
        assert!(table.is_news(&old));
        assert_eq!(table.take(at(0), &old, Some(Doing::Here), &[]), Ok(true));
        assert!(!table.is_news(&old) && !table.is_news(&said(1, 4)) && table.is_news(&said(1, 6)));
        assert_eq!(
            table.take(at(10), &said(1, 6), Some(Doing::Here), &[]),
            Ok(false),
            "nothing else is seen"
        );
        assert!(!table.expire(at(limits::PRESENCE_MS)));
        assert_eq!(table.shown().collect::<Vec<_>>(), [(device(1), Doing::Here)]);
        assert!(table.expire(at(10 + limits::PRESENCE_MS)));
        assert_eq!((table.shown().count(), table.all().count(), table.deadline()), (0, 0, None));
        assert!(!table.is_news(&said(1, 6)), "nobody brings it back");
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_and_not_shown() {
        let mut table = Table::default();
        assert_eq!(table.take(at(0), &said(1, 5), None, &[]), Ok(false));
        assert_eq!((table.shown().count(), table.all().count()), (0, 1));
    }

    #[test]
    fn the_devices_known_are_bounded_and_those_away_longest_give_way() {
        let mut table = Table::default();
        for number in 0..limits::PRESENCES as u16 {
            table.take(at(u64::from(number)), &said(number, 1), Some(Doing::Here), &[]).unwrap();
        }
        let one_more = said(u16::MAX, 1);
        assert_eq!(table.take(at(5_000), &one_more, Some(Doing::Here), &[]), Err(Full));
        table.expire(at(limits::PRESENCE_MS + 1));
        assert_eq!(table.take(at(30_000), &one_more, Some(Doing::Here), &[]), Ok(true));
        assert!(table.is_news(&said(0, 1)) && !table.is_news(&said(1, 1)));
    }

    #[test]
    fn a_person_fills_no_more_than_their_own_places() {
        let (mut table, kin): (_, Vec<DeviceId>) = (Table::default(), (0..2_000).map(device).collect());
        let most = limits::PRESENCES_PER_PERSON as u16;
        let mut take = |ms, number, kin: &[DeviceId]| {
            table.expire(at(ms));
            table.take(at(ms), &said(number, 1), Some(Doing::Here), kin)
        };
        let taken = (0..2_000).filter(|number| take(0, *number, &kin).is_ok()).count();
        assert_eq!(taken, usize::from(most));
        assert_eq!(take(0, 3_000, &[device(3_000)]), Ok(true), "there is room for the others");
        // One that has been away longest gives way to another one of theirs, not to that of others.
        let later = limits::PRESENCE_MS + 1;
        assert_eq!(take(later, most, &kin), Ok(true));
        assert!(table.is_news(&said(0, 1)) && !table.is_news(&said(3_000, 1)));
        assert_eq!(table.shown().count(), 1);
    }
}
