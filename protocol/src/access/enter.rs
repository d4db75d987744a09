//! Taking an act in: whether it is well-formed, and who has to know of it.
//!
//! Whether an act is well-formed depends on itself and its past only, so it is decided once.

use super::{Access, Act, ActKind, ActNo, Role, Stored, Verdict, Why, grant::Grant};
use crate::{causality::Frontier, store::EntryAt};

impl Access {
    /// Stores an act, not yet judged.
    pub(super) fn enter(&mut self, act: Act, past: Frontier) -> ActNo {
        let no = ActNo(self.acts.0.len() as u32);
        let cites = act.auth.and_then(|at| self.numbers.get(&at).copied());
        let formed = self.is_well_formed(&act, cites, &past);
        let grant = if formed { self.grant_of(no, &act, cites, &past) } else { None };
        let seen = if formed && act.kind.is_judge() { past } else { Frontier::default() };
        self.numbers.insert(act.at, no);
        let (cited_by, revoked_by) = (Vec::new(), Vec::new());
        let (below, verdict) = (self.unlinks_below(&act), Verdict::Void(Why::Malformed));
        self.acts.0.push(Stored { act, cites, formed, grant, seen, below, cited_by, revoked_by, verdict });
        if formed {
            self.list(no);
        }
        no
    }

    fn is_well_formed(&self, act: &Act, cites: Option<ActNo>, past: &Frontier) -> bool {
        if act.kind == ActKind::Genesis {
            return true;
        }
        let authority = cites.map(|no| &self.acts[no]).filter(|cited| past.contains(cited.act.at));
        match authority.filter(|cited| cited.formed) {
            None => false,
            Some(invite) if act.kind == ActKind::Join => matches!(invite.act.kind, ActKind::Invite { .. }),
            Some(Stored { grant, .. }) => {
                let own = grant.as_ref().filter(|grant| grant.subject == act.person);
                own.is_some_and(|grant| self.may_ever(act, grant.role, past))
            }
        }
    }

    /// Whether a grant of `role` could allow an act, if nobody took anything away.
    fn may_ever(&self, act: &Act, role: Role, past: &Frontier) -> bool {
        match act.kind {
            ActKind::Grant { role: given, .. } => role >= given.given_by(),
            ActKind::Cap { subject, .. } => role >= Role::Admin || subject == act.person,
            ActKind::Invite { role: given } => role >= Role::Admin && given <= Role::Member,
            ActKind::Revoke { invite } => {
                role >= Role::Admin && past.contains(invite) && self.is_invite(invite)
            }
            ActKind::Link | ActKind::Unlink { .. } => true,
            ActKind::Genesis | ActKind::Join | ActKind::Unreadable => false,
        }
    }

    fn is_invite(&self, at: EntryAt) -> bool {
        self.act(at).is_some_and(|act| matches!(act.kind, ActKind::Invite { .. }))
    }

    /// What a well-formed act grants.
    fn grant_of(&self, no: ActNo, act: &Act, cites: Option<ActNo>, past: &Frontier) -> Option<Grant> {
        let mut grant = match act.kind {
            ActKind::Genesis => Grant::new(self, no, None, act.person, Role::Owner),
            ActKind::Grant { subject, role } => Grant::new(self, no, cites, subject, role),
            ActKind::Join => {
                let invite = &self.acts[cites?];
                let ActKind::Invite { role } = invite.act.kind else { return None };
                Grant { joined: true, ..Grant::new(self, no, invite.cites, act.person, role) }
            }
            _ => return None,
        };
        let caps = self.people.get(&grant.subject).map_or(&[][..], |person| &person.caps);
        grant.knew = caps.iter().copied().filter(|cap| past.contains(self.acts[*cap].act.at)).collect();
        Some(grant)
    }

    /// Lists an act where it will be looked for.
    fn list(&mut self, no: ActNo) {
        let Stored { act: Act { person, device, kind, .. }, cites, ref grant, .. } = self.acts[no];
        let granted = grant.as_ref().map(|grant| grant.subject);
        if let Some(cited) = cites {
            self.acts[cited].cited_by.push(no);
        }
        if let Some(subject) = granted {
            self.person(subject).grants.push(no);
        }
        let author = self.person(person);
        author.acts.push(no);
        author.devices.acted(device);
        match kind {
            ActKind::Cap { subject, .. } => self.person(subject).caps.push(no),
            ActKind::Unlink { device } => self.person(person).devices.add_unlink(no, device),
            ActKind::Invite { .. } => self.invites.push(no),
            ActKind::Join => {
                if let Some(inviter) = cites.map(|invite| self.acts[invite].act.person) {
                    self.person(inviter).joins.push(no);
                }
            }
            ActKind::Revoke { invite } => {
                if let Some(&invite) = self.numbers.get(&invite) {
                    self.acts[invite].revoked_by.push(no);
                }
            }
            ActKind::Genesis | ActKind::Grant { .. } | ActKind::Link | ActKind::Unreadable => {}
        }
    }
}
