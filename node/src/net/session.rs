//! `/velo/session/1`: one long-lived stream of frames for each peer, over the best of the
//! connections to it.
//!
//! ```text
//!   connection made ──▶ Links::choose ──▶ ours? Ask::Open ──▶ Tell::Offered ──▶ chosen? Ask::Carry
//!                                        theirs? wait ──────▶ Tell::Offered ──▶        │
//!   Down ◀── Tell::Ended, connection closed, overdue, disconnect() ◀── Frame, Sent ◀── Up
//! ```
//! For each peer the events `Up`, `Down` alternate strictly, and `Frame` and `Sent` come in between
//! only: what an older connection still delivers is dropped here.
//!
//! Absent on purpose: no reconnecting (see `dialer`), no meaning of frames (see the protocol crate).

pub(crate) mod frame;
mod handler;
mod links;

use super::{address, identity, reason::root_cause};
use frame::FRAME_COST;
pub use frame::Outbound;
use handler::{Ask, End, Handler, Tell};
use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished,
    },
};
use links::{Dialler, Links, Overdue};
use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};
use tokio::time::Sleep;
use velo_protocol::id::DeviceId;

/// What the session tells the network task.
#[derive(Debug)]
pub enum Event {
    /// A session is open.
    Up {
        /// With whom.
        peer: DeviceId,
        /// Over which connection.
        connection: ConnectionId,
        /// Where the peer was dialled, or where it dialled from.
        address: Multiaddr,
        /// Whether this device dialled.
        dialled: bool,
        /// Takes the frames to be sent.
        outbound: Outbound,
    },
    /// The session is over.
    Down {
        /// With whom.
        peer: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// A frame arrived. [`Behaviour::credit`] must be called when it is taken.
    Frame {
        /// From whom.
        peer: DeviceId,
        /// Over which connection.
        connection: ConnectionId,
        /// The bytes.
        frame: Vec<u8>,
    },
    /// Frames were written.
    Sent {
        /// To whom.
        peer: DeviceId,
        /// Sum of their lengths.
        bytes: usize,
    },
    /// The last connection to a peer is gone without having carried a session.
    Unused {
        /// To whom.
        peer: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// The peer turned out to be no Velo device.
    Foreign {
        /// Which.
        peer: DeviceId,
    },
    /// The peer broke the framing: it should not come back soon.
    Violation {
        /// Which.
        peer: DeviceId,
    },
}

/// The peer's key is not an ed25519 key.
#[derive(Debug, thiserror::Error)]
#[error("the peer's key is not that of a Velo device")]
struct NotADevice;

struct Peer {
    device: DeviceId,
    links: Links,
    addresses: HashMap<ConnectionId, Multiaddr>,
    session: Option<Session>,
}

struct Session {
    connection: ConnectionId,
    outbound: Outbound,
}

/// See the module.
pub struct Behaviour {
    own: DeviceId,
    peers: HashMap<PeerId, Peer>,
    events: VecDeque<ToSwarm<Event, Ask>>,
    /// No connection falls due before.
    due: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Without peers.
    pub fn new(own: DeviceId) -> Self {
        Self { own, peers: HashMap::new(), events: VecDeque::new(), due: None, waker: None }
    }

    /// The driver took a frame of this length: its connection may read on.
    pub fn credit(&mut self, peer: &DeviceId, connection: ConnectionId, bytes: usize) {
        if let Some(peer_id) = identity::peer_id(peer) {
            self.ask(peer_id, connection, Ask::Credit(bytes + FRAME_COST));
        }
    }

    /// A sign of life on a connection.
    pub fn heard(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.links.heard(connection, Instant::now());
        }
    }

    /// The network has changed, or this device slept: every connection has to prove that it lives.
    pub fn doubt(&mut self) {
        let now = Instant::now();
        self.peers.values_mut().for_each(|peer| peer.links.doubt(now));
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer_id in peers {
            self.wake_when_due(peer_id);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ends the session that runs over `connection`: what waits is written, within half a second. Other
    /// connections to the peer are closed.
    pub fn disconnect(&mut self, device: &DeviceId, connection: ConnectionId, reason: String) {
        let Some(peer_id) = identity::peer_id(device) else { return };
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let Some(session) = peer.session.take_if(|session| session.connection == connection) else { return };
        let others: Vec<_> = peer.links.ids().filter(|id| *id != connection).collect();
        session.outbound.finish();
        self.ask(peer_id, connection, Ask::Finish);
        self.tell(Event::Down { peer: *device, reason });
        self.forget(peer_id, connection);
        for other in others {
            self.close(peer_id, other, "");
        }
    }

    /// Ends every session.
    pub fn disconnect_all(&mut self, reason: &str) {
        let sessions: Vec<_> = self
            .peers
            .values()
            .filter_map(|peer| Some((peer.device, peer.session.as_ref()?.connection)))
            .collect();
        for (device, connection) in sessions {
            self.disconnect(&device, connection, reason.to_owned());
        }
    }

    fn tell(&mut self, event: Event) {
        self.push(ToSwarm::GenerateEvent(event));
    }

    fn ask(&mut self, peer_id: PeerId, connection: ConnectionId, event: Ask) {
        self.push(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event });
    }

    fn push(&mut self, event: ToSwarm<Event, Ask>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Closes a connection and treats it as gone at once: a dead one may take minutes to close.
    fn close(&mut self, peer_id: PeerId, connection: ConnectionId, reason: &str) {
        self.push(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(connection) });
        self.gone(peer_id, connection, reason);
    }

    /// A connection carries nothing any more.
    fn gone(&mut self, peer_id: PeerId, connection: ConnectionId, reason: &str) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let (device, reason) = (peer.device, reason.to_owned());
        let carried = peer.session.take_if(|session| session.connection == connection).is_some();
        self.forget(peer_id, connection);
        if carried {
            self.tell(Event::Down { peer: device, reason });
        } else if !self.peers.contains_key(&peer_id) {
            self.tell(Event::Unused { peer: device, reason });
        }
        self.choose(peer_id);
    }

    fn forget(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.links.remove(connection);
        peer.addresses.remove(&connection);
        if peer.links.is_empty() {
            self.peers.remove(&peer_id);
        }
    }

    /// Brings the session to the best connection.
    fn choose(&mut self, peer_id: PeerId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let carrier = peer.session.as_ref().map(|session| session.connection);
        let Some(best) = peer.links.choose(Instant::now()) else { return };
        let (id, dialled) = (best.id, best.dialler == Dialler::Us);
        if best.offered.is_some() && carrier != Some(id) {
            self.carry(peer_id, id, dialled);
        } else if dialled && !std::mem::replace(&mut best.asked, true) {
            self.ask(peer_id, id, Ask::Open);
        }
        self.wake_when_due(peer_id);
    }

    fn carry(&mut self, peer_id: PeerId, connection: ConnectionId, dialled: bool) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let Some(address) = peer.addresses.get(&connection).cloned() else { return };
        let device = peer.device;
        let (outbound, queue) = frame::queue();
        let new = Session { connection, outbound: outbound.clone() };
        if let Some(old) = peer.session.replace(new) {
            old.outbound.finish();
            self.ask(peer_id, old.connection, Ask::Finish);
            self.tell(Event::Down { peer: device, reason: "moved to a better connection".to_owned() });
        }
        self.tell(Event::Up { peer: device, connection, address, dialled, outbound });
        self.ask(peer_id, connection, Ask::Carry(queue));
    }

