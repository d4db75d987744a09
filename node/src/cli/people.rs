//! `velo member`, `velo device`: how their answers are laid out.

use super::{
    Layout,
    output::{NOTICE, Table, count, lines, styled},
    read,
};
use crate::api::{
    device::{self, DeviceRow, SignedChallenge},
    member::{self, AboutAnswer, Changed, Former, MemberRow, Posted, RoleName},
};
use serde_json::{Error, Value as Json};

/// How the answer to a request on people is laid out.
pub(super) fn member_layout(request: &member::Request) -> Layout {
    match request {
        member::Request::List(_) => |json| {
            let rows = read::<Vec<MemberRow>>(json)?;
            Ok(with_void(members(&rows), rows.iter().find(|row| row.you)))
        },
        member::Request::Role(_) => role_changed,
        member::Request::Remove(_) => removed,
        member::Request::Leave(_) => |json| {
            read::<Changed>(json)?;
            Ok("You left. What is here stays readable on this device; what you change reaches nobody. An admin \
                can let you in again.\n"
                .to_owned())
        },
        member::Request::PostAgain(_) => posted,
        member::Request::About(_) => |json| Ok(members(&[read::<AboutAnswer>(json)?.member])),
    }
}

/// People, with what they may do, or why they are out.
pub(super) fn members(rows: &[MemberRow]) -> String {
    let mut table = Table::new(["MEMBER", "ROLE", "DEVICES", "PERSON"]);
    for row in rows {
        let name = if row.you { format!("{} (you)", row.name) } else { row.name.clone() };
        let devices = if row.role.is_some() { row.devices.to_string() } else { String::new() };
        table.row([name, standing(row), devices, row.person.short()]);
    }
    table.show("No members are known yet.")
}

/// A list, and below it what of one's own has no effect.
pub(super) fn with_void(shown: String, you: Option<&MemberRow>) -> String {
    match you.and_then(without_effect) {
        Some(words) => format!("{shown}\n{}\n", styled(NOTICE, &words)),
        None => shown,
    }
}

/// What somebody did that has no effect, and what can be done about it.
pub(super) fn without_effect(row: &MemberRow) -> Option<String> {
    let changes = match row.without_effect {
        0 => return None,
        1 => "1 of your changes".to_owned(),
        many => format!("{many} of your changes"),
    };
    let has = if row.without_effect == 1 { "has" } else { "have" };
    let them = if row.without_effect == 1 { "it" } else { "them" };
    Some(match (row.role, &row.former) {
        (Some(RoleName::Viewer), _) => format!(
            "{changes} from while you were out {has} no effect: once you are a member, `velo member post-again` \
             posts {them} again"
        ),
        (Some(_), _) => format!(
            "{changes} from while you were out {has} no effect: `velo member post-again` posts {them} again, \
             `velo member post-again --let-go` lets {them} go"
        ),
        (None, former) => {
            let after = match former {
                Some(Former::Removed { .. }) => "you were removed",
                Some(Former::Left) => "you left",
                _ => "what let you in was taken back",
            };
            format!(
                "{changes} came after {after}, and {has} no effect: if you are let in again you can post {them} again"
            )
        }
    })
}

fn posted(json: &Json) -> Result<String, Error> {
    let Posted { let_go, changes, operations, kept } = read(json)?;
    let what = count(changes, "change");
    let told = match (let_go, operations) {
        (true, _) => format!("Let go of {what}. Nothing of that is offered again."),
        (false, 0) => format!("Nothing of {what} was left to post again."),
        (false, written) => {
            format!("Posted {what} again with {}. `velo undo` takes that back.", count(written, "operation"))
        }
    };
    let left = if kept.is_empty() { String::new() } else { "Left as it is:\n".to_owned() };
    let kept = lines(kept.iter().map(|line| format!("  {}", styled(NOTICE, line))));
    Ok(format!("{told}\n{left}{kept}"))
}

/// What somebody may do, or why they are out.
pub(super) fn standing(row: &MemberRow) -> String {
    match (row.role, &row.former) {
        (Some(role), _) => role.name().to_owned(),
        (None, Some(former)) => former.words(),
        (None, None) => "not in yet".to_owned(),
    }
}

fn role_changed(json: &Json) -> Result<String, Error> {
    let Changed { member, before, .. } = read(json)?;
    let Some(role) = member.role else {
        return Ok(format!("{} is not in: {}\n", member.name, standing(&member)));
    };
    let (who, is) = if member.you { ("You".to_owned(), "are") } else { (member.name.clone(), "is") };
    let what = role.with_article();
    Ok(match before {
        Some(same) if same == role => format!("{who} {is} {what} already.\n"),
        Some(before) if stands_above(before, role) => {
            let note = format!(
                "What it takes more than {what} to do, and this device had not seen yet, has no effect any more."
            );
            format!("{who} {is} {what} now: {}. {note}\n", may(role))
        }
        Some(_) => format!("{who} {is} {what} now: {}.\n", may(role)),
        None => format!(
            "{who} {is} in again, as {what}: {}. What had no effect meanwhile still has none, until its author \
             posts it again.\n",
            may(role)
        ),
    })
}

fn stands_above(one: RoleName, other: RoleName) -> bool {
    velo_protocol::access::Role::from(one) > other.into()
}

fn may(role: RoleName) -> &'static str {
    match role {
        RoleName::Owner => "may do everything, and appoint admins and owners",
        RoleName::Admin => "makes tickets, and lets members and viewers in and out",
        RoleName::Member => "reads and writes",
        RoleName::Viewer => "reads",
    }
}

fn removed(json: &Json) -> Result<String, Error> {
    let Changed { member, withdrawn, .. } = read(json)?;
    let name = member.name;
    let tickets = match withdrawn {
        0 => String::new(),
        count => format!(" Open tickets were withdrawn: {count}."),
    };
    Ok(format!(
        "{name} is removed: what {name}'s devices wrote that you had not seen has no effect, on every \
         device.{tickets} {name} keeps what was read until now.\n"
    ))
}

/// How the answer to a request on devices is laid out.
pub(super) fn device_layout(request: &device::Request) -> Layout {
    match request {
        device::Request::List(_) => |json| {
            let mut table = Table::new(["DEVICE", "PERSON", "STATE", "WORDS"]);
            for row in read::<Vec<DeviceRow>>(json)? {
                let state = match (row.this, row.connected) {
                    (true, _) => "this device".to_owned(),
                    (false, true) => "connected".to_owned(),
                    (false, false) => styled(NOTICE, "not connected"),
                };
                table.row([row.device.short(), row.name, state, row.words]);
            }
            Ok(table.show("No device of yours is in this workspace."))
        },
        device::Request::Unlink(_) => |json| {
            let row: DeviceRow = read(json)?;
            let id = row.device.short();
            let which = if row.this { "This device".to_owned() } else { format!("Device {id}") };
            Ok(format!(
                "{which} is no longer yours, in all workspaces that are here: what it wrote that was not seen here has no effect, \
                 on every device. It keeps what was read until now.\n"
            ))
        },
        device::Request::SignChallenge(_) => {
            |json| read::<SignedChallenge>(json).map(|signed| format!("{}\n", signed.signature))
        }
    }
}
