//! What a multiaddress says: the way it takes, which device it names, whether it is worth a dial.

use super::{Path, identity};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::net::{IpAddr, Ipv6Addr};
use velo_protocol::id::DeviceId;

/// An address from a peer, a ticket or a person that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Its `/p2p` part is not an ed25519 key.
    #[error("the peer id in {0} is not that of a Velo device")]
    NotADevice(Multiaddr),
    /// Not a numeric IP address with a TCP port.
    #[error("{0} cannot be dialled: write it as /ip4/192.168.1.7/tcp/4001")]
    NotDialable(Multiaddr),
    /// It names this device.
    #[error("this device itself is meant: give the address of another")]
    Own,
}

/// The address without its last `/p2p` part, and the device which that part names.
pub fn split_peer(mut address: Multiaddr) -> Result<(Multiaddr, Option<DeviceId>), AddressError> {
    let Some(Protocol::P2p(named)) = address.iter().last() else { return Ok((address, None)) };
    let device = identity::device_id(&named).ok_or_else(|| AddressError::NotADevice(address.clone()))?;
    address.pop();
    Ok((address, Some(device)))
}

/// The device that an address names at its end.
pub fn device_in(address: &Multiaddr) -> Option<DeviceId> {
    split_peer(address.clone()).ok()?.1
}

/// What a person or a ticket wishes to be dialled, as [`split_peer`] returns it. Refuses what no dial can
/// reach, such as an address without a port, or one through a relay that does not say to whom.
pub fn check_dialable(wish: &Multiaddr) -> Result<(Multiaddr, Option<DeviceId>), AddressError> {
    let (address, peer) = split_peer(wish.clone())?;
    let is_whole = peer.is_some() || !is_relayed(&address);
    if is_whole && is_dialable(&address) {
        Ok((address, peer))
    } else {
        Err(AddressError::NotDialable(wish.clone()))
    }
}

/// The address without its last `/p2p` part, whoever that names.
pub fn plain(address: &Multiaddr) -> Multiaddr {
    let mut plain = address.clone();
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        plain.pop();
    }
    plain
}

/// The address with a `/p2p` part at its end.
pub fn with_peer(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    address.clone().with_p2p(peer).unwrap_or_else(|unchanged| unchanged)
}

/// The way a connection over this address takes.
pub fn path(address: &Multiaddr) -> Path {
    if is_relayed(address) {
        return Path::Relayed;
    }
    match ip(address) {
        Some(ip) if is_local(ip) => Path::Lan,
        _ => Path::Direct,
    }
}

/// Whether it leads through a relay.
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The relay through which an address leads, and where that is.
pub fn relay(address: &Multiaddr) -> Option<(DeviceId, Multiaddr)> {
    let before: Multiaddr = address.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
    let (relay_address, relay) = split_peer(before).ok()?;
    is_relayed(address).then_some((relay?, relay_address))
}

/// Where a device listens that has a place at a relay.
pub fn circuit(relay: PeerId, relay_address: &Multiaddr) -> Multiaddr {
    with_peer(relay_address, relay).with(Protocol::P2pCircuit)
}

/// Which of some addresses gives way when there are too many, the most promising first: the last, but not the
/// only one through a relay, by which a device is reached from elsewhere.
pub fn least<'a>(addresses: impl Iterator<Item = &'a Multiaddr>) -> usize {
    let relayed: Vec<bool> = addresses.map(is_relayed).collect();
    let is_only_one = relayed.iter().filter(|is_relayed| **is_relayed).count() == 1;
    relayed.iter().rposition(|is_relayed| !(is_only_one && *is_relayed)).unwrap_or(0)
}

/// Of the addresses at which a device says that it listens, in whatever order, up to `most`: half of the
/// places are for ways through relays, if there are any.
pub fn choose(addresses: impl Iterator<Item = Multiaddr>, most: usize) -> Vec<Multiaddr> {
    let (relayed, direct): (Vec<_>, Vec<_>) = addresses.filter(is_dialable).partition(is_relayed);
    let others = most - relayed.len().min(most / 2);
    let direct: Vec<_> = direct.into_iter().take(others).collect();
    let room = most - direct.len();
    direct.into_iter().chain(relayed.into_iter().take(room)).collect()
}

/// The IP address in front.
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Whether only this machine is reached by it.
pub fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// The TCP port of an address such as `/ip4/192.168.1.5/tcp/4001`.
pub fn tcp_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    })
}

/// Whether the transport can dial it: a numeric IP address, then TCP, and behind it nothing but the
/// way through a relay.
pub fn is_dialable(address: &Multiaddr) -> bool {
    let ip = ip(address).is_some_and(|ip| !ip.is_unspecified() && !ip.is_multicast());
    let mut rest = address.iter().skip(1);
    let tcp = matches!(rest.next(), Some(Protocol::Tcp(port)) if port != 0);
    let rest: Vec<_> = rest.collect();
    ip && tcp && matches!(rest.as_slice(), [] | [Protocol::P2p(_), Protocol::P2pCircuit])
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || is_unicast_local(ip),
    }
}

