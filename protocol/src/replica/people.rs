//! Who is in: tickets, joining, roles and devices.
//!
//! What somebody asks for is first tried on a copy of the access rule, so that a person hears why
//! something would have no effect instead of writing it. What counts in the end is every device's
//! own verdict.

use super::{
    Holding, Output, Refusal, Replica, Reply, RequestId, WorkspaceRecord,
    io::{Event, Invited, Way},
    write::{Draft, Written},
};
use crate::{
    access::{Access, Act, ActKind, Role, Why},
    causality::Frontier,
    control::{CONTROL_VERSION, Cap, Grant, Invite, Join, Revoke, Unlink},
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    limits,
    log::EntryKind,
    model::{EntityKey, Kind},
    replica::{Logs, reader_of},
    store::EntryAt,
    ticket::Ticket,
    time::Now,
};

impl Holding {
    /// Refuses what this device's person may not do now, and says why.
    pub fn may(&self, need: Role) -> Result<(), Refusal> {
        let origin = &self.record.origin;
        match self.members.access().best_auth(origin.person, origin.device, need) {
            Some(_) => Ok(()),
            None => Err(self.why_not(need)),
        }
    }

    fn why_not(&self, need: Role) -> Refusal {
        if self.is_joining() {
            return self.refused.clone().map_or(Refusal::Joining, Refusal::Ticket);
        }
        let (access, person) = (self.members.access(), self.record.origin.person);
        let words = match (access.role_of(person), access.why_out(person)) {
            (Some(role), _) if role >= need => {
                "this device was taken from you: what you do here reaches nobody. Link it again with one of \
                 your other devices"
                    .to_owned()
            }
            (Some(role), _) => {
                let (are, can) = (role.with_article(), need.with_article());
                format!("you are {are} here, and it takes {can}: an owner can change your role")
            }
            (None, Some(Why::Removed { by })) => {
                let by = access.act(by).map_or_else(String::new, |cap| self.state.person_name(cap.person));
                format!("{by} removed you from this workspace: what you do here reaches nobody")
            }
            (None, Some(Why::Left { .. })) => "you left this workspace: ask to be let in again".to_owned(),
            (None, _) => "you are not a member of this workspace: ask for a new ticket".to_owned(),
        };
        Refusal::Role(words)
    }

    /// Whether this device holds a ticket that it has not used.
    pub fn is_joining(&self) -> bool {
        let device = self.record.origin.device;
        let wrote = || {
            let mut chains = self.logs.chains();
            chains.any(|(_, chain)| chain.origin.device == device && chain.end.head.position > 0)
        };
        self.record.way != Way::Founded && !wrote()
    }

    /// Whether nobody was told the name of this device's person yet.
    fn is_unnamed(&self) -> bool {
        !self.state.has_values(EntityKey::new(Kind::Profile, self.record.origin.person.into()))
    }

    /// The access rule as it would be if this device's person did something now. `Err`: it would
    /// have no effect.
    fn tried(&self, kind: ActKind, need: Role) -> Result<Access, Refusal> {
        self.may(need)?;
        let origin = &self.record.origin;
        let (person, device) = (origin.person, origin.device);
        let chain = self.own.or_else(|| self.logs.first_chain(self.own_log()));
        let at = chain.map_or(EntryAt::NOWHERE, |chain| {
            let end = self.logs.chain(chain).map_or(0, |chain| chain.end.head.position);
            EntryAt { chain, position: end + 1 }
        });
        let auth = self.members.auth_for(at, origin, need);
        let heads = self.logs.chains().map(|(chain, log)| EntryAt { chain, position: log.applied });
        let past = self.logs.past(&heads.collect::<Vec<_>>(), Frontier::default());
        let mut access = self.members.access().clone();
        access.add(Act { at, device, person, auth, kind }, &[], past);
        match access.why_void(at) {
            None => Ok(access),
            Some(why) => Err(Refusal::Role(format!("that would have no effect: {why}"))),
        }
    }

