//! Whatever bit is flipped on the way or by an author is refused or has no effect, on every peer alike;
//! and who has no key learns nothing of what people wrote.

use crate::device::*;
use velo_protocol::{
    codec,
    control::{CONTROL_VERSION, Join, Link},
    dice::Dice,
    id::{EntryId, Incarnation, WorkspaceId},
    keys::{
        epoch::{KEYS_VERSION, KeyEpoch, KeyShare},
        ring::KeyRing,
        secret::EpochKey,
    },
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    message::Message,
    replica::{Identity, Input, Output},
    ticket::Ticket,
    time::Hlc,
};

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Where a `Join` has the recovery key, behind version, length and the one certificate: its author
/// may choose any.
const RECOVERY: std::ops::Range<usize> = 2 + 256..2 + 256 + 32;

/// A member who signs whatever he likes.
struct Mallory {
    identity: Identity,
    origin: Origin,
    end: ChainEnd,
    workspace: WorkspaceId,
}

impl Mallory {
    fn new(workspace: WorkspaceId, number: u64) -> Self {
        let mut seed = [77; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let identity = Identity::from_seeds(seed, &[78; 32]);
        let incarnation = Incarnation(number.to_le_bytes());
        let (person, device) = (identity.person, identity.device_id());
        let origin = Origin { person, device, incarnation, founder: false };
        Self { identity, origin, end: ChainEnd::start(origin.log_id(workspace)), workspace }
    }

    fn write(
        &mut self,
        kind: EntryKind,
        body: &[u8],
        auth: Option<EntryId>,
        deps: &[EntryId],
    ) -> (Run, EntryId) {
        let log = self.origin.log_id(self.workspace);
        let mut writer = RunWriter::new(log, self.origin, self.end);
        let (version, hlc, salt) = (HEADER_VERSION, Hlc::from_ms(EPOCH_MS), [0; 8]);
        let deps = deps.to_vec();
        let header = Header { version, kind, hlc, auth, deps, epoch: None, salt, body_len: 0 };
        let id = writer.push(header, body).unwrap();
        let run = writer.seal(self.workspace, &self.identity.device).unwrap();
        self.end = run.end();
        (run.run().clone(), id)
    }

    fn join(&mut self, ticket: &Ticket) -> (Run, EntryId) {
        let body = self.join_body(ticket);
        self.write(EntryKind::JOIN, &codec::encode(&body), Some(ticket.invite), &[ticket.invite])
    }

    fn join_body(&self, ticket: &Ticket) -> Join {
        let (key, who) = (ticket.invite_key(), self.identity.introduction());
        Join::new(self.workspace, ticket.invite, &key, &self.origin, who)
    }
}

/// What a device shows, and how many are in.
fn shown(device: &Device, workspace: WorkspaceId) -> ([u8; 32], usize) {
    let state = device.replica.workspace(workspace).unwrap();
    (state.state_hash(), state.members().len())
}

#[test]
fn a_bit_flipped_in_an_entry_or_its_seal_is_refused() {
    let (mut anna, _, workspace) = pair();
    for number in 0..6 {
        anna.add(workspace, number, 40);
    }
    let runs = anna.runs(workspace);
    let mut dice = Dice::new(1);
    let mut fresh = Device::new(40);
    let ticket = anna.invite(workspace);
    fresh.join(&ticket).unwrap();
    let before = shown(&fresh, workspace);
    for number in 0..4_000 {
        let mut run = dice.pick(&runs).unwrap().clone();
        let (bits, seal) = (8 * run.bytes.len(), 8 * 64);
        let bit = dice.below((bits + seal) as u64) as usize;
        if bit < bits {
            flip(&mut run.bytes, bit);
        } else {
            flip(&mut run.seal.0, bit - bits);
        }
        let wire = Wire::member(50, &mut fresh, workspace);
        wire.say_runs(&mut fresh, workspace, vec![run]);
        fresh.input(Input::PeerDown { peer: wire.id });
        fresh.outputs.clear();
        assert_eq!(shown(&fresh, workspace), before, "flip {number}, bit {bit}");
    }
    give(&anna, &mut fresh, workspace);
    give(&fresh, &mut anna, workspace);
    assert_eq!(shown(&fresh, workspace), shown(&anna, workspace), "nothing of it stuck");
}

/// Signed by the author all the same, so that it reaches the access rule.
#[test]
fn a_bit_flipped_in_a_certificate_lets_nobody_in() {
    let (mut anna, mut ben, workspace) = pair();
    let ticket = anna.invite(workspace);
    give(&anna, &mut ben, workspace);
    let mut dice = Dice::new(2);
    let before = (shown(&anna, workspace), shown(&ben, workspace));
    let (mut refused, mut void) = (0, 0);
    for number in 0..2_200 {
        let mut mallory = Mallory::new(workspace, number);
        let joins = number % 2 == 0;
        let (kind, mut body, cited) = if joins {
            (EntryKind::JOIN, codec::encode(&mallory.join_body(&ticket)), ticket.invite)
        } else {
            let chain = mallory.identity.chain.clone();
            (EntryKind::LINK, codec::encode(&Link { version: CONTROL_VERSION, chain }), ticket.invite)
        };
        // Not the version: that would ask for an update.
        let bit = 8 + dice.below(8 * (body.len() as u64 - 1)) as usize;
        if joins && RECOVERY.contains(&(bit / 8)) {
            continue;
        }
        flip(&mut body, bit);
        let (run, id) = mallory.write(kind, &body, Some(cited), &[cited]);
        for device in [&mut anna, &mut ben] {
            let wire = Wire::member(50, device, workspace);
            wire.say_runs(device, workspace, vec![run.clone()]);
            device.input(Input::PeerDown { peer: wire.id });
            device.outputs.clear();
        }
        let held = |device: &Device| device.replica.logs(workspace).unwrap().find(id).is_some();
        assert_eq!(held(&anna), held(&ben));
        if held(&anna) {
            void += 1;
        } else {
            refused += 1;
        }
        assert_eq!((shown(&anna, workspace), shown(&ben, workspace)), before, "{number}, bit {bit}");
    }
    assert!(refused + void >= 2_000 && refused > 100 && void > 30, "{refused} refused, {void} void");
}

#[test]
fn a_bit_flipped_in_a_ticket_lets_nobody_in() {
    let (mut anna, _, workspace) = pair();
    let ticket = anna.invite(workspace);
    let (text, bytes) = (ticket.to_string(), codec::encode(&ticket));
    let mut dice = Dice::new(3);
    let before = shown(&anna, workspace).1;
    for number in 0..2_000 {
        let mut other = text.clone().into_bytes();
        let at = dice.below(other.len() as u64) as usize;
        flip(&mut other[at..=at], dice.below(8) as usize);
        // Case does not matter.
        let same = other.eq_ignore_ascii_case(text.as_bytes());
        let read = std::str::from_utf8(&other).ok().and_then(|text| text.parse::<Ticket>().ok());
        assert_eq!(read.is_some(), same, "letter {at}");
        // Nor does one help that was made anew with a flipped bit: in the invite, or its seed.
        let mut forged = bytes.clone();
        let bit = 8 * 32 + dice.below(8 * 64) as usize;
        flip(&mut forged, bit);
        let forged: Ticket = codec::decode(&forged).unwrap();
        let mut mallory = Mallory::new(workspace, number);
        let (run, _) = if forged.invite == ticket.invite {
            mallory.join(&forged)
        } else {
            let body = codec::encode(&mallory.join_body(&forged));
            mallory.write(EntryKind::JOIN, &body, Some(forged.invite), &[ticket.invite])
        };
        let wire = Wire::member(50, &mut anna, workspace);
        wire.say_runs(&mut anna, workspace, vec![run]);
        anna.input(Input::PeerDown { peer: wire.id });
        anna.outputs.clear();
        assert_eq!(shown(&anna, workspace).1, before, "bit {bit}");
    }
}

#[test]
fn a_bit_flipped_in_a_wrap_or_a_commitment_gives_no_key() {
    let ben = Device::new(2);
    let workspace = WorkspaceId([5; 32]);
    let mut dice = Dice::new(4);
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([6; 32]);
    let key = EpochKey::random(&mut rng);
    let to = [ben.identity.receiving.public(), ben.identity.recovery.key];
    let epoch = EntryId([8; 32]);
    let (commitment, version) = (key.commitment(), KEYS_VERSION);
    let share = KeyShare::split(workspace, epoch, &key, to, &mut rng).remove(0);
    let wraps = share.wraps.clone();
    let body = codec::encode(&KeyEpoch { version, commitment, older: Vec::new(), wraps });
    let opens = |body: &[u8]| {
        let mut keys = KeyRing::new(workspace, vec![ben.identity.receiving.clone()]);
        KeyEpoch::read(body).is_ok_and(|body| !keys.add_epoch(epoch, &body, true).is_empty())
    };
    assert!(opens(&body));
    let own = share.wraps.iter().position(|(to, _)| *to == ben.identity.receiving.public()).unwrap();
    // The commitment, or this device's wrap: recipient, encapsulated key, ciphertext and tag.
    let (committed, wrap) = (8..8 * 33, 8 * (35 + 112 * own)..8 * (35 + 112 * (own + 1)));
    for _ in 0..2_000 {
        let mut other = body.clone();
        let bits = if dice.chance(300) { &committed } else { &wrap };
        let bit = bits.start + dice.below(bits.len() as u64) as usize;
        flip(&mut other, bit);
        assert!(!opens(&other), "bit {bit}");
    }
}

/// What a device sends to one that knows the session secret and has no key.
#[test]
fn who_has_no_key_learns_nothing_of_what_people_wrote() {
    let secrets = ["Repaint the north wall", "Anna Zwiebelfisch", "Werkstatt Nord", "the flange leaks again"];
    let mut anna = Device::new(1);
    let found = velo_protocol::replica::Command::CreateWorkspace {
        name: secrets[2].into(),
        person_name: secrets[1].into(),
    };
    let velo_protocol::replica::Reply::Workspace(workspace) = anna.command(found).unwrap() else {
        panic!("not founded")
    };
    anna.write_texts(workspace, secrets[0], secrets[3]);
    anna.outputs.clear();
    let wire = Wire::member(50, &mut anna, workspace);
    wire.announce(&mut anna, workspace, Vec::new(), true);
    let heads: Vec<_> = anna.heads(workspace).iter().map(|(_, head)| *head).collect();
    for (pull, head) in heads.iter().enumerate() {
        wire.want(&mut anna, workspace, pull as u32, &[*head], &[]);
    }
    anna.pass(3_000);
    let sent: Vec<u8> = anna
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { frame, .. } => Some(frame.as_slice()),
            _ => None,
        })
        .collect::<Vec<_>>()
        .concat();
    assert!(sent.len() > 1_000, "it was sent the entries");
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for secret in secrets {
        assert!(!holds(&sent, secret), "{secret}");
        for word in secret.split(' ').filter(|word| word.len() > 4) {
            assert!(!holds(&sent, word), "{word}");
        }
    }
    // Who knows the secret and was never in, such as by a ticket that was withdrawn, gets less.
    anna.outputs.clear();
    let mut outsider = Wire::greet(52, &mut anna);
    outsider.prove_secret(&mut anna, workspace);
    outsider.announce(&mut anna, workspace, Vec::new(), true);
    anna.pass(3_000);
    let heard = outsider.heard(&mut anna);
    let tells = |message: &Message| match message {
        Message::Ops(_) | Message::Chunk(_) => true,
        Message::Heads(heads) => !heads.heads.is_empty(),
        _ => false,
    };
    assert!(!heard.iter().any(tells), "{heard:?}");
    // A stranger, who does not even know the secret, gets nothing but a greeting and sealed offers.
    anna.outputs.clear();
    let stranger = Wire::greet(51, &mut anna);
    anna.pass(3_000);
    let heard = stranger.heard(&mut anna);
    let plain = |message: &Message| !matches!(message, Message::Auth(_));
    assert!(!heard.iter().any(plain), "{heard:?}");
}
