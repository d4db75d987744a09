//! Meeting, losing and finding each other again.

use crate::support::{Node, PATIENCE, free_address, key, local, meet, pair, peer_id};
use std::{
    fs,
    time::{Duration, Instant},
};
use velo_node::net::{AddressError, Multiaddr, NetEvent, Path, TargetStage};
use velo_protocol::id::DeviceId;

/// Watches a node for some time. Greets on every `PeerUp` and checks that up and down alternate and
/// that frames come in between only. Returns whether the peer is up at the end.
async fn watch(node: &mut Node, peer: DeviceId, time: Duration) -> bool {
    let (mut up, mut sessions, mut frames) = (false, 0, 0);
    let end = Instant::now() + time;
    while let Ok(event) =
        tokio::time::timeout(end.saturating_duration_since(Instant::now()), node.events.recv()).await
    {
        match event.unwrap() {
            NetEvent::PeerUp { .. } => {
                assert!(!up, "up twice");
                up = true;
                sessions += 1;
                node.handle.send(peer, vec![1]);
            }
            NetEvent::PeerDown { .. } => {
                assert!(up, "down twice");
                up = false;
            }
            NetEvent::Frame { .. } | NetEvent::Sent { .. } => {
                assert!(up, "a frame without a session");
                frames += 1;
            }
            _ => {}
        }
    }
    assert!((1..=3).contains(&sessions), "{sessions} sessions");
    assert!(frames >= 2);
    up
}

#[tokio::test]
async fn a_simultaneous_dial_leaves_one_session_on_both_sides() {
    let rounds = (0..4).map(|round| async move {
        let (mut a, mut b) = (Node::start(10 + 2 * round), Node::start(11 + 2 * round));
        let (at_a, at_b) = (a.address().await, b.address().await);
        a.handle.dial(at_b).unwrap();
        b.handle.dial(at_a).unwrap();
        let (device_a, device_b) = (a.device, b.device);
        // Longer than a spare connection is kept.
        let time = Duration::from_secs(4);
        let ups = tokio::join!(watch(&mut a, device_b, time), watch(&mut b, device_a, time));
        assert_eq!(ups, (true, true), "round {round}");
        a.handle.send(device_b, vec![2]);
        assert_eq!(b.frame().await, vec![2]);
        b.handle.send(device_a, vec![3]);
        assert_eq!(a.frame().await, vec![3]);
    });
    futures::future::join_all(rounds).await;
}

#[tokio::test]
async fn a_restarted_peer_is_found_again_at_its_old_port() {
    let (mut a, b) = pair(20, 21).await;
    let folder = b.stop().await;
    a.down(DeviceId(key(21).public())).await;
    let mut b = Node::start_in(21, local(), folder);
    meet(&mut a, &mut b).await;
    let TargetStage::Connected { path, .. } = &a.handle.status().targets[0].stage else {
        panic!("{:?}", a.handle.status())
    };
    assert_eq!(*path, Path::Lan);
}

#[test]
fn a_crashed_peer_that_restarts_with_the_same_key_reconnects() {
    let own = tokio::runtime::Runtime::new().unwrap();
    let crashing = tokio::runtime::Runtime::new().unwrap();
    let address = free_address();
    let mut b = {
        let _entered = crashing.enter();
        Node::start_in(23, address.clone(), tempfile::tempdir().unwrap())
    };
    let mut a = {
        let _entered = own.enter();
        Node::start(22)
    };
    a.handle.dial(address.clone()).unwrap();
    own.block_on(meet(&mut a, &mut b));
    crashing.shutdown_background();
    own.block_on(a.down(b.device));
    let mut b = {
        let _entered = own.enter();
        Node::start_in(23, address, tempfile::tempdir().unwrap())
    };
    own.block_on(meet(&mut a, &mut b));
}

