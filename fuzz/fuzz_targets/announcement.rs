//! A packet of multicast DNS, with anything in it: what is understood is bounded, and is understood again
//! when it is said anew.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, SocketAddrV4};
use velo_node::fuzzing::{MdnsPacket, mdns_packet, peer_id};

fuzz_target!(|bytes: &[u8]| {
    let Some(MdnsPacket::Announcement(announcement)) = mdns_packet::parse(bytes) else { return };
    let Some((device, ports)) = announcement.device() else { return };
    assert!(ports.len() <= mdns_packet::ADDRESSES && ports.is_sorted() && !ports.contains(&0));
    let Some(peer) = peer_id(&device).filter(|_| !ports.is_empty()) else { return };
    let addresses: Vec<_> = ports.iter().map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)).collect();
    let packet = mdns_packet::announce(&peer, "again", &addresses, announcement.ttl);
    let Some(MdnsPacket::Announcement(again)) = mdns_packet::parse(&packet) else { panic!("{packet:?}") };
    assert_eq!((again.ttl, again.device()), (announcement.ttl, Some((device, ports))));
});