    fn connected(&mut self, event: ConnectionEstablished<'_>) {
        // Others were refused before.
        let Some(device) = identity::device_id(&event.peer_id) else { return };
        let senior = if self.own < device { Dialler::Us } else { Dialler::Them };
        let relayed = event.endpoint.is_relayed();
        let (dialler, remote) = match event.endpoint {
            // Both ends dial to pierce their routers, and one of them plays the listener's part.
            ConnectedPoint::Dialer { address, role_override: Endpoint::Listener, .. } => {
                (Dialler::Them, address)
            }
            ConnectedPoint::Dialer { address, .. } => (Dialler::Us, address),
            // What comes through a relay comes from no address but the relay's.
            ConnectedPoint::Listener { local_addr, .. } if relayed => (Dialler::Them, local_addr),
            ConnectedPoint::Listener { send_back_addr, .. } => (Dialler::Them, send_back_addr),
        };
        let peer = self.peers.entry(event.peer_id).or_insert_with(|| Peer {
            device,
            links: Links::new(senior),
            addresses: HashMap::new(),
            session: None,
        });
        peer.links.add(event.connection_id, dialler, relayed, Instant::now());
        peer.addresses.insert(event.connection_id, address::plain(remote));
        self.choose(event.peer_id);
    }

    fn wake_when_due(&mut self, peer_id: PeerId) {
        let Some(at) = self.peers.get(&peer_id).and_then(|peer| peer.links.next_due()) else { return };
        let at = tokio::time::Instant::from_std(at);
        if self.due.as_ref().is_none_or(|due| at < due.deadline()) {
            self.due = Some(Box::pin(tokio::time::sleep_until(at)));
        }
    }

