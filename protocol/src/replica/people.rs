//! Who is in: tickets, joining, roles and devices.
//!
//! What somebody asks for is first tried on a copy of the access rule, so that a person hears why
//! something would have no effect instead of writing it. What counts in the end is every device's
//! own verdict.

use super::{
    Holding, Output, Refusal, Replica, Reply, RequestId, WorkspaceRecord,
    event::Event,
    holding::Refused,
    io::{Invited, Way},
    write::{Draft, Written},
};
use crate::{
    access::{Access, Act, ActKind, Role},
    causality::Frontier,
    control::{CONTROL_VERSION, Cap, Grant, Invite, Join, Revoke},
    id::{EntryId, PersonId, WorkspaceId},
    limits,
    log::EntryKind,
    model::{EntityKey, Kind},
    replica::{Logs, reader_of},
    roster::Parting,
    store::EntryAt,
    ticket::Ticket,
    time::Now,
};

/// Told where what lets a person in is lost, with a damaged disk, or did not arrive yet.
const LACKING: &str = "some of this workspace is missing on this device, and what makes you a member with it: it comes \
                       from any other device that has it. Leave Velo running beside one, or connect to one with \
                       `velo peers add ADDRESS`";

impl Holding {
    /// Refuses what this device's person may not do now, and says why.
    pub fn may(&self, need: Role) -> Result<(), Refusal> {
        let origin = &self.record.origin;
        match self.members.access().best_auth(origin.person, origin.device, need) {
            Some(_) => Ok(()),
            None => Err(self.why_not(need)),
        }
    }

    /// Whether this device was taken from its person, who is in.
    pub fn is_taken(&self) -> bool {
        let (access, origin) = (self.members.access(), &self.record.origin);
        let was_linked = access.had_device(origin.person, origin.device);
        was_linked && access.role_of(origin.person).is_some() && self.may(Role::Viewer).is_err()
    }

    fn why_not(&self, need: Role) -> Refusal {
        if self.is_joining() || self.has_new_ticket() {
            return self.refused.map_or(Refusal::Joining, |how| Refusal::Ticket(how.words().to_owned()));
        }
        let (access, person) = (self.members.access(), self.record.origin.person);
        let words = match (access.role_of(person), self.members.parting(person)) {
            (Some(role), _) if role >= need => {
                format!(
                    "this device was taken from you: what you do here reaches nobody. To link it again, first take \
                     the workspace off it with `velo workspace forget {}`, then `velo link`",
                    self.record.id.short()
                )
            }
            (Some(role), _) => {
                let (are, can) = (role.with_article(), need.with_article());
                let command = format!("`velo member role {} {}`", self.own_name(), need.name());
                format!(
                    "you are {are} here, and it takes {can}: ask {}, who can do {command}",
                    self.whom_to_ask()
                )
            }
            (None, Some(Parting::Removed(by))) => {
                let by = self.state.person_name(by);
                format!(
                    "{by} removed you from this workspace: what you do here reaches nobody. {}",
                    self.way_back()
                )
            }
            (None, Some(Parting::Left)) => {
                format!("you left this workspace: what you do here reaches nobody. {}", self.way_back())
            }
            (None, None) if self.lacks_entries() => LACKING.to_owned(),
            (None, _) => format!("you are not a member of this workspace. {}", self.way_back()),
        };
        Refusal::Role(words)
    }

    /// Whether some entries here wait for others that are not here.
    fn lacks_entries(&self) -> bool {
        self.logs.chains().any(|(_, chain)| chain.applied < chain.durable)
    }

    /// What somebody who is out can do.
    fn way_back(&self) -> String {
        format!(
            "To be let in again, ask {}, who can do `velo member role {} member`; `velo workspace forget {}` takes \
             it off this device",
            self.whom_to_ask(),
            self.own_name(),
            self.record.id.short()
        )
    }

    /// Somebody else who may change roles, the strongest first.
    fn whom_to_ask(&self) -> String {
        let own = self.record.origin.person;
        let others =
            self.members.access().members().filter(|(person, role)| *person != own && *role >= Role::Admin);
        let others = others.max_by_key(|(person, role)| (*role, std::cmp::Reverse(*person)));
        others.map_or_else(|| "an owner".to_owned(), |(person, _)| self.state.person_name(person))
    }

