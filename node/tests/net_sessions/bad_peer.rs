//! Peers that do not keep to the protocol.

use crate::{
    raw,
    support::{Node, PATIENCE, pair},
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Multiaddr, Stream, Swarm, swarm::SwarmEvent};
use std::time::Instant;
use velo_node::net::NetEvent;
use velo_protocol::limits;

/// Connects to a node that lets anybody in.
async fn connect(swarm: &mut Swarm<raw::Raw>, address: Multiaddr) -> Stream {
    tokio::time::timeout(PATIENCE, raw::connect(swarm, address)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_length_of_4_gib_costs_that_peer_its_session_and_nobody_else() {
    let (mut a, mut b) = pair(30, 31).await;
    let address = a.handle.addresses()[0].clone();
    let mut bad = raw::peer();
    let bad_device = raw::device(&bad);
    let mut stream = connect(&mut bad, address.clone()).await;
    let running = raw::run(bad);
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
    let mut bad = raw::peer();
    let bad_device = raw::device(&bad);
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
    let mut bad = raw::peer();
    let bad_device = raw::device(&bad);
    let mut stream = connect(&mut bad, a.address().await).await;
    let running = raw::run(bad);
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
