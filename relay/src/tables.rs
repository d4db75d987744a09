//! What readable workspaces show, as SQL tables beside the logs, so that reports are ordinary SQL.
//!
//! The state is the truth, and the tables a mirror of it: an entity that changed gets its rows made anew, one
//! that is gone loses them, and nothing is ever only added. So a removal that comes late and turns verdicts on
//! what was shown for days turns the tables as well.
//!
//! ```text
//! node ──event──▶ wake ──▶ snapshot ──┐
//!                                     ├─▶ difference ──▶ one transaction ──▶ mirror_* ◀── views velo.*
//!              snapshot shown before ─┘
//! ```
//!
//! Events only say that there is something to do. What it is follows from two snapshots: that which the tables
//! show, and that of now ([`difference`]). They share what did not change, so finding the rest costs about as
//! much as there is, and it does not matter how many events were missed. Nothing before the tables were made is
//! another case: the difference to nothing is everything.
//!
//! - [`rows`]: what a row is, from a snapshot alone. [`affected`]: which rows may be others.
//! - [`activity`]: who did what; the one thing for which entries are read.
//! - [`marker`]: names the moment that the tables show, so that a restart has nothing to do.
//! - [`session`]: one relay writes the tables of a workspace, under a lock. [`sql`]: the statements.
//! - [`readers`]: the role for reports.
//!
//! A workspace has rows while the relay's person is in it. One whose state is behind for want of reading its
//! own log keeps those it has.
//!
//! Figures: `velo_table_rows_total` (rows written and taken out), `velo_table_seconds` (one transaction),
//! `velo_tables_failing` (workspaces whose tables cannot follow).

mod activity;
mod affected;
mod difference;
mod marker;
mod readers;
mod rows;
mod session;
mod sql;
mod text;

pub use readers::READER;
pub(crate) use sql::clear;

use crate::{
    database::{Database, is_away},
    limits,
    store::InDatabase,
};
use session::{Session, Waiting};
use sqlx::postgres::PgConnectOptions;
use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Builder,
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
};
use velo_node::{
    companion::Companion,
    handle::{NodeError, NodeEvent, NodeHandle},
};
use velo_protocol::{id::WorkspaceId, store::EntryAt, workspace::Workspace};

/// Keeps the tables of a relay's workspaces in the database of its logs.
#[derive(Debug)]
pub struct Tables(Arc<InDatabase>);

impl Tables {
    /// In the database where these logs are.
    pub fn beside(logs: Arc<InDatabase>) -> Self {
        Self(logs)
    }
}

impl Companion for Tables {
    fn start(&self, node: &NodeHandle) -> Result<Box<dyn Any + Send>, String> {
        let database = self.0.database().map_err(|error| error.to_string())?;
        check_encoding(database)?;
        readers::prepare(database);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("starting a thread: {error}"))?;
        let (stop, stopped) = watch::channel(false);
        let (ended, end) = mpsc::channel();
        let keeper = Keeper {
            node: node.clone(),
            events: node.subscribe(),
            waiting: Waiting::new(runtime, stopped),
            options: database.connect_options(),
            session: None,
            last: BTreeMap::new(),
            troubles: BTreeMap::new(),
            is_away: false,
        };
        let run = move || {
            keeper.run();
            // Whoever waits for it may have given up.
            let _ = ended.send(());
        };
        let started = thread::Builder::new().name("velo-tables".to_owned()).spawn(run);
        started.map_err(|error| format!("starting a thread: {error}"))?;
        Ok(Box::new(Running { stop, end }))
    }
}

/// Texts of people are in every script.
fn check_encoding(database: &Database) -> Result<(), String> {
    let asked = database.insist(limits::READ_PATIENCE_MS, |pool| async move {
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&pool).await
    });
    let encoding: String = asked.map_err(|error| format!("the database: {error}"))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(format!("the database is in {encoding}: make one with `CREATE DATABASE … ENCODING 'UTF8'`"))
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    end: mpsc::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // One that reads from a database that is away ends later, and by itself.
        let _ = self.end.recv_timeout(Duration::from_millis(limits::TABLES_STOP_MS));
    }
}

/// Why the tables do not follow now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The program ends.
    #[error("the program ends")]
    Stopped,
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The log.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An entry that should be there is not.
    #[error("entry {} of chain {} cannot be read", .0.position, .0.chain.0)]
    Missing(EntryAt),
}

/// The thread that keeps the tables.
struct Keeper {
    node: NodeHandle,
    events: broadcast::Receiver<NodeEvent>,
    waiting: Waiting,
    options: Arc<PgConnectOptions>,
    session: Option<Session>,
    /// What was written last, also by sessions before.
    last: BTreeMap<WorkspaceId, Workspace>,
    /// What was told of workspaces whose tables cannot follow.
    troubles: BTreeMap<WorkspaceId, String>,
    is_away: bool,
}

