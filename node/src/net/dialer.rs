//! Who is dialled when: a pure state machine, told the time.
//!
//! Of two devices that discover each other the one with the smaller id dials at once and the larger
//! one waits a little, so that usually one connection is made and not two. A failed dial is tried
//! again after a delay that doubles, with jitter, so that devices which lost the same router do not
//! come back in step. The delay starts anew when there is reason to hope: the peer was announced
//! again, our own addresses changed, a person asked, or the connection had been stable.
//!
//! An address given by a person or a ticket may come without a device id. It is a target of its own
//! until a dial shows who answers there.
//!
//! Whoever is connected through a relay is dialled directly now and then: both may have come to the same
//! LAN since, or a router may have opened.
//!
//! Whom to believe: anybody on the LAN can announce anything, also in another device's name, and
//! anybody who reaches us can open a session. So what is announced stays a *hint*, apart from the
//! addresses that people, the address book and colleagues gave, and displaces none of them. And a
//! peer is *kept* when a person asked for it or it has shown that it shares a workspace; everybody
//! else is a target only as long as an announcement or a session lasts, and gives way to those.

use super::{Path, address};
use libp2p::Multiaddr;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// The first delay after a failure.
const BACKOFF: Duration = Duration::from_millis(250);
/// The greatest delay when one of the addresses is on the LAN: a colleague opens the laptop.
const LAN_CAP: Duration = Duration::from_secs(30);
/// The greatest delay otherwise.
const WAN_CAP: Duration = Duration::from_mins(1);
/// Share by which a delay is made longer or shorter.
const JITTER: f64 = 0.3;
/// How long the larger id waits for the smaller one's dial.
const COURTESY: Duration = Duration::from_millis(300);
/// Over a relay, the time until a direct address is tried; doubles with each attempt. Piercing the routers
/// comes first.
const BETTER: Duration = Duration::from_secs(10);
/// The greatest such time.
const BETTER_CAP: Duration = Duration::from_mins(5);
/// A connection that held so long was a good one.
const STABLE: Duration = Duration::from_mins(1);
/// Dials at the same time: half of what the connection limits allow as pending.
const DIALS: usize = 16;
/// Of these, to strangers: whoever announces devices that nobody answers for must not hold up the rest.
const STRANGERS: usize = DIALS / 2;
/// And of those, to strangers at one IP address, where somebody may take calls and say nothing.
const STRANGERS_OF_ONE: usize = 2;
/// Peers and addresses kept. Anybody on the LAN can announce as many as they like.
const TARGETS: usize = 512;
/// Addresses kept for one peer: several interfaces, and some history.
pub const ADDRESSES: usize = 8;
/// Announced addresses kept for one peer besides: whoever moved is at the latest of them.
const HINTS: usize = 3;

/// Whom or where to dial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A device.
    Peer(DeviceId),
    /// Whoever answers there.
    Address(Multiaddr),
}

/// What is being done about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: no address is known.
    Idle,
    /// The next dial is at this time.
    Waiting(Instant),
    /// A dial is under way.
    Dialling,
    /// Connected since then.
    Connected(Instant),
}

