//! `velo workspace`, `peers`, `sync`, `status`, `history`, `undo`, `redo`,
//! `import`: how their answers are laid out.

use super::{
    Layout,
    output::{BAD, GOOD, NOTICE, Table, count, fields, lines, styled},
    people, read,
};
use crate::{
    api::{
        history::{HistoryRow, Undone},
        import::Report,
        network::{self, AddAnswer, PeerRow, RelayRow, SyncAnswer},
        status::Status,
        workspace::{self, Forgotten, WorkspaceDetail, WorkspaceRow},
    },
    keystore::Standing,
};
use serde_json::{Error, Value as Json};

/// How the answer to a request on workspaces is laid out.
pub(super) fn workspace_layout(request: &workspace::Request) -> Layout {
    match request {
        workspace::Request::Create(_) => |json| {
            let row: WorkspaceRow = read(json)?;
            let next = "Next: `velo project add NAME`, and `velo invite` for a ticket that lets others join.";
            Ok(format!("Started workspace \"{}\"\n{next}\n", row.name))
        },
        workspace::Request::List => |json| Ok(workspaces(&read::<Vec<WorkspaceRow>>(json)?, NO_WORKSPACES)),
        workspace::Request::Show => workspace,
        workspace::Request::AutoSync(_) => |json| {
            let row: WorkspaceRow = read(json)?;
            let name = titled(&row);
            Ok(if row.auto_sync {
                format!("Automatic sync is on for {name}.\n")
            } else {
                format!(
                    "Automatic sync is off for {name}: `velo sync` compares with the others for half a minute.\n"
                )
            })
        },
        workspace::Request::Forget(_) => forgotten,
    }
}

fn workspace(json: &Json) -> Result<String, Error> {
    let detail: WorkspaceDetail = read(json)?;
    let head = fields(&[
        ("Workspace", detail.workspace.name),
        ("Projects", detail.workspace.projects.to_string()),
        ("Tasks", detail.workspace.tasks.to_string()),
        ("Conflicts", detail.workspace.conflicts.to_string()),
        ("State", detail.state_hash),
        ("Id", detail.workspace.id.to_string()),
    ]);
    let shown = format!("{head}\n{}", people::members(&detail.people));
    Ok(people::with_void(shown, detail.you.as_ref()))
}

fn forgotten(json: &Json) -> Result<String, Error> {
    let Forgotten { workspace, without_effect } = read(json)?;
    let gone = match without_effect {
        0 => String::new(),
        some => format!(", and with them {} of yours that had no effect", count(some, "change")),
    };
    let name = titled(&workspace);
    Ok(format!(
        "Removed {name} from this device: its files here are deleted{gone}. The others keep what they have.\n"
    ))
}

/// A workspace within a sentence.
pub(super) fn titled(row: &WorkspaceRow) -> String {
    if row.name.is_empty() {
        "a workspace that has not arrived yet".to_owned()
    } else {
        format!("\"{}\"", row.name)
    }
}

const NO_WORKSPACES: &str = "No workspaces. Run `velo workspace create NAME` or `velo join TICKET`.";
/// Beginning another one is no way out where work lies that cannot be opened.
const NONE_OPENED: &str = "No workspace could be opened. Run `velo doctor`.";

/// What the person of this device is in a workspace, and whether this device may act for them.
pub(super) fn place(row: &WorkspaceRow) -> String {
    let Some(you) = &row.you else { return String::new() };
    match (you.role, row.device_is_in) {
        (Some(_), false) => "this device was taken away".to_owned(),
        _ => people::standing(you),
    }
}

/// Whether the person or the device is out, so that nothing done here reaches anybody.
pub(super) fn is_out(row: &WorkspaceRow) -> bool {
    row.you.as_ref().is_some_and(|you| you.former.is_some() || you.role.is_some() && !row.device_is_in)
}

fn workspaces(rows: &[WorkspaceRow], if_none: &str) -> String {
    let mut table =
        Table::new(["WORKSPACE", "PROJECTS", "TASKS", "MEMBERS", "CONFLICTS", "SYNC", "YOU", "ID"]);
    for row in rows {
        table.row([
            if row.name.is_empty() { "(not arrived yet)".to_owned() } else { row.name.clone() },
            row.projects.to_string(),
            row.tasks.to_string(),
            row.members.to_string(),
            row.conflicts.to_string(),
            if row.auto_sync { "by itself" } else { "when asked" }.to_owned(),
            place(row),
            row.id.short(),
        ]);
    }
    table.show(if_none)
}

