//! What is known of the others, said honestly: who has my changes, who has not, when we last spoke.

use super::date::{self, Moment};
use crate::bridge::Peer;
use velo_protocol::{id::DeviceId, replica::PeerWorkspace, workspace::Workspace};

/// How far this device and the others agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// No device is connected.
    Alone,
    /// Everybody who is connected has everything.
    Synced,
    /// Something is still on its way.
    Busy,
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
    /// When it was last heard.
    pub seen: String,
    /// How far it and we agree.
    pub state: String,
    /// Whether it has everything and we too.
    pub synced: bool,
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
    let owner = owner(workspace, device);
    if shared.is_none() && (peer.status.connected || owner.is_none()) {
        return None;
    }
    Some(Row {
        device,
        name: owner.unwrap_or_else(|| format!("Device {}", device.short())),
        fingerprint: device.short(),
        connected: peer.status.connected,
        trouble: peer.trouble.clone(),
        seen: seen(peer, moment),
        state: shared.map_or_else(|| "Catches up when it is back".to_owned(), state_text),
        synced: shared.is_some_and(|shared| shared.lacks == 0 && shared.we_lack == 0 && shared.synced),
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

fn state_text(shared: &PeerWorkspace) -> String {
    match (shared.lacks, shared.we_lack) {
        (0, 0) if shared.synced => "Has everything, and so have we".to_owned(),
        (0, 0) => "Comparing".to_owned(),
        (lacks, 0) => format!("Has not seen {lacks} of your changes"),
        (0, we_lack) => format!("Has {we_lack} changes that are not here yet"),
        (lacks, we_lack) => format!("Has not seen {lacks} changes, {we_lack} are not here yet"),
    }
}

/// The chip for a workspace.
pub fn chip(workspace: &Workspace, peers: &[Peer], moment: Moment) -> Chip {
    let rows = read(workspace, peers, moment);
    let here: Vec<&Row> = rows.iter().filter(|row| row.connected).collect();
    let Some(first) = here.first() else { return alone(&rows) };
    let count = if here.len() == 1 { "1 peer".to_owned() } else { format!("{} peers", here.len()) };
    let behind: Vec<&&Row> = here.iter().filter(|row| !row.synced).collect();
    let (agreement, text) = match behind.as_slice() {
        [] if here.len() == 1 => (Agreement::Synced, format!("{count} · {} is up to date", first.name)),
        [] => (Agreement::Synced, format!("{count} · all synced")),
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
    use velo_protocol::{id::WorkspaceId, replica::PeerStatus};

    fn chip_of(peers: &[(bool, u64, u64)]) -> Chip {
        let id = WorkspaceId([1; 32]);
        let peer = |(at, (connected, lacks, we_lack)): (usize, &(bool, u64, u64))| Peer {
            status: PeerStatus {
                peer: DeviceId([at as u8; 32]),
                connected: *connected,
                last_seen_ms: 1,
                workspaces: vec![PeerWorkspace {
                    workspace: id,
                    synced: lacks + we_lack == 0,
                    lacks: *lacks,
                    we_lack: *we_lack,
                }],
            },
            path: None,
            trouble: None,
        };
        let peers: Vec<Peer> = peers.iter().enumerate().map(peer).collect();
        chip(&Workspace::new(id), &peers, Moment::default())
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
    }
}
