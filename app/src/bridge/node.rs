//! The bridge to a node that runs in threads of its own.

use super::{
    Answer, Answered, Bridge, Me, Peer, Request, attachments, help, keys::KeyNote, picture,
    refusals::Refusals, sample, troubles::Troubles, worker::Worker,
};
use crate::view::{
    date::Moment,
    keys::Keeping,
    phrase::Words,
    relay::RelayLine,
    secret::Secret,
    state::Preferences,
    story::{self, Told},
};
use egui::Context;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
use velo_node::{
    api::workspace::Introduction,
    handle::{NodeError, NodeEvent, NodeHandle},
    keystore::{KeystoreError, Passphrase},
    net::device_in,
};
use velo_protocol::{
    change::Change,
    history::{self, LoggedEntry},
    id::{EntityId, WorkspaceId},
    model::EntityKey,
    replica::{Command, Present, Reply, RequestId},
    root::Root,
    store::EntryAt,
    workspace::Workspace,
};

/// Where the person's preferences are kept, in the data directory.
const PREFERENCES: &str = "app.json";
/// How long [`Bridge::pause`] takes.
const PAUSE: Duration = Duration::from_millis(10);

/// An answer that is on its way.
enum Waiting {
    /// From the node.
    Node(Receiver<Result<Reply, NodeError>>),
    /// From the worker.
    Worker(Receiver<Result<Answered, NodeError>>),
    /// From a thread of its own.
    Apart(Receiver<Result<Answered, String>>),
}

impl Waiting {
    /// The answer, if it has come.
    fn take(&mut self) -> Option<Result<Answered, String>> {
        let told = |result: Result<Answered, NodeError>| result.map_err(|error| error.to_string());
        let taken = match self {
            Self::Node(waiting) => waiting.try_recv().map(|result| told(result.map(Answered::Reply))),
            Self::Worker(waiting) => waiting.try_recv().map(told),
            Self::Apart(waiting) => waiting.try_recv(),
        };
        match taken {
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(NodeError::Stopped.to_string())),
            Ok(result) => Some(result),
        }
    }
}

/// See the module.
pub struct NodeBridge {
    node: NodeHandle,
    waiting: Vec<(RequestId, Waiting)>,
    ready: Vec<Answer>,
    data_dir: PathBuf,
    name: Option<String>,
    troubles: Troubles,
    refusals: Refusals,
    keys: KeyNote,
    arrived: Arc<AtomicU64>,
    worker: Worker,
}

