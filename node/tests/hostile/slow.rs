//! Peers that take places and do nothing with them, or as little as keeps them.

use crate::{QUIET, attacker::Attacker, raw, scene::Scene};
use futures::{AsyncReadExt, AsyncWriteExt, future::join_all};
use libp2p::{Multiaddr, multiaddr::Protocol};
use std::{net::SocketAddr, time::Duration};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::sleep};
use velo_protocol::message::{Hello, Message, PROTOCOL_VERSION};

/// More than there are places, of any kind.
const SILENT: usize = 300;
const SLOW: usize = 120;

fn socket_address(address: &Multiaddr) -> SocketAddr {
    let (mut ip, mut port) = (None, None);
    for part in address {
        match part {
            Protocol::Ip4(found) => ip = Some(found),
            Protocol::Tcp(found) => port = Some(found),
            _ => {}
        }
    }
    SocketAddr::from((ip.unwrap(), port.unwrap()))
}

/// Connects, says nothing, and comes again when it is thrown out.
async fn say_nothing(to: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(to).await {
            let mut said = [0; 1024];
            while matches!(stream.read(&mut said).await, Ok(1..)) {}
        }
        sleep(Duration::from_millis(20)).await;
    }
}

pub async fn attack_silently(address: Multiaddr) {
    let to = socket_address(&address);
    join_all((0..SILENT).map(|_| say_nothing(to))).await;
}

pub async fn attack_slowly(address: Multiaddr) {
    join_all((0..SLOW).map(|number| say_little(address.clone(), number % 2 == 0))).await;
}

/// Under an attack that takes what places there are before the honest device comes.
fn withstands(what: &str, which: &str) -> anyhow::Result<()> {
    let Some(lan) = crate::hosts()? else { return Ok(()) };
    let mut scene = Scene::new(&lan, &QUIET)?;
    let address = scene.address()?;
    scene.withstands(what, || {
        let attacker = Attacker::start(which, &lan.hosts()[2], &address)?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(attacker)
    })?;
    Ok(())
}

#[test]
fn connections_that_say_nothing() -> anyhow::Result<()> {
    withstands("silent connections", "silent")
}

#[test]
fn sessions_that_say_a_byte_a_second_or_only_hello() -> anyhow::Result<()> {
    withstands("slow sessions", "slow")
}

/// Opens a session. Says a byte a second, or a greeting and nothing more.
async fn say_little(address: Multiaddr, greets: bool) {
    let hello = Message::Hello(Hello { version: PROTOCOL_VERSION, nonce: [7; 32], wall_ms: 0 }).encode();
    let frame = [&(hello.len() as u32).to_le_bytes()[..], &hello].concat();
    loop {
        let mut peer = raw::peer();
        if let Some(stream) = raw::connect(&mut peer, address.clone()).await {
            let running = raw::run(peer);
            let (mut reader, mut writer) = stream.split();
            let write = async {
                if greets && (writer.write_all(&frame).await.is_err() || writer.flush().await.is_err()) {
                    return;
                }
                for byte in frame.iter().cycle().filter(|_| !greets) {
                    if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
                std::future::pending::<()>().await;
            };
            let read = async {
                let mut said = [0; 1024];
                while matches!(reader.read(&mut said).await, Ok(1..)) {}
            };
            tokio::select! { () = write => {}, () = read => {} }
            running.abort();
        }
        sleep(Duration::from_millis(50)).await;
    }
}
