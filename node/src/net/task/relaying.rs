//! Relays: those that this device uses, and being one.

use super::{
    super::{Forgotten, NetEvent, address, identity, reason::root_cause},
    Network,
};
use libp2p::{
    Multiaddr,
    core::transport::ListenerId,
    swarm::{FromSwarm, NetworkBehaviour, behaviour::NewExternalAddrCandidate},
};
use std::{error::Error, time::Instant};
use velo_protocol::id::DeviceId;

/// What this device is for others, as it was configured.
pub struct Role {
    /// Whether it carries circuits between others, and then uses none.
    is_relay: bool,
    /// Whether it listens for this machine only.
    is_local: bool,
    /// Where others reach it beside the addresses it listens on.
    external: Vec<Multiaddr>,
}

impl Role {
    pub fn new(is_relay: bool, listen: &[Multiaddr], external: Vec<Multiaddr>) -> Self {
        Self { is_relay, is_local: listen.iter().all(address::is_loopback), external }
    }
}

impl Network {
    /// Where others reach this device: directly first, then through relays, then on this machine.
    pub(super) fn own_addresses(&self) -> Vec<Multiaddr> {
        let own = *self.swarm.local_peer_id();
        let mut addresses: Vec<_> =
            self.swarm.listeners().chain(&self.role.external).map(address::plain).collect();
        addresses.sort_by_key(|address| (address::is_loopback(address), address::is_relayed(address)));
        addresses.iter().map(|address| address::with_peer(address, own)).collect()
    }

    /// Tells peers the addresses that were given for this device.
    pub(super) fn announce_external(&mut self) {
        for address in self.role.external.clone() {
            self.swarm.add_external_address(address);
        }
    }

    /// A relay tells at which addresses others reach a device through it. Without any given these are
    /// those it listens on, such as a server's.
    pub(super) fn offer_to_carry(&mut self, listening: &Multiaddr) {
        let role = &self.role;
        if role.is_relay && role.external.is_empty() && (role.is_local || !address::is_loopback(listening)) {
            self.swarm.add_external_address(listening.clone());
        }
    }

    /// Makes targets of the relays in the address book, and asks them for a place once they are met. Not
    /// before this device listens: a relay is dialled from that port.
    pub(super) fn use_relays(&mut self, now: Instant) {
        let can_be_met = |address: &Multiaddr| self.role.is_local || !address::is_loopback(address);
        if self.role.is_relay || !self.swarm.listeners().any(can_be_met) {
            return;
        }
        let relays: Vec<_> =
            self.book.get().relays().map(|(relay, address)| (relay, address.clone())).collect();
        for (relay, address) in &relays {
            self.dialer.remembered(*relay, std::slice::from_ref(address), now);
        }
        self.relays.set(relays);
        for relay in self.sessions.keys() {
            self.relays.connected(relay, now);
        }
    }

    /// Whoever is reached through a relay is so because neither end can be dialled, more often than not:
    /// this device has a place there, too.
    pub(super) fn use_relay_of(&mut self, address: &Multiaddr) {
        if let Some((relay, at)) = address::relay(address)
            && !self.role.is_relay
        {
            self.book.edit().use_relay(relay, &at);
            self.use_relays(Instant::now());
        }
    }

    /// A person wants an address or a device to be dialled no more, and not to be used as a relay. Returns
    /// whether it was known. Whoever shares a workspace is remembered again when it is met again.
    pub(super) fn forget(&mut self, forgotten: &Forgotten) -> bool {
        let was_known = match forgotten {
            Forgotten::Address(address) => {
                self.book.edit().forget_address(address) | self.dialer.forget_address(address)
            }
            Forgotten::Device(device) => {
                self.book.edit().forget_device(device) | self.dialer.forget_device(*device)
            }
        };
        let used: Vec<_> = self.relays.list().map(|(relay, ..)| relay).collect();
        let relays = self.book.get().relays().map(|(relay, address)| (relay, address.clone()));
        self.relays.set(relays);
        for relay in used.into_iter().filter(|relay| !self.relays.contains(relay)) {
            // Its place ends with the connection. An error says that there is none.
            if let Some(peer_id) = identity::peer_id(&relay) {
                self.swarm.disconnect_peer_id(peer_id).ok();
            }
        }
        was_known
    }

    /// A connected peer offers to carry circuits. It is used if a person or a ticket named it.
    pub(super) fn meet_carrier(&mut self, peer: DeviceId) {
        if self.role.is_relay || !self.carriers.contains(&peer) {
            return;
        }
        let Some(session) = self.sessions.get(&peer) else { return };
        let dialled_at = session.dialled.then(|| session.address.clone());
        if self.book.edit().fulfil_with_relay(peer, dialled_at.as_ref()) {
            self.use_relays(Instant::now());
        }
    }

    /// Where a relay sees this device come from: where others pierce its router. By itself libp2p takes
    /// the port at which the device listens, which is another one where the router gives another.
    pub(super) fn seen_at(&mut self, addr: &Multiaddr) {
        if let Some(dcutr) = self.swarm.behaviour_mut().dcutr.as_mut() {
            dcutr.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
        }
    }

    /// Asks relays for a place where one is due.
    pub(super) fn ask_relays(&mut self, now: Instant) {
        while let Some((relay, address)) = self.relays.poll(now) {
            let circuit = identity::peer_id(&relay).map(|id| address::circuit(id, &address));
            match circuit.map(|circuit| self.swarm.listen_on(circuit)) {
                Some(Ok(listener)) => self.relays.asked(&relay, listener),
                _ => self.relays.refused(&relay, now),
            }
            self.status_changed = true;
        }
    }

    pub(super) fn on_listener_closed<E: Error + 'static>(
        &mut self,
        listener: ListenerId,
        reason: Result<(), E>,
    ) {
        self.status_changed = true;
        let sessions = &self.sessions;
        let relay = self.relays.closed(listener, Instant::now(), |relay| sessions.contains_key(relay));
        match (relay, reason) {
            (Some(relay), Err(error)) => {
                tracing::info!(relay = %relay.short(), %error, "the relay gives no place");
                self.relays.note_refusal(&relay, root_cause(&error));
            }
            (None, Err(error)) => self.tell(NetEvent::ListenFailed { reason: error.to_string() }),
            (_, Ok(())) => {}
        }
    }
}
