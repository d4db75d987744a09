//! Connections that die without a word, and connections too many.

use crate::support::{Node, meet, pair};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};
use velo_node::net::{Multiaddr, NetEvent};

/// A forwarder between two nodes that can swallow everything, as a pulled cable does.
struct Cable {
    address: Multiaddr,
    cut: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Cable {
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(forward(near_in, far_out, Arc::clone(&seen)));
                tokio::spawn(forward(far_in, near_out, Arc::clone(&seen)));
            }
        });
        Self { address: format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap(), cut, task }
    }
}

async fn forward(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if cut.load(Ordering::Relaxed) {
            // The other side sees neither bytes nor an end.
            std::future::pending::<()>().await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_silently_dead_connection_is_noticed_within_20_s() {
    let (mut a, mut b) = (Node::start(40), Node::start(41));
    b.address().await;
    let cable = Cable::to(tcp_port(&b)).await;
    a.handle.dial(cable.address.clone()).unwrap();
    meet(&mut a, &mut b).await;
    a.handle.send(b.device, vec![1]);
    b.handle.send(a.device, vec![1]);
    tokio::join!(a.frame(), b.frame());
    cable.cut.store(true, Ordering::Relaxed);
    let (since, device_a, device_b) = (Instant::now(), a.device, b.device);
    let (at_a, at_b) = tokio::join!(a.down(device_b), b.down(device_a));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert!(at_a.contains("silent") || at_b.contains("silent"), "{at_a}; {at_b}");
    cable.cut.store(false, Ordering::Relaxed);
    meet(&mut a, &mut b).await;
    cable.task.abort();
}

/// A peer that dials although it is connected has lost its connection without our noticing; here it
/// is a person who types the address again.
#[tokio::test]
async fn a_later_connection_takes_the_session_over_in_order() {
    for (first, second) in [(42, 43), (45, 44)] {
        let (mut a, mut b) = pair(first, second).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let cable = Cable::to(tcp_port(&b)).await;
        a.handle.dial(cable.address.clone()).unwrap();
        let (device_a, device_b) = (a.device, b.device);
        let (at_a, at_b) = tokio::join!(a.down(device_b), b.down(device_a));
        assert!(at_a.contains("better") || at_b.contains("better"), "{at_a}; {at_b}");
        meet(&mut a, &mut b).await;
        a.handle.send(b.device, vec![7]);
        b.handle.send(a.device, vec![8]);
        assert_eq!(tokio::join!(a.frame(), b.frame()), (vec![8], vec![7]));
        // The older one is closed, and that disturbs nobody.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        for node in [&mut a, &mut b] {
            while let Some(event) = node.events.try_recv() {
                assert!(!matches!(event, NetEvent::PeerDown { .. }), "{event:?}");
            }
        }
        cable.task.abort();
    }
}

fn tcp_port(node: &Node) -> u16 {
    node.handle.addresses()[0].to_string().split('/').nth(4).unwrap().parse().unwrap()
}

#[tokio::test]
async fn many_peers_come_and_go() {
    let mut hub = Node::start(50);
    let address = hub.address().await;
    for round in 0..2 {
        let mut spokes: Vec<_> = (0..20).map(|n| Node::start(60 + n)).collect();
        for spoke in &mut spokes {
            spoke.handle.dial(address.clone()).unwrap();
            meet(spoke, &mut hub).await;
            spoke.handle.send(hub.device, vec![round]);
            assert_eq!(hub.frame().await, vec![round]);
            hub.handle.send(spoke.device, vec![round]);
            assert_eq!(spoke.frame().await, vec![round]);
        }
        for spoke in spokes {
            let device = spoke.device;
            spoke.stop().await;
            hub.down(device).await;
        }
    }
}
