//! What a question before something grave says: what will happen, point by point, and what will not.

use super::{
    members::{self, Members, a_role},
    standing::{Place, Standing},
    state::Confirm,
};
use crate::{command::AppCommand, icons};
use velo_protocol::access::Role;

/// A question with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub title: String,
    /// What will happen: an icon and a sentence each.
    pub points: Vec<(&'static str, String)>,
    /// The button that says yes.
    pub done: String,
    /// What it does.
    pub command: AppCommand,
}

/// The question before a deed.
pub fn question(confirm: Confirm, members: &Members, standing: &Standing) -> Question {
    match confirm {
        Confirm::Remove(person) => Question {
            title: format!("Remove {}?", members.name(person)),
            points: removal(members.name(person), members.tickets.len()),
            done: format!("Remove {}", members.name(person)),
            command: AppCommand::SetRole(person, None),
        },
        Confirm::Leave => leaving(members),
        Confirm::StepDown(role) => stepping_down(role, members),
        Confirm::Unlink(device) => unlinking(device, members),
        Confirm::LetGo(count) => letting_go(count),
        Confirm::Forget => forgetting(standing),
    }
}

fn removal(name: &str, tickets: usize) -> Vec<(&'static str, String)> {
    let unseen = format!(
        "What {name}’s devices wrote that has not reached this device yet has no effect, on any device. What \
         has reached it stays."
    );
    let read = format!("{name} keeps what they have read so far: nobody can take that back.");
    let open = match tickets {
        0 => "No ticket is open. Otherwise all would be withdrawn.".to_owned(),
        1 => "The open ticket is withdrawn: nobody knows whether they have seen it.".to_owned(),
        many => format!("All {many} open tickets are withdrawn: nobody knows which ones they have seen."),
    };
    let back = format!("{name} can be let in again: give them a role under “Former people”.");
    vec![(icons::CLOUD_OFF, unseen), (icons::EYE, read), (icons::TICKET_X, open), (icons::UNDO_2, back)]
}

fn leaving(members: &Members) -> Question {
    let you = members.people.iter().find(|person| person.you);
    let alone = members.people.len() < 2;
    let back = if alone {
        "Nobody else is in: nobody can let you in again, and nothing here can be changed any more."
    } else {
        "To come back, ask an owner or an admin: they find you under “Former people”."
    };
    Question {
        title: "Leave this workspace?".to_owned(),
        points: vec![
            (icons::LOG_OUT, "What you did so far stays, for everybody.".to_owned()),
            (icons::EYE, "What is on this device can still be read here, but not be changed.".to_owned()),
            (icons::UNDO_2, back.to_owned()),
        ],
        done: "Leave workspace".to_owned(),
        command: you.map_or(AppCommand::Close, |you| AppCommand::SetRole(you.face.person, None)),
    }
}

fn stepping_down(role: Role, members: &Members) -> Question {
    let you = members.people.iter().find(|person| person.you);
    let own = you.map_or(role, |you| you.role);
    let able = if own.given_by() == Role::Owner { "an owner" } else { "an owner or an admin" };
    Question {
        title: format!("Become {}?", a_role(role)),
        points: vec![
            (members::role_icon(role), format!("{}.", members::role_note(role))),
            (icons::UNDO_2, format!("Only {able} can make you {} again.", a_role(own))),
        ],
        done: format!("Become {}", a_role(role)),
        command: you.map_or(AppCommand::Close, |you| AppCommand::SetRole(you.face.person, Some(role))),
    }
}

fn unlinking(device: velo_protocol::id::DeviceId, members: &Members) -> Question {
    let devices = members.people.iter().filter(|person| person.you).flat_map(|person| &person.devices);
    let here = devices.clone().any(|own| own.id == device && own.here);
    let (title, unseen, after) = if here {
        (
            "Unlink this device?".to_owned(),
            "What you did here stays, if it has reached another device.",
            "This device can still be read, but what you do on it reaches nobody. Go on with another one of \
             yours.",
        )
    } else {
        (
            format!("Unlink device {}?", device.short()),
            "What it wrote that has not reached this device yet has no effect, on any device.",
            "What is stored on it stays readable there: if it was lost, expect that somebody reads it.",
        )
    };
    Question {
        title,
        points: vec![(icons::CLOUD_OFF, unseen.to_owned()), (icons::EYE, after.to_owned())],
        done: "Unlink device".to_owned(),
        command: AppCommand::Unlink(device),
    }
}

fn letting_go(count: usize) -> Question {
    let (what, they) = match count {
        1 => ("this change".to_owned(), "It has"),
        many => (format!("these {many} changes"), "They have"),
    };
    Question {
        title: format!("Leave {what}?"),
        points: vec![
            (icons::CLOUD_OFF, format!("{they} no effect, on any device, and that stays so.")),
            (
                icons::UNDO_2,
                "Posting again is not offered any more. You can still do the same by hand.".to_owned(),
            ),
        ],
        done: "Leave without effect".to_owned(),
        command: AppCommand::LetGo,
    }
}

fn forgetting(standing: &Standing) -> Question {
    let lost = match (&standing.place, standing.void_work()) {
        (Place::Waiting, _) => "Nothing of it has arrived yet: the ticket is given up.".to_owned(),
        (_, 0) => "What you did here and nobody else has is gone for good.".to_owned(),
        (_, 1) => "1 of your changes, which has no effect, is gone for good.".to_owned(),
        (_, many) => format!("{many} of your changes, which have no effect, are gone for good."),
    };
    let back = match standing.place {
        Place::Removed(_) | Place::Left => "Once you are let in again, a new ticket brings it here.",
        _ => "A new ticket brings it here again.",
    };
    let read = "Its files on this device are deleted: it cannot be read here any more.".to_owned();
    Question {
        title: "Remove this workspace from this device?".to_owned(),
        points: vec![
            (icons::TRASH_2, read),
            (icons::CLOUD_OFF, lost),
            (icons::USERS, "The others keep what they have.".to_owned()),
            (icons::UNDO_2, back.to_owned()),
        ],
        done: "Remove from this device".to_owned(),
        command: AppCommand::Forget,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::members::{Face, Former};
    use velo_protocol::id::{DeviceId, PersonId};

    fn members() -> Members {
        let person = PersonId([2; 32]);
        let face = Face { person, name: "Ben".into(), initials: "B".into(), color: 0 };
        Members { former: vec![Former { face, why: "Left".into() }], ..Members::default() }
    }

    #[test]
    fn removing_says_what_happens_and_what_does_not() {
        let question = question(Confirm::Remove(PersonId([2; 32])), &members(), &Standing::default());
        assert_eq!((question.title.as_str(), question.done.as_str()), ("Remove Ben?", "Remove Ben"));
        let told = question.points.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(" ");
        for part in ["no effect, on any device", "Ben keeps what they have read", "ticket", "let in again"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(
            removal("Ben", 3)[2].1,
            "All 3 open tickets are withdrawn: nobody knows which ones they have seen."
        );
    }

    #[test]
    fn removing_a_workspace_says_what_is_lost_and_what_is_not() {
        let question = question(Confirm::Forget, &members(), &Standing::default());
        let told = question.points.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(" ");
        for part in
            ["files on this device are deleted", "ticket is given up", "others keep", "brings it here"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(question.command, AppCommand::Forget);
    }

    #[test]
    fn nobody_is_asked_about_a_device_without_its_name() {
        let device = DeviceId([7; 32]);
        let question = question(Confirm::Unlink(device), &members(), &Standing::default());
        assert_eq!(question.title, "Unlink device 07070707?");
        assert_eq!(question.command, AppCommand::Unlink(device));
    }
}
