//! Which of several connections to one peer carries the session.
//!
//! Two devices that find each other at the same moment dial each other, and then there are two
//! connections. Both devices must choose the same one without asking: the one that the device with
//! the smaller id dialled. Connections made further apart than [`TOGETHER`] are no such accident: a
//! device with a living session does not dial, so the newer one shows that the peer restarted or
//! lost the older one without our noticing. Of several connections dialled by the same device that
//! device chooses, and shows its choice by opening the session stream on it.
//!
//! Of two connections made together the direct one is better than one through a relay, whoever dialled
//! it. A direct one made later out of a circuit is the newer one in any case. And when a peer comes
//! through a relay while a direct connection is open, that one is dead at its end.
//!
//! Should the two devices judge differently at the edge of [`TOGETHER`], each closes the connection
//! it likes less after [`SPARE`], and what is left is the same for both.

use libp2p::swarm::ConnectionId;
use std::time::{Duration, Instant};
use velo_protocol::limits;

/// Connections made within this time of each other are two halves of one meeting.
pub const TOGETHER: Duration = Duration::from_secs(2);
/// How long a connection that lost is kept: the session stream on it may be closing down.
pub const SPARE: Duration = Duration::from_secs(2);
/// A connection that shows no sign of life for this time is dead: three pings are missing.
pub const SILENCE: Duration = Duration::from_secs(15);
/// The same for a connection over an interface that may be gone, or after a sleep: one ping is missing,
/// and had some time to spare.
const DOUBT: Duration = Duration::from_secs(8);
/// Written bytes that count as a sign of life. A dead connection takes only what fits the kernel's
/// buffers, and what a slow one takes delays its pings, which must not be held against it.
const LIVELY_BYTES: usize = 64 * 1024;

/// Who dialled a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialler {
    /// This device.
    Us,
    /// The peer.
    Them,
}

/// One connection.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id.
    pub id: ConnectionId,
    /// Who dialled.
    pub dialler: Dialler,
    /// Whether it leads through a relay.
    relayed: bool,
    /// Since when the session stream is open on it.
    pub offered: Option<Instant>,
    /// Whether we have asked for the session stream.
    pub asked: bool,
    since: Instant,
    heard: Instant,
    unheard_bytes: usize,
    spare_since: Option<Instant>,
}

/// Why a connection should be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Another one carries the session.
    Spare,
    /// Nothing was heard on it for [`SILENCE`].
    Silent,
    /// No session stream was opened in time.
    Unused,
}

/// The connections to one peer, oldest first. Bounded by the limit of connections for each peer.
#[derive(Debug)]
pub struct Links {
    links: Vec<Link>,
    /// Whose dialling wins: that of the smaller id.
    senior: Dialler,
}

impl Links {
    /// No connections yet. `senior` is the one of the two with the smaller device id.
    pub fn new(senior: Dialler) -> Self {
        Self { links: Vec::new(), senior }
    }

    /// A connection was made.
    pub fn add(&mut self, id: ConnectionId, dialler: Dialler, relayed: bool, now: Instant) {
        let link = Link {
            id,
            dialler,
            relayed,
            offered: None,
            asked: false,
            since: now,
            heard: now,
            unheard_bytes: 0,
            spare_since: None,
        };
        self.links.push(link);
    }

    /// A connection is gone. False when it was not known.
    pub fn remove(&mut self, id: ConnectionId) -> bool {
        let before = self.links.len();
        self.links.retain(|link| link.id != id);
        self.links.len() < before
    }

    /// The connection with this id.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    /// Every connection's id.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.links.iter().map(|link| link.id)
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The connection that should carry the session; the others become spare as soon as it can.
    pub fn choose(&mut self, now: Instant) -> Option<&mut Link> {
        let best =
            self.links.iter().reduce(|best, next| if self.prefers(best, next) { next } else { best })?.id;
        let is_open = self.get_mut(best).is_some_and(|best| best.offered.is_some());
        for link in &mut self.links {
            if link.id == best {
                link.spare_since = None;
            } else if is_open {
                link.spare_since.get_or_insert(now);
            }
        }
        self.get_mut(best)
    }

