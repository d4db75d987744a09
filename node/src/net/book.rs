//! The address book: where colleagues were reached, so that they are found again without an
//! announcement, and where people want somebody to be reached.
//!
//! A colleague is a peer that has shown that it shares a workspace. Nobody else is written down:
//! the places are few, and anybody can open a session under as many keys as they like.
//!
//! mDNS announces an address once and not again while it is known, tickets are used once, and
//! neither survives a restart. The book does. It is a small JSON file, replaced as a whole; a damaged
//! one is moved aside and the node starts with an empty one, since nothing in it is irreplaceable.

use super::{
    address,
    dialer::ADDRESSES,
    status::{AddressRecord, TargetStage, TargetStatus},
};
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use velo_protocol::id::DeviceId;

const VERSION: u32 = 1;
/// Peers kept. A team's devices, several times over.
const PEERS: usize = 256;
/// Addresses kept at which no colleague was met yet: those of four tickets of full size.
const WANTED: usize = 4 * velo_protocol::limits::TICKET_ADDRESSES;
/// Relays used. Each holds a connection and a place; two would do, one of them for another team.
const RELAYS: usize = 4;
/// A peer without a session for 60 days is forgotten: nobody is dialled for ever.
const FORGET_MS: u64 = 60 * 24 * 3600 * 1000;
/// A book of full size is smaller. A larger file is not ours.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBook {
    version: u32,
    /// The TCP port this device listened on, to listen there again: tickets and other devices'
    /// books name it.
    pub port: Option<u16>,
    /// Addresses given by people and tickets, as they were given, at which no colleague was met yet.
    wanted: Vec<Multiaddr>,
    /// Relays that people or tickets named, the latest first.
    relays: Vec<KnownRelay>,
    peers: BTreeMap<DeviceId, Known>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownRelay {
    relay: DeviceId,
    /// Without the relay's id.
    address: Multiaddr,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Milliseconds of the wall clock at the last session.
    last_session_ms: u64,
    addresses: Vec<KnownAddress>,
}

/// One address and its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAddress {
    /// Without the peer's id.
    pub address: Multiaddr,
    /// Dials that led to a connection.
    pub successes: u32,
    /// Dials that failed since the last success.
    pub failures: u32,
}

