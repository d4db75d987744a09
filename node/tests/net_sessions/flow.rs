//! Frames: in order, complete, and never more of them than somebody takes.

use crate::support::{Node, PATIENCE, meet, pair};
use std::time::Duration;
use velo_node::net::NetEvent;
use velo_protocol::{id::DeviceId, limits};

const SIZE: usize = 64 * 1024;
/// More than the replica does, to fill what there is to fill.
const IN_FLIGHT: usize = 8 * SIZE;

/// Sends and receives numbered frames as the replica does: at most so many bytes in flight.
struct Exchange {
    peer: DeviceId,
    to_send: u32,
    sent: u32,
    in_flight: usize,
    to_receive: u32,
    received: u32,
}

impl Exchange {
    fn new(peer: DeviceId, to_send: u32, to_receive: u32) -> Self {
        Self { peer, to_send, sent: 0, in_flight: 0, to_receive, received: 0 }
    }

    fn fill(&mut self, node: &Node) {
        while self.sent < self.to_send && self.in_flight + SIZE <= IN_FLIGHT {
            let mut frame = vec![7; SIZE];
            frame[1..5].copy_from_slice(&self.sent.to_le_bytes());
            node.handle.send(self.peer, frame);
            self.sent += 1;
            self.in_flight += SIZE;
        }
    }

    fn is_done(&self) -> bool {
        self.sent == self.to_send && self.in_flight == 0 && self.received == self.to_receive
    }

    async fn run(&mut self, node: &mut Node) {
        self.fill(node);
        while !self.is_done() {
            match node.events.recv().await.unwrap() {
                NetEvent::Frame { peer, frame } => {
                    assert_eq!((peer, frame.len()), (self.peer, SIZE));
                    assert_eq!(frame[1..5], self.received.to_le_bytes());
                    self.received += 1;
                }
                NetEvent::Sent { peer, bytes } => {
                    assert_eq!(peer, self.peer);
                    self.in_flight -= bytes;
                    self.fill(node);
                }
                NetEvent::PeerDown { reason, .. } => panic!("down: {reason}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_thousand_frames_each_way_arrive_in_order() {
    let (mut a, mut b) = pair(1, 2).await;
    let (mut at_a, mut at_b) = (Exchange::new(b.device, 1000, 1000), Exchange::new(a.device, 1000, 1000));
    let started = std::time::Instant::now();
    let both = async { tokio::join!(at_a.run(&mut a), at_b.run(&mut b)) };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
    println!("2 x 1000 frames of 64 KiB: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_driver_that_does_not_read_stops_the_sender_and_loses_nothing() {
    const COUNT: u32 = 1000;
    let (mut a, mut b) = pair(3, 4).await;
    let (mut at_a, mut at_b) = (Exchange::new(b.device, COUNT, 0), Exchange::new(a.device, 0, COUNT));
    let stalled = tokio::time::timeout(Duration::from_secs(2), at_a.run(&mut a)).await;
    assert!(stalled.is_err(), "everything was swallowed");
    println!("{} frames went out to a driver that does not read", at_a.sent);
    let both = async { tokio::join!(at_a.run(&mut a), at_b.run(&mut b)) };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_frame_takes_little_time() {
    let (mut a, mut b) = pair(9, 34).await;
    let device_a = a.device;
    let echo = tokio::spawn(async move {
        loop {
            let frame = b.frame().await;
            b.handle.send(device_a, frame);
        }
    });
    let peer = a.handle.status().targets[0].peer.unwrap();
    let mut times = Vec::new();
    for n in 0..200 {
        let since = std::time::Instant::now();
        let mut frame = vec![n; 200];
        frame[0] = 1;
        a.handle.send(peer, frame.clone());
        assert_eq!(a.frame().await, frame);
        times.push(since.elapsed());
    }
    times.sort();
    println!("there and back: p50 {:?}, p99 {:?}", times[100], times[198]);
    // Generous, for busy machines; a timer or Nagle's algorithm in the way would cost 40 ms.
    assert!(times[100] < Duration::from_millis(20), "{:?}", times[100]);
    echo.abort();
}

#[tokio::test]
async fn what_was_sent_before_a_disconnect_arrives() {
    let (mut a, mut b) = pair(5, 6).await;
    a.handle.send(b.device, vec![1; 1000]);
    a.handle.send(b.device, vec![2]);
    a.handle.disconnect(b.device, "enough");
    assert_eq!(b.frame().await, vec![1; 1000]);
    assert_eq!(b.frame().await, vec![2]);
    assert_eq!(b.down(a.device).await, "the peer closed the session");
    assert_eq!(a.down(b.device).await, "enough");
    // A disconnect is no farewell: the peers meet again.
    meet(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_queue_that_overflows_ends_the_session() {
    let (mut a, b) = pair(7, 8).await;
    for _ in 0..=limits::QUEUE_BYTES / limits::FRAME {
        a.handle.send(b.device, vec![1; limits::FRAME]);
    }
    let reason = a.down(b.device).await;
    assert!(reason.contains("wait to be sent"), "{reason}");
}

/// A frame of a pull, with a number.
fn of_pull(number: u32, size: usize) -> Vec<u8> {
    let mut frame = vec![33; size];
    frame[1..5].copy_from_slice(&number.to_le_bytes());
    frame
}

#[tokio::test]
async fn frames_of_a_session_pass_those_of_a_pull_that_fill_their_window() {
    const COUNT: u32 = 60;
    let (mut a, mut b) = pair(10, 35).await;
    let mut pulled = 0;
    // More than the windows on the way hold: the rest can only move once somebody takes them.
    for number in 0..COUNT {
        a.handle.send(b.device, of_pull(number, SIZE - 8));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What was typed meanwhile does not wait for the driver to take what was pulled before.
    a.handle.send(b.device, vec![4; 100]);
    a.wait("it is written", |event| matches!(event, NetEvent::Sent { bytes: 100, .. }).then_some(())).await;
    let mut before_it = 0;
    loop {
        let frame = b.frame().await;
        if frame[0] == 4 {
            break;
        }
        before_it += 1;
        assert_eq!(frame, of_pull(pulled, SIZE - 8));
        pulled += 1;
    }
    println!("a live edit came after {before_it} of {COUNT} frames of a pull");
    assert!(before_it < COUNT, "it waited for all of them");
    while pulled < COUNT {
        assert_eq!(b.frame().await, of_pull(pulled, SIZE - 8));
        pulled += 1;
    }
}