/// How the answer to a request on the network is laid out.
pub(super) fn network_layout(request: &network::Request) -> Layout {
    match request {
        network::Request::List => |json| Ok(peers(&read::<Vec<PeerRow>>(json)?)),
        network::Request::Add(_) => |json| {
            let AddAnswer { reached, told, .. } = read(json)?;
            Ok(if reached {
                format!("{} {told}. The address is kept.\n", styled(GOOD, "Connected:"))
            } else {
                let kept = "The address is kept, and tried again; `velo doctor ADDRESS` says more";
                format!("{} {told}. {kept}.\n", styled(NOTICE, "Not reached yet:"))
            })
        },
        network::Request::Remove(_) => |json| {
            read::<Vec<PeerRow>>(json)?;
            Ok("Removed: it is not dialled any more.\n".to_owned())
        },
        network::Request::Sync(_) => synced,
    }
}

/// What a comparison with every peer came to.
pub(super) fn synced(json: &Json) -> Result<String, Error> {
    let SyncAnswer { synced, took_ms, peers: rows, out: _ } = read(json)?;
    let sharing = rows.iter().filter(|peer| peer.shares).count();
    let told = match (synced, sharing) {
        (true, _) => styled(GOOD, &format!("Synced with {} in {took_ms} ms", count(sharing, "peer"))),
        (false, 0) => {
            let told = "No peer was reached that shares this workspace. Is another device running? \
                        `velo peers add ADDRESS` names one.";
            styled(BAD, told)
        }
        (false, _) => styled(NOTICE, "Not synced yet:"),
    };
    Ok(format!("{told}\n{}", if synced || rows.is_empty() { String::new() } else { peers(&rows) }))
}

fn peers(rows: &[PeerRow]) -> String {
    let mut table =
        Table::new(["PEER", "DEVICE", "STATE", "PATH", "IT LACKS", "YOU LACK", "LAST SEEN", "ADDRESS"]);
    for row in rows {
        table.row([
            row.name.clone().or_else(|| row.relay.as_ref().map(|_| "relay".to_owned())).unwrap_or_default(),
            row.device.short(),
            peer_state(row).to_owned(),
            row.path.clone().unwrap_or_default(),
            it_lacks(row),
            you_lack(row),
            row.last_seen.clone().unwrap_or_else(|| "not yet".to_owned()),
            row.address.clone().unwrap_or_default(),
        ]);
    }
    let table =
        table.show("No peers met yet. On one LAN they find each other; else `velo peers add ADDRESS`.");
    let reasons = lines(rows.iter().flat_map(reasons));
    if reasons.is_empty() { table } else { format!("{table}\n{reasons}") }
}

/// Why a peer is not connected, or nothing moves, whole.
fn reasons(row: &PeerRow) -> Vec<String> {
    let who = row.title();
    let trouble = row.trouble.iter().filter(|_| !row.connected);
    row.breaches.iter().chain(trouble).chain(&row.stalls).map(|why| format!("{who}: {why}")).collect()
}

fn peer_state(row: &PeerRow) -> &'static str {
    match (row.connected, row.synced) {
        (true, _) if !row.shares => "no common workspace",
        (true, _) if !row.breaches.is_empty() => "not to be relied on",
        (true, _) if !row.stalls.is_empty() => "not moving",
        (true, true) => "synced",
        (true, false) if row.lacks == 0 && row.we_lack == 0 => "comparing",
        (true, false) => "syncing",
        (false, _) if row.last_seen.is_some() => "offline",
        (false, _) if row.address.is_none() => "no address known",
        (false, _) => "not reached yet",
    }
}

/// How many changes a peer has not acknowledged, as far as anybody knows.
fn it_lacks(row: &PeerRow) -> String {
    match (row.workspaces.is_empty(), row.lacks, row.lacks_own) {
        (true, ..) => String::new(),
        (false, 0, _) => "nothing".to_owned(),
        (false, lacks, 0) => lacks.to_string(),
        (false, lacks, own) => format!("{lacks} ({own} of yours)"),
    }
}

fn you_lack(row: &PeerRow) -> String {
    match (row.workspaces.is_empty(), row.we_lack) {
        (true, _) => String::new(),
        (false, 0) => "nothing".to_owned(),
        (false, some) => some.to_string(),
    }
}