/// `fe80::/10` and `fc00::/7`.
fn is_unicast_local(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    first & 0xffc0 == 0xfe80 || first & 0xfe00 == 0xfc00
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::crypto::SecretKey;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_path_follows_from_the_address() {
        assert_eq!(path(&address("/ip4/192.168.1.5/tcp/1")), Path::Lan);
        assert_eq!(path(&address("/ip4/127.0.0.1/tcp/1")), Path::Lan);
        assert_eq!(path(&address("/ip6/fe80::1/tcp/1")), Path::Lan);
        assert_eq!(path(&address("/ip4/93.184.216.34/tcp/1")), Path::Direct);
        let relay = PeerId::random();
        assert_eq!(path(&address(&format!("/ip4/10.0.0.1/tcp/1/p2p/{relay}/p2p-circuit"))), Path::Relayed);
    }

    #[test]
    fn the_device_is_split_off_and_put_back() {
        let device = DeviceId(SecretKey::from_seed(&[1; 32]).public());
        let peer = identity::peer_id(&device).unwrap();
        let plain = address("/ip4/10.0.0.1/tcp/1");
        let full = with_peer(&plain, peer);
        assert_eq!(split_peer(full.clone()), Ok((plain.clone(), Some(device))));
        assert_eq!(split_peer(plain.clone()), Ok((plain, None)));
        let foreign = address(&format!("/ip4/10.0.0.1/tcp/1/p2p/{}", PeerId::random()));
        assert_eq!(split_peer(foreign.clone()), Err(AddressError::NotADevice(foreign)));
    }

    #[test]
    fn only_tcp_addresses_and_ways_through_a_relay_are_dialled() {
        let relay = PeerId::random();
        let relayed = format!("/ip4/10.0.0.1/tcp/1/p2p/{relay}/p2p-circuit");
        for good in ["/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/9", &relayed] {
            assert!(is_dialable(&address(good)), "{good}");
        }
        for bad in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/10.0.0.1/tcp/0",
            "/ip4/224.0.0.1/tcp/1",
            "/ip4/10.0.0.1/udp/1",
            "/ip4/10.0.0.1/tcp/1/ws",
            "/memory/7",
            "/dns4/example.org/tcp/1",
            "/ip4/10.0.0.1/tcp/1/p2p-circuit",
            &format!("{relayed}/ip4/10.0.0.2/tcp/1"),
            &format!("{relayed}/p2p/{relay}/p2p-circuit"),
        ] {
            assert!(!is_dialable(&address(bad)), "{bad}");
        }
    }

    fn both_ways() -> (Vec<Multiaddr>, Vec<Multiaddr>) {
        let relay = PeerId::random();
        let direct = (1..=20).map(|n| address(&format!("/ip4/10.0.0.{n}/tcp/1"))).collect();
        let relayed = (1..=20).map(|n| circuit(relay, &address(&format!("/ip4/10.0.1.{n}/tcp/1")))).collect();
        (direct, relayed)
    }

    /// libp2p tells a device's addresses in random order, so the only one that worked was lost at times.
    #[test]
    fn ways_through_relays_are_among_those_chosen() {
        let (direct, relayed) = both_ways();
        let chosen = choose(direct.iter().chain(&relayed[..1]).cloned(), 8);
        assert_eq!(chosen, [&direct[..7], &relayed[..1]].concat());
        let chosen = choose(relayed.iter().chain(&direct).cloned(), 8);
        assert_eq!(chosen, [&direct[..4], &relayed[..4]].concat());
        assert_eq!(choose(relayed.iter().cloned(), 8), relayed[..8]);
        assert_eq!(choose(direct[..3].iter().chain(&relayed[..3]).cloned(), 8).len(), 6);
    }

    #[test]
    fn the_only_way_through_a_relay_does_not_give_way() {
        let (direct, relayed) = both_ways();
        assert_eq!(least(direct.iter()), 19);
        assert_eq!(least([&direct[0], &direct[1], &relayed[0]].into_iter()), 1);
        assert_eq!(least([&relayed[0], &direct[1], &relayed[1]].into_iter()), 2);
        assert_eq!(least([&relayed[0]].into_iter()), 0);
    }

    #[test]
    fn the_relay_is_read_from_the_address_and_put_into_it() {
        let device = |seed| DeviceId(SecretKey::from_seed(&[seed; 32]).public());
        let (relay_device, to) = (device(1), device(2));
        let relay_id = identity::peer_id(&relay_device).unwrap();
        let plain = address("/ip4/10.0.0.1/tcp/1");
        let circuit = circuit(relay_id, &plain);
        assert_eq!(relay(&circuit), Some((relay_device, plain.clone())));
        let whole = with_peer(&circuit, identity::peer_id(&to).unwrap());
        assert_eq!(relay(&whole), Some((relay_device, plain.clone())));
        assert_eq!(check_dialable(&whole), Ok((circuit.clone(), Some(to))));
        assert_eq!(relay(&with_peer(&plain, relay_id)), None);
        assert!(check_dialable(&circuit).is_err(), "it does not say to whom");
    }
}
