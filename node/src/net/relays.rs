//! Which relays this device uses, and where it has a place: a pure state machine, told the time.
//!
//! A device behind a router cannot be dialled. So it keeps a *reservation* at a relay that it can dial
//! itself: as long as it is connected there, others reach it over a *circuit* through the relay. In
//! libp2p a reservation is a listener. It renews itself, and it closes when the connection to the
//! relay ends or the relay has no place; then it is asked for again, at once after a reconnection and
//! with growing delays while the relay refuses.
//!
//! Absent on purpose: dialling the relay, which is a target of the [dialer](super::dialer) like others.

use libp2p::{Multiaddr, core::transport::ListenerId};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// The first delay after a refusal.
const BACKOFF: Duration = Duration::from_secs(5);
/// The greatest: a relay that is full has a place again when somebody leaves.
const CAP: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The relay is not connected.
    Away,
    /// It is asked for a place at this time.
    Waiting(Instant),
    /// Asked.
    Asked(ListenerId),
    /// There is one.
    Held(ListenerId),
}

#[derive(Debug)]
struct Relay {
    address: Multiaddr,
    place: Place,
    refusals: u32,
    /// Why it gave no place the last time.
    refusal: Option<String>,
}

/// See the module. Bounded as the address book's relays are, from which it is filled.
#[derive(Debug, Default)]
pub struct Relays {
    relays: BTreeMap<DeviceId, Relay>,
}

impl Relays {
    /// These are the relays to use, and where they are; others are used no more. A place there ends with the
    /// connection: libp2p's client may panic when a listener is closed while it renews itself.
    pub fn set(&mut self, wanted: impl IntoIterator<Item = (DeviceId, Multiaddr)>) {
        let mut old = std::mem::take(&mut self.relays);
        for (relay, address) in wanted {
            let old = old.remove(&relay);
            let old = old.unwrap_or(Relay::new(address.clone()));
            self.relays.insert(relay, Relay { address, ..old });
        }
    }

    /// Whether this peer is a relay to use.
    pub fn contains(&self, peer: &DeviceId) -> bool {
        self.relays.contains_key(peer)
    }

    /// A session with a peer is open.
    pub fn connected(&mut self, peer: &DeviceId, now: Instant) {
        if let Some(relay) = self.relays.get_mut(peer)
            && relay.place == Place::Away
        {
            relay.refusals = 0;
            relay.place = Place::Waiting(now);
        }
    }

    /// The session is over. The place goes with the connection, or holds on if there is another one.
    pub fn disconnected(&mut self, peer: &DeviceId) {
        if let Some(relay) = self.relays.get_mut(peer)
            && matches!(relay.place, Place::Waiting(_))
        {
            relay.place = Place::Away;
        }
    }

    /// A relay that is to be asked for a place now, and where it is. Tell [`Self::asked`] or
    /// [`Self::refused`].
    pub fn poll(&self, now: Instant) -> Option<(DeviceId, Multiaddr)> {
        let due = |(_, relay): &(&DeviceId, &Relay)| matches!(relay.place, Place::Waiting(at) if at <= now);
        self.relays.iter().find(due).map(|(peer, relay)| (*peer, relay.address.clone()))
    }

    /// When to call [`Self::poll`] next, if nothing else happens.
    pub fn next_wake(&self) -> Option<Instant> {
        let waiting = |relay: &Relay| match relay.place {
            Place::Waiting(at) => Some(at),
            _ => None,
        };
        self.relays.values().filter_map(waiting).min()
    }

    /// The relay was asked for a place, which this listener stands for.
    pub fn asked(&mut self, peer: &DeviceId, listener: ListenerId) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.place = Place::Asked(listener);
        }
    }

    /// The relay could not even be asked.
    pub fn refused(&mut self, peer: &DeviceId, now: Instant) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.wait(now);
        }
    }

    /// A listener has an address.
    pub fn held(&mut self, listener: ListenerId) {
        if let Some((_, relay)) = self.of(listener) {
            relay.place = Place::Held(listener);
            (relay.refusals, relay.refusal) = (0, None);
        }
    }

    /// A listener has closed. `is_connected` tells of a relay whether there is a session with it.
    /// Returns the relay, if the listener stood for a place there.
    pub fn closed(
        &mut self,
        listener: ListenerId,
        now: Instant,
        is_connected: impl Fn(&DeviceId) -> bool,
    ) -> Option<DeviceId> {
        let (peer, relay) = self.of(listener)?;
        if !is_connected(&peer) {
            relay.place = Place::Away;
        } else if matches!(relay.place, Place::Held(_)) {
            relay.place = Place::Waiting(now);
        } else {
            relay.wait(now);
        }
        Some(peer)
    }

    /// Why a relay gave no place, or took it back: for people.
    pub fn note_refusal(&mut self, peer: &DeviceId, reason: String) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.refusal = Some(reason);
        }
    }

    /// Every relay, where it is, and why there is no place at it, if so.
    pub fn list(&self) -> impl Iterator<Item = (DeviceId, &Multiaddr, Option<String>)> {
        self.relays.iter().map(|(peer, relay)| (*peer, &relay.address, relay.trouble()))
    }

    fn of(&mut self, listener: ListenerId) -> Option<(DeviceId, &mut Relay)> {
        let stands_for = |place| matches!(place, Place::Asked(id) | Place::Held(id) if id == listener);
        let found = self.relays.iter_mut().find(|(_, relay)| stands_for(relay.place));
        found.map(|(peer, relay)| (*peer, relay))
    }
}

