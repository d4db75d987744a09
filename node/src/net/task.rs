//! The task that owns the swarm: takes what happens, keeps dialer and address book up to date, and
//! hands events to the driver in order.

mod discovery;
mod outcome;
mod relaying;
mod saved_book;

use super::{
    AskId, NetConfig, NetError, NetEvent, NetStatus, Path, Route, address,
    behaviour::{self, Behaviour, BehaviourEvent},
    blob::Questions,
    dialer::{Dialer, Target},
    identity,
    mdns::{Again, Change, Mdns},
    relays::Relays,
    session,
    vigil::Vigil,
};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    swarm::{ConnectionId, SwarmEvent},
};
use relaying::Role;
use saved_book::SavedBook;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    io,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{mpsc, oneshot, watch};
use velo_protocol::{
    blob::{Answer, Question},
    id::DeviceId,
    message::Lane,
};

/// Events kept for a driver that does not read. Above it the swarm is not polled, and so the whole
/// network waits. Frames never come near: each connection has its own window.
const OUTBOX: usize = 1024;
/// The least time between two pictures of the status: each looks at every target, and dials that fail
/// can be hundreds a second.
const SHOWN: Duration = Duration::from_millis(100);
/// How long a shutdown waits for goodbyes to be written.
const FAREWELL: Duration = Duration::from_millis(800);

/// What the driver asks for. Unbounded, since only this process adds to it: one for each session ended,
/// for each piece of a blob that a peer waits for, and for each wish of a person.
#[derive(Debug)]
pub enum Command {
    /// `wish` is the address as it was given, with or without the peer.
    Dial {
        wish: Multiaddr,
        address: Multiaddr,
        peer: Option<DeviceId>,
    },
    Trust(DeviceId),
    Disconnect {
        peer: DeviceId,
        connection: ConnectionId,
        reason: String,
    },
    AskBlob {
        peer: DeviceId,
        question: Question,
    },
    AnswerBlob {
        id: AskId,
        answer: Answer,
    },
    Redial,
    /// Answers whether it was known.
    Forget(Forgotten, oneshot::Sender<bool>),
    Shutdown(oneshot::Sender<()>),
}

/// What is not to be dialled any more.
#[derive(Debug)]
pub enum Forgotten {
    /// Without a device's id at its end.
    Address(Multiaddr),
    Device(DeviceId),
}

/// An event on its way to the driver.
#[derive(Debug)]
pub struct Delivery {
    pub event: NetEvent,
    /// Of the session that the event says is up.
    pub route: Option<Route>,
    /// Over which a frame came.
    pub connection: Option<ConnectionId>,
}

/// A frame that was taken: whose, from which stream, and how long.
type Credit = (DeviceId, ConnectionId, Lane, usize);

/// What may happen to the task.
enum Step {
    Delivered(Option<Credit>),
    Swarm(Box<SwarmEvent<BehaviourEvent>>),
    Command(Command),
    /// On the LAN. `None`: discovery has ended.
    Neighbour(Option<Change>),
    SaveFailed(io::Error),
    Time,
    Deserted,
}

/// An open session.
struct Session {
    path: Path,
    address: Multiaddr,
    /// Whether we dialled the peer there.
    dialled: bool,
    since: Instant,
    /// Whether the peer shares a workspace with us.
    trusted: bool,
}

/// See the module.
pub struct Network {
    pub(super) swarm: Swarm<Behaviour>,
    dialer: Dialer,
    dials: HashMap<ConnectionId, Target>,
    sessions: BTreeMap<DeviceId, Session>,
    /// Where connected peers say that they listen.
    announced: HashMap<DeviceId, Vec<Multiaddr>>,
    /// Connected peers that carry circuits between others.
    carriers: BTreeSet<DeviceId>,
    relays: Relays,
    role: Role,
    vigil: Vigil,
    blocked: VecDeque<(Instant, PeerId)>,
    discovery_wanted: bool,
    discovery: Option<Mdns>,
    discovery_again: Again,
    /// Why it failed last, as far as that was told.
    discovery_trouble: Option<String>,
    remember_port: bool,
    /// About blobs.
    pub(super) questions: Questions,

