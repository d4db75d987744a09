//! Finds devices on the LAN, and tells them of this one: multicast DNS as libp2p specifies it.
//!
//! ```text
//!   LAN ──▶ socket ──▶ packet (what it says) ──▶ Neighbours (who is listened to) ──▶ the network's task
//!   LAN ◀── one socket for each interface ◀── queries and announcements, seldom
//! ```
//!
//! libp2p's own discovery keeps all that anybody announces, looks through all of it for each packet, and
//! answers each query. Here everything has a bound: how much is read, what is taken apart, who has a
//! place, how often is answered. What comes faster stays in the socket until the system drops it, so a
//! flood costs little, and [`neighbours`] says why honest devices come through all the same. See
//! `docs/decisions/0031-discovery-with-bounds.md`.
//!
//! It runs in a task of its own, which ends when this is dropped. IPv4 only.

mod neighbours;
pub mod packet;

pub use neighbours::Change;

use crate::limits;
use libp2p::PeerId;
use neighbours::Neighbours;
use packet::Packet;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::{Duration, Instant},
};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
};

/// Where everybody sends, and
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// at which port.
const PORT: u16 = 5353;
/// Packets do not leave the LAN, whatever this is; it shows that they never did.
const HOPS: u32 = 255;
/// The longest packet read. Those of devices have some hundred bytes.
const PACKET: usize = 4096;
/// Packets read at once,
const AT_ONCE: usize = 64;
/// and the pause after so many: at most 12,800 are read in a second, which takes some hundredths of it.
const PAUSE: Duration = Duration::from_millis(5);
/// Interfaces on which this device is announced. A laptop has two, and some virtual ones.
const INTERFACES: usize = 16;
/// The time from the first query to the second. It doubles each time,
const FIRST_QUERY: Duration = Duration::from_millis(500);
/// up to this: a person waits for a colleague to appear.
const QUERY: Duration = Duration::from_secs(10);
/// The least time between two announcements. RFC 6762 asks for a second, which is too slow for whoever
/// comes right after another.
const ANNOUNCEMENT: Duration = Duration::from_millis(250);
/// Changes waiting for the network's task. While there are more, nothing is read.
const CHANGES: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Mdns {
    listening: watch::Sender<Vec<SocketAddrV4>>,
    changes: mpsc::Receiver<Change>,
}

impl Mdns {
    /// Announces `own` at the addresses where it listens. To be called within a tokio runtime.
    pub fn start(own: PeerId, listening: Vec<SocketAddrV4>) -> io::Result<Self> {
        let (listening, followed) = watch::channel(listening);
        let (told, changes) = mpsc::channel(CHANGES);
        let task = Task {
            own,
            // What the device is called is nobody's business, so it is another name at each start.
            instance: format!("{:032x}", fastrand::u128(..)),
            socket: open_group()?,
            interfaces: BTreeMap::new(),
            neighbours: Neighbours::new(Instant::now()),
            listening: followed,
            told,
            query: Query::now(),
            announcement_due: None,
            announced_at: None,
            pause_until: None,
            join_again: Again::default(),
        };
        tokio::spawn(task.run());
        Ok(Self { listening, changes })
    }

    /// The device listens here from now on.
    pub fn listen(&self, listening: Vec<SocketAddrV4>) {
        self.listening.send_if_modified(|old| {
            let is_other = *old != listening;
            *old = listening;
            is_other
        });
    }

    /// The next change; none follows after `None`. Safe to cancel.
    pub async fn changed(&mut self) -> Option<Change> {
        self.changes.recv().await
    }
}

/// When what failed is tried again: ever more seldom, as long as it goes on so.
#[derive(Debug, Default)]
pub struct Again {
    at: Option<Instant>,
    failures: u32,
}

impl Again {
    /// It failed.
    pub fn failed(&mut self, now: Instant) {
        let pause = limits::DISCOVERY_AGAIN_MS << self.failures.min(limits::DISCOVERY_DOUBLINGS);
        self.at = Some(now + Duration::from_millis(pause));
        self.failures = self.failures.saturating_add(1);
    }