    /// Whether the `newer` of two connections is to be used in place of the `older`.
    fn prefers(&self, older: &Link, newer: &Link) -> bool {
        let apart = newer.since.saturating_duration_since(older.since) > TOGETHER;
        match (older.dialler, newer.dialler) {
            _ if !apart && older.relayed != newer.relayed => older.relayed,
            (Dialler::Us, Dialler::Us) => apart,
            // `None` is the least: the stream opened last shows what they chose.
            (Dialler::Them, Dialler::Them) => newer.offered > older.offered,
            _ => apart || newer.dialler == self.senior,
        }
    }

    /// There is reason to doubt that the connections still live: each has to show a sign of life within
    /// [`DOUBT`].
    pub fn doubt(&mut self, now: Instant) {
        for link in &mut self.links {
            let doubted = (now + DOUBT).checked_sub(SILENCE).unwrap_or(now);
            link.heard = link.heard.min(doubted);
        }
    }

    /// A sign of life on a connection.
    pub fn heard(&mut self, id: ConnectionId, now: Instant) {
        if let Some(link) = self.get_mut(id) {
            link.heard = now;
            link.unheard_bytes = 0;
        }
    }

    /// So many bytes went out on a connection.
    pub fn wrote(&mut self, id: ConnectionId, bytes: usize, now: Instant) {
        let Some(link) = self.get_mut(id) else { return };
        link.unheard_bytes += bytes;
        if link.unheard_bytes >= LIVELY_BYTES {
            self.heard(id, now);
        }
    }

    /// Connections to be closed now.
    pub fn overdue(&self, now: Instant) -> Vec<(ConnectionId, Overdue)> {
        let due = |link: &Link| {
            let (at, why) = link.due();
            (at <= now).then_some((link.id, why))
        };
        self.links.iter().filter_map(due).collect()
    }

    /// When to ask [`Self::overdue`] again.
    pub fn next_due(&self) -> Option<Instant> {
        self.links.iter().map(|link| link.due().0).min()
    }
}

