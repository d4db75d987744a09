//! What becomes of dials and connections, for the dialer, the address book and people.

use super::{
    super::{
        NetEvent, NetStatus, address,
        dialer::{Dial, Stage, Target},
        identity,
        reason::{dial_failure, failed_address},
        status::{AddressRecord, RelayStatus, TargetStage, TargetStatus},
    },
    Network,
};
use libp2p::{
    Multiaddr, PeerId,
    core::transport::TransportError,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use std::{
    io,
    time::{Duration, Instant},
};
use velo_protocol::id::DeviceId;

/// How long a peer that broke the framing stays out.
const BLOCK: Duration = Duration::from_mins(1);
/// Peers kept out at a time. Further ones are only disconnected.
const BLOCKED: usize = 1024;

impl Network {
    pub(super) fn dial(&mut self, target: Target, addresses: Vec<Multiaddr>) {
        let Some(options) = self.options(&target, addresses) else {
            self.dialer.forget(&target);
            return;
        };
        let id = options.connection_id();
        self.status_changed = true;
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(id, target);
            }
            Err(error) => self.dial_failed(&target, &error),
        }
    }

    /// How libp2p is to dial; `None` when the target's id is no key. A port of its own for each dial:
    /// with the listener's port two simultaneous dials would meet as one TCP connection on which both
    /// sides believe that they dialled. A relay does not dial, and has to see the port that a router
    /// gave to our listener: others pierce it there.
    fn options(&self, target: &Target, addresses: Vec<Multiaddr>) -> Option<DialOpts> {
        match target {
            Target::Peer(peer) => {
                let options = DialOpts::peer_id(identity::peer_id(peer)?)
                    .condition(PeerCondition::NotDialing)
                    .addresses(addresses);
                let is_relay = self.relays.contains(peer);
                Some(if is_relay { options.build() } else { options.allocate_new_port().build() })
            }
            Target::Address(address) => {
                Some(DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build())
            }
        }
    }

    pub(super) fn on_connected(
        &mut self,
        peer_id: &PeerId,
        connection: ConnectionId,
        failed: &[(Multiaddr, TransportError<io::Error>)],
    ) {
        let Some(peer) = identity::device_id(peer_id) else { return };
        if let Some(Target::Address(address)) = self.dials.remove(&connection) {
            self.dialer.answered(&address, peer);
        }
        self.record_failures(peer, failed);
    }

    /// The last connection to a peer is gone, and there was no session: the dial failed after all.
    pub(super) fn on_unused(&mut self, peer: DeviceId, reason: String) {
        let target = Target::Peer(peer);
        if self.dialer.is_dialling(peer) && !self.dials.values().any(|pending| *pending == target) {
            self.report_failure(&target, None, reason);
        }
    }

    pub(super) fn dial_failed(&mut self, target: &Target, error: &DialError) {
        match target {
            Target::Address(address) if is_own_address(error) => self.forget_own_address(target, address),
            Target::Address(_) => self.report_failure(target, None, dial_failure(error)),
            Target::Peer(peer) => {
                let address = self.record_dial(*peer, error);
                self.report_failure(target, address, dial_failure(error));
            }
        }
    }

    /// A person or a ticket gave an address at which we ourselves are listening.
    fn forget_own_address(&mut self, target: &Target, address: &Multiaddr) {
        self.dialer.forget(target);
        self.book.edit().unwant(address);
        let reason = "this is the address of this device".to_owned();
        self.tell(NetEvent::DialFailed { address: address.clone(), peer: None, reason, next_try: None });
    }

    /// Writes down which addresses of a peer failed, and returns the one that is worth telling.
    fn record_dial(&mut self, peer: DeviceId, error: &DialError) -> Option<Multiaddr> {
        match error {
            DialError::Transport(errors) => {
                self.record_failures(peer, errors);
                errors.first().map(|(address, _)| address::plain(address))
            }
            DialError::WrongPeerId { address, .. } | DialError::LocalPeerId { address } => {
                let address = address::plain(address);
                self.dialer.wrong_address(peer, &address);
                self.book.edit().wrong_address(&peer, &address);
                Some(address)
            }
            _ => None,
        }
    }

    fn report_failure(&mut self, target: &Target, address: Option<Multiaddr>, reason: String) {
        let known = self.dialer.targets().find(|(known, _)| *known == target);
        let known = known.and_then(|(_, dial)| dial.addresses().next().cloned());
        let next_try = self.dialer.failed(target, &reason, Instant::now());
        self.status_changed = true;
        let (peer, address) = match target {
            Target::Peer(peer) => (Some(*peer), address.or(known)),
            Target::Address(address) => (None, Some(address.clone())),
        };
        let address = address.unwrap_or_else(Multiaddr::empty);
        self.tell(NetEvent::DialFailed { address, peer, reason, next_try });
    }

    fn record_failures(&mut self, peer: DeviceId, errors: &[(Multiaddr, TransportError<io::Error>)]) {
        for failed in errors {
            tracing::debug!(peer = %peer.short(), failure = failed_address(failed), "address failed");
            self.book.edit().failure(&peer, &address::plain(&failed.0));
        }
    }

    /// The peer broke the framing. It is kept out for a while, so that it does not cost us a
    /// handshake every moment.
    pub(super) fn on_violation(&mut self, peer: DeviceId) {
        let now = Instant::now();
        self.dialer.set_aside(peer, BLOCK, now);
        self.status_changed = true;
        if let Some(peer_id) = identity::peer_id(&peer)
            && self.blocked.len() < BLOCKED
            && self.swarm.behaviour_mut().blocked.block_peer(peer_id)
        {
            self.blocked.push_back((now + BLOCK, peer_id));
        }
    }

    pub(super) fn current_status(&self, now: Instant) -> NetStatus {
        NetStatus {
            listening: self.own_addresses(),
            relays: self
                .relays
                .list()
                .map(|(peer, address, trouble)| self.relay_status(peer, address, trouble))
                .collect(),
            discovering: self.discovery.is_some(),
            targets: self
                .dialer
                .targets()
                .map(|(target, dial)| self.target_status(target, dial, now))
                .collect(),
        }
    }

    fn relay_status(&self, peer: DeviceId, address: &Multiaddr, trouble: Option<String>) -> RelayStatus {
        let is_away = !self.sessions.contains_key(&peer);
        let mut targets = self.dialer.targets();
        let dial = targets.find(|(target, _)| **target == Target::Peer(peer)).map(|(_, dial)| dial);
        let failure = dial.filter(|_| is_away).and_then(|dial| dial.last_failure.as_ref());
        let reserved = trouble.is_none();
        let trouble = trouble.map(|told| match failure {
            Some(failure) => format!("{told}: {failure}"),
            None => told,
        });
        RelayStatus { peer, address: address.clone(), reserved, trouble }
    }

    fn target_status(&self, target: &Target, dial: &Dial, now: Instant) -> TargetStatus {
        let peer = match target {
            Target::Peer(peer) => Some(*peer),
            Target::Address(_) => None,
        };
        let session = peer.and_then(|peer| self.sessions.get(&peer));
        let stage = match (session, dial.stage) {
            (Some(session), _) => TargetStage::Connected {
                path: session.path,
                address: session.address.clone(),
                for_ms: now.saturating_duration_since(session.since).as_millis() as u64,
            },
            (None, Stage::Waiting(at)) => {
                TargetStage::Waiting { next_try_ms: at.saturating_duration_since(now).as_millis() as u64 }
            }
            (None, Stage::Dialling) => TargetStage::Dialling,
            (None, Stage::Idle | Stage::Connected(_)) => TargetStage::Idle,
        };
        let addresses = dial.addresses().map(|address| self.record(peer, address)).collect();
        TargetStatus {
            peer,
            addresses,
            stage,
            failures: dial.failures,
            last_failure: dial.last_failure.clone(),
            had_session: dial.had_session,
            last_session_ms: peer.and_then(|peer| self.book.get().last_session_ms(&peer)),
        }
    }

    fn record(&self, peer: Option<DeviceId>, address: &Multiaddr) -> AddressRecord {
        let known = peer.and_then(|peer| self.book.get().record(&peer, address));
        AddressRecord {
            address: address.clone(),
            successes: known.map_or(0, |known| known.successes),
            failures: known.map_or(0, |known| known.failures),
        }
    }
}

/// libp2p takes our own listening addresses out before it dials.
fn is_own_address(error: &DialError) -> bool {
    matches!(error, DialError::LocalPeerId { .. } | DialError::NoAddresses)
}
