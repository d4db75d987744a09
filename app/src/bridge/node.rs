//! The bridge to a node that runs in threads of its own.

use super::{Answer, Bridge, Me, Peer, Request, sample};
use crate::view::{date::Moment, state::Preferences};
use egui::Context;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot::{self, error::TryRecvError};
use velo_node::{
    api::workspace::Introduction,
    handle::{NodeError, NodeHandle},
};
use velo_protocol::{
    history::LoggedEntry,
    id::{EntityId, WorkspaceId},
    replica::{Command, Reply, RequestId},
    store::EntryAt,
    workspace::Workspace,
};

type Waiting = oneshot::Receiver<Result<Reply, NodeError>>;

/// Where the person's preferences are kept, in the data directory.
const PREFERENCES: &str = "app.json";

/// See the module.
pub struct NodeBridge {
    node: NodeHandle,
    waiting: Vec<(RequestId, Waiting)>,
    ready: Vec<Answer>,
    data_dir: PathBuf,
}

impl NodeBridge {
    /// A bridge to a node; every event of the node has the window painted again.
    pub fn new(node: NodeHandle, data_dir: &Path, ctx: Context) -> std::io::Result<Self> {
        let mut events = node.subscribe();
        std::thread::Builder::new().name("velo-app-events".into()).spawn(move || {
            use tokio::sync::broadcast::error::RecvError;
            while !matches!(events.blocking_recv(), Err(RecvError::Closed)) {
                ctx.request_repaint();
            }
        })?;
        Ok(Self { node, waiting: Vec::new(), ready: Vec::new(), data_dir: data_dir.to_owned() })
    }

    fn submit(&mut self, id: RequestId, command: Command) {
        match self.node.send(command) {
            Ok(waiting) => self.waiting.push((id, waiting)),
            Err(error) => self.answer(id, Err(error)),
        }
    }

    /// Notes the person's name, so that the command line knows it too. Without the note it asks.
    fn introduce(&self, name: &str) {
        let noted = Introduction::new(name).and_then(|new| new.write(&self.data_dir));
        if let Err(error) = noted {
            tracing::warn!(%error, "the name was not noted");
        }
    }

    fn answer(&mut self, request: RequestId, result: Result<Reply, NodeError>) {
        self.ready.push(Answer { request, result: result.map_err(|error| error.to_string()) });
    }
}

impl Bridge for NodeBridge {
    fn moment(&self) -> Moment {
        let now = jiff::Zoned::now();
        let wall_ms = now.timestamp().as_millisecond().max(0) as u64;
        Moment { wall_ms, offset_s: now.offset().seconds() }
    }

    fn me(&self) -> Me {
        Me { person: self.node.person(), device: self.node.device() }
    }

    fn workspaces(&self) -> Vec<WorkspaceId> {
        self.node.workspaces()
    }

    fn workspace(&self, id: WorkspaceId) -> Option<Workspace> {
        self.node.workspace(id)
    }

    fn peers(&self) -> Vec<Peer> {
        let peer = |info: velo_node::handle::PeerInfo| Peer {
            status: info.status,
            path: info.link.path,
            trouble: info.link.trouble,
        };
        self.node.peers().into_iter().map(peer).collect()
    }

    fn addresses(&self) -> Vec<String> {
        self.node.listen_addresses()
    }

    fn entry(&self, workspace: WorkspaceId, at: EntryAt) -> Option<LoggedEntry> {
        let stored = self.node.read_entry(workspace, at).ok()??;
        let (prefix, header) = (stored.entry.id.prefix(), stored.entry.header);
        Some(LoggedEntry { prefix, origin: stored.origin, header, body: stored.body })
    }

    fn new_id(&mut self) -> EntityId {
        self.node.new_entity_id()
    }

    fn send(&mut self, id: RequestId, request: Request) {
        match request {
            Request::Replica(command) => {
                if let Command::CreateWorkspace { person_name, .. } | Command::Join { person_name, .. } =
                    &command
                {
                    self.introduce(person_name);
                }
                self.submit(id, command);
            }
            Request::Dial(address) => {
                let result = self.node.add_peer(&address).map(|()| Reply::Done);
                self.answer(id, result);
            }
            Request::Sample(workspace) => match sample::changes(workspace, self.moment().today()) {
                Ok(changes) => self.submit(id, Command::Edit { workspace, changes }),
                Err(error) => self.ready.push(Answer { request: id, result: Err(error.to_string()) }),
            },
        }
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut ready = std::mem::take(&mut self.ready);
        self.waiting.retain_mut(|(request, waiting)| {
            let result = match waiting.try_recv() {
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Closed) => Err(NodeError::Stopped),
                Ok(result) => result,
            };
            ready.push(Answer { request: *request, result: result.map_err(|error| error.to_string()) });
            false
        });
        ready
    }

    fn preferences(&self) -> Preferences {
        // Preferences that cannot be read are those of a first start: nothing depends on them.
        let bytes = std::fs::read(self.data_dir.join(PREFERENCES)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn keep_preferences(&mut self, preferences: &Preferences) {
        let text = serde_json::to_vec_pretty(preferences).unwrap_or_default();
        let path = self.data_dir.join(PREFERENCES);
        if let Err(error) = std::fs::write(&path, text) {
            tracing::warn!(path = %path.display(), %error, "preferences were not kept");
        }
    }
}