#[tokio::test]
async fn a_listener_that_comes_back_is_found_by_redialling() {
    let address = free_address();
    let mut a = Node::start(24);
    a.handle.dial(address.clone()).unwrap();
    let mut delays = Vec::new();
    while delays.len() < 3 {
        let failure = a.wait("a failed dial", |event| match event {
            NetEvent::DialFailed { address, reason, next_try, .. } => Some((address, reason, next_try)),
            _ => None,
        });
        let (at, reason, next_try) = failure.await;
        assert_eq!(at, address);
        assert!(reason.contains("refused"), "{reason}");
        delays.push(next_try.unwrap());
    }
    assert!(delays[0] < Duration::from_millis(330) && delays[2] >= Duration::from_millis(700), "{delays:?}");
    let mut b = Node::start_in(25, address, tempfile::tempdir().unwrap());
    meet(&mut a, &mut b).await;
}

/// Without an id, and with one as in every ticket: that one was dialled once and never again.
#[tokio::test]
async fn a_wish_is_remembered_over_a_restart() {
    let named = |address: Multiaddr| address.with_p2p(peer_id(103)).unwrap();
    for (seed, wish) in [(100, free_address()), (102, named(free_address()))] {
        let a = Node::start(seed);
        a.handle.dial(wish.clone()).unwrap();
        let folder = a.stop().await;
        let address: Multiaddr = wish.iter().take(2).collect();
        let mut b = Node::start_in(seed + 1, address, tempfile::tempdir().unwrap());
        let mut a = Node::start_in(seed, local(), folder);
        meet(&mut a, &mut b).await;
    }
}

/// Anybody can open a session, under a new key each time; the book's places are for colleagues.
#[tokio::test]
async fn only_those_who_share_a_workspace_are_written_down() {
    let (mut a, b) = pair(104, 105).await;
    let (mut stranger, address) = (Node::start(106), a.handle.addresses()[0].clone());
    stranger.handle.dial(address).unwrap();
    meet(&mut stranger, &mut a).await;
    a.handle.trust(b.device);
    let folder = a.stop().await;
    let book: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("peers.json")).unwrap()).unwrap();
    let peers: Vec<_> = book["peers"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(peers, [serde_json::to_value(b.device).unwrap().as_str().unwrap()]);
    assert_eq!(book["wanted"], serde_json::json!([]), "it was fulfilled: {book}");
    // And it is found again.
    let mut b = b;
    b.down(DeviceId(key(104).public())).await;
    let mut a = Node::start_in(104, local(), folder);
    meet(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_damaged_book_is_moved_aside_and_not_fatal() {
    let a = Node::start(26);
    a.handle.dial(free_address()).unwrap();
    let folder = a.stop().await;
    let book = folder.path().join("peers.json");
    let bytes = fs::read(&book).unwrap();
    fs::write(&book, &bytes[..bytes.len() / 2]).unwrap();
    let mut a = Node::start_in(26, local(), folder);
    let reason = a
        .wait("a complaint about the book", |event| match event {
            NetEvent::BookFailed { reason } => Some(reason),
            _ => None,
        })
        .await;
    assert!(reason.contains("damaged"), "{reason}");
    assert!(a.book().with_extension("damaged").exists());
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_refused_with_a_reason() {
    let mut a = Node::start(28);
    let own = a.address().await;
    assert!(matches!(a.handle.dial(own.clone()), Err(AddressError::Own)));
    let bare = own.iter().take(2).collect();
    a.handle.dial(bare).unwrap();
    let failure = a.wait("our own address", |event| match event {
        NetEvent::DialFailed { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(failure.await, "this is the address of this device");
    let relayed = "/dns4/example.org/tcp/1".parse().unwrap();
    assert!(matches!(a.handle.dial(relayed), Err(AddressError::NotDialable(_))));
    let addresses = a.handle.addresses();
    assert_eq!(addresses, vec![own]);
    tokio::time::timeout(PATIENCE, a.stop()).await.unwrap();
}