    fn close_overdue(&mut self) {
        let now = Instant::now();
        let overdue = |(peer_id, peer): (&PeerId, &Peer)| {
            let peer_id = *peer_id;
            peer.links.overdue(now).into_iter().map(move |(id, why)| (peer_id, id, why))
        };
        let overdue: Vec<_> = self.peers.iter().flat_map(overdue).collect();
        for (peer_id, connection, why) in overdue {
            self.close(peer_id, connection, why.reason());
        }
        let remaining: Vec<_> = self.peers.keys().copied().collect();
        for peer_id in remaining {
            self.wake_when_due(peer_id);
        }
    }

    fn ended(&mut self, peer_id: PeerId, connection: ConnectionId, end: &End) {
        let device = self.peers.get(&peer_id).map(|peer| peer.device);
        self.close(peer_id, connection, &end.to_string());
        match (device, end) {
            (Some(peer), End::Foreign) => self.tell(Event::Foreign { peer }),
            (Some(peer), End::Frame(error)) if error.is_violation() => self.tell(Event::Violation { peer }),
            _ => {}
        }
    }

    fn offered(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let link = self.peers.get_mut(&peer_id).and_then(|peer| peer.links.get_mut(connection));
        if let Some(link) = link {
            link.offered = Some(Instant::now());
            self.choose(peer_id);
        }
    }
}

impl Overdue {
    fn reason(self) -> &'static str {
        match self {
            Self::Spare => "another connection carries the session",
            Self::Silent => "the peer went silent: it did not answer in time",
            Self::Unused => "the peer opened no session after connecting",
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        identity::device_id(&peer).map(|_| Handler::new()).ok_or_else(|| ConnectionDenied::new(NotADevice))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        identity::device_id(&peer).map(|_| Handler::new()).ok_or_else(|| ConnectionDenied::new(NotADevice))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.connected(event),
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, cause, .. }) => {
                let reason =
                    cause.map_or_else(|| "the connection was closed".to_owned(), |cause| root_cause(cause));
                self.gone(peer_id, connection_id, &reason);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer_id: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let now = Instant::now();
        match event {
            Tell::Offered => return self.offered(peer_id, connection),
            Tell::Ended(end) => return self.ended(peer_id, connection, &end),
            Tell::Frame(_) | Tell::Sent(_) => {}
        }
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if peer.session.as_ref().is_none_or(|session| session.connection != connection) {
            return;
        }
        let device = peer.device;
        match event {
            Tell::Frame(frame) => {
                peer.links.heard(connection, now);
                self.tell(Event::Frame { peer: device, connection, frame });
            }
            Tell::Sent(bytes) => {
                peer.links.wrote(connection, bytes, now);
                self.tell(Event::Sent { peer: device, bytes });
            }
            Tell::Offered | Tell::Ended(_) => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        // Again until it is pending: a new timer wakes nobody before it has been polled.
        while let Some(due) = &mut self.due
            && due.as_mut().poll(cx).is_ready()
        {
            self.due = None;
            self.close_overdue();
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
