//! Peers that do not keep to the protocol: a libp2p program that writes what it likes.

use crate::support::{Node, PATIENCE, pair};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    noise,
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, SubstreamProtocol, SwarmEvent, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
        handler::{ConnectionEvent, FullyNegotiatedOutbound},
    },
    tcp, yamux,
};
use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::Instant,
};
use velo_node::net::NetEvent;
use velo_protocol::{id::DeviceId, limits};

/// Opens one session stream on each connection and hands it out.
#[derive(Default)]
struct Raw {
    streams: VecDeque<Stream>,
}

#[derive(Default)]
struct RawHandler {
    asked: bool,
    stream: Option<Stream>,
}

impl ConnectionHandler for RawHandler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(StreamProtocol::new("/velo/session/1")), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if !std::mem::replace(&mut self.asked, true) {
            let protocol = self.listen_protocol();
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.stream
            .take()
            .map_or(Poll::Pending, |stream| Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream)))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>) {
        if let ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) = event {
            self.stream = Some(protocol);
        }
    }
}

impl NetworkBehaviour for Raw {
    type ConnectionHandler = RawHandler;
    type ToSwarm = Stream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, stream: THandlerOutEvent<Self>) {
        self.streams.push_back(stream);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Stream, THandlerInEvent<Self>>> {
        self.streams.pop_front().map_or(Poll::Pending, |stream| Poll::Ready(ToSwarm::GenerateEvent(stream)))
    }
}

fn device(swarm: &Swarm<Raw>) -> DeviceId {
    let bytes = swarm.local_peer_id().to_bytes();
    DeviceId(bytes[bytes.len() - 32..].try_into().unwrap())
}

fn raw_peer() -> Swarm<Raw> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Raw::default())
        .unwrap()
        .build()
}

/// Connects to a node and opens the session stream.
async fn connect(swarm: &mut Swarm<Raw>, address: Multiaddr) -> Stream {
    swarm.dial(address).unwrap();
    let stream = async {
        loop {
            if let SwarmEvent::Behaviour(stream) = swarm.select_next_some().await {
                return stream;
            }
        }
    };
    tokio::time::timeout(PATIENCE, stream).await.unwrap()
}

/// Polls a swarm in the background.
fn run(mut swarm: Swarm<Raw>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            swarm.next().await;
        }
    })
}

#[tokio::test]
async fn a_length_of_4_gib_costs_that_peer_its_session_and_nobody_else() {
    let (mut a, mut b) = pair(30, 31).await;
    let address = a.handle.addresses()[0].clone();
    let mut bad = raw_peer();
    let bad_device = device(&bad);
    let mut stream = connect(&mut bad, address.clone()).await;
    let running = run(bad);
    stream.write_all(&[0xff; 4]).await.unwrap();
    stream.flush().await.unwrap();
    let reason = a.down(bad_device).await;
    assert!(reason.contains("4294967295 bytes"), "{reason}");
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap_or(0), 0);
    b.handle.send(a.device, vec![5]);
    assert_eq!(a.frame().await, vec![5]);
    a.handle.send(b.device, vec![6]);
    assert_eq!(b.frame().await, vec![6]);
    running.abort();
}

#[tokio::test]
async fn a_peer_that_breaks_the_framing_is_kept_out() {
    let mut a = Node::start(32);
    let address = a.address().await;
    let mut bad = raw_peer();
    let bad_device = device(&bad);
    let mut stream = connect(&mut bad, address.clone()).await;
    stream.write_all(&[0, 0, 0, 0]).await.unwrap();
    let reason = tokio::select! {
        reason = a.down(bad_device) => reason,
        _ = async { loop { bad.next().await; } } => unreachable!(),
    };
    assert!(reason.contains("empty frame"), "{reason}");
    // Refused after the handshake: the connection ends before a stream is open.
    bad.dial(address).unwrap();
    let ended = async {
        loop {
            match bad.select_next_some().await {
                SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    while let Some(event) = a.events.try_recv() {
        assert!(!matches!(event, NetEvent::PeerUp { .. }), "the peer was let in again");
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_dropped_after_the_hello_time() {
    let mut a = Node::start(33);
    let mut bad = raw_peer();
    let bad_device = device(&bad);
    let mut stream = connect(&mut bad, a.address().await).await;
    let running = run(bad);
    // Half a frame is nothing, too.
    stream.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
    stream.flush().await.unwrap();
    a.up(bad_device).await;
    let since = Instant::now();
    let reason = a.down(bad_device).await;
    assert!(reason.contains("sent nothing"), "{reason}");
    let expected = limits::HELLO_MS - 1_000..limits::HELLO_MS + 2_000;
    assert!(expected.contains(&(since.elapsed().as_millis() as u64)), "{:?}", since.elapsed());
    running.abort();
}
