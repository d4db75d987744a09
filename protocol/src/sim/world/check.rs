//! What must hold once everything has healed.
//!
//! * Every honest device holds the same entries, and has applied every honest one. There is one
//!   exception: a device that named an entry which a cheat had sent to it alone, and was restored from a
//!   backup before it passed that on, leaves an old log that waits for ever.
//! * What it shows is what a second reading of the rules makes of those entries with the keys it has
//!   ([`Reference`]): nothing unauthorised, and nothing missing. So two devices that have the same keys
//!   show the same.
//! * A device of a current member has the key to whatever takes effect. There is one exception: an
//!   epoch of the member that cheats. Who was given garbage instead of its key cannot ask for another
//!   one yet; others read what is under it, and so does everybody after the next new epoch.
//! * Who is out cannot tell others which logs and branches of a cheat it met where those are over the
//!   bounds, and may have more of them: such a device is not compared.
//! * A device that was taken from its person, or whose person is out, holds the same entries too; what
//!   was written after is locked to it, and it says so.

use super::{World, oracle::is_newer, private, reference::Reference, texts};
use crate::{
    id::{EntryId, WorkspaceId},
    log_set::{EntryReader, LogSet},
    model::Kind,
    sim::device::Device,
    store::{ChainNo, EntryAt, LogReader, LogStore},
    workspace::Workspace,
};
use std::collections::BTreeSet;

/// The keys held, and what is shown with them: the state's hash and how many conflicts.
type Shown = (BTreeSet<EntryId>, ([u8; 32], usize));

impl World {
    pub(super) fn check(&mut self) -> Result<(), String> {
        let workspace = self.workspace.ok_or("no workspace")?;
        let reference = Reference::read(self, workspace)?;
        let entered: Vec<usize> =
            self.honest().filter(|device| self.devices[*device].has_entered()).collect();
        // Who never came in is served nothing.
        let let_in = |device: &usize| reference.let_in.contains(&self.devices[*device].identity.person);
        let (devices, shut_out): (Vec<usize>, _) = entered.iter().partition(|device| let_in(device));
        self.check_equal(workspace, &devices)?;
        self.check_rules(workspace, &devices, &reference)?;
        self.check_acknowledged(workspace, &devices)?;
        self.check_shut_out(workspace, &shut_out)?;
        self.check_private()?;
        let back = self.forgot.iter().filter(|device| self.devices[**device].is_member()).count();
        self.coverage.add("came back after forgetting", back as u64);
        for device in entered {
            self.check_reopened(workspace, device)?;
        }
        Ok(())
    }

    fn check_equal(&mut self, workspace: WorkspaceId, devices: &[usize]) -> Result<(), String> {
        let mut digests = BTreeSet::new();
        for number in devices {
            let replica = self.devices[*number].replica.as_ref().ok_or(format!("device {number} is off"))?;
            let state = replica.workspace(workspace).ok_or(format!("device {number} lost the workspace"))?;
            let logs = replica.logs(workspace).ok_or("no logs")?;
            let honest = logs.chains().filter(|(_, chain)| self.honest_id(chain.origin.device));
            let unapplied = honest.filter(|(_, chain)| chain.applied < chain.durable);
            let (lost, waiting): (Vec<_>, Vec<_>) = unapplied
                .map(|(chain, _)| chain)
                .partition(|chain| self.waits_for_what_is_lost(*number, *chain));
            if !waiting.is_empty() {
                return Err(format!("device {number} holds {} logs that it did not apply", waiting.len()));
            }
            for _ in lost {
                self.coverage.count("log that waits for what was lost with a cheat's entry");
            }
            digests.insert(logs.digest());
            self.trace.update(&state.state_hash()).update(&logs.digest());
            self.coverage.add("conflicts at the end", state.conflict_count() as u64);
            self.coverage.add("tasks at the end", state.shown(Kind::Task).count() as u64);
        }
        if digests.len() > 1 {
            return Err(format!("{} different sets of entries after healing", digests.len()));
        }
        Ok(())
    }

