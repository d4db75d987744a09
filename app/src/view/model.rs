//! What panels read: one snapshot of the workspace and what is derived from it, renewed only when
//! the revision, the peers or the minute have changed.

use super::{
    board::{Board, Of},
    conflict,
    date::Moment,
    directory::Directory,
    keys::Keeping,
    members::{self, Members},
    onboarding::UNNAMED,
    peers::{self, Chip, Row},
    personal::Personal,
    presence::{self, Here},
    quick_add::NamedProject,
    standing::Standing,
};
use crate::bridge::{Bridge, Me, Peer};
use velo_protocol::{
    id::WorkspaceId,
    model::{EntityKey, Kind, project},
    replica::Present,
    workspace::Workspace,
};

/// See the module.
#[derive(Debug)]
pub struct Model {
    /// The workspace shown; `None` before the first is made.
    pub workspace: Option<Workspace>,
    /// All of the device, with their names.
    pub workspaces: Vec<(WorkspaceId, String)>,
    /// People and labels.
    pub names: Directory,
    /// Projects, in order.
    pub projects: Vec<NamedProject>,
    /// How many tasks stand in none.
    pub without_project: usize,
    /// What has to be decided.
    pub conflicts: Vec<conflict::Item>,
    /// What the person may do here.
    pub standing: Standing,
    /// Who is in, who can come in, who was.
    pub members: Members,
    /// The other devices.
    pub peers: Vec<Row>,
    /// Who else is here.
    pub here: Vec<Here>,
    /// Whether the workspace syncs by itself on this device.
    pub auto_sync: bool,
    /// What the person keeps for themselves.
    pub personal: Personal,
    /// How far everybody agrees.
    pub chip: Chip,
    /// Where this device can be reached.
    pub addresses: Vec<String>,
    /// Who is at this device.
    pub me: Me,
    /// Their name, if they gave one.
    pub name: Option<String>,
    /// What keeps this device from showing or saving everything, a sentence each.
    pub troubles: Vec<String>,
    /// Workspaces whose ticket cannot be used, and why.
    pub refusals: Vec<(WorkspaceId, String)>,
    /// Whether the person has not yet confirmed that they have their 24 words.
    pub owes_phrase: bool,
    /// How the keys of this device are kept; `None` while that is not known.
    pub keys: Option<Keeping>,
    /// Now.
    pub moment: Moment,
    statuses: Vec<Peer>,
    present: Vec<Present>,
    of: Option<(WorkspaceId, u64, u64)>,
}

impl Model {
    /// An empty model.
    pub fn new(bridge: &dyn Bridge) -> Self {
        Self {
            workspace: None,
            workspaces: Vec::new(),
            names: Directory::default(),
            projects: Vec::new(),
            without_project: 0,
            conflicts: Vec::new(),
            standing: Standing::default(),
            members: Members::default(),
            peers: Vec::new(),
            here: Vec::new(),
            auto_sync: true,
            personal: Personal::default(),
            chip: Chip { agreement: peers::Agreement::Alone, text: String::new() },
            addresses: Vec::new(),
            me: bridge.me(),
            name: name(bridge, None),
            troubles: bridge.troubles(),
            refusals: bridge.refusals(),
            owes_phrase: bridge.owes_phrase(),
            keys: bridge.keys(),
            moment: bridge.moment(),
            statuses: Vec::new(),
            present: Vec::new(),
            of: None,
        }
    }

    /// What a card is read with.
    pub fn names_and_personal(&self) -> (&Directory, &Personal) {
        (&self.names, &self.personal)
    }

    /// Takes what is new. Returns whether the workspace's content changed.
    pub fn renew(&mut self, bridge: &dyn Bridge, wanted: Option<WorkspaceId>) -> bool {
        self.moment = bridge.moment();
        self.troubles = bridge.troubles();
        self.owes_phrase = bridge.owes_phrase();
        self.keys = bridge.keys();
        // Another device may have taken this one in.
        self.me = bridge.me();
        let all = bridge.workspaces();
        let id = wanted.filter(|id| all.contains(id)).or(all.first().copied());
        self.workspace = id.and_then(|id| bridge.workspace(id));
        self.name = name(bridge, self.workspace.as_ref());
        let Some(workspace) = &self.workspace else {
            self.of = None;
            return false;
        };
        self.personal.renew(bridge.private(), workspace, self.me.person);
        let statuses = bridge.peers();
        let minute = self.moment.wall_ms / 60_000;
        let of = Some((workspace.id(), workspace.revision(), minute));
        let changed = self.of != of;
        let refusals = bridge.refusals();
        let told = refusals != self.refusals;
        self.refusals = refusals;
        if changed || self.workspaces.len() != all.len() {
            self.workspaces = all.iter().map(|id| (*id, name_of(bridge, *id))).collect();
        }
        if changed {
            self.of = of;
            self.names = Directory::read(workspace);
            self.projects = projects(workspace);
            self.without_project = Board::read(workspace, Of::WithoutProject).len();
            self.conflicts = conflict::read(workspace, &self.names, self.me.person, self.moment);
        }
        if changed || told {
            let refused = self.refusals.iter().find(|(id, _)| *id == workspace.id());
            self.standing = Standing::of(workspace, self.me, refused.map(|(_, reason)| reason.as_str()));
        }
        let present = bridge.present(workspace.id());
        if changed || present != self.present {
            self.here = presence::read(workspace, &present, self.me.person);
            self.present = present;
        }
        let auto_sync = bridge.syncs_by_itself(workspace.id());
        let switched = auto_sync != self.auto_sync;
        self.auto_sync = auto_sync;
        if changed || told || switched || statuses != self.statuses {
            self.peers = peers::read(workspace, &statuses, self.moment);
            self.members = members::read(workspace, self.me, &self.standing, &statuses, self.moment);
            self.chip = peers::chip(workspace, &statuses, self.moment, auto_sync);
            self.addresses = bridge.addresses();
            self.statuses = statuses;
        }
        changed
    }
}

/// The person's name: as the workspace has it, where they may have taken another since the start; or
/// as it was noted.
fn name(bridge: &dyn Bridge, workspace: Option<&Workspace>) -> Option<String> {
    let shown = || workspace.map(|workspace| workspace.person_name(bridge.me().person));
    let given = |name: &String| !name.is_empty() && name != UNNAMED;
    shown().filter(given).or_else(|| bridge.name().filter(given))
}

fn name_of(bridge: &dyn Bridge, id: WorkspaceId) -> String {
    bridge.workspace(id).map_or_else(|| id.short(), |workspace| workspace.name().to_owned())
}

fn projects(workspace: &Workspace) -> Vec<NamedProject> {
    let name = |id| workspace.text(EntityKey::new(Kind::Project, id), project::NAME).to_owned();
    workspace.projects().into_iter().map(|id| (id, name(id))).collect()
}
