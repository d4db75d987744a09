//! The network: carries frames between devices, and finds the devices.
//!
//! What the frames mean is the business of [`velo_protocol::replica`]. Here are libp2p's identity,
//! encryption and discovery, one session for each peer, and the decision whom to dial when.
//!
//! ```text
//!   driver ──▶ NetHandle::send ─────────▶ queue of the session ──▶ connection's own task ──▶ peer
//!   driver ◀── NetEvents::recv ◀── task ◀── credit window ◀─────── connection's own task ◀── peer
//!                                   │
//!                     Dialer (whom, when)   AddressBook (where)
//! ```
//!
//! One task owns the swarm. It does no disk work and no cryptography of ours: the book is written on
//! a blocking thread, and each connection encrypts and decrypts in its own task. When the driver is
//! slow, frames stay where they are: each connection reads one window ahead and then stops, and the
//! peer's writing stops with it. Nothing is ever dropped between two ends of one session.
//!
//! Frames of pulls go by a stream and a queue of their own all the way to the driver, which takes them
//! when there is nothing else.
//!
//! For each peer the driver sees [`NetEvent::PeerUp`] and [`NetEvent::PeerDown`] in strict turns, and
//! frames only in between, whatever happens to connections below.
//!
//! Behind a router a device is reached through a relay ([`relays`]), and over a direct connection as soon
//! as both routers were pierced, which is libp2p's part.

pub(crate) mod address;
mod behaviour;
mod blob;
pub(crate) mod book;
mod crowd;
mod dialer;
pub(crate) mod identity;
pub(crate) mod mdns;
mod reason;
mod relays;
pub(crate) mod session;
mod status;
mod task;
mod vigil;

pub use address::{AddressError, check_dialable, device_in};
pub use blob::AskId;
pub use book::{BookError, remembered};
pub use libp2p::Multiaddr;
pub use status::{AddressRecord, NetStatus, RelayStatus, TargetStage, TargetStatus};

use libp2p::swarm::ConnectionId;
use session::Outbounds;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use task::{Command, Delivery, Forgotten, Network};
use tokio::sync::{mpsc, oneshot, watch};
use velo_protocol::{
    blob::{Answer, Question},
    crypto::SecretKey,
    id::DeviceId,
};

/// Events waiting for the driver: enough to keep it busy, and with frames of full size 16 MiB.
const EVENTS: usize = 64;
/// Frames of pulls waiting for it besides, most of 64 KiB.
const PULLED: usize = 16;

/// How to start.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The device's key; peers know the device by it.
    pub device: SecretKey,
    /// Where to listen. Port 0 takes the port of the last start if it is free.
    pub listen: Vec<Multiaddr>,
    /// Whether to announce this device on the LAN and look for others.
    pub mdns: bool,
    /// The file of the address book.
    pub address_book: PathBuf,
    /// Whether this device carries connections between others that cannot reach each other. It then
    /// uses no relay itself.
    pub is_relay: bool,
    /// Where others reach this device beside the addresses it listens on: a router's forwarded port. A
    /// relay is told to others by these alone, if there are any.
    pub external: Vec<Multiaddr>,
}

impl NetConfig {
    /// Listens on every IPv4 interface, with discovery.
    pub fn new(device: SecretKey, address_book: PathBuf) -> Self {
        let any = libp2p::core::multiaddr::multiaddr!(Ip4([0, 0, 0, 0]), Tcp(0_u16));
        Self { device, listen: vec![any], mdns: true, address_book, is_relay: false, external: Vec::new() }
    }
}

/// Why the network could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The key was refused.
    #[error("the device key cannot be used for the network: {0}")]
    Key(String),
    /// Encryption could not be set up.
    #[error("the transport cannot be set up: {0}")]
    Transport(String),
    /// No address of the configuration can be listened on.
    #[error("cannot listen on {address}: {reason}. Choose another address or port")]
    Listen {
        /// The last address tried.
        address: Multiaddr,
        /// Why not.
        reason: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// Not called on a tokio runtime.
    #[error("the network needs a tokio runtime")]
    NoRuntime,
}

/// The way a connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Within the local network.
    Lan,
    /// Over the internet, without a relay.
    Direct,
    /// Through a relay, which sees cipher text only.
    Relayed,
}

