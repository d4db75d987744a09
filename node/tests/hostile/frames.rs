//! What a frame can lie about: its length, and counts within it.
//!
//! Nothing that a peer sends is decompressed, so there is no bomb of that kind to try.

use crate::{QUIET, attacker::Attacker, raw, scene::Scene};
use futures::{AsyncReadExt, AsyncWriteExt, future::join_all};
use libp2p::Multiaddr;
use std::{cell::Cell, rc::Rc, time::Duration};
use velo_protocol::{
    limits,
    message::{Hello, Message, PROTOCOL_VERSION},
};

/// Attackers at once, each with a new key for every attempt: a known one is kept out for a while.
const AT_ONCE: usize = 8;
/// Types of messages there are, and one more.
const TYPES: u8 = 15;
/// How bincode begins a number of eight bytes.
const EIGHT_BYTES: u8 = 253;

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_le_bytes()[..], frame].concat()
}

/// What is sent in the n-th attempt: a greeting, and something that is not what it says.
fn lie(attempt: usize) -> Vec<u8> {
    let hello =
        Message::Hello(Hello { version: PROTOCOL_VERSION, nonce: [attempt as u8; 32], wall_ms: 0 }).encode();
    let tag = (attempt / 4) as u8 % TYPES;
    let body = match attempt % 4 {
        // A length of 4 GiB, and some of the bytes.
        0 => return [framed(&hello), vec![0xff; 1024 * 1024]].concat(),
        // Every count is as great as numbers go.
        1 => [&[EIGHT_BYTES][..], &[0xff; 8]].concat().repeat(1_000),
        // After an id a count of 2^40, and bytes that could be the first of so many.
        2 => [&[7; 32][..], &[EIGHT_BYTES], &(1_u64 << 40).to_le_bytes(), &[1; 4_000]].concat(),
        // As many of the smallest elements as fit.
        _ => vec![1; limits::FRAME - 1],
    };
    [framed(&hello), framed(&[&[tag][..], &body].concat())].concat()
}

async fn lie_for_ever(address: Multiaddr, attempts: Rc<Cell<usize>>) {
    loop {
        let attempt = attempts.replace(attempts.get() + 1);
        println!("attempt");
        let mut peer = raw::peer();
        let session = async {
            let Some(mut stream) = raw::connect(&mut peer, address.clone()).await else { return };
            let running = raw::run(peer);
            if stream.write_all(&lie(attempt)).await.is_ok() && stream.flush().await.is_ok() {
                // Until it is thrown out.
                let mut said = vec![0; 4096];
                while matches!(stream.read(&mut said).await, Ok(1..)) {}
            }
            running.abort();
        };
        // Some lies are a message about an unknown workspace, which is met with silence.
        let _ = tokio::time::timeout(Duration::from_millis(500), session).await;
    }
}

pub async fn attack(address: Multiaddr) {
    let attempts = Rc::new(Cell::new(0));
    join_all((0..AT_ONCE).map(|_| lie_for_ever(address.clone(), Rc::clone(&attempts)))).await;
}

#[test]
fn lies_about_lengths_and_counts() -> anyhow::Result<()> {
    let Some(lan) = crate::hosts()? else { return Ok(()) };
    let mut scene = Scene::new(&lan, &QUIET)?;
    let address = scene.address()?;
    let said = scene.withstands("frames that lie", || Attacker::start("lie", &lan.hosts()[2], &address))?;
    let attempts = said.lines().count();
    println!("{attempts} attempts");
    assert!(attempts > 2 * usize::from(TYPES), "hardly anything was tried: {attempts}");
    Ok(())
}
