//! What libp2p is made to do, put together.
//!
//! The order of the fields is the order in which they are asked about a connection: who is blocked
//! and how many are allowed comes before anything that costs more.

use super::{NetError, crowd, session};
use libp2p::{
    Swarm, SwarmBuilder, allow_block_list, connection_limits, identify,
    identity::Keypair,
    mdns, noise, ping,
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
/// Of these, made by others: they can never take the room for those that we dial.
const INCOMING: u32 = 96;
/// Streams on one connection: the session, ping, identify, and room for pulls and blobs. Also keeps
/// yamux' guaranteed window for each stream from adding up.
const STREAMS: usize = 64;
/// Time between pings, and for each answer. See `session::links::SILENCE`.
const PING: Duration = Duration::from_secs(5);
/// A connection without streams is closed after this time.
const IDLE: Duration = Duration::from_mins(1);
/// libp2p's default is five minutes, too slow for a person who waits for a colleague to appear.
const MDNS_QUERY: Duration = Duration::from_secs(10);
/// Announcements are forgotten after this time without being renewed.
const MDNS_TTL: Duration = Duration::from_mins(1);

/// See the module.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// Peers that broke the framing, for a while.
    pub blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    crowd: crowd::Behaviour,
    limits: connection_limits::Behaviour,
    /// Off until there is an address to announce: the first answer would be empty.
    pub mdns: Toggle<mdns::tokio::Behaviour>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    /// Frames.
    pub session: session::Behaviour,
}

/// A swarm that does not listen yet.
pub fn swarm(keypair: Keypair, own: DeviceId) -> Result<Swarm<Behaviour>, NetError> {
    let built = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux_config)
        .map_err(|error| NetError::Transport(error.to_string()))?
        .with_behaviour(|keypair| behaviour(keypair, own));
    let Ok(builder) = built;
    Ok(builder
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE).with_smart_dial())
        .build())
}

/// Discovery on the LAN. IPv4 only: with IPv6 libp2p leaves IPv4 out and picks wrong interfaces.
pub fn mdns(own: libp2p::PeerId) -> std::io::Result<mdns::tokio::Behaviour> {
    let config = mdns::Config { ttl: MDNS_TTL, query_interval: MDNS_QUERY, enable_ipv6: false };
    mdns::tokio::Behaviour::new(config, own)
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS);
    config
}

fn behaviour(keypair: &Keypair, own: DeviceId) -> Behaviour {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING))
        .with_max_pending_outgoing(Some(PENDING))
        .with_max_established_per_peer(Some(PER_PEER))
        .with_max_established_incoming(Some(INCOMING))
        .with_max_established(Some(CONNECTIONS));
    let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
        .with_agent_version(format!("velo/{}", env!("CARGO_PKG_VERSION")))
        .with_push_listen_addr_updates(true)
        // The address book remembers addresses; identify need not.
        .with_cache_size(0);
    Behaviour {
        blocked: allow_block_list::Behaviour::default(),
        crowd: crowd::Behaviour::new(PENDING as usize / 2, INCOMING as usize / 2),
        limits: connection_limits::Behaviour::new(limits),
        mdns: None.into(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING).with_timeout(PING)),
        session: session::Behaviour::new(own),
    }
}