/// One target.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Where it was reached, or is by the word of a person or its own; the most promising first.
    known: Vec<Multiaddr>,
    /// Where it is announced, and nothing of `known`; the latest first.
    hints: Vec<Multiaddr>,
    /// From where it was announced last.
    source: Option<IpAddr>,
    /// Whether the next dial leaves the hints out. Of all addresses dialled at once the first that
    /// answers is taken, and a false hint can be quicker than the truth: it must not be so always.
    without_hints: bool,
    /// What is being done.
    pub stage: Stage,
    /// Failures since the last success or reason to hope.
    pub failures: u32,
    /// Why the last dial or connection failed.
    pub last_failure: Option<String>,
    /// Whether that ended a session, rather than a dial.
    pub had_session: bool,
    /// While the connection leads through a relay: when a direct one is tried.
    better: Option<Better>,
    /// Wanted by a person, or a colleague's: not forgotten when the announcement expires.
    kept: bool,
    /// Until then announcements do not count, see [`Dialer::set_aside`].
    aside_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Better {
    at: Instant,
    /// The time after that until the next attempt.
    delay: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Dialer {
    own: DeviceId,
    targets: BTreeMap<Target, Dial>,
    random: fastrand::Rng,
}

impl Dialer {
    /// Without targets. `seed` feeds the jitter.
    pub fn new(own: DeviceId, seed: u64) -> Self {
        Self { own, targets: BTreeMap::new(), random: fastrand::Rng::with_seed(seed) }
    }

    /// A peer was announced on the LAN.
    pub fn discovered(&mut self, peer: DeviceId, addresses: &[Multiaddr], now: Instant) {
        let at = now + self.courtesy(peer);
        let Some(dial) = self.target(Target::Peer(peer), false) else { return };
        dial.source = addresses.first().and_then(address::ip);
        for address in addresses {
            dial.add_hint(address);
        }
        if dial.aside_until.is_some_and(|until| now < until) {
            return;
        }
        dial.aside_until = None;
        dial.failures = 0;
        dial.try_better(at);
        if !matches!(dial.stage, Stage::Dialling | Stage::Connected(_)) {
            dial.stage = Stage::Waiting(at);
        }
    }

    /// An announcement ran out: these addresses are not dialled on the strength of it any more.
    pub fn expired(&mut self, peer: DeviceId, addresses: &[Multiaddr]) {
        let target = Target::Peer(peer);
        if let Some(dial) = self.targets.get_mut(&target) {
            dial.hints.retain(|address| !addresses.contains(address));
            self.settle(&target);
        }
    }

    /// Someone asked for this address. It is dialled now and then until somebody answers.
    pub fn wanted(&mut self, peer: Option<DeviceId>, address: &Multiaddr, now: Instant) {
        let target = peer.map_or_else(|| Target::Address(address.clone()), Target::Peer);
        let Some(dial) = self.target(target, true) else { return };
        dial.add_address(address);
        dial.failures = 0;
        dial.aside_until = None;
        dial.try_better(now);
        if !matches!(dial.stage, Stage::Dialling | Stage::Connected(_)) {
            dial.stage = Stage::Waiting(now);
        }
    }

    /// A peer known from before; `addresses` with the best one first.
    pub fn remembered(&mut self, peer: DeviceId, addresses: &[Multiaddr], now: Instant) {
        let at = now + self.courtesy(peer);
        let Some(dial) = self.target(Target::Peer(peer), true) else { return };
        for address in addresses.iter().rev() {
            dial.add_address(address);
        }
        if dial.stage == Stage::Idle && dial.has_address() {
            dial.stage = Stage::Waiting(at);
        }
    }

    /// A session is open, with whomever.
    pub fn connected(&mut self, peer: DeviceId, path: Path, now: Instant) {
        if let Some(dial) = self.target(Target::Peer(peer), false) {
            dial.stage = Stage::Connected(now);
            let first = Better { at: now + BETTER, delay: 2 * BETTER };
            dial.better = (path == Path::Relayed).then_some(first);
            dial.last_failure = None;
            dial.had_session = false;
        }
    }

    /// The peer has shown that it shares a workspace; `address` is where we dialled it, if we did.
    pub fn trusted(&mut self, peer: DeviceId, address: Option<&Multiaddr>) {
        let Some(dial) = self.target(Target::Peer(peer), true) else { return };
        if let Some(address) = address {
            dial.add_address(address);
        }
    }

    /// A device answered at an address that was a target of its own: from here on the device is
    /// the target, and the dial counts as its own until a session is open.
    pub fn answered(&mut self, address: &Multiaddr, peer: DeviceId) {
        self.targets.remove(&Target::Address(address.clone()));
        let Some(dial) = self.target(Target::Peer(peer), true) else { return };
        dial.add_address(address);
        if !matches!(dial.stage, Stage::Connected(_)) {
            dial.stage = Stage::Dialling;
        }
    }

    /// The session is over. Returns the time until the next dial, if there is an address.
    pub fn disconnected(&mut self, peer: DeviceId, reason: &str, now: Instant) -> Option<Duration> {
        let target = Target::Peer(peer);
        let dial = self.targets.get_mut(&target)?;
        dial.better = None;
        if let Stage::Connected(since) = dial.stage
            && now.saturating_duration_since(since) >= STABLE
        {
            dial.failures = 0;
        }
        let next = self.failed(&target, reason, now);
        if let Some(dial) = self.targets.get_mut(&target) {
            dial.had_session = true;
        }
        next
    }

    /// A dial failed. Returns the time until the next one, if there is an address.
    pub fn failed(&mut self, target: &Target, reason: &str, now: Instant) -> Option<Duration> {
        let courtesy = match target {
            Target::Peer(peer) => self.courtesy(*peer),
            Target::Address(_) => Duration::ZERO,
        };
        let jitter = 1.0 + JITTER * (2.0 * self.random.f64() - 1.0);
        let dial = self.targets.get_mut(target)?;
        if let Some(better) = dial.better {
            return Some(better.at.saturating_duration_since(now));
        }
        dial.failures = dial.failures.saturating_add(1);
        dial.last_failure = Some(reason.to_owned());
        dial.had_session = false;
        if !dial.has_address() {
            dial.stage = Stage::Idle;
            self.settle(target);
            return None;
        }
        let aside = dial.aside_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let delay = (dial.backoff(jitter) + courtesy).max(aside);
        dial.stage = Stage::Waiting(now + delay);
        Some(delay)
    }

    /// The peer is of no use for some time: it is not Velo, or broke the rules.
    pub fn set_aside(&mut self, peer: DeviceId, time: Duration, now: Instant) {
        if let Some(dial) = self.targets.get_mut(&Target::Peer(peer)) {
            dial.better = None;
            dial.stage = Stage::Waiting(now + time);
            dial.aside_until = Some(now + time);
        }
    }

    /// A colleague with whom a session is open says that it listens here.
    pub fn learned(&mut self, peer: DeviceId, address: &Multiaddr) {
        let Some(dial) = self.targets.get_mut(&Target::Peer(peer)) else { return };
        // A way through a relay is worth more than one more of the others.
        let is_first_relayed = address::is_relayed(address) && !dial.known.iter().any(address::is_relayed);
        if !dial.known.contains(address) && (dial.known.len() < ADDRESSES || is_first_relayed) {
            dial.hints.retain(|hint| hint != address);
            dial.known.truncate(ADDRESSES - 1);
            dial.known.push(address.clone());
        }
    }

    /// Somebody else answers at this address of a peer.
    pub fn wrong_address(&mut self, peer: DeviceId, address: &Multiaddr) {
        if let Some(dial) = self.targets.get_mut(&Target::Peer(peer)) {
            dial.known.retain(|known| known != address);
            dial.hints.retain(|hint| hint != address);
        }
    }

    /// A person wants this address to be dialled no more, whoever is there. False when nobody would.
    pub fn forget_address(&mut self, address: &Multiaddr) -> bool {
        let mut was_known = self.targets.remove(&Target::Address(address.clone())).is_some();
        let holds = |dial: &Dial| dial.addresses().any(|known| known == address);
        let holders = self.targets.iter().filter(|(_, dial)| holds(dial)).map(|(target, _)| target.clone());
        for target in holders.collect::<Vec<_>>() {
            was_known = true;
            if let Some(dial) = self.targets.get_mut(&target) {
                dial.known.retain(|known| known != address);
                dial.hints.retain(|hint| hint != address);
            }
            self.settle(&target);
        }
        was_known
    }

    /// The same of a device. A session with it goes on.
    pub fn forget_device(&mut self, device: DeviceId) -> bool {
        let target = Target::Peer(device);
        let Some(dial) = self.targets.get_mut(&target) else { return false };
        dial.known.clear();
        dial.hints.clear();
        dial.kept = false;
        self.settle(&target);
        true
    }

    /// A target is of no use: it is ourselves.
    pub fn forget(&mut self, target: &Target) {
        self.targets.remove(target);
    }

    /// Our own addresses changed, or a person asked: every waiting target is dialled anew.
    pub fn redial(&mut self, now: Instant) {
        for dial in self.targets.values_mut() {
            dial.try_better(now);
            if matches!(dial.stage, Stage::Waiting(_)) && dial.aside_until.is_none_or(|until| until <= now) {
                dial.failures = 0;
                dial.stage = Stage::Waiting(now);
            }
        }
    }

    /// A relay is connected: whoever is reached through it is dialled now.
    pub fn relay_up(&mut self, relay: DeviceId, now: Instant) {
        let through = |known: &Multiaddr| address::relay(known).is_some_and(|(through, _)| through == relay);
        for dial in self.targets.values_mut() {
            if matches!(dial.stage, Stage::Waiting(_))
                && dial.aside_until.is_none()
                && dial.known.iter().any(through)
            {
                dial.stage = Stage::Waiting(now);
            }
        }
    }

    /// The next dial that is due, if there is one. It counts as under way from then on.
    pub fn poll(&mut self, now: Instant) -> Option<(Target, Vec<Multiaddr>)> {
        if self.dialling() >= DIALS {
            return None;
        }
        let (at, target) = self.waiting().min()?;
        if at > now {
            return None;
        }
        let target = target.clone();
        let dial = self.targets.get_mut(&target)?;
        if let (Stage::Connected(_), Some(better)) = (dial.stage, &mut dial.better) {
            *better = Better { at: now + better.delay, delay: (2 * better.delay).min(BETTER_CAP) };
            let direct = dial.direct_addresses().cloned().collect();
            return Some((target, direct));
        }
        dial.stage = Stage::Dialling;
        Some((target, dial.next_addresses()))
    }

    /// When to call [`Self::poll`] next, if nothing else happens.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.dialling() >= DIALS { None } else { self.waiting().map(|(at, _)| at).min() }
    }

    /// Whether a dial to this peer is under way.
    pub fn is_dialling(&self, peer: DeviceId) -> bool {
        self.targets.get(&Target::Peer(peer)).is_some_and(|dial| dial.stage == Stage::Dialling)
    }

    /// Every target, for the connection doctor.
    pub fn targets(&self) -> impl Iterator<Item = (&Target, &Dial)> {
        self.targets.iter()
    }

    fn dialling(&self) -> usize {
        self.targets.values().filter(|dial| dial.stage == Stage::Dialling).count()
    }

    /// What may be dialled when its time comes.
    fn waiting(&self) -> impl Iterator<Item = (Instant, &Target)> {
        let dialled = self.targets.values().filter(|dial| !dial.kept && dial.stage == Stage::Dialling);
        let sources: Vec<_> = dialled.map(|dial| dial.source).collect();
        let may_be_dialled = move |dial: &Dial| {
            let of_one = sources.iter().filter(|source| source.is_some() && **source == dial.source);
            dial.kept || sources.len() < STRANGERS && of_one.count() < STRANGERS_OF_ONE
        };
        self.targets.iter().filter_map(move |(target, dial)| match (dial.stage, dial.better) {
            (Stage::Waiting(at), _) if may_be_dialled(dial) => Some((at, target)),
            (Stage::Connected(_), Some(better)) => {
                dial.direct_addresses().next().map(|_| (better.at, target))
            }
            _ => None,
        })
    }

    fn courtesy(&mut self, peer: DeviceId) -> Duration {
        if self.own < peer { Duration::ZERO } else { COURTESY.mul_f64(1.0 + JITTER * self.random.f64()) }
    }

    /// The target, made if there is room or something that gives way. Always there for a kept
    /// one: far more targets are allowed than connections and dials at the same time.
    fn target(&mut self, target: Target, kept: bool) -> Option<&mut Dial> {
        if !self.targets.contains_key(&target) && self.targets.len() >= TARGETS {
            let least = self.least_promising(kept)?;
            tracing::debug!(?least, newcomer = ?target, "too many targets: one gives way");
            self.targets.remove(&least);
        }
        let dial = self.targets.entry(target).or_insert_with(Dial::new);
        dial.kept |= kept;
        Some(dial)
    }

    /// What gives way: strangers first, then whoever has no address or failed most often. Those
    /// kept give way only to others to be `kept`; the address book still has them.
    fn least_promising(&self, kept: bool) -> Option<Target> {
        let resting = self.targets.iter().filter(|(_, dial)| dial.is_resting() && (kept || !dial.kept));
        let least = resting.max_by_key(|(_, dial)| (!dial.kept, dial.stage == Stage::Idle, dial.failures));
        least.map(|(target, _)| target.clone())
    }

    /// Without an address there is nothing to wait for, and nothing of a stranger to keep.
    fn settle(&mut self, target: &Target) {
        let Some(dial) = self.targets.get_mut(target) else { return };
        if dial.has_address() || !dial.is_resting() {
            return;
        }
        dial.stage = Stage::Idle;
        if !dial.kept {
            self.targets.remove(target);
        }
    }
}