    /// Open tickets, as drafts that withdraw them: nobody knows which ones somebody saw who is to go.
    fn revokes(&self) -> Vec<Draft> {
        let open = self.members.roster().invites;
        let revoke =
            |invite: EntryId| Draft::new(EntryKind::REVOKE, &Revoke { version: CONTROL_VERSION, invite });
        open.into_iter().map(|open| revoke(open.id)).collect()
    }
}

/// What a ticket is to be like.
pub(super) struct TicketWish {
    pub role: Role,
    pub single_use: bool,
    pub expires_ms: u64,
    pub addresses: Vec<String>,
}

impl Replica {
    /// Withdraws own tickets that have done their service. Only when another device holds the same as
    /// this one: a device that returns late would undo the joining of people it has not heard of.
    pub(super) fn withdraw_spent(&mut self, now: Now, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let spent = holding.members.spent_invites(self.identity.device_id(), now.wall_ms);
        let may_write = self.read_only.is_none() && !holding.state.needs_update() && holding.syncs(now);
        if spent.is_empty() || !may_write || holding.may(Role::Admin).is_err() {
            return;
        }
        let version = CONTROL_VERSION;
        let revoke = |invite| Draft::new(EntryKind::REVOKE, &Revoke { version, invite });
        self.write_unasked(now, workspace, spent.into_iter().map(revoke).collect(), logs);
    }