/// Why the book could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// It could not be read.
    #[error("the address book {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could be read and is no address book.
    #[error(
        "the address book was damaged ({reason}) and has been moved to {moved}; known peers are found again by discovery or a new ticket"
    )]
    Damaged {
        /// Where it is now.
        moved: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Default for AddressBook {
    fn default() -> Self {
        Self { version: VERSION, port: None, wanted: Vec::new(), relays: Vec::new(), peers: BTreeMap::new() }
    }
}

impl AddressBook {
    /// Reads the book. Without a file it is empty; a damaged file is moved aside, and the error
    /// says so beside an empty book.
    pub fn load(path: &Path) -> (Self, Option<BookError>) {
        match read(path) {
            Ok(Some(bytes)) => match parse(&bytes) {
                Ok(book) => (book, None),
                Err(reason) => (Self::default(), Some(move_aside(path, reason))),
            },
            Ok(None) => (Self::default(), None),
            Err(source) => (Self::default(), Some(BookError::Read { path: path.to_owned(), source })),
        }
    }

    /// Replaces the file, durably. Blocks on the disk.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // Windows has no handle on a folder to synchronise; the rename is durable there.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// Forgets peers that have not been seen for long. `wall_ms` is the time of the wall clock.
    pub fn forget_old(&mut self, wall_ms: u64) {
        self.peers.retain(|_, known| known.last_session_ms.saturating_add(FORGET_MS) >= wall_ms);
    }

    /// A session with a colleague; `address` is where we dialled it, if we did. Wishes that are
    /// fulfilled by it become addresses of the colleague.
    pub fn session(&mut self, peer: DeviceId, address: Option<&Multiaddr>, wall_ms: u64) {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS {
            let oldest = self.peers.iter().min_by_key(|(_, known)| known.last_session_ms);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.peers.remove(&oldest);
            }
        }
        let known = self.peers.entry(peer).or_default();
        known.last_session_ms = wall_ms;
        self.wanted.retain(|wish| match address::split_peer(wish.clone()) {
            Ok((wished, Some(named))) if named == peer => {
                known.entry(&wished);
                false
            }
            Ok((wished, None)) => Some(&wished) != address,
            _ => true,
        });
        if let Some(address) = address {
            let entry = known.entry(address);
            entry.successes = entry.successes.saturating_add(1);
            entry.failures = 0;
        }
    }

    /// A colleague with whom a session is open says that it listens here.
    pub fn learn(&mut self, peer: &DeviceId, address: &Multiaddr) {
        let Some(known) = self.peers.get_mut(peer) else { return };
        if known.addresses.iter().all(|entry| entry.address != *address) {
            known.entry(address);
        }
    }

    /// A dial to a known peer failed.
    pub fn failure(&mut self, peer: &DeviceId, address: &Multiaddr) {
        let Some(known) = self.peers.get_mut(peer) else { return };
        if let Some(entry) = known.addresses.iter_mut().find(|entry| entry.address == *address) {
            entry.failures = entry.failures.saturating_add(1);
        }
    }

    /// Another device answers there.
    pub fn wrong_address(&mut self, peer: &DeviceId, address: &Multiaddr) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.addresses.retain(|entry| entry.address != *address);
        }
    }

    /// Somebody wants this address dialled, whoever answers, or whom it names.
    pub fn want(&mut self, address: &Multiaddr) {
        self.wanted.retain(|wanted| wanted != address);
        self.wanted.insert(0, address.clone());
        for forgotten in self.wanted.drain(WANTED.min(self.wanted.len())..) {
            tracing::info!(%forgotten, "too many addresses where nobody was met: the oldest is given up");
        }
    }

    /// The address is not wanted any more.
    pub fn unwant(&mut self, address: &Multiaddr) {
        self.wanted.retain(|wanted| wanted != address);
    }

    /// Nothing is remembered of an address, whoever is there. False when nothing was.
    pub fn forget_address(&mut self, address: &Multiaddr) -> bool {
        let before = self.count();
        self.wanted.retain(|wanted| address::plain(wanted) != *address);
        self.relays.retain(|known| known.address != *address);
        for known in self.peers.values_mut() {
            known.addresses.retain(|entry| entry.address != *address);
        }
        self.count() < before
    }

    /// Nothing is remembered of a device. False when nothing was.
    pub fn forget_device(&mut self, device: &DeviceId) -> bool {
        let before = self.count();
        let names = |wish: &Multiaddr| {
            address::split_peer(wish.clone()).is_ok_and(|(_, named)| named.as_ref() == Some(device))
        };
        self.wanted.retain(|wish| !names(wish));
        self.relays.retain(|known| known.relay != *device);
        self.peers.remove(device).is_some() || self.count() < before
    }

    fn count(&self) -> usize {
        let addresses = self.peers.values().map(|known| known.addresses.len()).sum::<usize>();
        self.wanted.len() + self.relays.len() + addresses
    }

    /// A relay that others are reached through, or that is to be used: it is put in front.
    pub fn use_relay(&mut self, relay: DeviceId, address: &Multiaddr) {
        self.relays.retain(|known| known.relay != relay);
        self.relays.insert(0, KnownRelay { relay, address: address.clone() });
        for forgotten in self.relays.drain(RELAYS.min(self.relays.len())..) {
            tracing::info!(relay = %forgotten.address, "too many relays: the oldest is used no more");
        }
    }

    /// A peer says that it is a relay; `address` is where we dialled it, if we did. Wishes that lead to
    /// it are fulfilled by using it. False when nobody wished for it.
    pub fn fulfil_with_relay(&mut self, relay: DeviceId, address: Option<&Multiaddr>) -> bool {
        let leads_there = |wish: &Multiaddr| match address::split_peer(wish.clone()) {
            Ok((wished, Some(named))) => (named == relay).then_some(wished),
            Ok((wished, None)) => Some(wished).filter(|wished| Some(wished) == address),
            Err(_) => None,
        };
        let Some(wished) = self.wanted.iter().find_map(leads_there) else { return false };
        self.wanted.retain(|wish| leads_there(wish).is_none());
        self.use_relay(relay, address.unwrap_or(&wished));
        true
    }

    /// The relays to use and where they are, the latest first.
    pub fn relays(&self) -> impl DoubleEndedIterator<Item = (DeviceId, &Multiaddr)> {
        self.relays.iter().map(|known| (known.relay, &known.address))
    }

    /// When the last session with a peer was, if there was one: milliseconds of the wall clock.
    pub fn last_session_ms(&self, peer: &DeviceId) -> Option<u64> {
        self.peers.get(peer).map(|known| known.last_session_ms).filter(|ms| *ms > 0)
    }

    /// The record of one address of a peer.
    pub fn record(&self, peer: &DeviceId, address: &Multiaddr) -> Option<&KnownAddress> {
        self.peers.get(peer)?.addresses.iter().find(|entry| entry.address == *address)
    }

    /// Addresses, as they were given, at which no colleague was met yet.
    pub fn wanted(&self) -> &[Multiaddr] {
        &self.wanted
    }

    /// Every peer with its addresses, the most promising first.
    pub fn peers(&self) -> impl Iterator<Item = (DeviceId, &[KnownAddress])> {
        self.peers.iter().map(|(peer, known)| (*peer, known.addresses.as_slice()))
    }
}

