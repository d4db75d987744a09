//! What stands in a packet of multicast DNS, as far as libp2p's discovery has a use for it.
//!
//! A *query* asks who offers the service `_p2p._udp.local`. An *announcement* answers: a `PTR` record leads
//! from the service to a random name, and `TXT` records of that name hold addresses, each with the id of
//! the device at its end. The same packets as those of libp2p's own discovery, which Velo used before.
//!
//! Everybody on the LAN sends here, printers and speakers too. So what is no business of ours is left
//! early, without an allocation but for names, and nothing is taken apart twice.

use super::super::address;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    str,
    time::Duration,
};
use velo_protocol::id::DeviceId;

/// Addresses taken from one announcement, and put into one.
pub const ADDRESSES: usize = 8;
/// What libp2p's discovery is called.
const SERVICE: [&[u8]; 3] = [b"_p2p", b"_udp", b"local"];
/// Each text of a `TXT` record begins so.
const TEXT: &str = "dnsaddr=";
/// The longest name there may be.
const NAME: usize = 255;

const POINTER: u16 = 12;
const TXT: u16 = 16;
const ANY: u16 = 255;
const INTERNET: u16 = 1;
/// The class of a record that nobody but its sender holds.
const OWN: u16 = 0x8000 | INTERNET;
/// The bit of the flags by which an answer differs from a question.
const ANSWER: u16 = 0x8000;
/// The flags of an answer that comes from whom it is about.
const AUTHORITATIVE: u16 = 0x8400;

/// What a packet says that is of use.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Who is there?
    Query,
    /// Somebody is.
    Announcement(Announcement<'a>),
}

/// Not taken apart yet: that costs more than all before.
#[derive(Debug, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// How long it holds.
    pub ttl: Duration,
    texts: Vec<&'a [u8]>,
}

impl Announcement<'_> {
    /// The device, and the ports at which it listens; `None` when it is no Velo device's, or lies.
    ///
    /// The IP addresses in it are left out. Where an announcement comes from is where the device is.
    pub fn device(&self) -> Option<(DeviceId, Vec<u16>)> {
        let mut device = None;
        let mut ports = Vec::new();
        for text in &self.texts {
            let Some(address) = str::from_utf8(text).ok().and_then(|text| text.strip_prefix(TEXT)) else {
                continue;
            };
            let (address, named) = address::split_peer(address.parse().ok()?).ok()?;
            if *device.get_or_insert(named?) != named? {
                return None;
            }
            ports.extend(port(&address));
        }
        ports.sort_unstable();
        ports.dedup();
        Some((device?, ports))
    }
}

/// The port of an address that is nothing but an IPv4 address and a port.
fn port(address: &Multiaddr) -> Option<u16> {
    let parts: Vec<_> = address.iter().take(3).collect();
    match parts.as_slice() {
        [Protocol::Ip4(_), Protocol::Tcp(port)] if *port != 0 => Some(*port),
        _ => None,
    }
}

/// Reads a packet; `None` when it is damaged or about something else.
pub fn parse(packet: &[u8]) -> Option<Packet<'_>> {
    let mut reader = Reader { packet, at: 2 };
    let flags = reader.number()?;
    let questions = reader.number()?;
    let records = reader.number()?.saturating_add(reader.number()?).saturating_add(reader.number()?);
    let service = wire_name(&SERVICE);
    for _ in 0..questions {
        let name = reader.name()?;
        let kind = reader.number()?;
        reader.number()?;
        if flags & ANSWER == 0 && name == service && matches!(kind, POINTER | ANY) {
            return Some(Packet::Query);
        }
    }
    if flags & ANSWER == 0 { None } else { announcement(reader, records, &service) }
}

fn announcement<'a>(mut reader: Reader<'a>, records: u16, service: &[u8]) -> Option<Packet<'a>> {
    let mut instance = None;
    let mut found = Announcement { ttl: Duration::ZERO, texts: Vec::new() };
    for _ in 0..records {
        let record = reader.record()?;
        if record.kind == POINTER && instance.is_none() && record.name == service {
            instance = Some(Reader { packet: reader.packet, at: record.from }.name()?);
            found.ttl = Duration::from_secs(u64::from(record.ttl));
        } else if record.kind == TXT && instance.as_ref() == Some(&record.name) {
            found.texts.extend(texts(record.value));
            found.texts.truncate(ADDRESSES);
        }
    }
    // Whoever has nothing to say has no address yet, or speaks of another service.
    (!found.texts.is_empty()).then_some(Packet::Announcement(found))
}

/// The texts of a `TXT` record: each has its length in front.
fn texts(mut value: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = value.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        value = rest;
        Some(text)
    })
}