    book: SavedBook,
    outbox: VecDeque<Delivery>,
    events: mpsc::Sender<Delivery>,
    /// Frames of pulls, which wait behind everything else. The windows of the connections bound them.
    pulls: VecDeque<Delivery>,
    pulled: mpsc::Sender<Delivery>,
    commands: mpsc::UnboundedReceiver<Command>,
    status: watch::Sender<(Instant, NetStatus)>,
    status_changed: bool,
    /// Not before then is it shown.
    status_from: Instant,
}

impl Network {
    /// Reads the address book and starts to listen. What happens goes out by the first of two channels, the
    /// frames of pulls by the second. The second part of what is given shows the status.
    pub fn new(
        config: NetConfig,
        (events, pulled): (mpsc::Sender<Delivery>, mpsc::Sender<Delivery>),
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Result<(Self, watch::Receiver<(Instant, NetStatus)>), NetError> {
        let own = DeviceId(config.device.public());
        let keypair = identity::keypair(&config.device).map_err(|error| NetError::Key(error.to_string()))?;
        let (book, book_error) = SavedBook::load(config.address_book);
        let (status, watched) = watch::channel((Instant::now(), NetStatus::default()));
        let seed = getrandom::u64().map_err(|error| NetError::Random(error.to_string()))?;
        let mut network = Self {
            swarm: behaviour::swarm(keypair, own, config.is_relay)?,
            dialer: Dialer::new(own, seed),
            dials: HashMap::new(),
            sessions: BTreeMap::new(),
            announced: HashMap::new(),
            carriers: BTreeSet::new(),
            relays: Relays::default(),
            role: Role::new(config.is_relay, &config.listen, config.external),
            vigil: Vigil::new(Instant::now(), SystemTime::now()),
            blocked: VecDeque::new(),
            discovery_wanted: config.mdns,
            discovery: None,
            discovery_again: Again::default(),
            discovery_trouble: None,
            remember_port: config.listen.iter().any(|address| address::tcp_port(address) == Some(0)),
            questions: Questions::default(),
            book,
            outbox: VecDeque::new(),
            events,
            pulls: VecDeque::new(),
            pulled,
            commands,
            status,
            status_changed: true,
            status_from: Instant::now(),
        };
        network.listen(&config.listen)?;
        network.announce_external();
        network.recall(book_error);
        Ok((network, watched))
    }

    /// Runs until a shutdown is asked for or the driver is gone.
    pub async fn run(mut self) {
        let done = loop {
            self.act_on_time();
            match self.step().await {
                Step::Delivered(Some((peer, connection, lane, bytes))) => {
                    self.swarm.behaviour_mut().session.credit(&peer, connection, lane, bytes);
                }
                Step::Delivered(None) | Step::Time => {}
                Step::Swarm(event) => self.on_swarm(*event),
                Step::Command(Command::Shutdown(done)) => break Some(done),
                Step::Command(command) => self.on_command(command),
                Step::Neighbour(change) => self.on_neighbour(change),
                Step::SaveFailed(error) => self.on_save_failed(&error),
                Step::Deserted => break None,
            }
        };
        self.say_goodbye().await;
        let Self { swarm, book, .. } = self;
        drop(swarm);
        book.finish().await;
        if let Some(done) = done {
            // Whoever asked may have stopped waiting.
            done.send(()).ok();
        }
    }

    async fn step(&mut self) -> Step {
        let unblock = self.blocked.front().map(|(at, _)| *at);
        let (dialer, relays, status) = (self.dialer.next_wake(), self.relays.next_wake(), self.status_due());
        let wake = [dialer, relays, status, unblock, self.book.due(), self.discovery_again.at()];
        let wake = wake.into_iter().flatten().fold(self.vigil.due(), Instant::min);
        tokio::select! {
            permit = self.events.reserve(), if !self.outbox.is_empty() => deliver(permit, self.outbox.pop_front()),
            permit = self.pulled.reserve(), if !self.pulls.is_empty() => deliver(permit, self.pulls.pop_front()),
            event = self.swarm.select_next_some(), if self.outbox.len() < OUTBOX => Step::Swarm(Box::new(event)),
            change = discovery::changed(&mut self.discovery), if self.outbox.len() < OUTBOX => Step::Neighbour(change),
            command = self.commands.recv() => command.map_or(Step::Deserted, Step::Command),
            failure = self.book.saved() => failure.map_or(Step::Time, Step::SaveFailed),
            () = tokio::time::sleep_until(wake.into()) => Step::Time,
        }
    }

    /// Does what has fallen due, and shows the new status.
    fn act_on_time(&mut self) {
        let now = Instant::now();
        if let Some(slept) = self.vigil.look(now, SystemTime::now()) {
            tracing::info!(?slept, "this device slept: peers are dialled anew");
            self.network_changed();
        }
        self.ask_relays(now);
        self.discover_again(now);
        while let Some((_, peer)) = self.blocked.pop_front_if(|(until, _)| *until <= now) {
            self.swarm.behaviour_mut().blocked.unblock_peer(peer);
        }
        while let Some((target, addresses)) = self.dialer.poll(now) {
            self.dial(target, addresses);
        }
        self.book.save_if_due(now);
        if self.status_due().is_some_and(|due| due <= now) {
            (self.status_changed, self.status_from) = (false, now + SHOWN);
            let status = self.current_status(now);
            self.status.send_replace((now, status));
        }
    }

    /// What rarely changes is shown at once, to whoever asks because of it.
    fn show_now(&mut self) {
        (self.status_changed, self.status_from) = (true, Instant::now());
    }

    /// When what has changed is to be shown: at once, unless it was a moment ago.
    fn status_due(&self) -> Option<Instant> {
        self.status_changed.then_some(self.status_from)
    }

    fn on_save_failed(&mut self, error: &io::Error) {
        self.tell(NetEvent::BookFailed {
            reason: format!(
                "the address book cannot be saved: {error}; peers may not be found after a restart"
            ),
        });
    }

    fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        if !matches!(command, Command::AskBlob { .. } | Command::AnswerBlob { .. }) {
            self.show_now();
        }
        match command {
            Command::Dial { wish, address, peer } => {
                self.use_relay_of(&address);
                self.dialer.wanted(peer, &address, now);
                self.book.edit().want(&wish);
            }
            Command::Trust(peer) => self.on_trusted(peer),
            Command::Disconnect { peer, connection, reason } => {
                self.swarm.behaviour_mut().session.disconnect(&peer, connection, reason);
            }
            Command::AskBlob { peer, question } => self.ask_blob(peer, question),
            Command::AnswerBlob { id, answer } => self.answer_blob(id, answer),
            Command::Redial => self.dialer.redial(now),
            Command::Forget(forgotten, answer) => {
                // Whoever asked may have stopped waiting.
                answer.send(self.forget(&forgotten)).ok();
            }
            // Taken by `run`.
            Command::Shutdown(_) => {}
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Session(event)) => self.on_session(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) if ping.result.is_ok() => {
                self.swarm.behaviour_mut().session.heard(&ping.peer, ping.connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Blobs(event)) => self.on_blob(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::NewListenAddr { address, listener_id } => self.on_listening(&address, listener_id),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_expired(&address),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.on_listener_closed(listener_id, reason);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, concurrent_dial_errors, .. } => {
                self.on_connected(&peer_id, connection_id, &concurrent_dial_errors.unwrap_or_default());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                if let Some(peer) = identity::device_id(&peer_id) {
                    self.announced.remove(&peer);
                    self.carriers.remove(&peer);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(target) = self.dials.remove(&connection_id) {
                    self.dial_failed(&target, &error);
                }
            }
            _ => {}
        }
    }

    fn on_session(&mut self, event: session::Event) {
        match event {
            session::Event::Up { peer, connection, address, dialled, outbound } => {
                let route = Route { connection, outbound };
                self.on_up(peer, address, dialled, route);
            }
            session::Event::Down { peer, reason } => self.on_down(peer, reason),
            session::Event::Frame { peer, connection, frame } => {
                let lane = Lane::of(&frame);
                let event = NetEvent::Frame { peer, frame };
                let delivery = Delivery { event, route: None, connection: Some(connection) };
                match lane {
                    Lane::Session => self.outbox.push_back(delivery),
                    Lane::Pull => self.pulls.push_back(delivery),
                }
            }
            session::Event::Sent { peer, bytes } => self.tell(NetEvent::Sent { peer, bytes }),
            session::Event::Foreign { peer } => self.on_foreign(peer),
            session::Event::Unused { peer, reason } => self.on_unused(peer, reason),
            session::Event::Violation { peer } => self.on_violation(peer),
        }
    }

    fn on_up(&mut self, peer: DeviceId, address: Multiaddr, dialled: bool, route: Route) {
        let now = Instant::now();
        let path = address::path(&address);
        self.dialer.connected(peer, path, now);
        let session = Session { path, address: address.clone(), dialled, since: now, trusted: false };
        self.sessions.insert(peer, session);
        self.show_now();
        self.relays.connected(&peer, now);
        self.dialer.relay_up(peer, now);
        self.meet_carrier(peer);
        let event = NetEvent::PeerUp { peer, path, address };
        let delivery = Delivery { event, route: Some(route), connection: None };
        self.outbox.push_back(delivery);
    }

    /// Only now is the peer worth a place in the address book: anybody can open a session.
    fn on_trusted(&mut self, peer: DeviceId) {
        let session = self.sessions.get_mut(&peer);
        let dialled_at = session.and_then(|session| {
            session.trusted = true;
            session.dialled.then(|| session.address.clone())
        });
        self.book.edit().session(peer, dialled_at.as_ref(), wall_ms());
        self.dialer.trusted(peer, dialled_at.as_ref());
        self.learn_addresses(peer);
    }

    fn on_down(&mut self, peer: DeviceId, reason: String) {
        self.sessions.remove(&peer);
        self.relays.disconnected(&peer);
        self.dialer.disconnected(peer, &reason, Instant::now());
        self.show_now();
        self.tell(NetEvent::PeerDown { peer, reason });
    }

    pub(super) fn tell(&mut self, event: NetEvent) {
        let delivery = Delivery { event, route: None, connection: None };
        self.outbox.push_back(delivery);
    }

    /// Ends every session, and waits a little for the goodbyes to be written.
    async fn say_goodbye(&mut self) {
        self.swarm.behaviour_mut().session.disconnect_all("this device goes offline");
        let goodbye = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.next().await;
            }
        };
        // Whoever does not answer in time finds out by silence.
        tokio::time::timeout(FAREWELL, goodbye).await.ok();
    }
}

impl Delivery {
    /// What the connection is told when this is taken.
    fn credit(&self) -> Option<Credit> {
        match &self.event {
            NetEvent::Frame { peer, frame } => Some((*peer, self.connection?, Lane::of(frame), frame.len())),
            _ => None,
        }
    }
}

fn deliver<E>(permit: Result<mpsc::Permit<'_, Delivery>, E>, next: Option<Delivery>) -> Step {
    let (Ok(permit), Some(delivery)) = (permit, next) else { return Step::Deserted };
    let credit = delivery.credit();
    permit.send(delivery);
    Step::Delivered(credit)
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