/// What happens on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// This device can be reached at an address of its own.
    Listening(Multiaddr),
    /// A listener stopped.
    ListenFailed {
        /// Why, for people.
        reason: String,
    },
    /// Discovery could not be started; peers are still reached by address.
    DiscoveryFailed {
        /// Why, for people.
        reason: String,
    },
    /// A peer was announced on the LAN.
    Discovered {
        /// Which.
        peer: DeviceId,
        /// Where.
        addresses: Vec<Multiaddr>,
    },
    /// A session is open.
    PeerUp {
        /// With whom.
        peer: DeviceId,
        /// Which way.
        path: Path,
        /// Where the peer was dialled, or from where it dialled.
        address: Multiaddr,
    },
    /// The session is over; frames not told as [`NetEvent::Sent`] may be lost.
    PeerDown {
        /// With whom.
        peer: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// A frame arrived.
    Frame {
        /// From whom, as the transport authenticated it.
        peer: DeviceId,
        /// At least one byte, at most [`velo_protocol::limits::FRAME`].
        frame: Vec<u8>,
    },
    /// Frames of the session's own stream given to [`NetHandle::send`] were written, in their order. Of pulls
    /// the peer itself tells what it took.
    Sent {
        /// To whom.
        peer: DeviceId,
        /// Sum of the frames' lengths.
        bytes: usize,
    },
    /// A peer asks for part of a blob, or offers some. To be answered with [`NetHandle::answer_blob`].
    BlobAsked {
        /// Who, as the transport authenticated it.
        peer: DeviceId,
        /// Names the question.
        id: AskId,
        /// What.
        question: Question,
    },
    /// What came of [`NetHandle::ask_blob`].
    BlobAnswered {
        /// Who was asked.
        peer: DeviceId,
        /// What.
        question: Question,
        /// The answer; `None`: there was none.
        answer: Option<Answer>,
    },
    /// Nobody could be reached.
    DialFailed {
        /// The address tried, or the first of several.
        address: Multiaddr,
        /// Who was expected there.
        peer: Option<DeviceId>,
        /// Why, for people.
        reason: String,
        /// Time until the next dial; none follows without it.
        next_try: Option<Duration>,
    },
    /// The address book could not be read, or was damaged and moved aside.
    BookFailed {
        /// Why, for people.
        reason: String,
    },
}

/// Where the frames of a peer's present session go.
#[derive(Debug, Clone)]
struct Route {
    connection: ConnectionId,
    outbound: Outbounds,
}

/// The sessions that the driver knows of: those whose `PeerUp` it has received and whose `PeerDown`
/// it has not. So a frame made for one session is never sent on the next.
type Routes = Arc<Mutex<HashMap<DeviceId, Route>>>;

/// The driver's end of the network's events.
#[derive(Debug)]
pub struct NetEvents {
    deliveries: mpsc::Receiver<Delivery>,
    /// Frames of pulls: taken when there is nothing else.
    pulled: mpsc::Receiver<Delivery>,
    routes: Routes,
}

impl NetEvents {
    /// The next event; `None` after the network has ended. Safe to cancel.
    ///
    /// What is sent after this returns goes to the session that the events returned so far
    /// describe: handle one event completely before receiving the next.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        loop {
            let delivery = tokio::select! {
                biased;
                delivery = self.deliveries.recv() => delivery?,
                Some(delivery) = self.pulled.recv() => delivery,
            };
            if let Some(event) = self.follow(delivery) {
                return Some(event);
            }
        }
    }

    /// The next event if there is one already.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        loop {
            let delivery = self.deliveries.try_recv().or_else(|_| self.pulled.try_recv()).ok()?;
            if let Some(event) = self.follow(delivery) {
                return Some(event);
            }
        }
    }

    /// Keeps the routes up to date. A frame that the end of its session has overtaken is dropped.
    fn follow(&self, Delivery { event, route, connection }: Delivery) -> Option<NetEvent> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match (&event, route) {
            (NetEvent::Frame { peer, .. }, _) => {
                let present = routes.get(peer).map(|route| route.connection);
                return (present == connection).then_some(event);
            }
            (NetEvent::PeerUp { peer, .. }, Some(route)) => {
                routes.insert(*peer, route);
            }
            (NetEvent::PeerDown { peer, .. }, _) => {
                routes.remove(peer);
            }
            _ => {}
        }
        Some(event)
    }
}

/// Asks the network to do things. Cheap to clone; no method but [`Self::shutdown`] waits.
#[derive(Debug, Clone)]
pub struct NetHandle {
    own: DeviceId,
    commands: mpsc::UnboundedSender<Command>,
    routes: Routes,
    status: watch::Receiver<(Instant, NetStatus)>,
}

