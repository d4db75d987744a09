//! Who was announced on the LAN, and who is listened to: a pure state machine, told the time.
//!
//! Anybody on the LAN can announce a hundred thousand devices, and each costs: its address is taken apart, it
//! takes a place, it is dialled. What tells the one who does that from all others is where the
//! announcements come from. So each *source*, which is an IP address, has a purse of its own for what is
//! taken apart, one for devices that are new, and so many places; and there are purses and places for all
//! sources together, since an address can be forged too. A device that is known costs nothing.
//!
//! When there is no place the device of the same source that was announced longest ago gives way, and
//! when all places are taken, that of the source with the most. So a device that announces itself as all
//! do, every few seconds, comes in whatever others announce.

use super::packet;
use libp2p::Multiaddr;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// Devices known: a large office.
const DEVICES: usize = 256;
/// Devices known of one source: many programs on one machine.
const DEVICES_OF_ONE: usize = 32;
/// An announcement is forgotten after this time unless it is renewed, whatever it says itself.
pub const TTL: Duration = Duration::from_mins(1);
/// Announcements taken apart of one source. Each device sends four a second at most, and seldom so many.
const READ: Rate = Rate { at_once: 16, every: Duration::from_millis(100) };
/// New devices, and new ports of known ones, of one source. Each is dialled.
const NEW: Rate = Rate { at_once: 16, every: Duration::from_secs(1) };
/// Announcements taken apart of all: a tenth of a processor's time.
const READ_OF_ALL: Rate = Rate { at_once: 1024, every: Duration::from_micros(500) };
/// Sources remembered: more than can have spent something at these rates.
const SOURCES: usize = 4096;
/// The same of all, and once more for the first devices of sources that have none: whoever fills the one
/// purse from many addresses has devices at all of them.
const NEW_OF_ALL: Rate = Rate { at_once: 128, every: Duration::from_millis(100) };

/// How often something may happen: so many times at once, and then once in a while.
#[derive(Debug, Clone, Copy)]
struct Rate {
    at_once: u32,
    every: Duration,
}

/// What is left of a [`Rate`].
#[derive(Debug)]
struct Purse {
    left: u32,
    /// Up to when it was filled.
    at: Instant,
}

impl Purse {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.at_once, at: now }
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_nanos() / rate.every.as_nanos();
        let lacking = rate.at_once - self.left;
        if passed >= u128::from(lacking) {
            *self = Self::full(rate, now);
        } else {
            // Less than what is lacking, so it fits.
            self.left += passed as u32;
            self.at += rate.every * passed as u32;
        }
    }

    /// Whether there is something left. It is one less then.
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

/// Where announcements come from.
#[derive(Debug)]
struct Source {
    read: Purse,
    new: Purse,
}

#[derive(Debug)]
struct Device {
    ports: Vec<u16>,
    until: Instant,
}

/// What changes for whoever wants to reach devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A device was announced at these addresses, which is new.
    Announced(DeviceId, Vec<Multiaddr>),
    /// It is not at these addresses any more, as far as announcements go.
    Expired(DeviceId, Vec<Multiaddr>),
}

/// See the module.
#[derive(Debug)]
pub struct Neighbours {
    devices: BTreeMap<(Ipv4Addr, DeviceId), Device>,
    /// At least those whose purses are not full.
    sources: BTreeMap<Ipv4Addr, Source>,
    read: Purse,
    new: Purse,
    first: Purse,
}

impl Neighbours {
    pub fn new(now: Instant) -> Self {
        Self {
            devices: BTreeMap::new(),
            sources: BTreeMap::new(),
            read: Purse::full(READ_OF_ALL, now),
            new: Purse::full(NEW_OF_ALL, now),
            first: Purse::full(NEW_OF_ALL, now),
        }
    }