/// The device at a glance.
pub(super) fn status(json: &Json) -> Result<String, Error> {
    let status: Status = read(json)?;
    let current = status.current.as_ref();
    let void = status.you.as_ref().and_then(people::without_effect);
    let shown = current.and_then(|current| status.workspaces.iter().find(|row| row.id == current.id));
    let role = match shown {
        Some(row) if is_out(row) => styled(BAD, &format!("{}: what you do here reaches nobody", place(row))),
        Some(row) => place(row),
        None => String::new(),
    };
    let if_none = if status.unopened.is_empty() { NO_WORKSPACES } else { NONE_OPENED };
    let shown = fields(&[
        ("Person", status.name.unwrap_or_default()),
        ("Your words", status.person.words()),
        ("Device", status.device.to_string()),
        ("Data", status.data_dir.display().to_string()),
        ("Reachable at", status.addresses.join("\n              ")),
        ("Relays", status.relays.iter().map(RelayRow::told).collect::<Vec<_>>().join("\n              ")),
        ("Read-only", status.read_only.unwrap_or_default()),
        ("Phrase", status.keys.map(phrase_words).unwrap_or_default()),
        ("Not opened", status.unopened.join("\n              ")),
        ("Workspace", current.map(|one| one.name.clone()).unwrap_or_default()),
        ("Your role", role),
        ("No effect", void.map(|words| styled(NOTICE, &words)).unwrap_or_default()),
        ("Conflicts", current.map(|one| one.conflicts.to_string()).unwrap_or_default()),
        ("State", current.map(|one| one.state_hash.clone()).unwrap_or_default()),
    ]);
    Ok(format!("{shown}\n{}\n{}", workspaces(&status.workspaces, if_none), peers(&status.peers)))
}

/// A reminder, as long as it is of use.
fn phrase_words(keys: Standing) -> String {
    if keys.phrase_confirmed { String::new() } else { styled(NOTICE, super::key::REMINDER) }
}

/// Entries, oldest first.
pub(super) fn history(json: &Json) -> Result<String, Error> {
    let mut table = Table::new(["WHEN", "WHO", "WHAT"]);
    for row in read::<Vec<HistoryRow>>(json)? {
        let more = row.what.len().saturating_sub(1);
        let first = row.what.into_iter().next().unwrap_or_default();
        let what = if more == 0 { first } else { format!("{first} (and {more} more)") };
        table.row([row.stamp.at, row.stamp.by, what]);
    }
    Ok(table.show("Nothing happened yet."))
}

/// What undo changed.
pub(super) fn undone(json: &Json) -> Result<String, Error> {
    let told = turned(json, "Taken back", "take back: everything is as it was before")?;
    let went_nowhere = read::<Undone>(json)?.operations == 0;
    let further = if went_nowhere { "The next `velo undo` goes one step further back.\n" } else { "" };
    Ok(format!("{told}{further}"))
}

/// What redo changed.
pub(super) fn redone(json: &Json) -> Result<String, Error> {
    turned(json, "Made again", "make again: all that the undo had changed is back")
}

/// Most sentences about what an undo or redo changed.
const TURNED: usize = 10;

/// What was done, and what was left alone. `nothing`: what was not left to be done, and why.
fn turned(json: &Json, done: &str, nothing: &str) -> Result<String, Error> {
    let Undone { operations, what, changed, kept } = read(json)?;
    let told = match (operations, kept.as_slice()) {
        (0, []) => format!("Nothing was left to {nothing} already."),
        (0, _) => styled(NOTICE, "Nothing was changed."),
        (written, _) => format!("{done} with {}:", count(written, "operation")),
    };
    let all = if operations == 0 { 0 } else { changed.len() };
    // A long action has more words than fit, and a damaged one has none.
    let told_of = if what.is_empty() { &changed } else { &what };
    let shown = told_of.iter().take(all.min(TURNED));
    let left_out = all.saturating_sub(shown.len());
    let more = (left_out > 0).then(|| format!("  and {left_out} more"));
    let changed = lines(shown.map(|line| format!("  {line}")).chain(more));
    let left = if kept.is_empty() { String::new() } else { "Left as it is:\n".to_owned() };
    let kept = lines(kept.iter().map(|line| format!("  {}", styled(NOTICE, line))));
    Ok(format!("{told}\n{changed}{left}{kept}"))
}

/// The fidelity report.
pub(super) fn import(json: &Json) -> Result<String, Error> {
    let report: Report = read(json)?;
    let told = match (report.dry_run, report.operations) {
        (true, _) => "Nothing was changed: this was a dry run.".to_owned(),
        (false, 0) => "Everything was here already; nothing was changed.".to_owned(),
        (false, written) => {
            format!("Imported with {}. `velo undo` takes it back.", count(written, "operation"))
        }
    };
    Ok(format!("{}\n{told}\n", report.fidelity))
}
