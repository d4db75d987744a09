//! Where this device listens, and what others say about where they do.

use super::{
    super::{BookError, NetError, NetEvent, address, behaviour, identity, reason::root_cause},
    Network, wall_ms,
};
use libp2p::{
    Multiaddr, PeerId,
    core::transport::ListenerId,
    identify, mdns,
    multiaddr::Protocol,
    relay,
    swarm::{FromSwarm, NetworkBehaviour, NewListenAddr},
};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// Records that libp2p's discovery may hold. It has no bound of its own, and anybody on the LAN can
/// announce what they like, so above this it starts anew.
const RECORDS: usize = 2048;
/// Addresses taken from one announcement.
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
        self.use_relays(now);
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
        self.status_changed = true;
        self.tell(NetEvent::Listening(address::with_peer(address, own)));
        if address::is_relayed(address) {
            return self.relays.held(listener);
        }
        let port = address::tcp_port(address);
        if self.remember_port && self.book.get().port != port {
            self.book.edit().port = port;
        }
        self.offer_to_carry(address);
        self.network_changed();
        let announceable = matches!(address::ip(address), Some(ip) if ip.is_ipv4() && !ip.is_loopback());
        if announceable && self.discovery_wanted {
            self.discovery_wanted = false;
            self.discover(listener);
        }
    }

    pub(super) fn on_expired(&mut self, address: &Multiaddr) {
        self.status_changed = true;
        self.swarm.remove_external_address(address);
        if !address::is_relayed(address) {
            self.network_changed();
        }
    }

    /// This device has another address than before, or slept. Whoever could not be reached perhaps can
    /// be now, and what looks connected perhaps is not.
    pub(super) fn network_changed(&mut self) {
        self.dialer.redial(Instant::now());
        self.swarm.behaviour_mut().session.doubt();
    }

    /// Starts discovery, and tells it the addresses it has missed.
    fn discover(&mut self, listener: ListenerId) {
        let mut mdns = match behaviour::mdns(*self.swarm.local_peer_id()) {
            Ok(mdns) => mdns,
            Err(error) => return self.tell(NetEvent::DiscoveryFailed { reason: error.to_string() }),
        };
        for addr in self.swarm.listeners() {
            let missed = NewListenAddr { listener_id: listener, addr };
            mdns.on_swarm_event(FromSwarm::NewListenAddr(missed));
        }
        self.swarm.behaviour_mut().mdns = Some(mdns).into();
    }

    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        self.status_changed = true;
        let now = Instant::now();
        match event {
            mdns::Event::Discovered(records) => {
                for (peer, addresses) in by_device(records) {
                    self.dialer.discovered(peer, &addresses, now);
                    self.tell(NetEvent::Discovered { peer, addresses });
                }
            }
            mdns::Event::Expired(records) => {
                for (peer, addresses) in by_device(records) {
                    self.dialer.expired(peer, &addresses);
                }
            }
        }
        let records = self.swarm.behaviour().mdns.as_ref().map_or(0, |mdns| mdns.discovered_nodes().len());
        if records > RECORDS {
            // The end of what it has announced is not told any more.
            self.dialer.forget_announced();
            self.discover(ListenerId::next());
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(peer) = identity::device_id(&peer_id) else { return };
        if info.protocol_version != behaviour::IDENTIFY_PROTOCOL {
            return self.on_foreign(peer);
        }
        let addresses = info.listen_addrs.into_iter().filter_map(|address| address::split_peer(address).ok());
        let addresses = addresses.map(|(address, _)| address).filter(address::is_dialable).take(ANNOUNCED);
        self.announced.insert(peer, addresses.collect());
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

/// Announcements by device: those with usable addresses, so many each.
fn by_device(records: Vec<(PeerId, Multiaddr)>) -> BTreeMap<DeviceId, Vec<Multiaddr>> {
    let mut devices = BTreeMap::<DeviceId, Vec<Multiaddr>>::new();
    for (peer, address) in records {
        let Some(peer) = identity::device_id(&peer) else { continue };
        let Ok((address, _)) = address::split_peer(address) else { continue };
        let addresses = devices.entry(peer).or_default();
        // Who is on the LAN needs no relay.
        let is_useful = address::is_dialable(&address) && !address::is_relayed(&address);
        if is_useful && addresses.len() < ANNOUNCED {
            addresses.push(address);
        }
    }
    devices.retain(|_, addresses| !addresses.is_empty());
    devices
}