impl NodeBridge {
    /// A bridge to a node; every event of the node has the window painted again.
    pub fn new(node: NodeHandle, data_dir: &Path, ctx: Context) -> std::io::Result<Self> {
        let mut events = node.subscribe();
        let troubles = Troubles::of(&node);
        let (heard, asked) = (troubles.clone(), node.clone());
        let refusals = Refusals::default();
        let refused = refusals.clone();
        let keys = KeyNote::default();
        let noted = keys.clone();
        let arrived = Arc::new(AtomicU64::new(0));
        let count = arrived.clone();
        std::thread::Builder::new().name("velo-app-events".into()).spawn(move || {
            use tokio::sync::broadcast::error::RecvError;
            let mut goes_on = true;
            // Reading the keys may take a while: not for the window to wait.
            noted.renew(&asked);
            ctx.request_repaint();
            while goes_on {
                match events.blocking_recv() {
                    Ok(event) => {
                        heard.hear(&event);
                        refused.hear(&event);
                        if matches!(event, NodeEvent::ContentArrived { .. }) {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        if matches!(event, NodeEvent::Linked { .. }) {
                            noted.renew(&asked);
                        }
                        goes_on = !matches!(event, NodeEvent::Stopped);
                    }
                    Err(RecvError::Lagged(_)) => heard.renew(&asked),
                    Err(RecvError::Closed) => goes_on = false,
                }
                ctx.request_repaint();
            }
        })?;
        let name = Introduction::read(data_dir).unwrap_or_else(|error| {
            tracing::warn!(%error, "the name cannot be read");
            None
        });
        Ok(Self {
            node,
            waiting: Vec::new(),
            ready: Vec::new(),
            data_dir: data_dir.to_owned(),
            name: name.map(|known| known.name),
            troubles,
            refusals,
            keys,
            arrived,
            worker: Worker::start("velo-app-worker")?,
        })
    }

    fn submit(&mut self, id: RequestId, command: Command) {
        if let Command::Join { ticket, .. } = &command {
            self.refusals.forget(ticket.workspace);
        }
        match self.node.send(command) {
            Ok(waiting) => self.waiting.push((id, Waiting::Node(waiting))),
            Err(error) => self.answer(id, Err(error)),
        }
    }

    fn add_relay(&mut self, id: RequestId, workspace: WorkspaceId, line: RelayLine) {
        match NodeHandle::check_address(&line.address).map(|address| device_in(&address)) {
            Ok(Some(relay)) => {
                let RelayLine { address, token } = line;
                self.submit(id, Command::AddRelay { workspace, relay, address, token });
            }
            Ok(None) => {
                let problem =
                    "that address does not name the relay: take the line whole, with /p2p/ in it".to_owned();
                self.ready.push(Answer { request: id, result: Err(problem) });
            }
            Err(error) => self.answer(id, Err(error)),
        }
    }

    /// Has the worker find an answer.
    fn work(
        &mut self,
        id: RequestId,
        job: impl FnOnce(&NodeHandle) -> Result<Answered, NodeError> + Send + 'static,
    ) {
        let (answer, answered) = oneshot::channel();
        let node = self.node.clone();
        self.waiting.push((id, Waiting::Worker(answered)));
        // The app may have ended meanwhile.
        self.worker.give(move || drop(answer.send(job(&node))));
    }

    /// Has something done in a thread of its own: a file may lie far away or be large, and what the worker
    /// saves does not wait for it.
    fn apart(
        &mut self,
        id: RequestId,
        job: impl FnOnce(&NodeHandle) -> Result<Answered, String> + Send + 'static,
    ) {
        let (answer, answered) = oneshot::channel();
        let node = self.node.clone();
        let doing = move || {
            // The app may have ended meanwhile.
            drop(answer.send(job(&node)));
        };
        match std::thread::Builder::new().name("velo-app-files".into()).spawn(doing) {
            Ok(_) => self.waiting.push((id, Waiting::Apart(answered))),
            Err(error) => self.answer(id, Err(NodeError::Thread(error))),
        }
    }

    /// Has the worker write the diagnostics file.
    fn diagnose(&mut self, id: RequestId) {
        let (answer, answered) = oneshot::channel();
        let node = self.node.clone();
        self.waiting.push((id, Waiting::Apart(answered)));
        // The app may have ended meanwhile.
        self.worker.give(move || drop(answer.send(help::diagnose(&node).map(Answered::Diagnosed))));
    }

    /// Has the worker change something about the keys, and note how they are kept then.
    fn change_keys(
        &mut self,
        id: RequestId,
        change: impl FnOnce(&NodeHandle) -> Result<(), KeystoreError> + Send + 'static,
    ) {
        let keys = self.keys.clone();
        self.work(id, move |node| {
            let changed = change(node);
            keys.renew(node);
            changed?;
            Ok(Answered::Reply(Reply::Done))
        });
    }

    fn answer(&mut self, request: RequestId, result: Result<Answered, NodeError>) {
        self.ready.push(Answer { request, result: result.map_err(|error| error.to_string()) });
    }
}

fn entry(node: &NodeHandle, workspace: WorkspaceId, at: EntryAt) -> Option<LoggedEntry> {
    node.read_entry(workspace, at).ok()??.logged()
}

fn tell(node: &NodeHandle, id: WorkspaceId, task: EntityId) -> Vec<Told> {
    let workspace = node.workspace(id);
    workspace.map(|workspace| story::tell(&workspace, task, &|at| entry(node, id, at))).unwrap_or_default()
}

fn restore(node: &NodeHandle, id: WorkspaceId, key: EntityKey) -> Result<Reply, NodeError> {
    let restore = [Change::Restore { key }];
    let with_contents =
        |workspace: Workspace| history::with_contents(&workspace, &restore, &|at| entry(node, id, at));
    let changes = node.workspace(id).map_or_else(|| restore.to_vec(), with_contents);
    node.submit_blocking(Command::Edit { workspace: id, changes })
}

fn set_passphrase(
    node: &NodeHandle,
    now: Option<&Secret>,
    new: Option<&Secret>,
) -> Result<(), KeystoreError> {
    let passphrase = |secret: &Secret| Passphrase::new(secret.text().to_string());
    node.set_passphrase(now.map(passphrase).as_ref(), new.map(passphrase).as_ref())
}

/// What the person preferred last time, as kept in a data directory. What cannot be read is that of a
/// first start: nothing depends on it.
pub fn preferences(data_dir: &Path) -> Preferences {
    let bytes = std::fs::read(data_dir.join(PREFERENCES)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn recover(node: &NodeHandle, root: Root, address: &str) -> Result<Answered, NodeError> {
    // Nothing is begun with an address that cannot be used.
    if !address.is_empty() {
        NodeHandle::check_address(address)?;
    }
    let reply = node.submit_blocking(Command::Recover { root })?;
    if !address.is_empty() {
        node.add_peer(address)?;
    }
    Ok(Answered::Reply(reply))
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

    fn private(&self) -> Option<Workspace> {
        self.node.private()
    }

    fn peers(&self) -> Vec<Peer> {
        let peer = |info: velo_node::handle::PeerInfo| Peer {
            status: info.status,
            path: info.link.path,
            trouble: info.link.trouble,
            at_relay: info.at_relay,
        };
        self.node.peers().into_iter().map(peer).collect()
    }

    fn present(&self, id: WorkspaceId) -> Vec<Present> {
        self.node.present(id)
    }

    fn syncs_by_itself(&self, id: WorkspaceId) -> bool {
        self.node.syncs_by_itself(id)
    }

    fn addresses(&self) -> Vec<String> {
        self.node.listen_addresses()
    }

    fn troubles(&self) -> Vec<String> {
        self.troubles.list()
    }

    fn refusals(&self) -> Vec<(WorkspaceId, String)> {
        self.refusals.list()
    }

    fn owes_phrase(&self) -> bool {
        self.keys.owes_phrase()
    }

    fn keys(&self) -> Option<Keeping> {
        self.keys.keeping()
    }

    fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// The command line knows the name by this too. Without the note it asks.
    fn introduce(&mut self, name: &str) {
        match Introduction::new(name) {
            Ok(new) if self.name.as_ref() == Some(&new.name) => {}
            Ok(new) => {
                self.name = Some(new.name.clone());
                let data_dir = self.data_dir.clone();
                self.worker.give(move || {
                    if let Err(error) = new.write(&data_dir) {
                        tracing::warn!(%error, "the name was not noted");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "the name was not noted"),
        }
    }

    fn new_id(&mut self) -> EntityId {
        self.node.new_entity_id()
    }

    fn send(&mut self, id: RequestId, request: Request) {
        match request {
            Request::Replica(command) => self.submit(id, command),
            Request::Dial(address) => {
                let result = self.node.add_peer(&address).map(|()| Answered::Reply(Reply::Done));
                self.answer(id, result);
            }
            Request::AddRelay(workspace, line) => self.add_relay(id, workspace, line),
            Request::Sample(workspace) => match sample::changes(workspace, self.moment().today()) {
                Ok(changes) => self.submit(id, Command::Edit { workspace, changes }),
                Err(error) => self.ready.push(Answer { request: id, result: Err(error.to_string()) }),
            },
            Request::Story(workspace, task) => {
                self.work(id, move |node| Ok(Answered::Story(tell(node, workspace, task))));
            }
            Request::Recover(root, address) => self.work(id, move |node| recover(node, root, &address)),
            Request::Phrase => self.work(id, |node| {
                let phrase = node.phrase()?;
                Ok(Answered::Phrase(phrase.map(Words)))
            }),
            Request::ConfirmPhrase(words) => {
                self.change_keys(id, move |node| node.confirm_phrase(&words.0));
            }
            Request::SetPassphrase(now, new) => {
                self.change_keys(id, move |node| set_passphrase(node, now.as_ref(), new.as_ref()));
            }
            Request::ReadPicture(wanted, picture) => {
                self.apart(id, move |_| picture::read(wanted, &picture).map(Answered::Picture));
            }
            Request::Attach(workspace, task, files) => self.apart(id, move |node| {
                attachments::attach(node, workspace, task, &files).map(Answered::Reply)
            }),
            Request::Attachments(of) => {
                self.apart(id, move |node| attachments::look(node, &of).map(Answered::Attachments));
            }
            Request::FetchContent(workspace, attachment) => {
                let fetched = self.node.fetch_content(workspace, attachment, true);
                self.answer(id, fetched.map(|()| Answered::Reply(Reply::Done)));
            }
            Request::SaveContent(workspace, attachment) => self
                .apart(id, move |node| attachments::save(node, workspace, attachment).map(Answered::Saved)),
            Request::Storage(workspace) => {
                self.apart(id, move |node| attachments::measure(node, workspace).map(Answered::Storage));
            }
            Request::CleanStorage(workspace) => {
                self.apart(id, move |node| attachments::clean(node, workspace).map(Answered::Storage));
            }
            Request::Doctor => self.work(id, |node| Ok(Answered::Doctor(help::doctor(node)))),
            Request::Diagnose => self.diagnose(id),
            Request::Restore(workspace, key) => {
                self.work(id, move |node| restore(node, workspace, key).map(Answered::Reply));
            }
        }
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut ready = std::mem::take(&mut self.ready);
        self.waiting.retain_mut(|(request, waiting)| {
            let Some(result) = waiting.take() else { return true };
            ready.push(Answer { request: *request, result });
            false
        });
        ready
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        std::thread::sleep(PAUSE);
    }

    fn preferences(&self) -> Preferences {
        preferences(&self.data_dir)
    }

    fn keep_preferences(&mut self, preferences: &Preferences) {
        let text = serde_json::to_vec_pretty(preferences).unwrap_or_default();
        let path = self.data_dir.join(PREFERENCES);
        self.worker.give(move || {
            if let Err(error) = std::fs::write(&path, text) {
                tracing::warn!(path = %path.display(), %error, "preferences were not kept");
            }
        });
    }
}
