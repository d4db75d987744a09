//! From entries to the access rule: who gets in, and what a removal takes, in whatever order it comes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use velo_protocol::{
    access::{Role, Why},
    codec,
    control::{CONTROL_VERSION, Cap, Control, Genesis, Grant, Introduction, Invite, Join, Link},
    crypto::{Domain, LinkCert, PublicKey, SecretKey},
    id::{EntryId, Incarnation, PersonId, WorkspaceId},
    keys::{
        ciphers::Ciphers,
        wrap::{ReceivingKey, RecipientKey},
    },
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, RunWriter, VerifiedRun},
    log_set::LogSet,
    members::{Judged, Members, Turned},
    root::RecoveryKey,
    store::{ChainNo, EntryAt},
    ticket::SessionSecret,
    time::Hlc,
};

const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);

fn receiving(n: u8) -> RecipientKey {
    ReceivingKey::from_seed(&[n; 32]).public()
}

/// A recovery key under the root of `person`, whose seed is among the small ones.
fn recovery(n: u8, person: PersonId) -> RecoveryKey {
    let roots = (0..=u8::MAX).map(|n| SecretKey::from_seed(&[n; 32]));
    let root = roots.into_iter().find(|root| root.public() == person.0).unwrap();
    let key = receiving(n);
    RecoveryKey { key, by_root: root.sign(Domain::Recovery, &key.0) }
}

/// A person with one device.
struct Author {
    device: SecretKey,
    origin: Origin,
    chain: Vec<LinkCert>,
    end: ChainEnd,
    head: EntryId,
}

impl Author {
    fn new(n: u8, founder: bool) -> Self {
        let (root, device) = (SecretKey::from_seed(&[n; 32]), SecretKey::from_seed(&[n ^ 0x80; 32]));
        let person = PersonId(root.public());
        let chain = vec![LinkCert::issue(person, &root, &device, receiving(n).0)];
        let device_id = chain[0].child;
        let origin = Origin { person, device: device_id, incarnation: Incarnation([n; 8]), founder };
        let end = ChainEnd::start(origin.log_id(WORKSPACE));
        Self { device, origin, chain, end, head: end.head.id }
    }

    fn introduction(&self, n: u8) -> Introduction {
        Introduction { chain: self.chain.clone(), recovery: recovery(n, self.origin.person) }
    }

    /// Writes one entry.
    fn write(
        &mut self,
        kind: EntryKind,
        body: &impl serde::Serialize,
        auth: Option<EntryId>,
        deps: &[EntryId],
    ) -> (VerifiedRun, EntryId) {
        let log = self.origin.log_id(WORKSPACE);
        let mut writer = RunWriter::new(log, self.origin, self.end);
        let hlc = Hlc::from_ms(1_000 + self.end.head.position);
        let (version, salt, deps) = (HEADER_VERSION, [0; 8], deps.to_vec());
        let header = Header { version, kind, hlc, auth, deps, epoch: None, salt, body_len: 0 };
        let id = writer.push(header, &codec::encode(body)).unwrap();
        let run = writer.seal_locally(WORKSPACE, &self.device).unwrap();
        (self.end, self.head) = (run.end(), id);
        (run, id)
    }
}

/// A peer that takes entries in.
struct Peer {
    logs: LogSet,
    members: Members,
    chains: BTreeMap<PersonId, ChainNo>,
}

impl Peer {
    fn new() -> Self {
        let (logs, members) = (LogSet::new(WORKSPACE), Members::new(WORKSPACE));
        Self { logs, members, chains: BTreeMap::new() }
    }

    fn take(&mut self, author: &Author, run: &VerifiedRun) -> Judged {
        let key = PublicKey::parse(&author.device.public()).unwrap();
        let chain = self.logs.open_own(author.origin, key);
        self.chains.insert(author.origin.person, chain);
        self.logs.take_own(chain, run);
        let next = self.logs.next_own(chain, run).unwrap();
        let contents = next.open(&Ciphers::default());
        let judged = self.members.note(&self.logs, &next.turn(&author.origin, &contents));
        assert!(self.logs.next_own(chain, run).is_none(), "one entry a run");
        judged
    }

    fn role(&self, author: &Author) -> Option<Role> {
        self.members.access().role_of(author.origin.person)
    }
}

/// A founder, a ticket, and somebody who took it; with the runs in order.
struct World {
    anna: Author,
    ben: Author,
    genesis: EntryId,
    joined: EntryId,
    runs: Vec<(bool, VerifiedRun)>,
}