    /// It works.
    pub fn works(&mut self) {
        *self = Self::default();
    }

    /// When it is tried again.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether that is now. It is then told of as tried.
    pub fn take_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

/// When to ask.
struct Query {
    at: Instant,
    then: Duration,
}

impl Query {
    fn now() -> Self {
        Self { at: Instant::now(), then: FIRST_QUERY }
    }

    fn asked(&mut self, now: Instant) {
        // Devices that were switched on together are not to ask together for ever.
        self.at = now + self.then.mul_f64(1.0 + 0.1 * fastrand::f64());
        self.then = (2 * self.then).min(QUERY);
    }
}

/// An interface's socket to send by, and where the device listens there.
struct Interface {
    socket: UdpSocket,
    addresses: Vec<SocketAddrV4>,
}

struct Task {
    own: PeerId,
    instance: String,
    /// Receives what is sent to the group on any of the interfaces.
    socket: UdpSocket,
    interfaces: BTreeMap<Ipv4Addr, Interface>,
    neighbours: Neighbours,
    listening: watch::Receiver<Vec<SocketAddrV4>>,
    told: mpsc::Sender<Change>,
    query: Query,
    announcement_due: Option<Instant>,
    announced_at: Option<Instant>,
    pause_until: Option<Instant>,
    /// For interfaces where the group could not be joined.
    join_again: Again,
}

impl Task {
    async fn run(mut self) {
        self.follow();
        loop {
            let expired = self.act_on_time().await;
            if self.tell(expired).await.is_none() {
                return;
            }
            let join = self.join_again.at();
            let due = [self.announcement_due, self.pause_until, self.neighbours.next_expiry(), join];
            let wake = due.into_iter().flatten().fold(self.query.at, Instant::min);
            let mut heard = Vec::new();
            tokio::select! {
                changed = self.listening.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(wake.into()) => {}
                readable = self.socket.readable(), if self.pause_until.is_none() => match readable {
                    Ok(()) => heard = self.read(),
                    Err(error) => return tracing::warn!(%error, "nobody is discovered any more"),
                },
            }
            if self.tell(heard).await.is_none() {
                return;
            }
        }
    }

    /// `None` when nobody listens any more.
    async fn tell(&self, changes: Vec<Change>) -> Option<()> {
        for change in changes {
            self.told.send(change).await.ok()?;
        }
        Some(())
    }

    /// Does what has fallen due.
    async fn act_on_time(&mut self) -> Vec<Change> {
        let now = Instant::now();
        self.pause_until.take_if(|until| *until <= now);
        if self.join_again.take_due(now) {
            self.follow();
        }
        if self.query.at <= now {
            self.query.asked(now);
            self.send(|_| packet::query()).await;
        }
        if self.announcement_due.take_if(|due| *due <= now).is_some() {
            self.announced_at = Some(now);
            let (own, instance) = (self.own, self.instance.clone());
            self.send(|addresses| packet::announce(&own, &instance, addresses, neighbours::TTL)).await;
        }
        if self.neighbours.next_expiry().is_some_and(|at| at <= now) {
            return self.neighbours.expire(now);
        }
        Vec::new()
    }

    /// Sends to everybody on each interface what is made of the addresses there.
    async fn send(&self, packet: impl Fn(&[SocketAddrV4]) -> Vec<u8>) {
        for (ip, interface) in &self.interfaces {
            if let Err(error) = interface.socket.send_to(&packet(&interface.addresses), (GROUP, PORT)).await {
                tracing::debug!(%ip, %error, "nothing can be announced on this interface");
            }
        }
    }