impl Relay {
    fn new(address: Multiaddr) -> Self {
        Self { address, place: Place::Away, refusals: 0, refusal: None }
    }

    fn trouble(&self) -> Option<String> {
        match (self.place, &self.refusal) {
            (Place::Held(_), _) => None,
            (Place::Away, _) => Some("it is not connected".to_owned()),
            (Place::Waiting(_), Some(reason)) => {
                Some(format!("it gave no place: {reason}; it is asked again by itself"))
            }
            (Place::Waiting(_) | Place::Asked(_), _) => Some("it is being asked for a place".to_owned()),
        }
    }

    fn wait(&mut self, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        let doublings = self.refusals.saturating_sub(1).min(16);
        self.place = Place::Waiting(now + (BACKOFF * (1 << doublings)).min(CAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: DeviceId = DeviceId([7; 32]);

    fn address() -> Multiaddr {
        "/ip4/203.0.113.1/tcp/4001".parse().unwrap()
    }

    fn connected() -> (Relays, Instant) {
        let (mut relays, now) = (Relays::default(), Instant::now());
        relays.set([(RELAY, address())]);
        assert_eq!(relays.poll(now), None, "it is not connected");
        relays.connected(&RELAY, now);
        (relays, now)
    }

    #[test]
    fn a_place_that_ends_is_asked_for_again_at_once() {
        let (mut relays, now) = connected();
        assert_eq!(relays.poll(now), Some((RELAY, address())));
        let listener = ListenerId::next();
        relays.asked(&RELAY, listener);
        assert_eq!(relays.poll(now), None);
        relays.held(listener);
        assert!(relays.list().all(|(_, _, trouble)| trouble.is_none()));
        assert_eq!(relays.closed(ListenerId::next(), now, |_| true), None, "another listener");
        assert_eq!(relays.closed(listener, now, |_| true), Some(RELAY));
        assert_eq!(relays.poll(now), Some((RELAY, address())));
    }

    #[test]
    fn a_relay_that_refuses_is_asked_more_and_more_seldom() {
        let (mut relays, mut now) = connected();
        let mut delays = Vec::new();
        for _ in 0..9 {
            let listener = ListenerId::next();
            relays.asked(&RELAY, listener);
            relays.closed(listener, now, |_| true);
            let next = relays.next_wake().unwrap();
            delays.push(next.duration_since(now).as_secs());
            now = next;
            assert_eq!(relays.poll(now), Some((RELAY, address())));
        }
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn why_there_is_no_place_is_told() {
        let (mut relays, now) = connected();
        let told = |relays: &Relays| relays.list().next().unwrap().2.unwrap_or_default();
        assert!(told(&relays).contains("being asked"));
        let listener = ListenerId::next();
        relays.asked(&RELAY, listener);
        assert_eq!(relays.closed(listener, now, |_| true), Some(RELAY));
        relays.note_refusal(&RELAY, "no room".into());
        assert!(told(&relays).contains("no room"));
        let listener = ListenerId::next();
        relays.asked(&RELAY, listener);
        relays.held(listener);
        assert_eq!(told(&relays), "");
        relays.closed(listener, now, |_| false);
        assert!(told(&relays).contains("not connected"));
    }

    #[test]
    fn without_a_connection_nothing_is_asked() {
        let (mut relays, now) = connected();
        relays.disconnected(&RELAY);
        assert_eq!(relays.poll(now), None);
        relays.connected(&RELAY, now);
        let listener = ListenerId::next();
        relays.asked(&RELAY, listener);
        relays.held(listener);
        relays.disconnected(&RELAY);
        relays.closed(listener, now, |_| false);
        assert_eq!((relays.poll(now), relays.next_wake()), (None, None));
        relays.connected(&RELAY, now);
        assert_eq!(relays.poll(now), Some((RELAY, address())));
    }

    #[test]
    fn a_place_outlives_the_session_while_the_connection_lasts() {
        let (mut relays, now) = connected();
        let listener = ListenerId::next();
        relays.asked(&RELAY, listener);
        relays.held(listener);
        relays.disconnected(&RELAY);
        relays.connected(&RELAY, now);
        assert_eq!(relays.poll(now), None, "it is held");
        relays.set([]);
        assert!(!relays.contains(&RELAY));
    }
}
