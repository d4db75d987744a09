//! A switch in this process, between hosts in network namespaces, with weather on its cables: frames are
//! lost, late, out of order, or queue before a narrow link. `tc netem` does that where the kernel has it.
//!
//! ```text
//!   host's eth0 (a TAP) ──▶ reader of the port: lost? when does it arrive, where to? ──▶ timetable
//!   other hosts' eth0   ◀───────────────────── one thread, when each is due ◀──────────────┘
//! ```
//! What becomes of the n-th frame of a port follows from the seed. How the hosts react does not: real
//! processes and a real clock are at work.
//!
//! A TAP instead of a veth pair, since the kernel then finishes each frame (checksum, one segment)
//! before handing it over.

use crate::{
    lan::{Cable, Host},
    netns::Namespace,
};
use anyhow::Context;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fs::File,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tappers::{Interface, Tap};

/// What fits an Ethernet frame of 1500 bytes, with room for a tag.
const FRAME_BYTES: usize = 1600;
/// What a narrow link keeps before it drops: a cheap router's buffer.
const QUEUE_BYTES: u64 = 64 * 1024;

/// What happens to frames on a host's cable, on their way to the switch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Share of frames that are lost.
    pub loss: f64,
    /// Time on the way.
    pub delay: Duration,
    /// Most by which that is longer or shorter, evenly spread.
    pub jitter: Duration,
    /// Share of frames that may overtake others. All others wait for those before them.
    pub overtaking: f64,
    /// Bits a second; unlimited without.
    pub rate: Option<u64>,
}

/// See the module.
pub struct Switch {
    timetable: Arc<Timetable>,
    seed: u64,
    ports: usize,
}

/// Where one host is plugged in.
pub struct Port {
    tap: Tap,
    plugged: AtomicBool,
    cable: Mutex<CableState>,
}

struct CableState {
    weather: Weather,
    random: fastrand::Rng,
    /// Until when a narrow link is busy with earlier frames.
    busy_until: Instant,
    /// When the last frame that kept its place arrives.
    last_arrival: Instant,
}

/// All frames under way.
#[derive(Default)]
struct Timetable {
    state: Mutex<Traffic>,
    changed: Condvar,
}

#[derive(Default)]
struct Traffic {
    ports: Vec<Arc<Port>>,
    /// Which port a hardware address was last seen at.
    seen_at: BTreeMap<[u8; 6], usize>,
    frames: BinaryHeap<Reverse<Frame>>,
    sent: u64,
    closed: bool,
}

/// A frame under way. In the order of arrival, and of sending where that is the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    arrival: Instant,
    number: u64,
    port: usize,
    bytes: Vec<u8>,
}

impl Switch {
    /// A switch without hosts. `seed` decides what happens to frames.
    pub fn new(seed: u64) -> Self {
        let timetable = Arc::new(Timetable::default());
        let delivering = Arc::clone(&timetable);
        thread::spawn(move || delivering.deliver());
        Self { timetable, seed, ports: 0 }
    }

    /// Plugs in a host with this address, such as 10.77.0.1/24.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn host(&mut self, address: &str, weather: Weather) -> anyhow::Result<Host> {
        let namespace = Namespace::new("host")?;
        let tap = tap_in(&namespace)?;
        namespace.bring_up("eth0", address)?;
        self.ports += 1;
        let now = Instant::now();
        let random = fastrand::Rng::with_seed(self.seed.wrapping_add(self.ports as u64));
        let cable = CableState { weather, random, busy_until: now, last_arrival: now };
        let port = Arc::new(Port { tap, plugged: AtomicBool::new(true), cable: Mutex::new(cable) });
        let number = self.timetable.add(Arc::clone(&port));
        let (timetable, reading) = (Arc::clone(&self.timetable), Arc::clone(&port));
        thread::spawn(move || timetable.read(number, &reading));
        Ok(Host::new(namespace, Cable::Switch(port)))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.timetable.lock().closed = true;
        self.timetable.changed.notify_all();
    }
}

/// The `eth0` of a namespace. Who makes a TAP must be inside; what was made can be used anywhere.
fn tap_in(namespace: &Namespace) -> anyhow::Result<Tap> {
    let file = File::open(Path::new("/run/netns").join(namespace.name()))?;
    let made = thread::spawn(move || -> anyhow::Result<Tap> {
        enter(&file)?;
        Ok(Tap::new_named(Interface::new("eth0")?)?)
    });
    made.join().ok().context("a thread in the namespace ended early")?
}

/// Moves this thread into a namespace.
#[cfg(target_os = "linux")]
fn enter(namespace: &File) -> anyhow::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Only Linux has them.
#[cfg(not(target_os = "linux"))]
fn enter(_: &File) -> anyhow::Result<()> {
    anyhow::bail!("network namespaces need Linux")
}

impl Port {
    /// Plugs the cable in, or pulls it.
    pub(crate) fn plug(&self, is_in: bool) {
        self.plugged.store(is_in, Ordering::Relaxed);
    }

    fn is_plugged(&self) -> bool {
        self.plugged.load(Ordering::Relaxed)
    }

    /// When a frame of so many bytes that is sent now arrives; `None` if it is lost.
    fn arrival(&self, bytes: usize, now: Instant) -> Option<Instant> {
        self.cable.lock().unwrap_or_else(PoisonError::into_inner).arrival(bytes, now)
    }
}

