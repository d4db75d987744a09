//! What people ask for.

use super::{
    Command, Holding, Output, Refusal, Replica, Reply, RequestId, WorkspaceRecord,
    event::Event,
    io::Way,
    people::TicketWish,
    write::{Draft, Written},
};
use crate::{
    access::Role,
    change::{self, Change},
    control::{CONTROL_VERSION, Genesis},
    history::{self, LoggedEntry},
    id::{EntityId, Incarnation, OpId, WorkspaceId},
    log::{EntryKind, Header, Origin},
    log_set::EntryReader,
    message::{Digest, Message},
    model::{self, ALIVE, EntityKey, Kind, Slot},
    op::{DataBody, Group, Op, Reverts},
    replica::{Logs, reader_of},
    store::LogReader,
    ticket::SessionSecret,
    time::{Hlc, Now},
    value::Value,
};
use std::borrow::Cow;

impl Replica {
    pub(super) fn command(&mut self, now: Now, request: RequestId, command: Command, logs: &dyn Logs) {
        if let Err(refusal) = self.try_command(now, request, command, logs) {
            self.outputs.push_back(Output::Reply { request, result: Err(refusal) });
        }
    }

    fn try_command(
        &mut self,
        now: Now,
        request: RequestId,
        command: Command,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        if let Some(reason) = self.read_only.as_ref().filter(|_| command.writes()) {
            return Err(Refusal::ReadOnly(reason.clone()));
        }
        self.check_shared(&command)?;
        match command {
            Command::CreateWorkspace { name, person_name } => {
                self.found(now, request, &name, &person_name, logs)
            }
            Command::Join { ticket, person_name } => self.join(now, request, ticket, person_name, logs),
            Command::Invite { workspace, role, single_use, expires_ms, addresses } => {
                let wish = TicketWish { role, single_use, expires_ms, addresses };
                self.invite(now, request, workspace, wish, logs)
            }
            Command::Revoke { workspace, invite } => self.revoke(now, request, workspace, invite, logs),
            Command::SetRole { workspace, person, role } => {
                self.set_role(now, request, workspace, (person, role), logs)
            }
            Command::ShowLinkCode { addresses } => self.show_link_code(request, addresses),
            Command::Link { code } => self.link(now, request, code),
            Command::Recover { root } => self.recover(now, request, root),
            Command::Unlink { device, root } => self.unlink(now, request, device, root.as_ref(), logs),
            Command::AddRelay { workspace, relay, address, token } => {
                self.add_relay(now, request, workspace, (relay, address, token))
            }
            Command::RemoveRelay { workspace, root } => {
                self.remove_relay(now, request, workspace, root, logs)
            }
            Command::Edit { workspace, changes } => self.edit(now, request, workspace, &changes, logs),
            Command::Undo { workspace } => self.revert(now, request, workspace, false, logs),
            Command::Redo { workspace } => self.revert(now, request, workspace, true, logs),
            Command::PostAgain { workspace } => self.post_again(now, request, workspace, true, logs),
            Command::LetGo { workspace } => self.post_again(now, request, workspace, false, logs),
            Command::Forget { workspace, unsent } => self.forget(now, request, (workspace, unsent), logs),
            Command::BeginExport { workspace, since } => self.begin_export(request, workspace, since),
            Command::Export { workspace, cursor, what } => {
                self.export(request, workspace, *cursor, what, logs)
            }
            Command::Import { head, at, part } => self.import(request, &head, at, &part, logs),
            Command::TakeRuns { workspace, device, runs } => {
                self.take_brought(request, workspace, device, runs, logs)
            }
            Command::SyncNow => {
                for workspace in self.workspaces() {
                    self.sync_now(now, workspace);
                }
                self.push_to_all(now, logs);
                self.done(request);
                Ok(())
            }
            Command::SetPresence { doing, workspace } => {
                self.doing = Some((doing, workspace));
                self.done(request);
                Ok(())
            }
            Command::SetAutoSync { workspace, on } => self.set_auto_sync(now, request, workspace, on, logs),
            Command::SetFetching { workspace, fetching } => {
                let holding = self.holdings.get_mut(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
                holding.record.fetching = fetching;
                self.outputs.push_back(Output::Remember(holding.record.clone()));
                self.done(request);
                Ok(())
            }
        }
    }

    fn set_auto_sync(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        on: bool,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.holdings.get_mut(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        (holding.record.auto_sync, holding.sync_until) = (on, 0);
        self.outputs.push_back(Output::Remember(holding.record.clone()));
        self.tell_of_peers();
        if on {
            self.dial_relays(workspace);
            self.sync_now(now, workspace);
            self.push_to_all(now, logs);
        }
        self.done(request);
        Ok(())
    }

    pub(super) fn done(&mut self, request: RequestId) {
        self.outputs.push_back(Output::Reply { request, result: Ok(Reply::Done) });
    }

    /// The workspace, if it may be written to.
    pub(super) fn writable(&mut self, workspace: WorkspaceId) -> Result<&mut Holding, Refusal> {
        let holding = self.holdings.get_mut(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        if holding.state.needs_update() { Err(Refusal::NeedsUpdate) } else { Ok(holding) }
    }

    pub(super) fn origin(&mut self, founder: bool) -> Origin {
        Origin {
            person: self.identity.person,
            device: self.identity.device_id(),
            incarnation: Incarnation(self.random()),
            founder,
        }
    }

    fn found(
        &mut self,
        now: Now,
        request: RequestId,
        name: &str,
        person_name: &str,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        check_name(Kind::Workspace, &model::workspace::NAME.into(), name)?;
        let profile = self.profile(person_name)?;
        let origin = self.origin(true);
        let founder = self.identity.introduction();
        let secret = SessionSecret(self.random());
        let genesis = Genesis { version: CONTROL_VERSION, founder, session: secret.commitment() };
        let genesis = Draft::new(EntryKind::GENESIS, &genesis);
        // The id covers the entry exactly as it will be written below: same stamp, same header.
        let header = Header::new(EntryKind::GENESIS, Hlc::next(now.wall_ms, Hlc(0), []), Vec::new());
        let header = Header { body_len: genesis.body.len() as u32, ..header };
        let id = origin.workspace_id(&crate::codec::encode(&header), &genesis.body);
        let record = WorkspaceRecord::new(id, secret, origin, Way::Founded);
        let named = creation(
            EntityKey::new(Kind::Workspace, model::workspace::entity_of(id)),
            model::workspace::NAME.into(),
            name,
        );
        let data = Draft::new(EntryKind::DATA, &DataBody::new(vec![named]));
        self.add(record);
        self.write(now, id, vec![genesis, profile, data], request, |_| Reply::Workspace(id), logs);
        self.offer_to_all(now, id);
        Ok(())
    }

    pub(super) fn add(&mut self, record: WorkspaceRecord) {
        let workspace = record.id;
        self.outputs.push_back(Output::Remember(record.clone()));
        self.holdings.insert(workspace, Holding::new(record, &self.identity));
        self.private_is_stale = true;
        self.outputs.push_back(Output::Event(Event::WorkspaceOpened { workspace }));
    }

    pub(super) fn offer_to_all(&mut self, now: Now, workspace: WorkspaceId) {
        let Some(secret) = self.holdings.get(&workspace).map(|holding| holding.record.secret.clone()) else {
            return;
        };
        let peers: Vec<_> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.offer(now, peer, workspace, &secret);
        }
    }

    pub(super) fn profile(&self, name: &str) -> Result<Draft, Refusal> {
        let slot = Slot::from(model::profile::NAME);
        check_name(Kind::Profile, &slot, name)?;
        let key = EntityKey::new(Kind::Profile, EntityId::from(self.identity.person));
        Ok(Draft::new(EntryKind::PROFILE, &DataBody::new(vec![creation(key, slot, name)])))
    }

    pub(super) fn edit(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        changes: &[Change],
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let suffix = self.suffix();
        let is_private = self.private_id() == Some(workspace);
        let holding = self.writable(workspace)?;
        holding.may(Role::Viewer)?;
        let changes = with_contents(holding, changes, reader_of(logs, workspace));
        let groups = change::build(&holding.state, &changes, suffix)
            .map_err(|error| Refusal::Change(error.to_string()))?;
        if groups.iter().any(|group| (group.key.kind == Kind::Personal) != is_private) {
            let words = "what you keep for yourself stands in your private workspace, and nothing else does";
            return Err(Refusal::Change(words.to_owned()));
        }
        if groups.iter().any(|group| group.key.kind != Kind::Profile) {
            holding.may(Role::Member)?;
        }
        let written = Edited { groups, reverts: None, kept: Vec::new() };
        self.write_groups(now, request, workspace, written, logs);
        Ok(())
    }

    /// What sets this device's order keys apart.
    pub(super) fn suffix(&self) -> [u8; 2] {
        let [first, second, ..] = self.identity.device.public();
        [first, second]
    }

    /// Writes operations as one transaction.
    pub(super) fn write_groups(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        edited: Edited,
        logs: &dyn Logs,
    ) {
        let Edited { groups, reverts, kept } = edited;
        let mut packed = change::pack(groups);
        if packed.is_empty() && reverts.is_some() {
            // Also an undo that found nothing left to do is written, or it would be offered again.
            packed.push(Vec::new());
        }
        let bodies = packed.into_iter().map(|groups| DataBody { reverts, ..DataBody::new(groups) });
        self.write_bodies(now, request, workspace, bodies.collect(), kept, logs);
    }

    /// Writes bodies as one transaction.
    pub(super) fn write_bodies(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        bodies: Vec<DataBody>,
        kept: Vec<String>,
        logs: &dyn Logs,
    ) {
        let operations = bodies.iter().map(|body| body.ops().count()).sum();
        let mut bodies = bodies.into_iter();
        let Some(first) = bodies.next() else {
            let reply = Reply::Edited { operations, changed: Vec::new(), kept };
            return self.outputs.push_back(Output::Reply { request, result: Ok(reply) });
        };
        let reply = |written: &Written| Reply::Edited { operations, changed: written.changed.clone(), kept };
        let rest: Vec<DataBody> = bodies.collect();
        if rest.is_empty() {
            return self.write(now, workspace, vec![draft(&first)], request, reply, logs);
        }
        self.write_transaction(now, workspace, (first, rest), request, reply, logs);
    }

    /// Several entries of one transaction: all but the first name the first, whose id must be known
    /// before they are written.
    fn write_transaction(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        (first, mut rest): (DataBody, Vec<DataBody>),
        request: RequestId,
        reply: impl FnOnce(&Written) -> Reply,
        logs: &dyn Logs,
    ) {
        let (identity, reader) = (self.identity.clone(), reader_of(logs, workspace));
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        let rng = &mut self.rng;
        let begun = holding.write(now, &identity, vec![draft(&first)], rng, reader);
        let continues = begun.ids.first().map(crate::id::EntryId::prefix);
        for body in &mut rest {
            body.continues = continues;
        }
        let mut written = holding.write(now, &identity, rest.iter().map(draft).collect(), rng, reader);
        let is_whole = begun.ids.len() == 1 && written.ids.len() == rest.len();
        written.runs.splice(0..0, begun.runs);
        written.changed.extend(begun.changed);
        written.changed.sort_unstable();
        written.changed.dedup();
        self.tell_written(workspace, written, is_whole, request, reply);
    }

    /// Compares with every connected peer now.
    fn sync_now(&mut self, now: Now, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        holding.sync_until = now.mono_ms + crate::limits::SYNC_NOW_MS;
        let digest = Message::Digest(Digest { workspace, hash: holding.digest(), asks: true });
        for peer in self.sessions.keys().copied().collect::<Vec<_>>() {
            let admitted = self.admits(now, peer, workspace);
            let (Some(session), Some(holding)) =
                (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
            else {
                continue;
            };
            let Some(copy) = session.copies.get_mut(&workspace) else { continue };
            let heads = copy.ask(now, workspace, &holding.logs);
            session.say_all(&if admitted { heads } else { Vec::new() });
            session.say(&digest);
            self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        }
    }
}

/// Operations to be written as one transaction.
pub(super) struct Edited {
    pub groups: Vec<Group>,
    /// What they undo or redo.
    pub reverts: Option<Reverts>,
    /// See [`Reply::Edited`].
    pub kept: Vec<String>,
}

/// A container comes back with what the same deletion hid inside it, which only the log tells.
fn with_contents<'a>(holding: &Holding, changes: &'a [Change], reader: &dyn LogReader) -> Cow<'a, [Change]> {
    if changes.iter().all(|change| change.restored().is_none()) {
        return Cow::Borrowed(changes);
    }
    let entries = EntryReader::new(&holding.logs, reader);
    let read = |at| {
        let ready = entries.read(at)?;
        let origin = holding.logs.chain(at.chain)?.origin;
        let (prefix, header) = (ready.entry().id.prefix(), ready.entry().header.clone());
        let body = holding.contents(&ready).plain()?.to_vec();
        Some(LoggedEntry { prefix, origin, header, body })
    };
    Cow::Owned(history::with_contents(&holding.state, changes, &read))
}

impl Command {
    /// Whether it needs the disk.
    const fn writes(&self) -> bool {
        !matches!(
            self,
            Self::SyncNow | Self::SetPresence { .. } | Self::BeginExport { .. } | Self::Export { .. }
        )
    }
}

fn draft(body: &DataBody) -> Draft {
    let profile = body.groups.iter().any(|group| group.key.kind == Kind::Profile);
    Draft::new(if profile { EntryKind::PROFILE } else { EntryKind::DATA }, body)
}

fn check_name(kind: Kind, slot: &Slot, name: &str) -> Result<(), Refusal> {
    model::check(kind, slot, &Value::text(name)).map_err(|error| Refusal::Change(error.to_string()))
}

/// The operations that make an entity with a name.
fn creation(key: EntityKey, slot: Slot, name: &str) -> Group {
    let set = |slot, value| Op::Set { slot, value, replaces: Vec::<OpId>::new() };
    Group { key, ops: vec![set(ALIVE.field.into(), Value::Bool(true)), set(slot, Value::text(name))] }
}