fn world() -> World {
    let (mut anna, mut ben) = (Author::new(1, true), Author::new(2, false));
    let founder = Genesis {
        version: CONTROL_VERSION,
        founder: anna.introduction(11),
        session: SessionSecret([9; 32]).commitment(),
    };
    let (first, genesis) = anna.write(EntryKind::GENESIS, &founder, None, &[]);
    let key = SecretKey::from_seed(&[9; 32]);
    let (version, role, expires_ms) = (CONTROL_VERSION, Role::Member, 1);
    let (key_public, single_use) = (key.public(), false);
    let body = Invite { version, key: key_public, receiving: receiving(10), role, expires_ms, single_use };
    let (second, invite) = anna.write(EntryKind::INVITE, &body, Some(genesis), &[]);
    let join = Join::new(WORKSPACE, invite, &key, &ben.origin, ben.introduction(12));
    let (third, joined) = ben.write(EntryKind::JOIN, &join, Some(invite), &[invite]);
    World { anna, ben, genesis, joined, runs: vec![(true, first), (true, second), (false, third)] }
}

impl World {
    fn tell(&self, peer: &mut Peer) {
        for (annas, run) in &self.runs {
            let judged = peer.take(if *annas { &self.anna } else { &self.ben }, run);
            assert_eq!(judged.void, None);
        }
    }
}

#[test]
fn who_holds_a_ticket_gets_in_and_reads() {
    let (world, mut peer) = (world(), Peer::new());
    world.tell(&mut peer);
    assert_eq!((peer.role(&world.anna), peer.role(&world.ben)), (Some(Role::Owner), Some(Role::Member)));
    let readers: Vec<_> = peer.members.readers().into_iter().collect();
    let mut wanted: Vec<_> = [1, 2, 10, 11, 12].map(receiving).to_vec();
    wanted.sort_unstable();
    assert_eq!(readers, wanted, "devices, the open ticket, and recovery keys");
}

#[test]
fn a_removal_takes_what_it_had_not_seen_whichever_comes_first() {
    let World { mut anna, mut ben, genesis, joined, runs } = world();
    let (seen, seen_id) = ben.write(EntryKind::DATA, &0_u8, Some(joined), &[]);
    let (unseen, _) = ben.write(EntryKind::DATA, &1_u8, None, &[]);
    let body = Cap { version: CONTROL_VERSION, subject: ben.origin.person, role: None };
    let (cap, cap_id) = anna.write(EntryKind::CAP, &body, None, &[seen_id]);
    let (late, _) = anna.write(EntryKind::DATA, &2_u8, None, &[]);
    let world = World { anna, ben, genesis, joined, runs };
    let (anna, ben) = (&world.anna, &world.ben);

    let mut early = Peer::new();
    world.tell(&mut early);
    assert_eq!(early.take(ben, &seen).void, None);
    let judged = early.take(anna, &cap);
    assert_eq!((judged.void, judged.turned), (None, vec![]));
    let by = early.logs.find(cap_id).unwrap();
    assert_eq!(early.take(ben, &unseen).void, Some(Why::Removed { by }));
    assert_eq!(early.take(anna, &late).void, None);
    assert_eq!(early.role(ben), None);

    let mut later = Peer::new();
    world.tell(&mut later);
    assert_eq!((later.take(ben, &seen).void, later.take(ben, &unseen).void), (None, None));
    let chain = later.chains[&ben.origin.person];
    let turned = later.take(anna, &cap).turned;
    assert_eq!(turned, [Role::Viewer, Role::Member].map(|need| Turned { chain, need, from: 3, to: 3 }));
    let void = |position| later.members.why_void(EntryAt { chain, position }, &ben.origin, EntryKind::DATA);
    assert!(void(2).is_none() && matches!(void(3), Some(Why::Removed { .. })));
    assert!(!later.members.readers().contains(&receiving(2)), "nothing is wrapped to them any more");
}

#[test]
fn nobody_gets_in_without_the_tickets_key_or_raises_themselves() {
    let World { anna, mut ben, genesis, joined, runs } = world();
    let body = Grant { version: CONTROL_VERSION, subject: ben.origin.person, role: Role::Owner };
    let (raise, _) = ben.write(EntryKind::GRANT, &body, Some(joined), &[]);
    let (under_another, _) = ben.write(EntryKind::GRANT, &body, Some(genesis), &[]);
    let world = World { anna, ben, genesis, joined, runs };
    let mut peer = Peer::new();
    world.tell(&mut peer);
    assert!(peer.take(&world.ben, &raise).void.is_some());
    assert_eq!(peer.take(&world.ben, &under_another).void, Some(Why::Malformed), "another's grant");
    assert_eq!(peer.role(&world.ben), Some(Role::Member));

    // Signed with another key than the invite's.
    let mut chi = Author::new(3, false);
    let invite =
        peer.logs.id_at(EntryAt { chain: peer.chains[&world.anna.origin.person], position: 2 }).unwrap();
    let forged =
        Join::new(WORKSPACE, invite, &SecretKey::from_seed(&[8; 32]), &chi.origin, chi.introduction(13));
    let (run, _) = chi.write(EntryKind::JOIN, &forged, Some(invite), &[invite]);
    assert_eq!(peer.take(&chi, &run).void, Some(Why::Malformed));
    let (run, _) = chi.write(EntryKind::DATA, &0_u8, None, &[]);
    assert!(peer.take(&chi, &run).void.is_some());
    // Nor by a link alone.
    let mut dee = Author::new(4, false);
    let link = Link { version: CONTROL_VERSION, chain: dee.chain.clone() };
    let (run, _) = dee.write(EntryKind::LINK, &link, Some(genesis), &[genesis]);
    assert_eq!(peer.take(&dee, &run).void, Some(Why::Malformed));
    assert_eq!(peer.members.access().members().count(), 2);
}

