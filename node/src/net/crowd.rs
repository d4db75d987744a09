//! No single address takes the places of all others.
//!
//! Connections made by others are few ([`super::behaviour`]), and whoever makes as many as there are,
//! and says nothing on them, would keep everybody out. So those from one address take half of the places
//! at most. An IPv6 network of 64 bits counts as one address, since that is what one household is given.
//!
//! Not counted are connections from this machine, where somebody hostile could do worse, and those
//! through a relay, which show the relay's address and not the peer's.

use super::address;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    task::{Context, Poll},
};

/// Its address has as many connections as it may.
#[derive(Debug, thiserror::Error)]
#[error("too many connections from {0}")]
struct Crowded(IpAddr);

/// Where a connection comes from, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Incoming {
    from: IpAddr,
    is_established: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Behaviour {
    pending: usize,
    established: usize,
    /// No more than there may be in all.
    incoming: HashMap<ConnectionId, Incoming>,
}

impl Behaviour {
    /// At most so many connections in the making, and made, from each address.
    pub fn new(pending: usize, established: usize) -> Self {
        Self { pending, established, incoming: HashMap::new() }
    }

    /// Counts a connection, if there is room for it.
    fn admit(&mut self, id: ConnectionId, from: &Multiaddr, is_established: bool) -> Result<(), Crowded> {
        let Some(from) = network(from) else { return Ok(()) };
        self.incoming.remove(&id);
        let one = Incoming { from, is_established };
        let most = if is_established { self.established } else { self.pending };
        if self.incoming.values().filter(|other| **other == one).count() >= most {
            return Err(Crowded(from));
        }
        self.incoming.insert(id, one);
        Ok(())
    }
}

/// What counts as one address; `None` for what is not counted.
fn network(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    let ip = address::ip(address)?.to_canonical();
    match ip {
        _ if ip.is_loopback() => None,
        IpAddr::V4(_) => Some(ip),
        IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64))),
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit(id, remote, false).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(id, remote, true).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
        | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event
        {
            self.incoming.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn one_address_fills_its_own_places_only() {
        let mut crowd = Behaviour::new(2, 3);
        let (one, other) = (address("/ip4/10.0.0.1/tcp/1"), address("/ip4/10.0.0.2/tcp/1"));
        assert!(crowd.admit(id(1), &one, false).is_ok() && crowd.admit(id(2), &one, false).is_ok());
        assert!(crowd.admit(id(3), &one, false).is_err(), "two in the making");
        assert!(crowd.admit(id(3), &other, false).is_ok());
        for n in [1, 2, 4] {
            assert!(crowd.admit(id(n), &one, true).is_ok(), "made, it makes room");
        }
        assert!(crowd.admit(id(5), &one, true).is_err(), "three made");
        assert!(crowd.admit(id(5), &one, false).is_ok());
    }

    #[test]
    fn what_is_one_address() {
        assert_eq!(network(&address("/ip4/127.0.0.1/tcp/1")), None);
        assert_eq!(network(&address("/ip4/10.0.0.1/tcp/1/p2p-circuit")), None);
        let one = network(&address("/ip6/2001:db8::1/tcp/1"));
        assert!(one.is_some() && one == network(&address("/ip6/2001:db8::ffff:2/tcp/1")));
        assert_ne!(one, network(&address("/ip6/2001:db8:0:1::1/tcp/1")));
        let mapped = network(&address("/ip6/::ffff:10.0.0.1/tcp/1"));
        assert_eq!(mapped, network(&address("/ip4/10.0.0.1/tcp/9")));
    }
}