struct Record<'a> {
    /// As [`wire_name`] writes it.
    name: Vec<u8>,
    kind: u16,
    ttl: u32,
    value: &'a [u8],
    /// Where the value begins in the packet.
    from: usize,
}

struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.packet.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name, written out without pointers and in small letters.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut at = self.at;
        // Where the name goes on in the packet, once a pointer has led away from there.
        let mut after = None;
        // A pointer leads to what stands before all that was read: so there is no way round.
        let mut before = at;
        loop {
            let length = *self.packet.get(at)?;
            match length >> 6 {
                0 => {
                    let end = at + 1 + usize::from(length);
                    name.extend(self.packet.get(at..end)?.iter().map(u8::to_ascii_lowercase));
                    if name.len() > NAME {
                        return None;
                    }
                    at = end;
                    if length == 0 {
                        self.at = after.unwrap_or(at);
                        return Some(name);
                    }
                }
                3 => {
                    let low = *self.packet.get(at + 1)?;
                    after.get_or_insert(at + 2);
                    at = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if at >= before {
                        return None;
                    }
                    before = at;
                }
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let name = self.name()?;
        let kind = self.number()?;
        self.number()?;
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = self.number()?;
        let from = self.at;
        let value = self.take(usize::from(length))?;
        Some(Record { name, kind, ttl, value, from })
    }
}

/// A name as it stands in a packet: each label with its length in front, and an empty one at the end.
/// Labels are ours, and short.
fn wire_name(labels: &[&[u8]]) -> Vec<u8> {
    let mut name = Vec::new();
    for label in labels {
        name.push(label.len() as u8);
        name.extend_from_slice(label);
    }
    name.push(0);
    name
}

/// Asks who is there.
pub fn query() -> Vec<u8> {
    let mut packet = header(0, [1, 0, 0, 0]);
    packet.extend(wire_name(&SERVICE));
    packet.extend(POINTER.to_be_bytes());
    packet.extend(INTERNET.to_be_bytes());
    packet
}

/// Says that `own` listens at these addresses. `instance` is a name that nobody else has, of at most 63
/// letters and digits: what a device is called is not told to the whole LAN.
pub fn announce(own: &PeerId, instance: &str, addresses: &[SocketAddrV4], ttl: Duration) -> Vec<u8> {
    let addresses = &addresses[..addresses.len().min(ADDRESSES)];
    let name = wire_name(&[instance.as_bytes(), SERVICE[0], SERVICE[1], SERVICE[2]]);
    let mut packet = header(AUTHORITATIVE, [0, 1, 0, addresses.len() as u16]);
    write_record(&mut packet, (&wire_name(&SERVICE), POINTER, INTERNET), ttl, &name);
    for address in addresses {
        let text = format!("{TEXT}/ip4/{}/tcp/{}/p2p/{own}", address.ip(), address.port());
        let value = [&[text.len() as u8], text.as_bytes()].concat();
        write_record(&mut packet, (&name, TXT, OWN), ttl, &value);
    }
    packet
}

/// What every packet begins with: its flags, and how many questions, answers, authorities and additional
/// records follow. The number in front is zero in multicast DNS.
fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [[0; 2], flags.to_be_bytes()].into_iter().chain(counts.map(u16::to_be_bytes)).flatten().collect()
}

fn write_record(packet: &mut Vec<u8>, (name, kind, class): (&[u8], u16, u16), ttl: Duration, value: &[u8]) {
    packet.extend_from_slice(name);
    packet.extend(kind.to_be_bytes());
    packet.extend(class.to_be_bytes());
    packet.extend((ttl.as_secs() as u32).to_be_bytes());
    packet.extend((value.len() as u16).to_be_bytes());
    packet.extend_from_slice(value);
}