impl Link {
    fn due(&self) -> (Instant, Overdue) {
        let spare = self.spare_since.map(|since| (since + SPARE, Overdue::Spare));
        let unused = Duration::from_millis(limits::HELLO_MS);
        let unused = self.offered.is_none().then(|| (self.since + unused, Overdue::Unused));
        let silent = (self.heard + SILENCE, Overdue::Silent);
        [spare, unused]
            .into_iter()
            .flatten()
            .fold(silent, |due, other| if other.0 < due.0 { other } else { due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialler::{Them, Us};

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    /// Links made at (milliseconds, by whom), numbered from 0.
    fn links(senior: Dialler, made: &[(u64, Dialler)]) -> (Links, Instant) {
        let start = Instant::now();
        let mut links = Links::new(senior);
        for (n, (at, dialler)) in made.iter().enumerate() {
            links.add(id(n), *dialler, false, start + Duration::from_millis(*at));
        }
        (links, start)
    }

    fn chosen(links: &mut Links, now: Instant) -> ConnectionId {
        links.choose(now).unwrap().id
    }

    #[test]
    fn both_sides_of_a_simultaneous_dial_choose_what_the_smaller_dialled() {
        for order in [[Us, Them], [Them, Us]] {
            for senior in [Us, Them] {
                let (mut links, start) = links(senior, &[(0, order[0]), (700, order[1])]);
                let wanted = order.iter().position(|dialler| *dialler == senior).unwrap();
                assert_eq!(chosen(&mut links, start), id(wanted));
            }
        }
    }

    #[test]
    fn a_later_connection_shows_that_the_peer_restarted() {
        for (older, newer) in [(Us, Them), (Them, Us), (Us, Us)] {
            for senior in [Us, Them] {
                let (mut links, start) = links(senior, &[(0, older), (2_001, newer)]);
                assert_eq!(chosen(&mut links, start), id(1));
            }
        }
    }

    #[test]
    fn of_several_dialled_by_the_peer_the_stream_opened_last_decides() {
        let (mut links, start) = links(Us, &[(0, Them), (100, Them), (5_000, Them)]);
        links.get_mut(id(1)).unwrap().offered = Some(start + Duration::from_millis(200));
        assert_eq!(chosen(&mut links, start), id(1));
        links.get_mut(id(0)).unwrap().offered = Some(start + Duration::from_millis(300));
        assert_eq!(chosen(&mut links, start), id(0));
    }

    /// The connections at (milliseconds, by whom, through a relay).
    fn chosen_of(senior: Dialler, made: &[(u64, Dialler, bool)]) -> ConnectionId {
        let start = Instant::now();
        let mut links = Links::new(senior);
        for (n, (at, dialler, relayed)) in made.iter().enumerate() {
            links.add(id(n), *dialler, *relayed, start + Duration::from_millis(*at));
        }
        chosen(&mut links, start)
    }

    #[test]
    fn of_connections_made_together_the_direct_one_is_used() {
        for senior in [Us, Them] {
            for (older, newer) in [(Us, Us), (Us, Them), (Them, Us), (Them, Them)] {
                assert_eq!(chosen_of(senior, &[(0, older, true), (900, newer, false)]), id(1));
                assert_eq!(chosen_of(senior, &[(0, older, false), (900, newer, true)]), id(0));
            }
        }
    }

    /// It is gone at the peer's end, who would not have dialled otherwise.
    #[test]
    fn a_relayed_connection_made_later_replaces_a_direct_one() {
        for senior in [Us, Them] {
            for (older, newer) in [(Us, Us), (Us, Them), (Them, Us)] {
                assert_eq!(chosen_of(senior, &[(0, older, false), (2_001, newer, true)]), id(1));
            }
        }
    }

    #[test]
    fn no_connection_is_spare_before_a_better_one_is_open() {
        let (mut links, start) = links(Us, &[(0, Us), (3_000, Us)]);
        let at = |ms| start + Duration::from_millis(ms);
        links.get_mut(id(0)).unwrap().offered = Some(start);
        assert_eq!(chosen(&mut links, at(3_000)), id(1));
        assert_eq!(links.overdue(at(7_000)), vec![]);
        links.get_mut(id(1)).unwrap().offered = Some(at(7_000));
        assert_eq!(chosen(&mut links, at(7_000)), id(1));
        assert_eq!(links.overdue(at(9_000)), vec![(id(0), Overdue::Spare)]);
    }

    #[test]
    fn a_doubted_connection_has_to_show_a_sign_of_life() {
        let (mut links, start) = links(Us, &[(0, Us), (0, Us)]);
        let at = |ms| start + Duration::from_millis(ms);
        for n in [0, 1] {
            links.get_mut(id(n)).unwrap().offered = Some(start);
            links.heard(id(n), at(20_000));
        }
        links.doubt(at(20_000));
        links.heard(id(1), at(25_000));
        assert_eq!(links.overdue(at(28_000)), vec![(id(0), Overdue::Silent)]);
    }

    #[test]
    fn spare_silent_and_unused_connections_fall_due() {
        let (mut links, start) = links(Us, &[(0, Us), (0, Them)]);
        let at = |ms| start + Duration::from_millis(ms);
        links.get_mut(id(0)).unwrap().offered = Some(start);
        assert_eq!(chosen(&mut links, start), id(0));
        assert_eq!(links.overdue(at(1_999)), vec![]);
        assert_eq!(links.next_due(), Some(at(2_000)));
        assert_eq!(links.overdue(at(2_000)), vec![(id(1), Overdue::Spare)]);
        assert!(links.remove(id(1)));
        links.heard(id(0), at(3_000));
        links.wrote(id(0), LIVELY_BYTES - 1, at(9_000));
        assert_eq!(links.overdue(at(18_000)), vec![(id(0), Overdue::Silent)]);
        links.wrote(id(0), 1, at(10_000));
        assert_eq!(links.overdue(at(18_000)), vec![]);
        links.add(id(2), Them, false, at(18_000));
        assert_eq!(links.overdue(at(23_000)), vec![(id(2), Overdue::Unused)]);
    }
}