    /// Takes a ticket. It is used when its `Invite` entry has arrived: see [`Self::enter`].
    pub(super) fn join(
        &mut self,
        now: Now,
        request: RequestId,
        ticket: Ticket,
        person_name: String,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        ticket.check_expiry(now.wall_ms).map_err(|error| Refusal::Ticket(error.to_string()))?;
        self.profile(&person_name)?;
        let (id, secret) = (ticket.workspace, ticket.secret.clone());
        let before = self.holdings.get(&id).and_then(|holding| holding.record.way.invited().cloned());
        let mut earlier = before.map_or_else(Vec::new, |before| {
            before.earlier.into_iter().chain([before.ticket]).filter(|before| *before != ticket).collect()
        });
        earlier.truncate(limits::EARLIER_TICKETS);
        let way = Way::Invited(Box::new(Invited { ticket, person_name, earlier }));
        match self.holdings.get_mut(&id) {
            Some(holding) if holding.is_joining() => {
                holding.refused = None;
                holding.record = WorkspaceRecord { secret, way, ..holding.record.clone() };
                let renewed = holding.renew_ring(&self.identity, reader_of(logs, id));
                self.outputs.push_back(Output::Remember(holding.record.clone()));
                if let Err(error) = renewed {
                    // A restart makes the ring under the new ticket.
                    holding.state.is_behind = true;
                    self.store_failed(id, None, &error);
                }
            }
            Some(_) => return Err(Refusal::AlreadyJoined),
            None => {
                let origin = self.origin(false);
                self.add(WorkspaceRecord { id, secret, origin, auto_sync: true, way });
            }
        }
        self.outputs.push_back(Output::Reply { request, result: Ok(Reply::Workspace(id)) });
        self.offer_to_all(now, id);
        // Who has refused an earlier ticket hears of this one.
        for peer in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.say_claim(peer, id);
        }
        self.enter(now, id, logs);
        Ok(())
    }

    /// Uses a ticket as soon as what it refers to is here: who joins must have seen the invite.
    pub(super) fn enter(&mut self, now: Now, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let may_write = self.read_only.is_none() && !holding.state.needs_update();
        match &holding.record.way {
            Way::Invited(invited) if may_write => {
                let (ticket, person_name) = (invited.ticket.clone(), invited.person_name.clone());
                let (is_joining, is_unnamed) = (holding.is_joining(), holding.is_unnamed());
                if is_joining {
                    self.use_ticket(now, &ticket, logs);
                }
                // Another device of the same person may have said it.
                if is_unnamed {
                    self.introduce(now, workspace, &person_name, logs);
                }
            }
            Way::Linked { .. } if may_write => {
                let person = self.identity.person;
                if holding.is_joining() && holding.members.access().role_of(person).is_some() {
                    // Nothing to say but the Link that every log starts with.
                    self.write_unasked(now, workspace, Vec::new(), logs);
                }
                self.forget_recovery(workspace);
            }
            _ => {}
        }
    }

    fn use_ticket(&mut self, now: Now, ticket: &Ticket, logs: &dyn Logs) {
        let workspace = ticket.workspace;
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        let Some(at) = holding.logs.find(ticket.invite).filter(|at| holding.logs.is_applied(*at)) else {
            return;
        };
        let key = ticket.invite_key();
        let is_key = holding.members.invite(at).is_some_and(|invite| invite.key == key.public());
        // People have compared the inviter's words before they used the ticket.
        let maker = holding.members.access().act(at).map(|invite| invite.person);
        if is_key && maker != Some(ticket.inviter) {
            let reason = "the ticket names somebody else than made it: ask them for a new one, and compare the \
                          words of who invites you";
            return self.refuse_because(workspace, reason);
        }
        let is_open = holding.members.access().invites().any(|(open, _)| open == at);
        if !is_key || !is_open {
            return self.refuse_ticket(workspace);
        }
        let origin = holding.record.origin;
        let join = Join::new(workspace, ticket.invite, &key, &origin, self.identity.introduction());
        let join = Draft { auth: Some(ticket.invite), ..Draft::new(EntryKind::JOIN, &join) };
        self.write_unasked(now, workspace, vec![join], logs);
    }

    /// The ticket is not good: it was withdrawn, or is not what its entry says.
    pub(super) fn refuse_ticket(&mut self, workspace: WorkspaceId) {
        self.refuse_because(workspace, "the ticket was withdrawn: ask for a new one");
    }

    fn refuse_because(&mut self, workspace: WorkspaceId, reason: &str) {
        let Some(holding) = self.holdings.get_mut(&workspace).filter(|holding| holding.is_joining()) else {
            return;
        };
        let reason = reason.to_owned();
        if holding.refused.replace(reason.clone()).is_none() {
            self.outputs.push_back(Output::Event(Event::JoinRefused { workspace, reason }));
        }
    }

    /// Says who this device's person is, once they are in.
    fn introduce(&mut self, now: Now, workspace: WorkspaceId, name: &str, logs: &dyn Logs) {
        let is_in = self.holdings.get(&workspace).is_some_and(|holding| holding.may(Role::Viewer).is_ok());
        if let Some(profile) = self.profile(name).ok().filter(|_| is_in) {
            self.write_unasked(now, workspace, vec![profile], logs);
        }
    }

    /// Makes a ticket.
    pub(super) fn invite(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        wish: TicketWish,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let TicketWish { role, single_use, expires_ms, addresses } = wish;
        if expires_ms <= now.wall_ms {
            return Err(Refusal::Ticket("a ticket must expire in the future".to_owned()));
        }
        if role > Role::Member {
            let words = "a ticket makes somebody a member or a viewer: change their role once they are in";
            return Err(Refusal::Role(words.to_owned()));
        }
        let (seed, inviter) = (self.random(), self.identity.person);
        let holding = self.writable(workspace)?;
        holding.tried(ActKind::Invite { role }, Role::Admin)?;
        let secret = holding.record.secret.clone();
        let addresses = addresses.into_iter().take(limits::TICKET_ADDRESSES).collect();
        let invite = EntryId([0; 32]);
        let ticket = Ticket { workspace, invite, seed, secret, inviter, expires_ms, addresses };
        let (key, receiving) = (ticket.invite_key().public(), ticket.receiving().public());
        let body = Invite { version: CONTROL_VERSION, key, receiving, role, expires_ms, single_use };
        let reply = |written: &Written| {
            let invite = written.ids.first().copied().unwrap_or(invite);
            Reply::Ticket(Ticket { invite, ..ticket })
        };
        self.write(now, workspace, vec![Draft::new(EntryKind::INVITE, &body)], request, reply, logs);
        Ok(())
    }

    /// Withdraws a ticket.
    pub(super) fn revoke(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        invite: EntryId,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        let open = holding.members.roster().invites;
        let at = holding.logs.find(invite).filter(|_| open.iter().any(|open| open.id == invite));
        let Some(at) = at else {
            return Err(Refusal::Ticket("there is no such open ticket: see `velo invite list`".to_owned()));
        };
        holding.tried(ActKind::Revoke { invite: at }, Role::Admin)?;
        let draft = Draft::new(EntryKind::REVOKE, &Revoke { version: CONTROL_VERSION, invite });
        self.write(now, workspace, vec![draft], request, |_| Reply::Done, logs);
        Ok(())
    }

    /// Gives somebody another role.
    pub(super) fn set_role(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        (person, role): (PersonId, Option<Role>),
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        let drafts = holding.role_drafts(person, role)?;
        if drafts.is_empty() {
            self.done(request);
        } else {
            self.write(now, workspace, drafts, request, |_| Reply::Done, logs);
        }
        Ok(())
    }

    /// Takes a device from this person.
    pub(super) fn unlink(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        device: DeviceId,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        let person = holding.record.origin.person;
        if !holding.members.access().devices(person).any(|own| own == device) {
            return Err(Refusal::Role("that is none of your devices: see `velo device list`".to_owned()));
        }
        let after = holding.tried(ActKind::Unlink { device }, Role::Viewer)?;
        if after.devices(person).any(|own| own == device) {
            let words =
                "this device cannot take that one away: do it on one that linked it, or with the phrase";
            return Err(Refusal::Role(words.to_owned()));
        }
        // Whoever has the device now may have seen tickets, the one it came with among them. First, since
        // a device that takes itself away may do nothing after.
        let mut drafts = if holding.may(Role::Admin).is_ok() { holding.revokes() } else { Vec::new() };
        drafts.push(Draft::new(EntryKind::UNLINK, &Unlink { version: CONTROL_VERSION, device }));
        self.write(now, workspace, drafts, request, |_| Reply::Done, logs);
        Ok(())
    }
}