    /// The own name as a command takes it.
    fn own_name(&self) -> String {
        format!("\"{}\"", self.state.person_name(self.record.origin.person))
    }

    /// Whether this device holds a ticket that it has not used.
    pub fn is_joining(&self) -> bool {
        let device = self.record.origin.device;
        let wrote = || {
            let mut chains = self.logs.chains();
            chains.any(|(_, chain)| chain.origin.device == device && chain.end.head.position > 0)
        };
        self.record.way != Way::Founded && !self.is_carrier() && !wrote()
    }

    /// Whether this device holds a ticket that its person did not take yet, and needs, since nothing else
    /// lets them in: an earlier one did not.
    fn has_new_ticket(&self) -> bool {
        let (access, person) = (self.members.access(), self.record.origin.person);
        let took = |ticket: &Ticket| self.logs.find(ticket.invite).is_some_and(|at| access.took(person, at));
        let ticket = self.record.way.invited().map(|invited| &invited.ticket);
        ticket.is_some_and(|ticket| !access.was_in(person) && !took(ticket))
    }

    /// Whether another ticket may be of use. Who was in before is let in again by an admin.
    fn may_join(&self) -> bool {
        let was_in = self.members.access().was_in(self.record.origin.person);
        self.is_joining() || self.refused.is_some() || !was_in
    }

    /// Whether nobody was told the name of this device's person yet.
    fn is_unnamed(&self) -> bool {
        !self.state.has_values(EntityKey::new(Kind::Profile, self.record.origin.person.into()))
    }