    /// Whether an announcement that comes from there is to be taken apart.
    pub fn listens_to(&mut self, source: Ipv4Addr, now: Instant) -> bool {
        if self.sources.len() >= SOURCES {
            self.forget_sources(now);
        }
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            return false;
        }
        // That of the source first, so that one source does not empty the purse of all.
        self.source(source, now).read.take(READ, now) && self.read.take(READ_OF_ALL, now)
    }

    /// Somebody at `source` announces a device.
    pub fn announced(
        &mut self,
        source: Ipv4Addr,
        (device, ports): (DeviceId, Vec<u16>),
        ttl: Duration,
        now: Instant,
    ) -> Vec<Change> {
        let until = now + ttl.min(TTL);
        let known = self.devices.get_mut(&(source, device));
        if let Some(known) = known.filter(|known| ports.iter().all(|port| known.ports.contains(port))) {
            known.until = until;
            return Vec::new();
        }
        let addresses = packet::addresses(source, &ports);
        if addresses.is_empty() || !self.affords(source, now) {
            return Vec::new();
        }
        let old = self.devices.remove(&(source, device));
        let old = old.map(|old| old.ports.into_iter().filter(|port| !ports.contains(port)).collect());
        let mut changes: Vec<_> = old
            .map(|gone: Vec<u16>| Change::Expired(device, packet::addresses(source, &gone)))
            .into_iter()
            .collect();
        changes.extend(self.make_room(source));
        self.devices.insert((source, device), Device { ports, until });
        changes.push(Change::Announced(device, addresses));
        changes
    }

    /// Whether one more new device of a source is within bounds. It is paid for then.
    fn affords(&mut self, source: Ipv4Addr, now: Instant) -> bool {
        if !self.source(source, now).new.take(NEW, now) {
            return false;
        }
        let has_none = self.of(source).next().is_none();
        let of_all = if has_none { &mut self.first } else { &mut self.new };
        of_all.take(NEW_OF_ALL, now)
    }

    /// What has run out by now.
    pub fn expire(&mut self, now: Instant) -> Vec<Change> {
        self.forget_sources(now);
        let gone = self.devices.extract_if(.., |_, device| device.until <= now);
        gone.map(|((source, id), device)| expired(source, id, &device)).collect()
    }

    /// When to call [`Self::expire`] next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.devices.values().map(|device| device.until).min()
    }

    /// A source with full purses is like one that was never heard of.
    fn forget_sources(&mut self, now: Instant) {
        self.sources.retain(|_, source| {
            source.read.fill(READ, now);
            source.new.fill(NEW, now);
            source.read.left < READ.at_once || source.new.left < NEW.at_once
        });
    }

    fn source(&mut self, source: Ipv4Addr, now: Instant) -> &mut Source {
        self.sources
            .entry(source)
            .or_insert_with(|| Source { read: Purse::full(READ, now), new: Purse::full(NEW, now) })
    }

    /// If there is none for one more device of a source, another gives way.
    fn make_room(&mut self, source: Ipv4Addr) -> Option<Change> {
        let crowded = if self.of(source).count() >= DEVICES_OF_ONE {
            source
        } else if self.devices.len() >= DEVICES {
            self.devices.keys().map(|(source, _)| *source).max_by_key(|source| self.of(*source).count())?
        } else {
            return None;
        };
        let (id, _) = self.of(crowded).min_by_key(|(_, device)| device.until)?;
        let device = self.devices.remove(&(crowded, id))?;
        Some(expired(crowded, id, &device))
    }

    fn of(&self, source: Ipv4Addr) -> impl Iterator<Item = (DeviceId, &Device)> {
        let all = (source, DeviceId([0; 32]))..=(source, DeviceId([0xff; 32]));
        self.devices.range(all).map(|((_, id), device)| (*id, device))
    }
}

