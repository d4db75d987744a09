//! Where this device listens, and what others say about where they do.

use super::{
    super::{
        BookError, NetError, NetEvent, address, behaviour, identity,
        mdns::{Change, Mdns},
        reason::root_cause,
    },
    Network, wall_ms,
};
use libp2p::{Multiaddr, core::transport::ListenerId, identify, multiaddr::Protocol, relay};
use std::{
    net::{IpAddr, SocketAddrV4, TcpListener},
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// Addresses taken of those at which a peer says that it listens.
const ANNOUNCED: usize = 8;
/// How long a libp2p program that is not Velo is left alone.
const FOREIGN: Duration = Duration::from_mins(10);

impl Network {
    /// Listens on the addresses; on the port of the last start where any port will do.
    pub(super) fn listen(&mut self, wanted: &[Multiaddr]) -> Result<(), NetError> {
        let mut failed = None;
        let mut listening = false;
        for address in wanted {
            let remembered = self.book.get().port.and_then(|port| at_port(address, port));
            let result = match remembered {
                Some(remembered) => self.swarm.listen_on(remembered),
                None => self.swarm.listen_on(address.clone()),
            };
            match result {
                Ok(_) => listening = true,
                Err(error) => failed = Some((address.clone(), root_cause(&error))),
            }
        }
        match failed {
            Some((address, reason)) if !listening => Err(NetError::Listen { address, reason }),
            Some((address, reason)) => {
                self.tell(NetEvent::ListenFailed { reason: format!("cannot listen on {address}: {reason}") });
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Makes targets of what the address book holds.
    pub(super) fn recall(&mut self, error: Option<BookError>) {
        let now = Instant::now();
        self.book.edit().forget_old(wall_ms());
        for (peer, known) in self.book.get().peers() {
            let addresses: Vec<_> = known.iter().map(|entry| entry.address.clone()).collect();
            self.dialer.remembered(peer, &addresses, now);
        }
        // What is given last stands in front, and the latest wish comes first in the book.
        for wish in self.book.get().wanted().iter().rev() {
            // What cannot be split was never wished for: the file was edited.
            if let Ok((address, peer)) = address::split_peer(wish.clone()) {
                self.dialer.wanted(peer, &address, now);
            }
        }
        if let Some(error) = error {
            self.tell(NetEvent::BookFailed { reason: error.to_string() });
        }
    }

    pub(super) fn on_listening(&mut self, address: &Multiaddr, listener: ListenerId) {
        let own = *self.swarm.local_peer_id();
        self.show_now();
        self.tell(NetEvent::Listening(address::with_peer(address, own)));
        if address::is_relayed(address) {
            return self.relays.held(listener);
        }
        let port = address::tcp_port(address);
        if self.remember_port && self.book.get().port != port {
            self.book.edit().port = port;
        }
        self.offer_to_carry(address);
        self.use_relays(Instant::now());
        self.network_changed();
        self.announce();
    }

    pub(super) fn on_expired(&mut self, address: &Multiaddr) {
        self.show_now();
        self.swarm.remove_external_address(address);
        if !address::is_relayed(address) {
            self.network_changed();
            self.announce();
        }
    }

    /// This device has another address than before, or slept. Whoever could not be reached perhaps can
    /// be now, and what looks connected perhaps is not.
    pub(super) fn network_changed(&mut self) {
        self.dialer.redial(Instant::now());
        self.swarm.behaviour_mut().session.doubt();
    }

    /// Announces this device where it listens. Discovery starts with the first such address, and is tried again
    /// where it fails: with the next change of the network, and from time to time.
    fn announce(&mut self) {
        let listening: Vec<_> = self.swarm.listeners().filter_map(announceable).collect();
        if let Some(discovery) = &self.discovery {
            discovery.listen(listening);
        } else if self.discovery_wanted && !listening.is_empty() {
            match Mdns::start(*self.swarm.local_peer_id(), listening) {
                Ok(discovery) => self.discovery = Some(discovery),
                Err(error) => self.discovery_failed(error.to_string()),
            }
            self.status_changed = true;
        }
    }

    fn discovery_failed(&mut self, reason: String) {
        self.discovery_again.failed(Instant::now());
        if self.discovery_trouble.as_ref() != Some(&reason) {
            self.discovery_trouble = Some(reason.clone());
            self.tell(NetEvent::DiscoveryFailed { reason });
        }
    }

    /// Tries discovery again, if it failed and is due.
    pub(super) fn discover_again(&mut self, now: Instant) {
        if self.discovery_again.take_due(now) && self.discovery.is_none() {
            self.announce();
        }
    }

    pub(super) fn on_neighbour(&mut self, change: Option<Change>) {
        let now = Instant::now();
        self.status_changed = true;
        match change {
            Some(Change::Announced(peer, addresses)) => {
                self.discovery_again.works();
                self.discovery_trouble = None;
                self.dialer.discovered(peer, &addresses, now);
                self.tell(NetEvent::Discovered { peer, addresses });
            }
            Some(Change::Expired(peer, addresses)) => self.dialer.expired(peer, &addresses),
            None => {
                self.discovery = None;
                self.discovery_failed("it ended by a fault of the system".to_owned());
            }
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(peer) = identity::device_id(&peer_id) else { return };
        if info.protocol_version != behaviour::IDENTIFY_PROTOCOL {
            return self.on_foreign(peer);
        }
        if self.relays.contains(&peer) {
            self.seen_at(&info.observed_addr);
        }
        let addresses = info.listen_addrs.into_iter().filter_map(|address| address::split_peer(address).ok());
        let addresses = address::choose(addresses.map(|(address, _)| address), ANNOUNCED);
        self.announced.insert(peer, addresses);
        self.learn_addresses(peer);
        if info.protocols.contains(&relay::HOP_PROTOCOL_NAME) {
            self.carriers.insert(peer);
            self.meet_carrier(peer);
        }
    }

    /// Remembers where a colleague listens. What strangers say is not worth remembering.
    pub(super) fn learn_addresses(&mut self, peer: DeviceId) {
        let Some(session) = self.sessions.get(&peer).filter(|session| session.trusted) else { return };
        let Some(addresses) = self.announced.remove(&peer) else { return };
        // Its loopback addresses are of use only to those on the same machine.
        let same_machine = address::is_loopback(&session.address);
        for address in addresses.iter().filter(|address| same_machine || !address::is_loopback(address)) {
            self.dialer.learned(peer, address);
            self.book.edit().learn(&peer, address);
        }
    }

    /// Some other libp2p program: it is left alone for a while.
    pub(super) fn on_foreign(&mut self, peer: DeviceId) {
        self.dialer.set_aside(peer, FOREIGN, Instant::now());
        self.status_changed = true;
        if let Some(peer_id) = identity::peer_id(&peer) {
            // An error says that it is not connected any more.
            self.swarm.disconnect_peer_id(peer_id).ok();
        }
    }
}

/// The same address at another port, if it asks for any port and that one is free.
fn at_port(address: &Multiaddr, port: u16) -> Option<Multiaddr> {
    if address::tcp_port(address) != Some(0) {
        return None;
    }
    // libp2p lets several processes listen at one port, and connections would then go to either.
    let ip = address::ip(address)?;
    TcpListener::bind((ip, port)).ok()?;
    Some(Multiaddr::from(ip).with(Protocol::Tcp(port)))
}

/// An address for the LAN.
fn announceable(address: &Multiaddr) -> Option<SocketAddrV4> {
    match (address::ip(address)?, address::tcp_port(address)?) {
        (IpAddr::V4(ip), port) if !ip.is_loopback() && !address::is_relayed(address) => {
            Some(SocketAddrV4::new(ip, port))
        }
        _ => None,
    }
}

/// The next change on the LAN, for ever none without discovery. Safe to cancel.
pub async fn changed(discovery: &mut Option<Mdns>) -> Option<Change> {
    match discovery {
        Some(discovery) => discovery.changed().await,
        None => std::future::pending().await,
    }
}