#[test]
fn bodies_are_read_as_every_receiver_must() {
    let person = Author::new(1, true).origin.person;
    let read = |kind, bytes: &[u8]| Control::read(kind, person, bytes);
    assert!(read(EntryKind::DATA, &[]).is_none() && read(EntryKind::ACK, &[]).is_none());
    let grant = codec::encode(&Grant { version: CONTROL_VERSION, subject: person, role: Role::Admin });
    assert!(matches!(read(EntryKind::GRANT, &grant), Some(Ok(Control::Grant(_)))));
    assert!((0..grant.len()).all(|cut| read(EntryKind::GRANT, &grant[..cut]).unwrap().is_err()));
    assert!(read(EntryKind::GRANT, &[&grant[..], &[0]].concat()).unwrap().is_err());
    let newer = [&[CONTROL_VERSION + 1], &grant[1..]].concat();
    assert_eq!(
        read(EntryKind::GRANT, &newer).unwrap().unwrap_err().to_string(),
        "made with a newer version of Velo"
    );
    // Another person's certificates are refused.
    let other = Author::new(2, false);
    let link = codec::encode(&Link { version: CONTROL_VERSION, chain: other.chain.clone() });
    assert!(read(EntryKind::LINK, &link).unwrap().is_err());
}

/// A second device of Ben's that Ben's first one linked.
fn phone_of(ben: &Author) -> Author {
    let device = SecretKey::from_seed(&[77; 32]);
    let link = LinkCert::issue(ben.origin.person, &ben.device, &device, receiving(77).0);
    let child = link.child;
    let chain = [&ben.chain[..], &[link]].concat();
    let origin = Origin { device: child, incarnation: Incarnation([77; 8]), ..ben.origin };
    let end = ChainEnd::start(origin.log_id(WORKSPACE));
    Author { device, origin, chain, end, head: end.head.id }
}

/// Certificates count whatever becomes of the entry that brings them, so who shows and wraps to devices
/// has to look again also after a void one.
#[test]
fn a_void_link_brings_a_device_and_is_news() {
    let world = world();
    let mut peer = Peer::new();
    world.tell(&mut peer);
    let mut phone = phone_of(&world.ben);
    let body = Link { version: CONTROL_VERSION, chain: phone.chain.clone() };
    let (link, _) = phone.write(EntryKind::LINK, &body, None, &[]);
    let judged = peer.take(&phone, &link);
    assert_eq!((judged.void, judged.is_news), (Some(Why::Malformed), true));
    assert!(peer.members.roster().members[&world.ben.origin.person].devices.contains(&phone.origin.device));
    assert!(peer.members.readers().contains(&receiving(77)));
}

/// Whoever has a stolen device could otherwise have everything wrapped to a key of their own, for ever.
#[test]
fn a_device_names_no_recovery_key_that_the_root_did_not_sign() {
    let mut world = world();
    let mut peer = Peer::new();
    world.tell(&mut peer);
    let mut phone = phone_of(&world.ben);
    let body = Link { version: CONTROL_VERSION, chain: phone.chain.clone() };
    let (link, linked) = phone.write(EntryKind::LINK, &body, Some(world.joined), &[world.joined]);
    assert_eq!(peer.take(&phone, &link).void, None);
    let key = receiving(66);
    let recovery = RecoveryKey { key, by_root: phone.device.sign(Domain::Recovery, &key.0) };
    let who = Introduction { chain: phone.chain.clone(), recovery };
    let join = Join::new(WORKSPACE, world.genesis, &SecretKey::from_seed(&[8; 32]), &phone.origin, who);
    let (join, joined) = phone.write(EntryKind::JOIN, &join, None, &[linked]);
    assert!(peer.take(&phone, &join).void.is_some());
    assert!(!peer.members.readers().contains(&receiving(66)));
    // Nor after it was taken away by a device that has seen that.
    let body = velo_protocol::control::Unlink { version: CONTROL_VERSION, device: phone.origin.device };
    let (unlink, _) = world.ben.write(EntryKind::UNLINK, &body, Some(world.joined), &[joined]);
    assert_eq!(peer.take(&world.ben, &unlink).void, None);
    let readers = peer.members.readers();
    assert!(!readers.contains(&receiving(66)) && !readers.contains(&receiving(77)));
    assert!(readers.contains(&receiving(12)), "the key that Ben came with stays");
}
