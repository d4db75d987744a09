//! A node of the tests, and waiting for what it should see.

use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;
use velo_node::net::{self, Multiaddr, NetConfig, NetEvent, NetEvents, NetHandle};
use velo_protocol::{crypto::SecretKey, id::DeviceId};

/// Nothing in these tests takes longer, even on a busy machine with unoptimised encryption.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Node {
    pub handle: NetHandle,
    pub events: NetEvents,
    pub device: DeviceId,
    folder: TempDir,
}

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// What stands behind `/p2p/` in the addresses of the node with this key.
pub fn peer_id(seed: u8) -> libp2p::PeerId {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(&key(seed).public()).unwrap();
    libp2p::identity::PublicKey::from(key).to_peer_id()
}

pub fn local() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// Where nobody listens at the moment.
pub fn free_address() -> Multiaddr {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

impl Node {
    pub fn start(seed: u8) -> Self {
        Self::start_in(seed, local(), tempfile::tempdir().unwrap())
    }

    pub fn start_relay(seed: u8) -> Self {
        Self::start_relay_in(seed, local(), tempfile::tempdir().unwrap())
    }

    pub fn start_in(seed: u8, listen: Multiaddr, folder: TempDir) -> Self {
        Self::start_as(seed, listen, folder, false)
    }

    pub fn start_relay_in(seed: u8, listen: Multiaddr, folder: TempDir) -> Self {
        Self::start_as(seed, listen, folder, true)
    }

    fn start_as(seed: u8, listen: Multiaddr, folder: TempDir, is_relay: bool) -> Self {
        let address_book = folder.path().join("peers.json");
        let listen = vec![listen];
        let config = NetConfig { listen, mdns: false, is_relay, ..NetConfig::new(key(seed), address_book) };
        let (handle, events) = net::start(config).unwrap();
        Self { handle, events, device: DeviceId(key(seed).public()), folder }
    }

    /// Ends the node; its folder remains.
    pub async fn stop(self) -> TempDir {
        self.handle.shutdown().await;
        self.folder
    }

    pub fn book(&self) -> PathBuf {
        self.folder.path().join("peers.json")
    }

    /// The first event of which `wanted` makes something.
    pub async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(NetEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the network ended");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    pub async fn address(&mut self) -> Multiaddr {
        self.wait("an address", |event| match event {
            NetEvent::Listening(address) => Some(address),
            _ => None,
        })
        .await
    }

    pub async fn up(&mut self, wanted: DeviceId) {
        self.wait("the peer comes up", |event| match event {
            NetEvent::PeerUp { peer, .. } if peer == wanted => Some(()),
            _ => None,
        })
        .await;
    }

    pub async fn down(&mut self, wanted: DeviceId) -> String {
        self.wait("the peer goes down", |event| match event {
            NetEvent::PeerDown { peer, reason } if peer == wanted => Some(reason),
            _ => None,
        })
        .await
    }

    /// A frame of one byte was sent and one was received.
    async fn greeted(&mut self) {
        let (mut sent, mut received) = (false, false);
        self.wait("greetings", |event| {
            sent |= matches!(event, NetEvent::Sent { bytes: 1, .. });
            received |= matches!(&event, NetEvent::Frame { frame, .. } if *frame == [0]);
            (sent && received).then_some(())
        })
        .await;
    }

    pub async fn frame(&mut self) -> Vec<u8> {
        self.wait("a frame", |event| match event {
            NetEvent::Frame { frame, .. } => Some(frame),
            _ => None,
        })
        .await
    }
}

/// Waits until each of two nodes has a session with the other.
pub async fn meet(a: &mut Node, b: &mut Node) {
    let (device_a, device_b) = (a.device, b.device);
    tokio::join!(a.up(device_b), b.up(device_a));
}

/// Two nodes with a session, dialled by the first.
pub async fn pair(first: u8, second: u8) -> (Node, Node) {
    let (mut a, mut b) = (Node::start(first), Node::start(second));
    let address = b.address().await;
    a.handle.dial(address).unwrap();
    meet(&mut a, &mut b).await;
    // A session without a first frame is ended.
    a.handle.send(b.device, vec![0]);
    b.handle.send(a.device, vec![0]);
    tokio::join!(a.greeted(), b.greeted());
    (a, b)
}
