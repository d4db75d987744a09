//! What is known of the others, said honestly: who has my changes, who has not, when we last spoke.

use super::{
    conflict::sentence,
    date::{self, Moment},
};
use crate::bridge::Peer;
use velo_protocol::{
    blob::AtRelay,
    id::DeviceId,
    replica::{Breach, PeerWorkspace, Stall},
    workspace::Workspace,
};

/// How far this device and the others agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// No device is connected.
    Alone,
    /// Everybody who is connected has everything.
    Synced,
    /// Something is still on its way.
    Busy,
    /// Nothing moves, and somebody has to do something.
    Stuck,
    /// The person switched automatic sync off.
    Paused,
}

/// The chip at the bottom of the sidebar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// Which icon and colour.
    pub agreement: Agreement,
    /// What it says.
    pub text: String,
}

/// One peer, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its device.
    pub device: DeviceId,
    /// Whose device it is, as far as known.
    pub name: String,
    /// The first digits of its key.
    pub fingerprint: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Why it is not connected.
    pub trouble: Option<String>,
    /// Why nothing moves, or what else is worth knowing.
    pub stall: Option<String>,
    /// When it was last heard.
    pub seen: String,
    /// How far it and we agree.
    pub state: String,
    /// Whether it has everything and we too, and it can be relied on.
    pub synced: bool,
    /// Whether it is a relay, which keeps everything and reads nothing.
    pub is_relay: bool,
}

/// Every peer of a workspace, connected ones first. Of one that is away it is not known which
/// workspaces it has; it is shown where its person is a member.
pub fn read(workspace: &Workspace, peers: &[Peer], moment: Moment) -> Vec<Row> {
    let mut known: Vec<(u64, Row)> = peers
        .iter()
        .filter_map(|peer| Some((peer.status.last_seen_ms, row(workspace, peer, moment)?)))
        .collect();
    known.sort_by_key(|(seen, row)| (!row.connected, std::cmp::Reverse(*seen)));
    known.into_iter().map(|(_, row)| row).collect()
}

fn row(workspace: &Workspace, peer: &Peer, moment: Moment) -> Option<Row> {
    let device = peer.status.peer;
    let shared = peer.status.workspaces.iter().find(|shared| shared.workspace == workspace.id());
    let is_relay = shared.is_some_and(|shared| shared.relay.is_some());
    let said = AtRelay::known(peer.at_relay.get(&workspace.id()), workspace);
    let of_stall = shared.and_then(|shared| match shared.breach {
        Some(breach) => Some(broken(workspace, breach, moment)),
        None => stall(shared, peer, moment),
    });
    let owner = owner(workspace, device).or_else(|| is_relay.then(|| "Relay".to_owned()));
    if shared.is_none() && (peer.status.connected || owner.is_none()) {
        return None;
    }
    Some(Row {
        device,
        name: owner.unwrap_or_else(|| format!("Device {}", device.short())),
        fingerprint: device.short(),
        connected: peer.status.connected,
        trouble: peer.trouble.clone(),
        stall: of_stall.or_else(|| {
            let no_room = said.filter(|_| is_relay).and_then(AtRelay::no_room_words);
            no_room.map(sentence)
        }),
        seen: seen(peer, moment),
        state: match shared {
            None => "Catches up when it is back".to_owned(),
            Some(shared) if is_relay => backup(shared, peer, said, moment),
            Some(shared) => state(shared, peer),
        },
        synced: peer.status.connected
            && shared.is_some_and(|shared| {
                let is_equal = shared.lacks == 0 && shared.we_lack == 0 && shared.synced;
                is_equal && shared.breach.is_none()
            }),
        is_relay,
    })
}

fn owner(workspace: &Workspace, device: DeviceId) -> Option<String> {
    let members = workspace.members();
    members.into_iter().find(|member| member.devices.contains(&device)).map(|member| member.name)
}

/// When a peer was last heard.
pub fn seen(peer: &Peer, moment: Moment) -> String {
    match (&peer.path, peer.status.last_seen_ms) {
        (Some(path), _) if peer.status.connected => format!("Connected ({path})"),
        _ if peer.status.connected => "Connected".to_owned(),
        (_, 0) => "Not met yet".to_owned(),
        (_, seen) => format!("Last seen {}", date::ago(seen, moment)),
    }
}