    /// Compares every device with a second reading of the rules.
    fn check_rules(
        &mut self,
        workspace: WorkspaceId,
        devices: &[usize],
        reference: &Reference,
    ) -> Result<(), String> {
        let needed = reference.epochs();
        self.coverage.add("void entries at the end", reference.void());
        self.coverage.add("refused bodies at the end", reference.refused());
        let mut known: Vec<Shown> = Vec::new();
        let mut apart = BTreeSet::new();
        for number in devices {
            let device = &self.devices[*number];
            let state = device.replica.as_ref().and_then(|replica| replica.workspace(workspace));
            let state = state.ok_or("no state")?;
            let roster = state.roster();
            let standing = roster.members.get(&device.identity.person);
            let is_in = standing.is_some_and(|standing| standing.devices.contains(&device.id()));
            if !is_in && self.knows_more(workspace, *number, reference) {
                self.coverage.count("device out that has more of a cheat");
                apart.insert(*number);
                continue;
            }
            let roles = roster.members.iter().map(|(person, standing)| (*person, standing.role)).collect();
            if reference.roles != roles {
                return Err(format!("device {number} has other roles than the rule says"));
            }
            if state.needs_update() != reference.needs_update() {
                return Err(format!("device {number} is wrong about an entry of a newer version"));
            }
            let lacks: Vec<EntryId> =
                needed.iter().copied().filter(|epoch| !state.ciphers().holds(*epoch)).collect();
            let honest = lacks.iter().any(|epoch| self.is_by_honest(*epoch));
            self.coverage.count(match (is_in, lacks.is_empty()) {
                (true, true) => "member's device at the end",
                (true, false) if state.needs_update() => "member's device that may not share at the end",
                (true, false) if honest => {
                    return Err(format!("device {number} is a member's and lacks a key"));
                }
                (true, false) => "member's device given garbage at the end",
                (false, true) => "device out at the end",
                (false, false) => "device locked out at the end",
            });
            if !lacks.is_empty() && state.locked_entries() == 0 {
                return Err(format!("device {number} lacks a key and does not say so"));
            }
            let mut expected = known.iter().find(|(held, _)| *held == held_of(state, reference)).cloned();
            if expected.is_none() {
                let (found, [merged, cut]) = by_rules(reference, state)?;
                known.push(found);
                self.coverage.add("text of several edits at the end", merged);
                self.coverage.add("text with edits that have no effect at the end", cut);
                expected = known.last().cloned();
            }
            if expected.is_none_or(|(_, found)| found != (state.state_hash(), state.conflict_count())) {
                return Err(format!(
                    "device {number} shows another state than the rules make of its entries"
                ));
            }
        }
        self.check_secrets(workspace, reference, needed)?;
        self.check_verdicts(workspace, devices, reference)?;
        let together: Vec<usize> = devices.iter().copied().filter(|device| !apart.contains(device)).collect();
        self.check_rosters(workspace, &together)
    }

    /// Who is in opens what was written with the phrase or the ticket alone.
    fn check_secrets(
        &mut self,
        workspace: WorkspaceId,
        reference: &Reference,
        needed: BTreeSet<EntryId>,
    ) -> Result<(), String> {
        let roster = self.devices[0].replica.as_ref().and_then(|replica| replica.workspace(workspace));
        let roster = roster.ok_or("no state")?.roster();
        let honest: Vec<EntryId> = needed.into_iter().filter(|epoch| self.is_by_honest(*epoch)).collect();
        if !reference.needs_update() {
            let recovery = reference.recovery_keys();
            self.secrets.opens_all(workspace, &mut self.dice, roster, &recovery, &honest)?;
        }
        Ok(())
    }

