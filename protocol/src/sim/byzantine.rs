//! A member that cheats: a device with a real membership that signs whatever harms others most.
//!
//! Its ears are an honest replica, which came in by a real ticket and keeps real sessions; so it knows
//! what a member knows and is listened to as one. Its mouth is this module: entries that no replica
//! would write, sealed with the device's key and sent to some of those at hand, to each something else.
//!
//! * It forks its log, also below what others have seen of it, and opens incarnation after incarnation.
//! * It writes on after its removal, naming nothing, or only what it knew before.
//! * It gives itself roles, takes them from others, and cites what it has no right to.
//! * It claims the devices of others, and brings made-up ones of its own.
//! * It starts epochs whose key some are not given, or others are given another one.
//! * It writes bodies that nobody can open, that are not encrypted, or that are no bodies.
//!
//! * It writes control entries of a newer version, which would make every device read-only, once it is
//!   out. While it is in it does not: that is what the design asks for, and would end the schedule.

use crate::{
    codec,
    control::{CONTROL_VERSION, Link},
    crypto::SecretKey,
    dice::Dice,
    id::{EntryId, Incarnation, WorkspaceId},
    keys::{
        epoch::{KeyEpoch, KeyShare},
        ring::KeyRing,
        secret::EpochKey,
    },
    log::{self, ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    log_set::LogSet,
    replica::Identity,
    store::{ChainNo, EntryAt, LogReader},
    time::Hlc,
    workspace::Workspace,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

mod forge;

/// A branch of a log, as far as it was written.
#[derive(Debug, Clone)]
struct Pen {
    origin: Origin,
    end: ChainEnd,
    /// Where else one may go on from.
    before: Vec<ChainEnd>,
    /// Not cited yet.
    is_new: bool,
}

/// An entry to be forged.
struct Forged {
    kind: EntryKind,
    body: Vec<u8>,
    epoch: Option<EntryId>,
    /// Whether the body is to be encrypted.
    seal: bool,
}

impl Forged {
    fn plain(kind: EntryKind, body: Vec<u8>) -> Self {
        Self { kind, body, epoch: None, seal: false }
    }

    fn control(kind: EntryKind, body: &impl serde::Serialize) -> Self {
        Self::plain(kind, codec::encode(body))
    }
}

/// What it finds in the logs it holds.
#[derive(Default)]
struct Found {
    /// Grants to its person, the join first.
    grants: Vec<EntryId>,
    /// The entry that founded the workspace.
    genesis: Option<EntryId>,
    invites: Vec<EntryId>,
    epochs: Vec<EntryId>,
    /// Heads of others' logs.
    heads: Vec<EntryId>,
    /// Any other entries.
    older: Vec<EntryId>,
}

/// What it sees while it acts.
struct Scene<'a> {
    dice: &'a mut Dice,
    wall_ms: u64,
    state: &'a Workspace,
    others: &'a [Identity],
    ring: KeyRing,
    found: Found,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cheat {
    workspace: WorkspaceId,
    identity: Identity,
    rng: ChaCha20Rng,
    pens: Vec<Pen>,
    /// Epochs of its own, with their keys.
    epochs: Vec<(EntryId, EpochKey)>,
}

impl Cheat {
    pub fn new(dice: &mut Dice, workspace: WorkspaceId, identity: Identity) -> Self {
        let rng = ChaCha20Rng::from_seed(dice.bytes());
        Self { workspace, identity, rng, pens: Vec::new(), epochs: Vec::new() }
    }

    /// Does one thing. Returns its name, and what to send.
    pub fn act(
        &mut self,
        dice: &mut Dice,
        wall_ms: u64,
        state: &Workspace,
        logs: &LogSet,
        reader: &dyn LogReader,
        others: &[Identity],
    ) -> Option<(&'static str, Vec<Run>)> {
        let (found, ring) = self.look_around(dice, logs, reader);
        let mut scene = Scene { dice, wall_ms, state, others, ring, found };
        if self.pens.is_empty() {
            self.pens.extend(self.own_pen(logs, reader));
        }
        let name = match scene.dice.below(100) {
            0..3 => return Some(("cheat floods", self.flood(&mut scene))),
            3..25 => {
                self.fork(&mut scene)?;
                "cheat forks its log"
            }
            25..35 => {
                let (mut runs, last) = self.open_log(&mut scene, None);
                runs.extend(last);
                return Some(("cheat opens a log", runs));
            }
            35..40 => {
                let claimed = scene.dice.pick(scene.others).map(|other| other.chain.clone());
                let (mut runs, last) = self.open_log(&mut scene, claimed);
                runs.extend(last);
                return Some(("cheat claims a device", runs));
            }
            _ => "cheat writes on",
        };
        let count = 1 + scene.dice.below(3);
        let mut runs = Vec::new();
        let mut names = name;
        for _ in 0..count {
            let (what, forged) = self.forge(&mut scene);
            names = what;
            runs.extend(self.write(&mut scene, forged));
        }
        Some((if name == "cheat writes on" { names } else { name }, runs))
    }

    /// The log that its ears write, to be forked behind one of its first entries: others saw it go on
    /// otherwise.
    fn own_pen(&self, logs: &LogSet, reader: &dyn LogReader) -> Option<Pen> {
        let own = logs.chains().find(|(_, chain)| chain.origin.device == self.identity.device_id())?;
        let (number, chain) = (own.0, own.1);
        let run = reader.read_run(number, 0).ok().flatten()?;
        let mut end = ChainEnd::start(chain.log);
        let mut before = Vec::new();
        for entry in log::parse_entries(run.after, &run.bytes).ok()? {
            end.advance(entry.id, entry.at[2] - entry.at[0]);
            before.push(end);
        }
        Some(Pen { origin: chain.origin, end: *before.first()?, before, is_new: true })
    }

    /// Reads everything it holds.
    fn look_around(&self, dice: &mut Dice, logs: &LogSet, reader: &dyn LogReader) -> (Found, KeyRing) {
        let mut found = Found::default();
        let mut ring = KeyRing::new(self.workspace, vec![self.identity.receiving.clone()]);
        for (key, epoch) in self.epochs.iter().map(|(id, key)| (key, id)) {
            ring.learn(key.clone());
            found.epochs.push(*epoch);
        }
        for (number, chain) in logs.chains() {
            let is_own = chain.origin.device == self.identity.device_id();
            let head = logs.id_at(EntryAt { chain: number, position: chain.applied });
            found.heads.extend(head.filter(|_| !is_own && chain.applied > 0));
            let older = EntryAt { chain: number, position: 1 + dice.below(chain.applied.max(1)) };
            found.older.extend(logs.id_at(older).filter(|_| !is_own && chain.applied > 0));
            self.read_chain(number, chain.applied, reader, &mut found, &mut ring);
        }
        (found, ring)
    }

    fn read_chain(
        &self,
        chain: ChainNo,
        applied: u64,
        reader: &dyn LogReader,
        found: &mut Found,
        ring: &mut KeyRing,
    ) {
        let mut position = 0;
        while position < applied {
            let Ok(Some(run)) = reader.read_run(chain, position) else { return };
            let Ok(entries) = log::parse_entries(run.after, &run.bytes) else { return };
            let before = position;
            for entry in entries {
                position = entry.position;
                let body = entry.body(&run.bytes);
                match entry.header.kind {
                    EntryKind::GENESIS => found.genesis = Some(entry.id),
                    EntryKind::INVITE => found.invites.push(entry.id),
                    EntryKind::JOIN | EntryKind::GRANT => {
                        let subject = body.get(1..33).is_some_and(|person| person == self.identity.person.0);
                        let own = entry.header.kind == EntryKind::JOIN
                            && run.origin.is_some_and(|origin| origin.person == self.identity.person);
                        if own || entry.header.kind == EntryKind::GRANT && subject {
                            found.grants.push(entry.id);
                        }
                    }
                    EntryKind::KEY_EPOCH => {
                        if let Ok(body) = KeyEpoch::read(body) {
                            ring.add_epoch(entry.id, &body, true);
                            found.epochs.push(entry.id);
                        }
                    }
                    EntryKind::KEY_SHARE => {
                        if let Ok(body) = KeyShare::read(body) {
                            ring.add_share(entry.id, &body, true);
                        }
                    }
                    _ => {}
                }
            }
            if position == before {
                return;
            }
        }
    }

    /// Goes on from an earlier place of a log, beside what was written there.
    fn fork(&mut self, scene: &mut Scene<'_>) -> Option<()> {
        let pen = scene.dice.pick(&self.pens)?.clone();
        let end = *scene.dice.pick(&pen.before)?;
        self.pens.push(Pen { end, is_new: true, ..pen });
        Some(())
    }

    /// Opens another log with the entry that introduces its device, or somebody else's.
    fn open_log(
        &mut self,
        scene: &mut Scene<'_>,
        claimed: Option<Vec<crate::crypto::LinkCert>>,
    ) -> (Vec<Run>, Option<Run>) {
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&scene.dice.bytes()[..8]);
        let (person, device) = (self.identity.person, self.identity.device_id());
        let origin = Origin { person, device, incarnation: Incarnation(incarnation), founder: false };
        let end = ChainEnd::start(origin.log_id(self.workspace));
        let is_good = claimed.is_none();
        let chain = claimed.unwrap_or_else(|| self.identity.chain.clone());
        self.pens.push(Pen { origin, end, before: Vec::new(), is_new: true });
        let link = Forged::control(EntryKind::LINK, &Link { version: CONTROL_VERSION, chain });
        let first = self.write(scene, link);
        if !is_good {
            // Nobody takes it, nor anything after it.
            self.pens.pop();
            return (first.into_iter().collect(), None);
        }
        let (_, forged) = self.forge(scene);
        (first.into_iter().collect(), self.write(scene, forged))
    }

    /// More logs than anybody keeps, or one long one.
    fn flood(&mut self, scene: &mut Scene<'_>) -> Vec<Run> {
        let mut runs = Vec::new();
        if scene.dice.chance(300) {
            for _ in 0..crate::limits::LOGS_PER_DEVICE + 3 {
                runs.extend(self.open_log(scene, None).0);
                self.pens.pop();
            }
        } else {
            for _ in 0..40 {
                let (_, forged) = self.forge(scene);
                runs.extend(self.write(scene, forged));
            }
        }
        runs
    }

    /// Writes one entry with the latest pen, as a run of its own.
    fn write(&mut self, scene: &mut Scene<'_>, forged: Forged) -> Option<Run> {
        let pen = self.pens.last_mut()?;
        let log = pen.origin.log_id(self.workspace);
        let mut writer = RunWriter::new(log, pen.origin, pen.end);
        let auth = scene.auth(pen.is_new);
        let mut deps = scene.deps();
        // What it cites lies in its past; sometimes.
        if !scene.dice.chance(50) {
            deps.extend(auth.filter(|auth| !deps.contains(auth)));
        }
        let wild = scene.dice.chance(100);
        let ms = scene.wall_ms.saturating_sub(scene.dice.below(60_000)) + u64::from(wild) * (1 << 40);
        let mut header = Header {
            version: HEADER_VERSION,
            kind: forged.kind,
            hlc: Hlc::from_ms(ms),
            auth,
            deps,
            epoch: forged.epoch,
            salt: [0; 8],
            body_len: 0,
        };
        let mut body = forged.body;
        if let Some(cipher) = forged.epoch.filter(|_| forged.seal).and_then(|epoch| scene.ring.cipher(epoch))
        {
            body = cipher.seal(log, writer.head().id, &mut header, &body).ok()?;
        }
        let id = writer.push(header, &body).ok()?;
        let run = writer.seal(self.workspace, &self.identity.device)?;
        pen.end = run.end();
        pen.before.push(pen.end);
        pen.is_new = false;
        if forged.kind == EntryKind::KEY_EPOCH
            && let Ok(body) = KeyEpoch::read(&body)
            && let Some((epoch, _)) =
                self.epochs.iter_mut().find(|(_, key)| key.commitment() == body.commitment)
        {
            *epoch = id;
        }
        Some(run.run().clone())
    }
}

impl Scene<'_> {
    /// What to cite: mostly a grant of its own.
    fn auth(&mut self, is_new: bool) -> Option<EntryId> {
        match self.dice.below(20) {
            0 => self.found.genesis,
            1 => self.dice.pick(&self.found.invites).copied(),
            2 => self.dice.pick(&self.found.older).copied(),
            _ if is_new || self.dice.chance(400) => self.dice.pick(&self.found.grants).copied(),
            _ => None,
        }
    }

    /// What to name: all it has seen, something old, or nothing.
    fn deps(&mut self) -> Vec<EntryId> {
        let mut deps = match self.dice.below(10) {
            0..4 => self.found.heads.clone(),
            4..6 => self.found.older.clone(),
            6 => vec![EntryId(self.dice.bytes())],
            _ => Vec::new(),
        };
        deps.sort_unstable();
        deps.dedup();
        deps.truncate(crate::limits::DEPS - 1);
        deps
    }

    fn key(&mut self) -> SecretKey {
        SecretKey::from_seed(&self.dice.bytes())
    }
}
