//! Meeting through a relay, and leaving it for a direct connection.

use crate::support::{Node, PATIENCE, local};
use std::time::Duration;
use velo_node::net::{Multiaddr, NetEvent, Path, TargetStage};

/// The first event of which `wanted` makes something; every peer that comes up is greeted, since a
/// session without a frame is ended.
async fn politely<T>(node: &mut Node, what: &str, wanted: impl Fn(&NetEvent) -> Option<T>) -> T {
    let handle = node.handle.clone();
    node.wait(what, |event| {
        if let NetEvent::PeerUp { peer, .. } = event {
            handle.send(peer, vec![0]);
        }
        wanted(&event)
    })
    .await
}

/// Greets whoever comes, for ever.
fn receive_guests(mut node: Node) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = node.events.recv().await {
            if let NetEvent::PeerUp { peer, .. } = event {
                node.handle.send(peer, vec![0]);
            }
        }
    })
}

async fn place_at_relay(device: &mut Node) -> Multiaddr {
    let is_through = |address: &Multiaddr| address.to_string().contains("p2p-circuit");
    politely(device, "a place at the relay", |event| match event {
        NetEvent::Listening(address) => Some(address.clone()).filter(is_through),
        _ => None,
    })
    .await
}

async fn up_over(node: &mut Node, wanted: Path) {
    politely(node, "a session over that path", |event| match event {
        NetEvent::PeerUp { path, .. } if *path == wanted => Some(()),
        _ => None,
    })
    .await;
}

async fn frame(node: &mut Node, wanted: u8) {
    politely(node, "the frame", |event| match event {
        NetEvent::Frame { frame, .. } if *frame == [wanted] => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn two_devices_meet_through_a_relay_and_move_to_a_direct_connection() {
    let (mut relay, mut a, mut b) = (Node::start_relay(100), Node::start(101), Node::start(102));
    let at = relay.address().await;
    let relay_device = relay.device;
    let relay = receive_guests(relay);
    tokio::join!(a.address(), b.address());
    a.handle.dial(at).unwrap();
    let through = place_at_relay(&mut a).await;
    assert!(a.handle.addresses().contains(&through), "it stands in tickets");
    b.handle.dial(through).unwrap();
    tokio::join!(up_over(&mut a, Path::Relayed), up_over(&mut b, Path::Relayed));
    let (device_a, device_b) = (a.device, b.device);
    let moved = |node: &NetEvent| match node {
        NetEvent::PeerUp { peer, path: Path::Lan, .. } if *peer != relay_device => Some(()),
        _ => None,
    };
    tokio::join!(politely(&mut a, "moved", moved), politely(&mut b, "moved", moved));
    a.handle.send(device_b, vec![2]);
    b.handle.send(device_a, vec![3]);
    tokio::join!(frame(&mut a, 3), frame(&mut b, 2));
    for (node, other) in [(&a, device_b), (&b, device_a)] {
        let status = node.handle.status();
        let target = status.targets.iter().find(|target| target.peer == Some(other)).unwrap();
        assert!(matches!(target.stage, TargetStage::Connected { path: Path::Lan, .. }), "{target:?}");
    }
    // B was led through the relay, and so has a place there as well.
    reserved(&b).await;
    relay.abort();
}

#[tokio::test]
async fn a_place_at_a_relay_is_taken_again_after_a_restart_of_either() {
    let (mut relay, mut device) = (Node::start_relay(120), Node::start(121));
    let at = relay.address().await;
    device.handle.dial(at.clone()).unwrap();
    place_at_relay(&mut device).await;
    let folder = device.stop().await;
    let mut device = Node::start_in(121, local(), folder);
    place_at_relay(&mut device).await;
    let folder = relay.stop().await;
    device.wait("the relay goes", |event| matches!(event, NetEvent::PeerDown { .. }).then_some(())).await;
    let relay = Node::start_relay_in(120, at.iter().take(2).collect(), folder);
    place_at_relay(&mut device).await;
    relay.stop().await;
}

async fn reserved(device: &Node) {
    let search = async {
        while !device.handle.status().relays.iter().any(|relay| relay.reserved) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("no place at the relay");
}
