//! `velo relay`: how its answers are laid out.

use super::{
    Layout,
    output::{GOOD, Table, lines, styled},
    read,
};
use crate::api::{
    Action,
    relay::{RelayRole, RelayRow, Request},
};

/// What is asked, and how the answer is laid out.
pub(super) fn request(request: Request) -> (Action, Layout) {
    let layout = layout(&request);
    (Action::Relay(request), layout)
}

fn layout(request: &Request) -> Layout {
    match request {
        Request::List => |json| Ok(relays(&read::<Vec<RelayRow>>(json)?)),
        Request::Add(_) => |json| {
            let shown = relays(&read::<Vec<RelayRow>>(json)?);
            let told = styled(GOOD, "The relay carries this workspace.");
            let uses = "Everybody here uses it from now on. It reads nothing unless it is given a role";
            Ok(format!("{told} {uses}.\n\n{shown}"))
        },
        Request::Remove(_) => |json| {
            let shown = relays(&read::<Vec<RelayRow>>(json)?);
            Ok(format!("That relay carries this workspace no more. What it has it keeps.\n\n{shown}"))
        },
        Request::Role(set) => match set.role {
            RelayRole::None => |json| {
                let shown = relays(&read::<Vec<RelayRow>>(json)?);
                Ok(format!("From now on the relay reads nothing new.\n\n{shown}"))
            },
            RelayRole::Viewer | RelayRole::Member => |json| {
                let shown = relays(&read::<Vec<RelayRow>>(json)?);
                Ok(format!("The relay is given the keys as soon as it is met.\n\n{shown}"))
            },
        },
    }
}

fn relays(rows: &[RelayRow]) -> String {
    let mut table = Table::new(["RELAY", "MAY", "STATE", "ADDRESS"]);
    for row in rows {
        table.row([
            row.id.short(),
            row.role.map_or_else(|| "carry".to_owned(), |role| role.name().to_owned()),
            row.told(),
            row.addresses.join(" "),
        ]);
    }
    let table = table.show("No relay carries this workspace: `velo relay add ADDRESS` asks one.");
    let told = |row: &RelayRow| -> Vec<String> {
        row.amiss().map(|why| format!("{}: {why}", row.id.short())).collect()
    };
    let amiss = lines(rows.iter().flat_map(told));
    if amiss.is_empty() { table } else { format!("{table}\n{amiss}") }
}