impl Known {
    /// The record of an address, made in place of the worst when there is no room. The list is
    /// kept in order: fewest recent failures first, then most successes.
    fn entry(&mut self, address: &Multiaddr) -> &mut KnownAddress {
        self.addresses.sort_by_key(|entry| (entry.failures, u32::MAX - entry.successes));
        let at = self.addresses.iter().position(|entry| entry.address == *address);
        let entry = match at {
            Some(at) => self.addresses.remove(at),
            None => KnownAddress { address: address.clone(), successes: 0, failures: 0 },
        };
        if self.addresses.len() >= ADDRESSES {
            self.addresses.remove(address::least(self.addresses.iter().map(|entry| &entry.address)));
        }
        self.addresses.insert(0, entry);
        &mut self.addresses[0]
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        // Read as empty, it is then found to be damaged.
        Ok(metadata) if metadata.len() > FILE_BYTES => Ok(Some(Vec::new())),
        Ok(_) => fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the file's bytes. What is more than a book holds is left out.
pub fn parse(bytes: &[u8]) -> Result<AddressBook, String> {
    let mut book: AddressBook = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if book.version != VERSION {
        return Err(format!("it is of version {}, and this program knows {VERSION}", book.version));
    }
    book.wanted.truncate(WANTED);
    book.relays.truncate(RELAYS);
    while book.peers.len() > PEERS {
        book.peers.pop_last();
    }
    book.peers.values_mut().for_each(|known| known.addresses.truncate(ADDRESSES));
    Ok(book)
}

/// Whom the book at a path remembers, for whoever runs without a network. A book that cannot be read
/// remembers nobody: the next start with a network tells of that.
pub fn remembered(path: &Path) -> Vec<TargetStatus> {
    let bytes = read(path).ok().flatten();
    let book = bytes.and_then(|bytes| parse(&bytes).ok()).unwrap_or_default();
    let record = |known: &KnownAddress| AddressRecord {
        address: known.address.clone(),
        successes: known.successes,
        failures: known.failures,
    };
    let target = |(peer, known): (&DeviceId, &Known)| TargetStatus {
        peer: Some(*peer),
        addresses: known.addresses.iter().map(record).collect(),
        stage: TargetStage::Unattended,
        failures: 0,
        last_failure: None,
        had_session: false,
        last_session_ms: Some(known.last_session_ms).filter(|ms| *ms > 0),
    };
    book.peers.iter().map(target).collect()
}

fn move_aside(path: &Path, reason: String) -> BookError {
    let moved = path.with_extension("damaged");
    match fs::rename(path, &moved) {
        Ok(()) => BookError::Damaged { moved, reason },
        Err(source) => BookError::Read { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u16) -> DeviceId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        DeviceId(bytes)
    }

    fn address(n: u16) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{n}").parse().unwrap()
    }

    fn order(book: &AddressBook, peer: DeviceId) -> Vec<Multiaddr> {
        let (_, known) = book.peers().find(|(known, _)| *known == peer).unwrap();
        known.iter().map(|entry| entry.address.clone()).collect()
    }

    #[test]
    fn the_book_survives_the_disk_and_damage_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.json");
        assert!(matches!(AddressBook::load(&path), (book, None) if book == AddressBook::default()));
        let mut book = AddressBook { port: Some(4001), ..AddressBook::default() };
        book.session(device(1), Some(&address(1)), 5);
        book.want(&address(9));
        book.save(&path).unwrap();
        assert!(matches!(AddressBook::load(&path), (read, None) if read == book));
        for damage in [b"".as_slice(), b"{\"version\":2}", b"{\"version\":1,\"port\":null", &[0xff; 99]] {
            fs::write(&path, damage).unwrap();
            let (book, error) = AddressBook::load(&path);
            assert_eq!(book, AddressBook::default());
            let Some(BookError::Damaged { moved, .. }) = error else { panic!("{error:?}") };
            assert_eq!(fs::read(moved).unwrap(), damage);
            assert!(!path.exists());
        }
    }

