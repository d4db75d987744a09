//! Somebody on the LAN announces a hundred thousand devices that do not exist, from one address or many.
//!
//! The honest devices have nothing but announcements of their own to find each other by.

use crate::{attacker::Attacker, scene::Scene};
use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};
use velo_protocol::{crypto::SecretKey, dice::Dice};
use velo_tests::lan::Lan;

const PEERS: usize = 100_000;
/// Said when all were announced once.
const ALL: &str = "all announced";
/// The addresses from which they are announced: one is of the attacker's host, further ones are given to it.
const SOURCES: u8 = 100;

fn source(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 100 + number)
}

fn name(out: &mut Vec<u8>, labels: &[&[u8]]) {
    for label in labels {
        out.push(label.len() as u8);
        out.extend_from_slice(label);
    }
    out.push(0);
}

/// An answer as libp2p gives it: a pointer to a random name, and there the address with the peer's id.
fn packet(dice: &mut Dice) -> Vec<u8> {
    let key =
        libp2p::identity::ed25519::PublicKey::try_from_bytes(&SecretKey::from_seed(&dice.bytes()).public());
    let peer = libp2p::identity::PublicKey::from(key.unwrap()).to_peer_id();
    let address =
        format!("dnsaddr=/ip4/10.77.0.{}/tcp/{}/p2p/{peer}", 100 + dice.below(100), 1 + dice.below(60_000));
    let instance = format!("{:032x}", dice.roll());
    let service: [&[u8]; 3] = [b"_p2p", b"_udp", b"local"];
    let mut pointer = Vec::new();
    name(&mut pointer, &[instance.as_bytes(), service[0], service[1], service[2]]);
    // One answer, one additional record; both of class IN, for two minutes.
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let ttl = [0, 0, 0, 120];
    name(&mut out, &service);
    out.extend_from_slice(&[0, 12, 0, 1]);
    out.extend_from_slice(&ttl);
    out.extend_from_slice(&(pointer.len() as u16).to_be_bytes());
    out.extend_from_slice(&pointer);
    out.extend_from_slice(&pointer);
    out.extend_from_slice(&[0, 16, 0x80, 1]);
    out.extend_from_slice(&ttl);
    out.extend_from_slice(&(address.len() as u16 + 1).to_be_bytes());
    out.push(address.len() as u8);
    out.extend_from_slice(address.as_bytes());
    out
}

/// A hundred thousand at ten thousand a second, and again.
pub async fn attack(from_many: bool) {
    let sources = (0..SOURCES).map(source).take_while(|_| from_many).chain([Ipv4Addr::UNSPECIFIED]);
    let mut sockets: Vec<_> = sources.map(|from| UdpSocket::bind((from, 0)).unwrap()).collect();
    sockets.truncate(usize::from(SOURCES));
    let mut dice = Dice::new(2026);
    let packets: Vec<Vec<u8>> = (0..PEERS).map(|_| packet(&mut dice)).collect();
    loop {
        for round in packets.chunks(100) {
            for (number, packet) in round.iter().enumerate() {
                let socket = &sockets[number % sockets.len()];
                // The queue of the cable may be full.
                let _ = socket.send_to(packet, (Ipv4Addr::new(224, 0, 0, 251), 5353));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("{ALL}");
    }
}

/// Ben finds Anna by her announcements alone while all others are announced, over and over.
fn withstands(what: &str, which: &str, lan: &Lan) -> anyhow::Result<()> {
    let mut scene = Scene::new(lan, &[])?.without_addresses();
    let address = scene.address()?;
    scene.withstands(what, || {
        let mut attacker = Attacker::start(which, &lan.hosts()[2], &address)?;
        attacker.wait_for(ALL)?;
        Ok(attacker)
    })?;
    Ok(())
}

#[test]
fn a_hundred_thousand_announced_devices() -> anyhow::Result<()> {
    let Some(lan) = crate::hosts()? else { return Ok(()) };
    withstands("devices announced from one address", "announce", &lan)
}

#[test]
fn a_hundred_thousand_devices_announced_from_many_addresses() -> anyhow::Result<()> {
    let Some(lan) = crate::hosts()? else { return Ok(()) };
    for number in 0..SOURCES {
        lan.hosts()[2].namespace().ip(&[
            "address",
            "add",
            &format!("{}/24", source(number)),
            "dev",
            "eth0",
        ])?;
    }
    withstands("devices announced from many addresses", "announce from many", &lan)
}