fn expired(source: Ipv4Addr, id: DeviceId, device: &Device) -> Change {
    Change::Expired(id, packet::addresses(source, &device.ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u32) -> DeviceId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        DeviceId(bytes)
    }

    fn source(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a4d_0000 + n)
    }

    fn at(n: u32, port: u16) -> Vec<Multiaddr> {
        packet::addresses(source(n), &[port])
    }

    struct Lan {
        neighbours: Neighbours,
        now: Instant,
    }

    impl Lan {
        fn new() -> Self {
            let now = Instant::now();
            Self { neighbours: Neighbours::new(now), now }
        }

        fn hear(&mut self, from: u32, n: u32, port: u16) -> Vec<Change> {
            if !self.neighbours.listens_to(source(from), self.now) {
                return Vec::new();
            }
            self.neighbours.announced(source(from), (device(n), vec![port]), TTL, self.now)
        }
    }

    #[test]
    fn a_device_is_told_of_once_until_it_runs_out() {
        let mut lan = Lan::new();
        let found = [Change::Announced(device(1), at(1, 4001))];
        assert_eq!(lan.hear(1, 1, 4001), found);
        for _ in 0..10 {
            lan.now += TTL / 2;
            assert_eq!(lan.hear(1, 1, 4001), []);
            assert_eq!(lan.neighbours.expire(lan.now), []);
        }
        lan.now = lan.neighbours.next_expiry().unwrap();
        assert_eq!(lan.neighbours.expire(lan.now), [Change::Expired(device(1), at(1, 4001))]);
        assert_eq!(lan.neighbours.next_expiry(), None);
        assert!(lan.neighbours.sources.is_empty());
        assert_eq!(lan.hear(1, 1, 4001), found);
    }

    #[test]
    fn a_device_at_another_port_or_address_is_told_of() {
        let mut lan = Lan::new();
        lan.hear(1, 1, 4001);
        let moved = [Change::Expired(device(1), at(1, 4001)), Change::Announced(device(1), at(1, 4002))];
        assert_eq!(lan.hear(1, 1, 4002), moved);
        assert_eq!(lan.hear(2, 1, 4002), [Change::Announced(device(1), at(2, 4002))]);
    }

    #[test]
    fn no_announcement_lasts_for_ever() {
        let mut lan = Lan::new();
        let for_ever = Duration::from_secs(u64::from(u32::MAX));
        lan.neighbours.announced(source(1), (device(1), vec![1]), for_ever, lan.now);
        assert_eq!(lan.neighbours.next_expiry(), Some(lan.now + TTL));
    }

    /// A hundred thousand of them in ten seconds, as in `tests/hostile`.
    #[test]
    fn whoever_announces_thousands_is_hardly_listened_to_and_others_are() {
        let mut lan = Lan::new();
        let (mut told, mut taken_apart) = (0, 0);
        for n in 0..100_000 {
            lan.now += Duration::from_micros(100);
            if lan.neighbours.listens_to(source(1), lan.now) {
                taken_apart += 1;
                let one = (device(1_000 + n), vec![4001]);
                let changes = lan.neighbours.announced(source(1), one, TTL, lan.now);
                told += changes.iter().filter(|change| matches!(change, Change::Announced(..))).count();
            }
            if n % 10_000 == 9_999 {
                let honest = n / 10_000;
                let change = lan.hear(2 + honest, honest, 4001);
                assert_eq!(change, [Change::Announced(device(honest), at(2 + honest, 4001))]);
            }
        }
        assert!((10..40).contains(&told), "{told}");
        assert!((30..200).contains(&taken_apart), "{taken_apart}");
        assert_eq!(lan.neighbours.of(source(1)).count(), told.min(DEVICES_OF_ONE));
    }

    #[test]
    fn no_more_sources_are_remembered_than_there_is_room_for() {
        let mut lan = Lan::new();
        for n in 0..100_000 {
            lan.now += Duration::from_micros(100);
            lan.hear(n, n, 4001);
            assert!(lan.neighbours.sources.len() <= SOURCES);
        }
    }

    #[test]
    fn whoever_forges_addresses_takes_places_from_whoever_has_most() {
        let mut lan = Lan::new();
        assert_eq!(lan.hear(1, 1, 4001).len(), 1);
        for n in 0..100_000 {
            lan.now += Duration::from_micros(500);
            lan.hear(2 + n % 200, 1_000 + n, 4001);
            if n % 10_000 == 0 {
                lan.hear(1, 1, 4001);
            }
        }
        assert_eq!(lan.neighbours.devices.len(), DEVICES);
        assert!(lan.neighbours.sources.len() <= 201);
        assert_eq!(lan.neighbours.of(source(1)).count(), 1, "it has only one");
        assert_eq!(lan.hear(300, 2, 4001).len(), 2, "another one gives way");
        lan.now += Duration::from_secs(20);
        lan.neighbours.expire(lan.now);
        assert!(lan.neighbours.sources.is_empty());
    }

    #[test]
    fn whoever_comes_while_addresses_are_forged_comes_in() {
        let mut lan = Lan::new();
        for n in 0..100_000 {
            lan.now += Duration::from_micros(100);
            lan.hear(2 + n % 100, 1_000 + n, 4001);
            if n % 10_000 == 9_999 {
                let told = lan.hear(1_000 + n, n, 4001);
                assert!(told.contains(&Change::Announced(device(n), at(1_000 + n, 4001))), "{told:?}");
            }
        }
    }
}