    /// The access rule as it would be if this device's person did something now. `Err`: it would
    /// have no effect.
    pub(super) fn tried(&self, kind: ActKind, need: Role) -> Result<Access, Refusal> {
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
    pub(super) fn revokes(&self) -> Vec<Draft> {
        self.members.open_invites().into_iter().map(|open| revocation(open.id)).collect()
    }
}

fn revocation(invite: EntryId) -> Draft {
    Draft::new(EntryKind::REVOKE, &Revoke { version: CONTROL_VERSION, invite })
}

/// What a ticket is to be like.
pub(super) struct TicketWish {
    pub role: Role,
    pub single_use: bool,
    pub expires_ms: u64,
    pub addresses: Vec<String>,
}

impl Replica {
    /// Withdraws own tickets that have done their service, and anybody's that somebody has seen who left
    /// without being able to withdraw them. Only when another device holds the same as
    /// this one: a device that returns late would undo the joining of people it has not heard of.
    pub(super) fn withdraw_spent(&mut self, now: Now, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let may_write = self.read_only.is_none() && !holding.state.needs_update() && holding.syncs(now);
        if !may_write || holding.may(Role::Admin).is_err() {
            return;
        }
        let spent = holding.members.spent_invites(self.identity.device_id(), now.wall_ms);
        if spent.is_empty() {
            return;
        }
        self.write_unasked(now, workspace, spent.into_iter().map(revocation).collect(), logs);
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
        self.check_opened(id)?;
        let before = self.holdings.get(&id).and_then(|holding| holding.record.way.invited().cloned());
        let mut earlier = before.map_or_else(Vec::new, |before| {
            before.earlier.into_iter().chain([before.ticket]).filter(|before| *before != ticket).collect()
        });
        earlier.truncate(limits::EARLIER_TICKETS);
        let way = Way::Invited(Box::new(Invited { ticket, person_name, earlier }));
        match self.holdings.get_mut(&id) {
            Some(holding) if holding.may_join() => {
                holding.refused = None;
                holding.record = WorkspaceRecord { secret, way, ..holding.record.clone() };
                let renewed = holding.renew_ring(&self.identity, reader_of(logs, id));
                self.outputs.push_back(Output::Remember(holding.record.clone()));
                if let Err(error) = renewed {
                    // The old ring stays; a restart makes the one under the new ticket.
                    self.store_failed(id, None, &error);
                }
            }
            Some(holding) => {
                holding.may(Role::Viewer)?;
                return Err(Refusal::AlreadyJoined);
            }
            None => {
                let origin = self.origin(false);
                self.add(WorkspaceRecord::new(id, secret, origin, way));
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
                let is_unused = holding.is_joining() || holding.has_new_ticket();
                let (is_unnamed, person) = (holding.is_unnamed(), holding.record.origin.person);
                if is_unused {
                    self.use_ticket(now, &ticket, logs);
                } else if !holding.members.access().was_in(person) {
                    // It was withdrawn by somebody who had not seen it used.
                    self.refuse_ticket(workspace, Refused::Seen);
                } else {
                    self.accept_ticket(workspace);
                }
                // Another device of the same person may have said it.
                if is_unnamed {
                    self.introduce(now, workspace, &person_name, logs);
                }
            }
            Way::Linked { .. } | Way::Carried { .. } if may_write => {
                let person = self.identity.person;
                if holding.is_joining() && holding.members.access().role_of(person).is_some() {
                    // Nothing to say but the Link that every log starts with.
                    self.write_unasked(now, workspace, Vec::new(), logs);
                }
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
            return self.refuse_ticket(workspace, Refused::OfAnother);
        }
        let is_open = holding.members.access().invites().any(|(open, _)| open == at);
        if !is_key || !is_open {
            return self.refuse_ticket(workspace, Refused::Seen);
        }
        let origin = holding.record.origin;
        let join = Join::new(workspace, ticket.invite, &key, &origin, self.identity.introduction());
        let join = Draft { auth: Some(ticket.invite), ..Draft::new(EntryKind::JOIN, &join) };
        self.write_unasked(now, workspace, vec![join], logs);
    }

    /// The ticket is not good: it was withdrawn, or is not what its entry says.
    pub(super) fn refuse_ticket(&mut self, workspace: WorkspaceId, how: Refused) {
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        let before = holding.refused.replace(how);
        if let (Refused::Told { granted }, Some(sure)) = (how, before) {
            // What the entries say is surer, and so is the word of who is in by no ticket.
            let is_firmer = granted && matches!(sure, Refused::Told { .. });
            holding.refused = if is_firmer { Some(how) } else { before };
        }
        if before.is_none() {
            let reason = how.words().to_owned();
            self.outputs.push_back(Output::Event(Event::JoinRefused { workspace, reason }));
        }
    }

    /// By the entries held, its person is in. What a peer says otherwise stays said while it can be true.
    fn accept_ticket(&mut self, workspace: WorkspaceId) {
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            let may_be = holding.hangs_on_ticket();
            holding.refused =
                holding.refused.filter(|refused| matches!(refused, Refused::Told { .. }) && may_be);
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
        let open = holding.members.open_invites();
        let at = holding.logs.find(invite).filter(|_| open.iter().any(|open| open.id == invite));
        let Some(at) = at else {
            return Err(Refusal::Ticket("there is no such open ticket: see `velo invite list`".to_owned()));
        };
        holding.tried(ActKind::Revoke { invite: at }, Role::Admin)?;
        self.write(now, workspace, vec![revocation(invite)], request, |_| Reply::Done, logs);
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
}

impl Holding {
    /// What to write so that somebody has another role; nothing if they have it.
    fn role_drafts(&self, person: PersonId, role: Option<Role>) -> Result<Vec<Draft>, Refusal> {
        let access = self.members.access();
        let (now, own) = (access.role_of(person), person == self.record.origin.person);
        if now.is_none() && access.why_out(person).is_none() && !self.is_relay(person) {
            return Err(Refusal::Role("there is no such person here: see `velo member list`".to_owned()));
        }
        if now == role {
            return Ok(Vec::new());
        }
        if own && role.is_none() && access.members().count() == 1 {
            let words = "you are the only one in this workspace: nobody could let you in again";
            return Err(Refusal::Role(words.to_owned()));
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
        let mut drafts = vec![cap];
        if role.is_none() && self.may(Role::Admin).is_ok() {
            // Before one's own leaving, since one may do nothing after; after a removal, which names what is
            // to count of the other's.
            drafts.splice(if own { 0..0 } else { 1..1 }, self.revokes());
        }
        Ok(drafts)
    }

    fn is_only_owner(&self) -> bool {
        self.members.access().members().filter(|(_, role)| *role == Role::Owner).count() == 1
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