impl NetHandle {
    /// Sends a frame. Without a session with the peer it is dropped, as `PeerDown` has said. Above
    /// [`velo_protocol::limits::QUEUE_BYTES`] waiting, the session is ended: a stream with a hole in
    /// it would be worse.
    pub fn send(&self, peer: DeviceId, frame: Vec<u8>) {
        let Some(route) = self.route(peer) else { return };
        if let Err(error) = route.outbound.push(frame) {
            self.end(peer, &route, error.to_string());
        }
    }

    /// Ends the session with a peer, after writing what waits. The peer is dialled again later.
    pub fn disconnect(&self, peer: DeviceId, reason: impl Into<String>) {
        if let Some(route) = self.route(peer) {
            self.end(peer, &route, reason.into());
        }
    }

    /// Dials an address, with or without `/p2p/…` at its end, and remembers it. It is tried again,
    /// also after a restart, until a colleague is met there: see [`Self::trust`].
    pub fn dial(&self, wish: Multiaddr) -> Result<(), AddressError> {
        let (address, peer) = check_dialable(&wish)?;
        let relay = address::relay(&address).map(|(relay, _)| relay);
        if peer == Some(self.own) || relay == Some(self.own) {
            return Err(AddressError::Own);
        }
        self.command(Command::Dial { wish, address, peer });
        Ok(())
    }

    /// Dials an address no more, and uses no relay there. Returns whether it was known.
    pub async fn forget_address(&self, address: &Multiaddr) -> bool {
        self.forget(Forgotten::Address(address::plain(address))).await
    }

    /// The same of a device. A session with it goes on, unless it is a relay.
    pub async fn forget_device(&self, device: DeviceId) -> bool {
        self.forget(Forgotten::Device(device)).await
    }

    async fn forget(&self, forgotten: Forgotten) -> bool {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Forget(forgotten, answer));
        // An error says that the task has ended.
        answered.await.unwrap_or(false)
    }

    /// Tells that a peer has shown that it shares a workspace: it is found again after every
    /// interruption and restart. Others are met only while they are announced or dial us.
    pub fn trust(&self, peer: DeviceId) {
        self.command(Command::Trust(peer));
    }

    /// Asks a peer for part of a blob, or offers it some: see [`NetEvent::BlobAnswered`].
    pub fn ask_blob(&self, peer: DeviceId, question: Question) {
        self.command(Command::AskBlob { peer, question });
    }

    /// Answers a peer: see [`NetEvent::BlobAsked`].
    pub fn answer_blob(&self, id: AskId, answer: Answer) {
        self.command(Command::AnswerBlob { id, answer });
    }

    /// Dials every peer and address that waits for a dial, now.
    pub fn redial_now(&self) {
        self.command(Command::Redial);
    }

    /// Addresses of this device, for tickets: its own id at the end, through relays after direct ones,
    /// loopback last.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.status.borrow().1.listening.clone()
    }

    /// What is known about reaching peers, for the connection doctor.
    pub fn status(&self) -> NetStatus {
        let (taken, status) = self.status.borrow().clone();
        status.aged(taken.elapsed())
    }

    /// Ends every session, saves the address book, and returns when nothing runs any more.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        self.command(Command::Shutdown(done));
        // An error says that the task has ended already.
        drop(finished.await);
    }

    fn route(&self, peer: DeviceId) -> Option<Route> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned()
    }

    fn end(&self, peer: DeviceId, route: &Route, reason: String) {
        self.command(Command::Disconnect { peer, connection: route.connection, reason });
    }

    fn command(&self, command: Command) {
        // An error says that the task has ended; then there is nothing left to ask for.
        drop(self.commands.send(command));
    }
}

/// Starts the network on the current tokio runtime. Reads the address book from disk.
pub fn start(config: NetConfig) -> Result<(NetHandle, NetEvents), NetError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| NetError::NoRuntime)?;
    let own = DeviceId(config.device.public());
    let (delivered, deliveries) = mpsc::channel(EVENTS);
    let (pulled_to, pulled) = mpsc::channel(PULLED);
    let (commands, asked) = mpsc::unbounded_channel();
    let (network, status) = Network::new(config, (delivered, pulled_to), asked)?;
    runtime.spawn(network.run());
    let routes = Routes::default();
    Ok((
        NetHandle { own, commands, routes: Arc::clone(&routes), status },
        NetEvents { deliveries, pulled, routes },
    ))
}