impl Holding {
    /// What to write so that somebody has another role; nothing if they have it.
    fn role_drafts(&self, person: PersonId, role: Option<Role>) -> Result<Vec<Draft>, Refusal> {
        let access = self.members.access();
        let (now, own) = (access.role_of(person), person == self.record.origin.person);
        if now == role {
            return Ok(Vec::new());
        }
        if now.is_none() && access.why_out(person).is_none() {
            return Err(Refusal::Role("there is no such person here: see `velo member list`".to_owned()));
        }
        if own && now == Some(Role::Owner) && self.is_only_owner() {
            let words = "you are the only owner: make somebody else an owner first";
            return Err(Refusal::Role(words.to_owned()));
        }
        let version = CONTROL_VERSION;
        if let Some(role) = role.filter(|_| role > now) {
            let after = self.tried(ActKind::Grant { subject: person, role }, role.given_by())?;
            self.check_effect(&after, person, Some(role))?;
            return Ok(vec![Draft::new(EntryKind::GRANT, &Grant { version, subject: person, role })]);
        }
        let need = if own { Role::Viewer } else { Role::Admin };
        let after = self.tried(ActKind::Cap { subject: person, role }, need)?;
        self.check_effect(&after, person, role)?;
        let cap = Draft::new(EntryKind::CAP, &Cap { version, subject: person, role });
        let revokes = if role.is_none() && !own { self.revokes() } else { Vec::new() };
        Ok(std::iter::once(cap).chain(revokes).collect())
    }

    fn is_only_owner(&self) -> bool {
        let members: Vec<_> = self.members.access().members().collect();
        members.len() > 1 && members.iter().filter(|(_, role)| *role == Role::Owner).count() == 1
    }

    /// Whether what was tried leads to what was meant.
    fn check_effect(&self, after: &Access, person: PersonId, meant: Option<Role>) -> Result<(), Refusal> {
        if after.role_of(person) == meant {
            return Ok(());
        }
        let name = self.state.person_name(person);
        let words = match self.members.access().role_of(person) {
            Some(Role::Owner) => format!("{name} is an owner: only an owner who appointed them can do that"),
            Some(Role::Admin) => format!("{name} is an admin: only an owner can do that"),
            _ => format!("you cannot give {name} that role: ask an owner"),
        };
        Err(Refusal::Role(words))
    }
}
