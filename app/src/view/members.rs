//! Who is in the workspace, ready to be shown: people with their devices, open tickets, and those
//! who are no longer in. What may be done with each is decided here too, by [`Standing`].

use super::{
    conflict::capital,
    date::{self, Moment},
    directory::{color_of, initials},
    peers,
    standing::Standing,
};
use crate::{
    bridge::{Me, Peer},
    icons,
};
use velo_protocol::{
    access::Role,
    id::{DeviceId, EntryId, PersonId},
    model::{EntityKey, Kind},
    roster::{OpenInvite, Parting},
    workspace::Workspace,
};

/// A person's name and looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// Which person.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// For the avatar.
    pub initials: String,
    /// Their accent.
    pub color: usize,
}

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub face: Face,
    /// What they may do.
    pub role: Role,
    /// Whether it is whoever is at this device.
    pub you: bool,
    /// By which people know them.
    pub words: String,
    /// When they came in; empty if nobody knows yet.
    pub joined: String,
    /// Their devices, this one first.
    pub devices: Vec<Device>,
    /// The roles they may be given, or why none.
    pub roles: Result<Vec<Role>, String>,
    /// Whether they may be removed, or may leave; or why not.
    pub part: Result<(), String>,
}

/// A device of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// The first digits of its key.
    pub short: String,
    /// By which people know it.
    pub words: String,
    /// Whether it is this one.
    pub here: bool,
    /// Whether it is connected.
    pub connected: bool,
    /// When it was seen.
    pub seen: String,
    /// Whether it may be taken from its person here.
    pub unlink: bool,
}

/// A ticket with which somebody can join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The entry that made it.
    pub id: EntryId,
    /// What it gives.
    pub role: Role,
    /// Who made it, and until when it can be used.
    pub text: String,
    /// Whether its time is over.
    pub expired: bool,
}

/// Somebody who is no longer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Who.
    pub face: Face,
    /// Why.
    pub why: String,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Those who are in, the strongest role first.
    pub people: Vec<Person>,
    /// Open tickets.
    pub tickets: Vec<Ticket>,
    /// Those who were in.
    pub former: Vec<Former>,
}

/// Reads everybody.
pub fn read(workspace: &Workspace, me: Me, standing: &Standing, peers: &[Peer], moment: Moment) -> Members {
    let roster = workspace.roster();
    let person = |(id, member): (&PersonId, &velo_protocol::roster::Standing)| {
        let you = *id == me.person;
        Person {
            face: face(workspace, *id),
            role: member.role,
            you,
            words: id.words(),
            joined: joined(workspace, *id, moment),
            devices: devices(&member.devices, you, me.device, standing, peers, moment),
            roles: if you { standing.own_roles() } else { standing.roles_for(Some(member.role)) },
            part: if you { standing.leave() } else { standing.outrank(Some(member.role)) },
        }
    };
    let mut people: Vec<Person> = roster.members.iter().map(person).collect();
    people.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.face.name.cmp(&b.face.name)));
    let former = |(id, why): (&PersonId, &Parting)| Former {
        face: face(workspace, *id),
        why: parted(workspace, *why),
    };
    let mut former: Vec<Former> = roster.former.iter().map(former).collect();
    former.sort_by(|a, b| a.face.name.cmp(&b.face.name));
    let mut tickets: Vec<&OpenInvite> = roster.invites.iter().collect();
    tickets.sort_by_key(|open| (open.expires_ms, open.id));
    let tickets = tickets.into_iter().map(|open| ticket(workspace, me, open, moment)).collect();
    Members { people, tickets, former }
}

impl Members {
    /// The name of somebody who is or was in.
    pub fn name(&self, person: PersonId) -> &str {
        let people = self.people.iter().map(|person| &person.face);
        let mut faces = people.chain(self.former.iter().map(|former| &former.face));
        faces.find(|face| face.person == person).map_or("somebody", |face| &face.name)
    }
}

/// A role as people read it.
pub fn role_name(role: Role) -> String {
    capital(role.name())
}

/// The icon of a role.
pub const fn role_icon(role: Role) -> &'static str {
    match role {
        Role::Owner => icons::CROWN,
        Role::Admin => icons::SHIELD,
        Role::Member => icons::USER,
        Role::Viewer => icons::EYE,
    }
}

/// What a role may do, in few words.
pub const fn role_note(role: Role) -> &'static str {
    match role {
        Role::Owner => "Also decides who is an admin or owner",
        Role::Admin => "Also lets people in and out",
        Role::Member => "Reads and changes everything",
        Role::Viewer => "Reads everything, changes nothing",
    }
}

/// A role with its article: "a viewer", "an owner".
pub fn a_role(role: Role) -> String {
    let article = if role >= Role::Admin { "an" } else { "a" };
    format!("{article} {}", role.name())
}

fn face(workspace: &Workspace, person: PersonId) -> Face {
    let name = workspace.person_name(person);
    Face { person, initials: initials(&name), name, color: color_of(&person.0[..4]) }
}

/// A person's profile is the first thing they write.
fn joined(workspace: &Workspace, person: PersonId, moment: Moment) -> String {
    let created = workspace.created(EntityKey::new(Kind::Profile, person.into()));
    created.map_or_else(String::new, |(when, _)| {
        format!("Joined {}", within(&date::day_text(moment.day_of(when.ms()), moment.today())))
    })
}

/// "Today" within a sentence; names of weekdays stay as they are.
fn within(day: &str) -> String {
    let relative = ["Today", "Yesterday", "Tomorrow"].iter().any(|word| day.starts_with(word));
    if relative { day.to_lowercase() } else { day.to_owned() }
}

fn devices(
    all: &[DeviceId],
    own: bool,
    here: DeviceId,
    standing: &Standing,
    peers: &[Peer],
    moment: Moment,
) -> Vec<Device> {
    // Without any device left one could not even come back.
    let spare = own && all.len() > 1 && standing.role().is_some();
    let device = |id: &DeviceId| {
        let peer = peers.iter().find(|peer| peer.status.peer == *id);
        let connected = peer.is_some_and(|peer| peer.status.connected);
        Device {
            id: *id,
            short: id.short(),
            words: id.words(),
            here: *id == here,
            connected,
            seen: peer.map_or_else(|| "Not met yet".to_owned(), |peer| peers::seen(peer, moment)),
            unlink: spare,
        }
    };
    let mut devices: Vec<Device> = all.iter().map(device).collect();
    devices.sort_by_key(|device| (!device.here, !device.connected, device.id));
    devices
}

fn ticket(workspace: &Workspace, me: Me, open: &OpenInvite, moment: Moment) -> Ticket {
    let by = if open.by == me.person { "you".to_owned() } else { workspace.person_name(open.by) };
    let expired = open.expires_ms < moment.wall_ms;
    let verb = if expired { "Expired" } else { "Expires" };
    let text = format!("{verb} {} · made by {by}", within(&date::at(open.expires_ms, moment)));
    Ticket { id: open.id, role: open.role, text, expired }
}

fn parted(workspace: &Workspace, why: Parting) -> String {
    match why {
        Parting::Removed(by) => format!("Removed by {}", workspace.person_name(by)),
        Parting::Left => "Left".to_owned(),
        Parting::Undone => "What let them in was taken back".to_owned(),
    }
}