impl Dial {
    fn new() -> Self {
        Self {
            known: Vec::new(),
            hints: Vec::new(),
            source: None,
            without_hints: false,
            stage: Stage::Idle,
            failures: 0,
            last_failure: None,
            had_session: false,
            better: None,
            kept: false,
            aside_until: None,
        }
    }

    /// Where it may be reached, the most promising first.
    pub fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.known.iter().chain(&self.hints)
    }

    /// If it is connected through a relay, it is dialled directly then.
    fn try_better(&mut self, at: Instant) {
        if let Some(better) = &mut self.better {
            better.at = at;
        }
    }

    fn direct_addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.addresses().filter(|address| !address::is_relayed(address))
    }

    fn has_address(&self) -> bool {
        self.addresses().next().is_some()
    }

    fn is_resting(&self) -> bool {
        matches!(self.stage, Stage::Idle | Stage::Waiting(_))
    }

    /// What to dial now.
    fn next_addresses(&mut self) -> Vec<Multiaddr> {
        let without_hints = self.without_hints && !self.known.is_empty();
        self.without_hints = !without_hints && !self.hints.is_empty();
        let hints = if without_hints { &[] } else { self.hints.as_slice() };
        self.known.iter().chain(hints).cloned().collect()
    }

    /// Puts an address in front.
    fn add_address(&mut self, address: &Multiaddr) {
        self.hints.retain(|hint| hint != address);
        self.known.retain(|known| known != address);
        self.known.insert(0, address.clone());
        if self.known.len() > ADDRESSES {
            self.known.remove(1 + address::least(self.known[1..].iter()));
        }
    }

    /// Puts an announced address in front of those announced before.
    fn add_hint(&mut self, address: &Multiaddr) {
        if !self.known.contains(address) {
            self.hints.retain(|hint| hint != address);
            self.hints.insert(0, address.clone());
            self.hints.truncate(HINTS);
        }
    }

    fn backoff(&self, jitter: f64) -> Duration {
        let lan = self.addresses().any(|known| address::path(known) == Path::Lan);
        let cap = if lan { LAN_CAP } else { WAN_CAP };
        let doublings = self.failures.saturating_sub(1).min(16);
        (BACKOFF * (1 << doublings)).min(cap).mul_f64(jitter).min(cap)
    }
}

#[cfg(test)]
mod tests;
