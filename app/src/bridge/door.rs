//! Starting a node, also one whose keys lie under a passphrase that the window asks for.

use super::{Bridge, node::NodeBridge};
use crate::view::secret::Secret;
use egui::Context;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};
use velo_node::{
    api,
    control::ControlServer,
    data_dir,
    handle::{Node, NodeConfig, NodeError, NodeHandle},
    keystore::{KeystoreError, Passphrase, Standing},
};

/// What opens what lies behind the page that asks for the passphrase. Nothing of it waits.
pub trait Door {
    /// Tries a passphrase.
    fn knock(&mut self, passphrase: Secret);
    /// What became of that, once it is known.
    fn answer(&mut self) -> Option<Result<Box<dyn Bridge>, Closed>>;
}

/// Why it stays closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The passphrase is another one.
    WrongPassphrase,
    /// Something else, in a sentence for people.
    Failed(String),
}

impl From<NodeError> for Closed {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Keystore(KeystoreError::WrongPassphrase) => Self::WrongPassphrase,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Whether the keys in a data directory lie under a passphrase.
pub fn is_locked(data_dir: &Path) -> bool {
    Standing::of(&data_dir::keys(data_dir)).is_ok_and(|standing| standing.passphrase)
}

/// A node, and the socket over which `velo` works beside the window.
pub struct Running {
    node: Node,
    control: Option<ControlServer>,
}

impl Running {
    /// Starts both. The app also runs without the socket.
    pub fn start(config: NodeConfig) -> Result<Self, NodeError> {
        let node = Node::start(config)?;
        let inside = node.runtime().enter();
        let control = api::serve(node.handle());
        drop(inside);
        let control =
            control.inspect_err(|error| tracing::warn!(%error, "the command line cannot reach the app"));
        Ok(Self { control: control.ok(), node })
    }

    /// Ends both, with everything saved.
    pub fn stop(self) -> Result<(), NodeError> {
        drop(self.control);
        self.node.shutdown()
    }
}

/// Where a node is put once it runs, for whoever ends it.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Running>>>);

impl Slot {
    /// Puts a node there.
    pub fn put(&self, running: Running) {
        *self.lock() = Some(running);
    }

    /// Takes it.
    pub fn take(&self) -> Option<Running> {
        self.lock().take()
    }

    /// The way to it.
    pub fn handle(&self) -> Option<NodeHandle> {
        self.lock().as_ref().map(|running| running.node.handle().clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        // Nobody panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Opened = Result<NodeBridge, Closed>;

/// Opens the keys of a data directory and starts its node, in a thread: the passphrase alone takes half a
/// second to try.
pub struct NodeDoor {
    config: NodeConfig,
    ctx: Context,
    slot: Slot,
    waiting: Option<(mpsc::Receiver<Opened>, JoinHandle<()>)>,
}

impl NodeDoor {
    /// A door to the node of `config`, which is put into `slot` once it runs.
    pub fn new(config: NodeConfig, ctx: Context, slot: Slot) -> Self {
        Self { config, ctx, slot, waiting: None }
    }
}

fn open(config: NodeConfig, ctx: Context, slot: &Slot) -> Opened {
    let data_dir = config.data_dir.clone();
    let running = Running::start(config)?;
    let bridge = NodeBridge::new(running.node.handle().clone(), &data_dir, ctx);
    let bridge = bridge.map_err(|error| Closed::Failed(error.to_string()))?;
    slot.put(running);
    Ok(bridge)
}

impl Door for NodeDoor {
    fn knock(&mut self, passphrase: Secret) {
        let passphrase = Some(Passphrase::new(passphrase.text().to_string()));
        let config = NodeConfig { passphrase, ..self.config.clone() };
        let (tell, told) = mpsc::channel();
        let (ctx, slot) = (self.ctx.clone(), self.slot.clone());
        let opening = move || {
            // The window may have been closed meanwhile.
            let _ = tell.send(open(config, ctx.clone(), &slot));
            ctx.request_repaint();
        };
        match std::thread::Builder::new().name("velo-app-door".into()).spawn(opening) {
            Ok(thread) => self.waiting = Some((told, thread)),
            Err(error) => tracing::error!(%error, "no thread to open the keys"),
        }
    }

    fn answer(&mut self) -> Option<Result<Box<dyn Bridge>, Closed>> {
        let ended = || Err(Closed::Failed("Velo could not be opened: start it again".to_owned()));
        let Some((told, _)) = &self.waiting else { return Some(ended()) };
        let opened = match told.try_recv() {
            Err(mpsc::TryRecvError::Empty) => return None,
            Err(mpsc::TryRecvError::Disconnected) => ended(),
            Ok(opened) => opened.map(|bridge| Box::new(bridge) as Box<dyn Bridge>),
        };
        Some(opened)
    }
}

/// The end of the app ends what was begun: nothing may start behind its back.
impl Drop for NodeDoor {
    fn drop(&mut self) {
        if self.waiting.take().is_some_and(|(_, thread)| thread.join().is_err()) {
            tracing::error!("opening the keys ended by a panic");
        }
    }
}