    /// Reads what has come, up to some packets.
    fn read(&mut self) -> Vec<Change> {
        let now = Instant::now();
        let mut packet = [0; PACKET];
        let mut changes = Vec::new();
        for _ in 0..AT_ONCE {
            match self.socket.try_recv_from(&mut packet) {
                Ok((length, SocketAddr::V4(from))) => {
                    changes.extend(self.on_packet(&packet[..length], *from.ip(), now));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changes,
                // Of an answer to what was sent before. Others may follow at once.
                Err(_) => break,
            }
        }
        self.pause_until = Some(now + PAUSE);
        changes
    }

    fn on_packet(&mut self, packet: &[u8], source: Ipv4Addr, now: Instant) -> Vec<Change> {
        match packet::parse(packet) {
            Some(Packet::Query) => self.announce_soon(now),
            Some(Packet::Announcement(announcement)) if self.neighbours.listens_to(source, now) => {
                let device = announcement.device().filter(|(device, _)| !self.is_own(device));
                if let Some(device) = device {
                    return self.neighbours.announced(source, device, announcement.ttl, now);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn is_own(&self, device: &velo_protocol::id::DeviceId) -> bool {
        super::identity::device_id(&self.own).as_ref() == Some(device)
    }

    fn announce_soon(&mut self, now: Instant) {
        let due = self.announced_at.map_or(now, |at| now.max(at + ANNOUNCEMENT));
        self.announcement_due.get_or_insert(due);
    }

    /// Joins the group on interfaces that have come, leaves it on those that have gone, and says on each
    /// where this device listens.
    fn follow(&mut self) {
        let mut wanted = BTreeMap::<Ipv4Addr, Vec<SocketAddrV4>>::new();
        for address in self.listening.borrow_and_update().iter() {
            wanted.entry(*address.ip()).or_default().push(*address);
        }
        let mut old = std::mem::take(&mut self.interfaces);
        let mut failed = false;
        for (ip, addresses) in wanted.into_iter().take(INTERFACES) {
            let socket = match old.remove(&ip) {
                Some(interface) => Ok(interface.socket),
                None => self.join(ip),
            };
            match socket {
                Ok(socket) => {
                    self.interfaces.insert(ip, Interface { socket, addresses });
                }
                Err(error) => {
                    failed = true;
                    tracing::warn!(%ip, %error, "nobody is discovered on this interface; it is tried again");
                    // It may have failed half-way.
                    self.socket.leave_multicast_v4(GROUP, ip).ok();
                }
            }
        }
        if failed {
            self.join_again.failed(Instant::now());
        } else {
            self.join_again.works();
        }
        for ip in old.into_keys() {
            // An error says that the interface is gone, and the membership with it.
            self.socket.leave_multicast_v4(GROUP, ip).ok();
        }
        self.query = Query::now();
        self.announcement_due = Some(self.query.at);
    }

    /// Joins the group there. Returns a socket to send by: which interface that is depends on where it
    /// is bound on some systems, and on others on an option.
    fn join(&self, ip: Ipv4Addr) -> io::Result<UdpSocket> {
        self.socket.join_multicast_v4(GROUP, ip)?;
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&SocketAddr::from((ip, 0)).into())?;
        socket.set_multicast_if_v4(&ip)?;
        socket.set_multicast_ttl_v4(HOPS)?;
        // Other devices on the same machine are to hear it too.
        socket.set_multicast_loop_v4(true)?;
        into_tokio(socket)
    }
}

/// A socket at the port of the group, which every program on the machine may share.
fn open_group() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_multicast_loop_v4(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
    into_tokio(socket)
}

fn into_tokio(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_ever_more_seldom() {
        let (mut again, start) = (Again::default(), Instant::now());
        assert!(again.at().is_none() && !again.take_due(start));
        let mut pauses = Vec::new();
        for _ in 0..=limits::DISCOVERY_DOUBLINGS + 1 {
            again.failed(start);
            let at = again.at().unwrap();
            assert!(!again.take_due(start));
            assert!(again.take_due(at) && !again.take_due(at), "once");
            pauses.push((at - start).as_millis() as u64);
        }
        assert_eq!(pauses[..3], [1, 2, 4].map(|n| n * limits::DISCOVERY_AGAIN_MS));
        assert_eq!(pauses.last(), Some(&(limits::DISCOVERY_AGAIN_MS << limits::DISCOVERY_DOUBLINGS)));
        again.works();
        again.failed(start);
        assert_eq!(again.at(), Some(start + Duration::from_millis(limits::DISCOVERY_AGAIN_MS)));
    }
}