    /// Whether a log is one of a device that was restored from a backup or forgot the workspace, and waits,
    /// itself or through others, for an entry that nobody honest has: a cheat showed it to that device alone.
    fn waits_for_what_is_lost(&self, device: usize, chain: ChainNo) -> bool {
        let Some(logs) = self.logs_of(device) else { return false };
        let author = logs.chain(chain).and_then(|chain| self.device(chain.origin.device));
        let has_lost = |author| Some(author) == self.restored || self.forgot.contains(&author);
        if !author.is_some_and(has_lost) || !self.has_dishonest() {
            return false;
        }
        let is_held =
            |id| self.honest().any(|device| self.logs_of(device).is_some_and(|logs| logs.find(id).is_some()));
        let reader = self.devices[device].disk.log.reader();
        let entries = EntryReader::new(logs, &reader);
        let (mut seen, mut open) = (BTreeSet::new(), vec![chain]);
        while let Some(number) = open.pop() {
            let Some(chain) = logs.chain(number).filter(|_| seen.insert(number)) else { continue };
            open.extend(chain.parent.filter(|parent| !logs.is_applied(*parent)).map(|parent| parent.chain));
            let next = entries.read(EntryAt { chain: number, position: chain.applied + 1 });
            for dep in next.iter().flat_map(|next| &next.entry().header.deps) {
                match logs.find(*dep) {
                    Some(at) if !logs.is_applied(at) => open.push(at.chain),
                    None if !is_held(*dep) => return true,
                    _ => {}
                }
            }
        }
        false
    }

    fn logs_of(&self, device: usize) -> Option<&LogSet> {
        self.devices[device].replica.as_ref()?.logs(self.workspace?)
    }

    /// Whose joining was undone hears so, unless a cheat goes on serving it, and is served no more by
    /// anybody honest who is in. Several of them serve each other: they cannot know.
    fn check_shut_out(&mut self, workspace: WorkspaceId, devices: &[usize]) -> Result<(), String> {
        for number in devices {
            let device = &self.devices[*number];
            let serving = self.honest().filter(|other| !devices.contains(other)).find(|other| {
                let other = self.devices[*other].replica.as_ref();
                other.is_some_and(|other| other.knows(workspace, device.id()))
            });
            if let Some(serving) = serving {
                return Err(format!("device {serving} serves device {number}, which was never in"));
            }
            let replica = device.replica.as_ref().ok_or("off")?;
            // Or by what it holds it is out for another reason, and says that.
            let roster = replica.workspace(workspace).ok_or("no state")?.roster();
            let says_so =
                replica.is_refused(workspace) || roster.former.contains_key(&device.identity.person);
            if !says_so && !self.has_dishonest() {
                return Err(format!("device {number} was never in, and does not say so"));
            }
            self.coverage.count("joining undone at the end");
        }
        Ok(())
    }

    /// Whether a device applied something of a cheat that the founder's did not.
    fn knows_more(&self, workspace: WorkspaceId, device: usize, reference: &Reference) -> bool {
        let logs = self.devices[device].replica.as_ref().and_then(|replica| replica.logs(workspace));
        let Some(logs) = logs else { return false };
        let known: BTreeSet<EntryId> = reference.entries().map(|(ready, ..)| ready.entry().id).collect();
        let cheats = logs.chains().filter(|(_, chain)| !self.honest_id(chain.origin.device));
        let mut heads = cheats.filter_map(|(chain, log)| {
            logs.id_at(EntryAt { chain, position: log.applied }).filter(|_| log.applied > 0)
        });
        heads.any(|head| !known.contains(&head))
    }

    fn is_by_honest(&self, epoch: EntryId) -> bool {
        self.secrets.author(epoch).is_none_or(|author| self.honest_id(author))
    }

    /// One device's verdict on every entry, whatever it is.
    fn check_verdicts(
        &mut self,
        workspace: WorkspaceId,
        devices: &[usize],
        reference: &Reference,
    ) -> Result<(), String> {
        let Some(device) = self.dice.pick(devices).copied() else { return Ok(()) };
        let Some(replica) = &self.devices[device].replica else { return Ok(()) };
        let logs = replica.logs(workspace).ok_or("no logs")?;
        for (ready, origin, effective) in reference.entries() {
            let (id, kind) = (ready.entry().id, ready.entry().header.kind);
            // Nobody can tell what it takes: see above.
            if is_newer(kind) {
                continue;
            }
            // Over the bounds not everybody holds the same of the member that cheats.
            let Some(at) = logs.find(id).filter(|at| logs.is_applied(*at)) else { continue };
            if replica.why_void(workspace, at, kind).is_none() != effective {
                let who = self.device(origin.device);
                return Err(format!("device {device} judges an entry of {who:?} of kind {} wrongly", kind.0));
            }
        }
        Ok(())
    }