/// Where a device is that announces these ports from there.
pub fn addresses(source: Ipv4Addr, ports: &[u16]) -> Vec<Multiaddr> {
    let at = |port: &u16| Multiaddr::from(source).with(Protocol::Tcp(*port));
    ports.iter().map(at).filter(address::is_dialable).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::super::identity, *};
    use velo_protocol::crypto::SecretKey;

    const TTL: Duration = Duration::from_mins(1);

    fn device(seed: u8) -> (DeviceId, PeerId) {
        let device = DeviceId(SecretKey::from_seed(&[seed; 32]).public());
        (device, identity::peer_id(&device).unwrap())
    }

    fn at(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), port)
    }

    fn read(packet: &[u8]) -> Option<(DeviceId, Vec<u16>)> {
        match parse(packet)? {
            Packet::Announcement(announcement) => announcement.device(),
            Packet::Query => None,
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        assert_eq!(parse(&query()), Some(Packet::Query));
        let (device, peer) = device(1);
        let packet = announce(&peer, "somebody", &[at(4001), at(4002), at(4001)], TTL);
        let Some(Packet::Announcement(announcement)) = parse(&packet) else { panic!("not understood") };
        assert_eq!(announcement.ttl, TTL);
        assert_eq!(announcement.device(), Some((device, vec![4001, 4002])));
        let many: Vec<_> = (1..100).map(at).collect();
        assert_eq!(read(&announce(&peer, "somebody", &many, TTL)).unwrap().1.len(), ADDRESSES);
        assert_eq!(parse(&announce(&peer, "somebody", &[], TTL)), None, "it says nothing");
    }

    /// As libp2p's own discovery answers, and with a pointer where names are repeated, as others do.
    #[test]
    fn what_others_say_is_understood() {
        let (device, peer) = device(1);
        let text = format!("dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/{peer}");
        let mut packet = header(AUTHORITATIVE, [0, 1, 0, 1]);
        // At 12 the service, whose labels are in capitals.
        let service = wire_name(&[b"_P2P", b"_udp", b"LOCAL"]);
        let instance = [&[4], &b"name"[..], &[0xc0, 12]].concat();
        write_record(&mut packet, (&service, POINTER, INTERNET), TTL, &instance);
        let points_to_instance = (packet.len() - instance.len()) as u16 | 0xc000;
        let value = [&[2], &b"hi"[..], &[text.len() as u8], text.as_bytes()].concat();
        write_record(&mut packet, (&points_to_instance.to_be_bytes(), TXT, OWN), TTL, &value);
        assert_eq!(read(&packet), Some((device, vec![4001])));
    }

    #[test]
    fn what_is_not_ours_or_contradicts_itself_is_left() {
        let (one, other) = (device(1).1, device(2).1);
        let mut query = query();
        query[13] = b'q';
        assert_eq!(parse(&query), None, "another service");
        let said = |texts: &[String]| {
            let name = wire_name(&[b"name"]);
            let mut packet = header(AUTHORITATIVE, [0, 1, 0, texts.len() as u16]);
            write_record(&mut packet, (&wire_name(&SERVICE), POINTER, INTERNET), TTL, &name);
            for text in texts {
                let value = [&[text.len() as u8], text.as_bytes()].concat();
                write_record(&mut packet, (&name, TXT, OWN), TTL, &value);
            }
            packet
        };
        let text = |address: &str, peer: &PeerId| format!("dnsaddr={address}/p2p/{peer}");
        let good = text("/ip4/10.0.0.1/tcp/1", &one);
        assert!(read(&said(&[good.clone(), "path=/".into()])).is_some());
        assert_eq!(read(&said(&[good, text("/ip4/10.0.0.1/tcp/1", &other)])), None, "two devices");
        assert_eq!(read(&said(&["dnsaddr=/ip4/10.0.0.1/tcp/1".into()])), None, "nobody");
        for useless in ["/ip4/10.0.0.1/tcp/0", "/ip4/10.0.0.1/udp/1", "/ip6/::1/tcp/1"] {
            assert_eq!(read(&said(&[text(useless, &one)])).unwrap().1, [0_u16; 0], "{useless}");
        }
    }

    #[test]
    fn no_damage_is_more_than_not_understood() {
        let packet = announce(&device(1).1, "somebody", &[at(4001), at(4002)], TTL);
        for length in 0..packet.len() {
            assert!(parse(&packet[..length]).is_none(), "cut at {length}");
        }
        for at in 0..packet.len() {
            for bit in 0..8 {
                let mut packet = packet.clone();
                packet[at] ^= 1 << bit;
                read(&packet);
            }
        }
    }

    #[test]
    fn a_name_that_leads_back_to_itself_ends() {
        for name in [&[0xc0, 12][..], &[1, b'a', 0xc0, 12], &[0xc0, 14, 0xc0, 12], &[0x80], &[0x40]] {
            let mut packet = header(0, [1, 0, 0, 0]);
            packet.extend(name);
            packet.extend([0, 12, 0, 1]);
            assert_eq!(parse(&packet), None);
        }
        let mut long = header(0, [1, 0, 0, 0]);
        long.extend([[63; 64]; 5].concat());
        assert_eq!(parse(&long), None, "longer than names are");
    }

    #[test]
    fn an_address_is_where_the_announcement_came_from() {
        let source = Ipv4Addr::new(10, 0, 0, 7);
        assert_eq!(addresses(source, &[4001]), ["/ip4/10.0.0.7/tcp/4001".parse().unwrap()]);
        assert!(addresses(Ipv4Addr::UNSPECIFIED, &[4001]).is_empty());
    }
}