impl Keeper {
    fn run(mut self) {
        loop {
            let looked = self.look().and_then(|()| self.wait());
            match looked {
                Ok(true) => {}
                Ok(false) | Err(Fault::Stopped) => return,
                Err(error) => {
                    self.session = None;
                    if !self.is_away {
                        tracing::warn!(%error, "the tables wait for the database");
                    }
                    self.is_away = true;
                    if self.waiting.sleep(limits::RETRY_MS).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until something happened, or for a while. `false`: the node has ended.
    fn wait(&mut self) -> Result<bool, Fault> {
        let events = &mut self.events;
        let look = Duration::from_millis(limits::TABLES_LOOK_MS);
        let woken = self.waiting.run(async { tokio::time::timeout(look, news(events)).await })?;
        if woken == Ok(false) {
            return Ok(false);
        }
        if woken == Ok(true) {
            self.waiting.sleep(limits::TABLES_GATHER_MS)?;
        }
        Ok(true)
    }

    /// Brings the tables of every workspace to what it shows now.
    fn look(&mut self) -> Result<(), Fault> {
        // What happens from here on is seen by the next look: events before it say no more.
        self.events = self.events.resubscribe();
        let open = self.node.workspaces();
        self.connect()?.keep_only(&open)?;
        self.last.retain(|workspace, _| open.contains(workspace));
        self.troubles.retain(|workspace, _| open.contains(workspace));
        for workspace in open {
            match self.visit(workspace) {
                Ok(()) => _ = self.troubles.remove(&workspace),
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(Fault::Database(error)) if is_away(&error) => return Err(error.into()),
                Err(error) => self.complain(workspace, &error),
            }
        }
        metrics::gauge!("velo_tables_failing").set(self.troubles.len() as f64);
        Ok(())
    }

    fn connect(&mut self) -> Result<Connected<'_>, Fault> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.waiting, &self.options)?,
        };
        self.is_away = false;
        Ok(Connected { session: self.session.insert(session), waiting: &self.waiting })
    }

    fn visit(&mut self, id: WorkspaceId) -> Result<(), Fault> {
        let Some(now) = self.node.workspace(id) else { return Ok(()) };
        let node = self.node.clone();
        let last = self.last.get(&id).cloned();
        let connected = self.connect()?;
        if now.is_behind() || !connected.session.take(connected.waiting, id)? {
            return Ok(());
        }
        if now.roster().role_of(node.person()).is_none() {
            if connected.session.clear(connected.waiting, id, node.person())? {
                tracing::info!(workspace = %id.short(), "out of the workspace: its tables are empty");
            }
            self.last.remove(&id);
            return Ok(());
        }
        let start = Instant::now();
        let rows = connected.session.show(connected.waiting, &node, last.as_ref(), &now)?;
        let shown = connected.session.shown(id).cloned();
        if let Some(shown) = shown {
            self.last.insert(id, shown);
        }
        if rows > 0 {
            metrics::counter!("velo_table_rows_total").increment(rows);
            metrics::histogram!("velo_table_seconds").record(start.elapsed());
            tracing::debug!(workspace = %id.short(), rows, "tables written");
        }
        Ok(())
    }

    /// Once for each reason: it is tried again and again. What a failed transaction holds is let go.
    fn complain(&mut self, workspace: WorkspaceId, error: &Fault) {
        let reason = error.to_string();
        if self.troubles.get(&workspace) != Some(&reason) {
            tracing::error!(workspace = %workspace.short(), error = reason, "the tables cannot follow");
            self.troubles.insert(workspace, reason);
        }
        self.session = None;
    }
}

/// A session, with what it waits by.
struct Connected<'a> {
    session: &'a mut Session,
    waiting: &'a Waiting,
}

impl Connected<'_> {
    fn keep_only(self, open: &[WorkspaceId]) -> Result<(), Fault> {
        self.session.keep_only(self.waiting, open)
    }
}

/// Returns `true` when tables may have to follow, `false` when the node has ended.
async fn news(events: &mut broadcast::Receiver<NodeEvent>) -> bool {
    loop {
        match events.recv().await {
            Ok(NodeEvent::Changed { .. } | NodeEvent::WorkspaceOpened { .. } | NodeEvent::WorkspaceForgotten { .. })
            // Whatever was missed shows in the snapshots.
            | Err(RecvError::Lagged(_)) => return true,
            Ok(NodeEvent::Stopped) | Err(RecvError::Closed) => return false,
            Ok(_) => {}
        }
    }
}