impl CableState {
    fn arrival(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let Weather { loss, delay, jitter, overtaking, rate } = self.weather;
        // All are drawn for every frame: what becomes of one does not change the fate of the next.
        let [lost, late, overtakes] = [(); 3].map(|()| self.random.f64());
        let sent = match rate {
            Some(rate) => self.queue(bytes as u64, rate, now)?,
            None => now,
        };
        if lost < loss {
            return None;
        }
        let arrival = sent + (delay + jitter.mul_f64(2.0 * late)).saturating_sub(jitter);
        if overtakes < overtaking {
            return Some(arrival);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        Some(self.last_arrival)
    }

    /// When a frame has left a narrow link; `None` if there are too many before it.
    fn queue(&mut self, bytes: u64, rate: u64, now: Instant) -> Option<Instant> {
        let time = |bytes: u64| Duration::from_nanos(bytes * 8 * 1_000_000_000 / rate);
        let start = self.busy_until.max(now);
        if start - now > time(QUEUE_BYTES) {
            return None;
        }
        self.busy_until = start + time(bytes);
        Some(self.busy_until)
    }
}

impl Timetable {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, port: Arc<Port>) -> usize {
        let mut traffic = self.lock();
        traffic.ports.push(port);
        traffic.ports.len() - 1
    }

    /// Takes what a host sends, until its interface is removed.
    fn read(&self, number: usize, port: &Port) {
        let mut bytes = vec![0; FRAME_BYTES];
        while let Ok(length) = port.tap.recv(&mut bytes) {
            if let Some(arrival) = port.arrival(length, Instant::now())
                && port.is_plugged()
            {
                self.lock().send(number, &bytes[..length], arrival);
                self.changed.notify_all();
            }
        }
    }

    /// Hands over what is due, until the switch is dropped.
    fn deliver(&self) {
        let mut traffic = self.lock();
        while !traffic.closed {
            let now = Instant::now();
            let next = traffic.frames.peek().map(|Reverse(frame)| frame.arrival);
            traffic = match next {
                Some(at) if at <= now => {
                    traffic.hand_over();
                    traffic
                }
                Some(at) => self.wait(traffic, at - now),
                None => self.wait(traffic, Duration::from_secs(1)),
            };
        }
        // The readers end with their interfaces: with the hosts, or with this process.
        traffic.ports.clear();
    }

    fn wait<'a>(&self, traffic: MutexGuard<'a, Traffic>, time: Duration) -> MutexGuard<'a, Traffic> {
        self.changed.wait_timeout(traffic, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Traffic {
    fn send(&mut self, from: usize, frame: &[u8], arrival: Instant) {
        let (Some(to), Some(sender)) = (address_at(frame, 0), address_at(frame, 6)) else { return };
        self.seen_at.insert(sender, from);
        let is_group = to[0] & 1 == 1;
        let known = self.seen_at.get(&to).copied().filter(|_| !is_group);
        let receivers = match known {
            Some(port) => port..port + 1,
            None => 0..self.ports.len(),
        };
        for port in receivers.filter(|port| *port != from) {
            self.sent += 1;
            let number = self.sent;
            self.frames.push(Reverse(Frame { arrival, number, port, bytes: frame.to_vec() }));
        }
    }

    fn hand_over(&mut self) {
        if let Some(Reverse(frame)) = self.frames.pop()
            && let Some(port) = self.ports.get(frame.port)
            && port.is_plugged()
        {
            // A host whose interface is down gets nothing.
            let _ = port.tap.send(&frame.bytes);
        }
    }
}

fn address_at(frame: &[u8], at: usize) -> Option<[u8; 6]> {
    frame.get(at..at + 6)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cable(weather: Weather) -> (CableState, Instant) {
        let now = Instant::now();
        (CableState { weather, random: fastrand::Rng::with_seed(7), busy_until: now, last_arrival: now }, now)
    }

    #[test]
    fn the_same_seed_gives_the_same_weather() {
        let ms = Duration::from_millis;
        let bad = Weather { loss: 0.05, delay: ms(50), jitter: ms(30), overtaking: 0.1, rate: None };
        let (mut first, start) = cable(bad);
        let mut second = CableState { random: fastrand::Rng::with_seed(7), ..cable(bad).0 };
        second.last_arrival = start;
        let at = |n: u64| start + ms(n);
        let fate: Vec<_> = (0..4000).map(|n| first.arrival(100, at(n))).collect();
        assert_eq!(fate, (0..4000).map(|n| second.arrival(100, at(n))).collect::<Vec<_>>());
        let lost = fate.iter().filter(|arrival| arrival.is_none()).count();
        assert!((120..280).contains(&lost), "{lost} of 4000 lost, 5 % were to be");
        let arrived: Vec<_> =
            (0_u64..).zip(&fate).filter_map(|(n, arrival)| Some((n, (*arrival)?))).collect();
        assert!(arrived.iter().all(|(n, arrival)| (ms(20)..ms(81)).contains(&(*arrival - at(*n)))));
        let overtaken = arrived.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        assert!((50..800).contains(&overtaken), "{overtaken} of 4000 overtook");
    }

    #[test]
    fn a_narrow_link_spreads_frames_and_drops_what_it_cannot_keep() {
        let (mut cable, now) = cable(Weather { rate: Some(64_000), ..Weather::default() });
        let arrivals: Vec<_> = (0..100).map_while(|_| cable.arrival(1000, now)).collect();
        assert_eq!(arrivals[0], now + Duration::from_millis(125));
        assert_eq!(arrivals[1], now + Duration::from_millis(250));
        assert_eq!(arrivals.len(), 66, "64 KiB wait, and one more is on the way");
    }
}
