//! What libp2p is made to do, put together.
//!
//! The order of the fields is the order in which they are asked about a connection: who is blocked
//! and how many are allowed comes before anything that costs more.

use super::{
    NetError,
    blob::{self, Blobs},
    crowd, session,
};
use libp2p::{
    Swarm, SwarmBuilder, allow_block_list, connection_limits, dcutr, identify,
    identity::Keypair,
    noise, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use std::time::Duration;
use velo_protocol::id::DeviceId;

/// Spoken by every Velo device of this generation.
pub const IDENTIFY_PROTOCOL: &str = "/velo/1";
/// Connections in the making, each way. More than a person's devices and colleagues, less than a
/// flood.
const PENDING: u32 = 32;
/// Connections to one peer. Never 1: two simultaneous dials would kill each other.
const PER_PEER: u32 = 4;
/// Connections in all. At a frame of full size each, 32 MiB.
const CONNECTIONS: u32 = 128;
/// The same where others meet: a relay. It carries most of what it carries without reading frames.
const RELAY_CONNECTIONS: u32 = 2048;
/// Streams on one connection: the session, ping, identify, and room for pulls and blobs. Also keeps
/// yamux' guaranteed window for each stream from adding up.
const STREAMS: usize = 64;
/// Time between pings, and for each answer. See `session::links::SILENCE`.
const PING: Duration = Duration::from_secs(5);
/// A connection without streams is closed after this time.
const IDLE: Duration = Duration::from_mins(1);
/// How long a relay keeps a place for a device, and a circuit between two: a working day. libp2p's two
/// minutes would cut every session that cannot be made direct.
const RELAY_TIME: Duration = Duration::from_hours(12);
/// Bytes of one circuit: a first catch-up with its pictures.
const RELAY_BYTES: u64 = 1 << 30;
/// Circuits at a time. Two connections each would be 512 of [`RELAY_CONNECTIONS`].
const CIRCUITS: usize = 256;
/// Circuits that one device opens: colleagues who are all behind routers.
const CIRCUITS_PER_PEER: usize = 32;
/// Devices for which a relay keeps a place: with their own connections, half of those allowed.
const RESERVATIONS: usize = 1024;

/// See the module.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// Peers that broke the framing, for a while.
    pub blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    crowd: crowd::Behaviour,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    /// Carries circuits between others: on a relay only.
    relay: Toggle<relay::Behaviour>,
    /// Circuits over relays, both ways: everywhere but on a relay.
    relay_client: Toggle<relay::client::Behaviour>,
    /// Makes a direct connection out of a circuit where the routers let it.
    pub dcutr: Toggle<dcutr::Behaviour>,
    /// Frames.
    pub session: session::Behaviour,
    /// Content of attachments.
    pub blobs: Blobs,
}

/// A swarm that does not listen yet. `is_relay`: whether it carries circuits between others, and then
/// uses none itself.
pub fn swarm(keypair: Keypair, own: DeviceId, is_relay: bool) -> Result<Swarm<Behaviour>, NetError> {
    let transport = |error: &dyn std::error::Error| NetError::Transport(error.to_string());
    let built = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux_config)
        .map_err(|error| transport(&error))?
        .with_relay_client(noise::Config::new, yamux_config)
        .map_err(|error| transport(&error))?
        .with_behaviour(|keypair, client| behaviour(keypair, own, (!is_relay).then_some(client)));
    let Ok(builder) = built;
    Ok(builder
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE).with_smart_dial())
        .build())
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS);
    config
}

/// Whoever has no use for circuits, having no `client`, carries those of others.
fn behaviour(keypair: &Keypair, own: DeviceId, client: Option<relay::client::Behaviour>) -> Behaviour {
    let peer_id = keypair.public().to_peer_id();
    let connections = if client.is_some() { CONNECTIONS } else { RELAY_CONNECTIONS };
    let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
        .with_agent_version(format!("velo/{}", env!("CARGO_PKG_VERSION")))
        .with_push_listen_addr_updates(true)
        // The address book remembers addresses; identify need not.
        .with_cache_size(0);
    Behaviour {
        blocked: allow_block_list::Behaviour::default(),
        crowd: crowd::Behaviour::new(PENDING as usize / 2, incoming(connections) as usize / 2),
        limits: connection_limits::Behaviour::new(limits(connections)),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING).with_timeout(PING)),
        relay: client.is_none().then(|| relay::Behaviour::new(peer_id, relay_config())).into(),
        dcutr: client.is_some().then(|| dcutr::Behaviour::new(peer_id)).into(),
        relay_client: client.into(),
        session: session::Behaviour::new(own),
        blobs: blob::behaviour(),
    }
}

/// Connections made by others. A quarter of all is kept for those that we dial: others can never take it.
const fn incoming(connections: u32) -> u32 {
    connections / 4 * 3
}

fn limits(connections: u32) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING))
        .with_max_pending_outgoing(Some(PENDING))
        .with_max_established_per_peer(Some(PER_PEER))
        .with_max_established_incoming(Some(incoming(connections)))
        .with_max_established(Some(connections))
}

/// The limits on how often a peer and an IP address may ask stay those of libp2p.
fn relay_config() -> relay::Config {
    relay::Config {
        max_reservations: RESERVATIONS,
        reservation_duration: RELAY_TIME,
        max_circuits: CIRCUITS,
        max_circuits_per_peer: CIRCUITS_PER_PEER,
        max_circuit_duration: RELAY_TIME,
        max_circuit_bytes: RELAY_BYTES,
        ..relay::Config::default()
    }
}