fn state(shared: &PeerWorkspace, peer: &Peer) -> String {
    if !peer.status.connected {
        return match (shared.lacks, shared.lacks_own) {
            (0, _) => "Had everything when it was here last".to_owned(),
            (lacks, 0) => format!("Had not seen {} when it was here last", changes(lacks)),
            (_, own) => format!("Had not seen {own} of your changes when it was here last"),
        };
    }
    match (shared.lacks, shared.lacks_own, shared.we_lack) {
        (0, _, 0) if shared.synced => "Has everything, and so have we".to_owned(),
        (0, _, 0) => "Comparing".to_owned(),
        (lacks, 0, 0) => format!("Has not seen {}", changes(lacks)),
        (_, own, 0) => format!("Has not seen {own} of your changes"),
        (0, _, we_lack) => format!("Has {} that are not here yet", changes(we_lack)),
        (lacks, _, we_lack) => format!("Has not seen {}, {we_lack} are not here yet", changes(lacks)),
    }
}

/// What people want to know of a relay: up to when their work is safe there.
fn backup(shared: &PeerWorkspace, peer: &Peer, said: Option<AtRelay>, moment: Moment) -> String {
    let heard = date::ago(shared.heard_ms, moment);
    match (shared.lacks, peer.status.connected) {
        (0, connected) if said.is_none_or(|said| said.lacks > 0) => {
            let all = if connected {
                "Has every change".to_owned()
            } else {
                format!("Has every change up to {heard}")
            };
            match said {
                Some(AtRelay { lacks: 1, .. }) => format!("{all}, and not 1 attachment yet"),
                Some(AtRelay { lacks, .. }) => format!("{all}, and not {lacks} attachments yet"),
                None => all,
            }
        }
        (0, true) => "Has everything".to_owned(),
        (0, false) => format!("Has everything up to {heard}"),
        (lacks, true) => format!("Has not got {} yet", changes(lacks)),
        (lacks, false) => format!("Has not got {}; it was last heard {heard}", changes(lacks)),
    }
}

fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

/// What a peer did that no honest one does, and what to do.
fn broken(workspace: &Workspace, breach: Breach, moment: Moment) -> String {
    let witness = breach.kind.witness().map(|device| match owner(workspace, device) {
        Some(name) => format!("{name}'s device {}", device.short()),
        None => format!("device {}", device.short()),
    });
    let words = sentence(&breach.kind.words(witness.as_deref()));
    format!("{words} Seen {}.", date::ago(breach.at_ms, moment))
}

/// Why nothing moves, as a sentence.
fn stall(shared: &PeerWorkspace, peer: &Peer, moment: Moment) -> Option<String> {
    let words = match shared.stall {
        Some(Stall::Silent) => {
            format!("{}. The last word came {}", Stall::Silent.words(), date::ago(shared.heard_ms, moment))
        }
        Some(stall) => stall.words().to_owned(),
        None => {
            let ahead = peer.status.clock_ahead_ms?;
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            let minutes = ahead.unsigned_abs() / 60_000;
            format!("its clock is {minutes} minutes {way} this one: dates of changes hang on it")
        }
    };
    Some(sentence(&words))
}

/// The chip for a workspace.
pub fn chip(workspace: &Workspace, peers: &[Peer], moment: Moment, auto_sync: bool) -> Chip {
    if !auto_sync {
        return Chip { agreement: Agreement::Paused, text: "Automatic sync is off".to_owned() };
    }
    let rows = read(workspace, peers, moment);
    let here: Vec<&Row> = rows.iter().filter(|row| row.connected).collect();
    let Some(first) = here.first() else { return alone(&rows) };
    let count = if here.len() == 1 { "1 peer".to_owned() } else { format!("{} peers", here.len()) };
    let behind: Vec<&&Row> = here.iter().filter(|row| !row.synced).collect();
    let (agreement, text) = match behind.as_slice() {
        [] if here.len() == 1 => (Agreement::Synced, format!("{count} · {} is up to date", first.name)),
        [] => (Agreement::Synced, format!("{count} · all synced")),
        [one] if one.stall.is_some() => (Agreement::Stuck, format!("{count} · stuck with {}", one.name)),
        [one] => (Agreement::Busy, format!("{count} · catching up with {}", one.name)),
        several => (Agreement::Busy, format!("{count} · catching up with {}", several.len())),
    };
    Chip { agreement, text }
}