    /// Of every ticket and of everything that Velo prints; such addresses were not remembered once.
    #[test]
    fn a_wish_that_names_a_device_ends_as_an_address_of_it() {
        use crate::net::identity;
        use velo_protocol::crypto::SecretKey;
        let peer = DeviceId(SecretKey::from_seed(&[1; 32]).public());
        let named = |n| address::with_peer(&address(n), identity::peer_id(&peer).unwrap());
        let mut book = AddressBook::default();
        for wish in [named(1), named(2), address(3), address(4)] {
            book.want(&wish);
        }
        book.session(device(2), Some(&address(1)), 5);
        assert_eq!(book.wanted().len(), 4, "it was somebody else");
        book.session(peer, Some(&address(3)), 5);
        assert_eq!(book.wanted(), [address(4)]);
        let mut known = order(&book, peer);
        assert_eq!(known.remove(0), address(3), "where it was met");
        known.sort();
        assert_eq!(known, [address(1), address(2)]);
    }

    #[test]
    fn a_wish_that_leads_to_a_relay_ends_as_a_relay_in_use() {
        use crate::net::identity;
        use velo_protocol::crypto::SecretKey;
        let relay = DeviceId(SecretKey::from_seed(&[1; 32]).public());
        let named = address::with_peer(&address(1), identity::peer_id(&relay).unwrap());
        let mut book = AddressBook::default();
        for wish in [named, address(2), address(3)] {
            book.want(&wish);
        }
        assert!(!book.fulfil_with_relay(device(9), None), "nobody wished for that one");
        assert!(book.fulfil_with_relay(relay, Some(&address(3))));
        assert_eq!(book.wanted(), [address(2)]);
        assert_eq!(book.relays().collect::<Vec<_>>(), [(relay, &address(3))], "where it was met");
        assert!(book.fulfil_with_relay(device(2), Some(&address(2))));
        assert_eq!(book.relays().next(), Some((device(2), &address(2))), "the latest comes first");
        for n in 10..20 {
            book.use_relay(device(n), &address(n));
        }
        assert_eq!(book.relays().count(), RELAYS);
        assert_eq!(book.relays().next(), Some((device(19), &address(19))));
    }

    #[test]
    fn what_a_person_removes_is_not_remembered() {
        use crate::net::identity;
        use velo_protocol::crypto::SecretKey;
        let [one, other] = [1, 2].map(|seed| DeviceId(SecretKey::from_seed(&[seed; 32]).public()));
        let named = |n, device| address::with_peer(&address(n), identity::peer_id(device).unwrap());
        let mut book = AddressBook::default();
        book.session(one, Some(&address(1)), 5);
        book.session(one, Some(&address(2)), 5);
        book.use_relay(other, &address(3));
        book.want(&named(4, &one));
        assert!(!book.forget_address(&address(9)) && !book.forget_device(&device(9)));
        for n in [1, 3, 4] {
            assert!(book.forget_address(&address(n)), "{n}");
            assert!(!book.forget_address(&address(n)), "{n} is gone");
        }
        assert_eq!(order(&book, one), [address(2)]);
        assert!(book.relays().next().is_none() && book.wanted().is_empty());
        book.use_relay(other, &address(3));
        book.want(&named(4, &other));
        assert!(book.forget_device(&one) && book.forget_device(&other));
        assert_eq!(book, AddressBook::default());
    }

    #[test]
    fn what_worked_last_comes_first_and_everything_is_bounded() {
        let mut book = AddressBook::default();
        for n in 1..=20 {
            book.session(device(1), Some(&address(n)), 0);
        }
        assert_eq!(order(&book, device(1)).len(), ADDRESSES);
        assert_eq!(order(&book, device(1))[0], address(20));
        book.failure(&device(1), &address(20));
        book.session(device(1), Some(&address(15)), 0);
        assert_eq!(order(&book, device(1))[0], address(15));
        assert_eq!(order(&book, device(1)).last(), Some(&address(20)));
        for n in 0..600 {
            book.session(device(n), None, u64::from(n));
            book.want(&address(n));
        }
        assert_eq!(book.peers().count(), PEERS);
        assert!(book.peers().any(|(peer, _)| peer == device(599)));
        assert!(!book.peers().any(|(peer, _)| peer == device(5)));
        book.forget_old(FORGET_MS + 500);
        assert!(!book.peers().any(|(peer, _)| peer == device(499)));
        assert!(book.peers().any(|(peer, _)| peer == device(500)));
        assert_eq!(book.wanted().len(), WANTED);
        assert_eq!(book.wanted()[0], address(599));
    }
}