    /// Who is in, with which devices and tickets, is the same everywhere, keys or no keys.
    fn check_rosters(&mut self, workspace: WorkspaceId, devices: &[usize]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for number in devices {
            let replica = self.devices[*number].replica.as_ref();
            let state = replica.and_then(|replica| replica.workspace(workspace)).ok_or("no state")?;
            let roster = state.roster();
            seen.insert(format!("{:?} {:?} {:?}", roster.members, roster.former, roster.invites));
        }
        if seen.len() > 1 {
            return Err(format!("{} different rosters of equal entries", seen.len()));
        }
        if self.plan.late.is_some_and(|late| self.devices[late].is_member()) {
            self.coverage.count("late joiner is in");
        }
        Ok(())
    }

    fn check_acknowledged(&self, workspace: WorkspaceId, devices: &[usize]) -> Result<(), String> {
        for number in devices {
            for (log, id) in &self.devices[*number].acknowledged {
                let held = devices.iter().all(|device| {
                    let replica = self.devices[*device].replica.as_ref();
                    let logs = replica.and_then(|replica| replica.logs(workspace));
                    logs.is_some_and(|logs| logs.find(*id).is_some())
                });
                if !held {
                    return Err(format!(
                        "device {number} lost an acknowledged change in log {}",
                        log.short()
                    ));
                }
            }
        }
        Ok(())
    }

    fn start_again(&mut self, device: usize, with_pages: bool) -> Result<(), String> {
        self.devices[device].crash();
        if !with_pages {
            self.devices[device].disk.pages = None;
            self.devices[device].private.pages = None;
        }
        self.start(device)
    }

    /// The state is a function of the stored entries: without its pages a device comes back equal.
    fn check_reopened(&mut self, workspace: WorkspaceId, device: usize) -> Result<(), String> {
        let hash = |device: &Device| {
            let replica = device.replica.as_ref()?;
            let state = replica.workspace(workspace)?;
            let shared = (state.state_hash(), state.locked_entries(), replica.logs(workspace)?.digest());
            Some((shared, private::shown(device)))
        };
        // The words of its person open what the log and its own keys do not: pages remember that, and without
        // them it has to ask for those keys.
        if self.devices[device].by_words {
            self.start_again(device, false)?;
            self.coverage.count("started again without the words");
        }
        let before = hash(&self.devices[device]);
        for pages in [true, false] {
            self.start_again(device, pages)?;
            let after = hash(&self.devices[device]);
            if after != before {
                let from = if pages { "its pages and log" } else { "its log" };
                return Err(format!("device {device} came back from {from} with another state"));
            }
        }
        let logs = self.devices[device].disk.log.reader();
        self.coverage
            .add("entries at the end", logs.chains().iter().map(|chain| chain.end.head.position).sum());
        Ok(())
    }
}

/// Of the epochs under which anything stands, those whose key a device has.
fn held_of(state: &Workspace, reference: &Reference) -> BTreeSet<EntryId> {
    let epochs = reference.contents().filter_map(|(ready, ..)| ready.entry().header.epoch);
    epochs.filter(|epoch| state.ciphers().holds(*epoch)).collect()
}

/// What the rules show to who has the keys of a state; and how many texts several edits made, and how many
/// of those some edit without effect stands in.
fn by_rules(reference: &Reference, state: &Workspace) -> Result<(Shown, [u64; 2]), String> {
    let mut state_of_rules = reference.state(state.ciphers());
    state_of_rules.set_roster(state.roster().clone());
    let found = (state_of_rules.state_hash(), state_of_rules.conflict_count());
    Ok(((held_of(state, reference), found), texts::check(reference, state)?))
}