fn alone(rows: &[Row]) -> Chip {
    let text = match rows.first() {
        None => "No peers yet".to_owned(),
        Some(row) => format!("{} · {}", row.name, row.seen.to_lowercase()),
    };
    Chip { agreement: Agreement::Alone, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use velo_protocol::{id::WorkspaceId, replica::PeerStatus};

    fn chip_of(peers: &[(bool, u64, u64)]) -> Chip {
        let id = WorkspaceId([1; 32]);
        let peer = |(at, (connected, lacks, we_lack)): (usize, &(bool, u64, u64))| Peer {
            status: PeerStatus {
                peer: DeviceId([at as u8; 32]),
                connected: *connected,
                last_seen_ms: 1,
                clock_ahead_ms: None,
                workspaces: vec![PeerWorkspace {
                    workspace: id,
                    synced: lacks + we_lack == 0,
                    lacks: *lacks,
                    lacks_own: *lacks / 2,
                    we_lack: *we_lack,
                    heard_ms: 0,
                    stall: None,
                    relay: None,
                    breach: None,
                }],
            },
            path: None,
            trouble: None,
            at_relay: BTreeMap::new(),
        };
        let peers: Vec<Peer> = peers.iter().enumerate().map(peer).collect();
        chip(&Workspace::new(id), &peers, Moment::default(), true)
    }

    #[test]
    fn the_chip_says_only_what_is_known() {
        let says = |peers: &[(bool, u64, u64)]| chip_of(peers).text;
        assert_eq!(says(&[]), "No peers yet");
        assert_eq!(says(&[(true, 0, 0), (true, 0, 0), (true, 0, 0)]), "3 peers · all synced");
        assert_eq!(says(&[(true, 0, 0)]), "1 peer · Device 00000000 is up to date");
        assert_eq!(says(&[(true, 2, 0), (true, 0, 0)]), "2 peers · catching up with Device 00000000");
        assert_eq!(says(&[(true, 2, 0), (true, 0, 4)]), "2 peers · catching up with 2");
        assert!(says(&[(false, 0, 0)]).starts_with("Device 00000000 · last seen"));
        let paused = chip(&Workspace::new(WorkspaceId([1; 32])), &[], Moment::default(), false);
        assert_eq!(paused.agreement, Agreement::Paused);
    }

    #[test]
    fn of_a_peer_that_is_away_it_is_told_what_it_had_then() {
        let shared = |lacks, lacks_own, stall| PeerWorkspace {
            workspace: WorkspaceId([1; 32]),
            synced: false,
            lacks,
            lacks_own,
            we_lack: 0,
            heard_ms: 0,
            stall,
            relay: None,
            breach: None,
        };
        let peer = |connected| Peer {
            status: PeerStatus {
                peer: DeviceId([2; 32]),
                connected,
                last_seen_ms: 1,
                clock_ahead_ms: None,
                workspaces: Vec::new(),
            },
            path: None,
            trouble: None,
            at_relay: BTreeMap::new(),
        };
        let (away, here) = (peer(false), peer(true));
        assert_eq!(state(&shared(0, 0, None), &away), "Had everything when it was here last");
        assert_eq!(state(&shared(1, 0, None), &away), "Had not seen 1 change when it was here last");
        assert_eq!(state(&shared(5, 3, None), &away), "Had not seen 3 of your changes when it was here last");
        assert_eq!(state(&shared(5, 3, None), &here), "Has not seen 3 of your changes");
        assert_eq!(state(&shared(0, 0, None), &here), "Comparing", "it has not said that it has everything");
        let keeps = |lacks, of: &Peer| {
            backup(&shared(lacks, 0, None), of, Some(AtRelay::default()), Moment::default())
        };
        assert_eq!(keeps(0, &here), "Has everything");
        assert_eq!(keeps(1, &here), "Has not got 1 change yet");
        let holds = |lacks, of: &Peer| {
            let said = Some(AtRelay { lacks, has_no_room_for: 0 });
            backup(&shared(0, 0, None), of, said, Moment::default())
        };
        assert_eq!(holds(1, &here), "Has every change, and not 1 attachment yet");
        assert!(holds(2, &away).ends_with(", and not 2 attachments yet"), "{}", holds(2, &away));
        let unsaid = backup(&shared(0, 0, None), &here, None, Moment::default());
        assert_eq!(unsaid, "Has every change", "what it has of attachments is not known");
        assert!(keeps(0, &away).starts_with("Has everything up to "), "{}", keeps(0, &away));
        let why = stall(&shared(5, 3, Some(Stall::SyncOff)), &here, Moment::default()).unwrap();
        assert_eq!(why, "Automatic sync is off on this device: sync now, or switch it on.");
        let ahead = PeerStatus { clock_ahead_ms: Some(-7_200_000), ..here.status.clone() };
        let off = Peer { status: ahead, ..here };
        let why = stall(&shared(0, 0, None), &off, Moment::default()).unwrap();
        assert!(why.contains("120 minutes behind"), "{why}");
    }
}
