//! A connection that keeps the tables of workspaces, and the right to do so.
//!
//! Of several relays on one database one keeps a workspace's tables: whoever holds an advisory lock for it.
//! The lock belongs to the connection on which the tables are written, so it is gone whenever that is, and
//! nothing can be written without it. What other relays do not keep they look after again and again: one takes
//! over when the one that did ends.

use crate::tables::{Fault, activity::ActivityRow, difference::Difference, marker::marker, sql, text::clean};
use sqlx::{
    Connection, PgConnection, Row,
    postgres::{PgConnectOptions, PgRow},
};
use std::{collections::BTreeMap, future::Future, time::Duration};
use tokio::{runtime::Runtime, sync::watch, time};
use velo_node::handle::NodeHandle;
use velo_protocol::{
    id::{PersonId, WorkspaceId},
    workspace::Workspace,
};

/// Sets the locks of tables apart from others on the same database: "VELO".
const LOCKS: i32 = 0x5645_4c4f;

/// What is waited for, in a thread of its own, until it has to end.
#[derive(Debug)]
pub(super) struct Waiting {
    runtime: Runtime,
    stop: watch::Receiver<bool>,
}

impl Waiting {
    pub fn new(runtime: Runtime, stop: watch::Receiver<bool>) -> Self {
        Self { runtime, stop }
    }

    /// Waits for something that may end early.
    pub fn run<T>(&self, task: impl Future<Output = T>) -> Result<T, Fault> {
        let mut stop = self.stop.clone();
        self.runtime.block_on(async move {
            tokio::select! {
                biased;
                // Also if whoever could say so is gone.
                _ = stop.wait_for(|stop| *stop) => Err(Fault::Stopped),
                result = task => Ok(result),
            }
        })
    }

    pub fn sleep(&self, ms: u64) -> Result<(), Fault> {
        self.run(async { time::sleep(Duration::from_millis(ms)).await })
    }

    fn ask<T>(&self, task: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Fault> {
        Ok(self.run(task)??)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
    /// The workspaces whose tables this session keeps, and the moments that these show; `None` before that is
    /// known.
    held: BTreeMap<WorkspaceId, Held>,
}

#[derive(Debug)]
struct Held {
    number: i32,
    shown: Option<Workspace>,
}

/// What stands beside the tables of a workspace.
struct Mark {
    marker: Vec<u8>,
    person: String,
}

impl Mark {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { marker: row.try_get("marker")?, person: row.try_get("person")? })
    }
}

impl Session {
    pub fn open(waiting: &Waiting, options: &PgConnectOptions) -> Result<Self, Fault> {
        let connection = waiting.ask(PgConnection::connect_with(options))?;
        Ok(Self { connection, held: BTreeMap::new() })
    }

    /// Whether this session keeps the tables of a workspace, now if not before.
    pub fn take(&mut self, waiting: &Waiting, workspace: WorkspaceId) -> Result<bool, Fault> {
        if self.held.contains_key(&workspace) {
            return Ok(true);
        }
        let connection = &mut self.connection;
        let number: Option<(i32, bool)> = waiting.ask(async {
            let sql = "SELECT number, pg_try_advisory_lock($2, number) FROM workspaces WHERE id = $1";
            sqlx::query_as(sql).bind(workspace.0).bind(LOCKS).fetch_optional(connection).await
        })?;
        let Some((number, true)) = number else { return Ok(false) };
        self.held.insert(workspace, Held { number, shown: None });
        Ok(true)
    }

    /// Brings the tables to this moment. `last` is the moment that this program wrote last, if any. How many
    /// rows were written.
    pub fn show(
        &mut self,
        waiting: &Waiting,
        node: &NodeHandle,
        last: Option<&Workspace>,
        now: &Workspace,
    ) -> Result<u64, Fault> {
        let Some(held) = self.held.get_mut(&now.id()) else { return Ok(0) };
        let (number, wanted) = (held.number, marker(now));
        if held.shown.is_none() {
            let mark = read_mark(waiting, &mut self.connection, number)?;
            let is_of = |state: &Workspace| mark.as_ref().is_some_and(|mark| mark.marker == marker(state));
            held.shown = [Some(now), last].into_iter().flatten().find(|state| is_of(state)).cloned();
        }
        if held.shown.as_ref().is_some_and(|shown| is_same(shown, now)) {
            return Ok(0);
        }
        let shown = held.shown.take();
        let difference = Difference::between(shown.as_ref(), now);
        let mut change = waiting.ask(self.connection.begin())?;
        let mut rows = 0;
        if shown.is_none() {
            waiting.ask(sql::clear(&mut change, number))?;
        }
        rows += waiting.ask(sql::write(&mut change, number, &difference))?;
        let take = |new: Vec<ActivityRow>| {
            rows += waiting.ask(sql::write_activity(&mut change, number, &new))?;
            Ok(())
        };
        difference.activity.read(node, now, take)?;
        let name = clean(now.name());
        waiting.ask(sql::mark(&mut change, number, (now.id(), &name), node.person(), wanted))?;
        // A workspace that was forgotten meanwhile gets no rows any more. Whoever appends locks this row too,
        // so it is locked at the end.
        let kept: Option<i32> = waiting.ask(async {
            let sql = "SELECT number FROM workspaces WHERE number = $1 FOR KEY SHARE";
            sqlx::query_scalar(sql).bind(number).fetch_optional(&mut *change).await
        })?;
        if kept.is_none() {
            waiting.ask(change.rollback())?;
            self.release(waiting, now.id())?;
            return Ok(0);
        }
        waiting.ask(change.commit())?;
        if let Some(held) = self.held.get_mut(&now.id()) {
            held.shown = Some(now.clone());
        }
        Ok(rows)
    }

    /// Takes the rows of a workspace out of the tables, unless somebody else's relay keeps them, and lets
    /// others do so from now on. Whether there were any.
    pub fn clear(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        person: PersonId,
    ) -> Result<bool, Fault> {
        let Some(held) = self.held.get(&workspace) else { return Ok(false) };
        let number = held.number;
        let mark = read_mark(waiting, &mut self.connection, number)?;
        let is_own = mark.is_some_and(|mark| mark.person == person.to_string());
        if is_own {
            let mut change = waiting.ask(self.connection.begin())?;
            waiting.ask(sql::clear(&mut change, number))?;
            waiting.ask(change.commit())?;
        }
        self.release(waiting, workspace)?;
        Ok(is_own)
    }

    fn release(&mut self, waiting: &Waiting, workspace: WorkspaceId) -> Result<(), Fault> {
        let Some(held) = self.held.remove(&workspace) else { return Ok(()) };
        let connection = &mut self.connection;
        waiting.ask(async {
            let sql = "SELECT pg_advisory_unlock($1, $2)";
            sqlx::query(sql).bind(LOCKS).bind(held.number).execute(connection).await
        })?;
        Ok(())
    }

    /// Lets others keep the tables of what is not among these workspaces.
    pub fn keep_only(&mut self, waiting: &Waiting, open: &[WorkspaceId]) -> Result<(), Fault> {
        let gone: Vec<_> = self.held.keys().filter(|workspace| !open.contains(workspace)).copied().collect();
        gone.into_iter().try_for_each(|workspace| self.release(waiting, workspace))
    }

    /// The moment that the tables of a workspace show, as far as this session knows.
    pub fn shown(&self, workspace: WorkspaceId) -> Option<&Workspace> {
        self.held.get(&workspace).and_then(|held| held.shown.as_ref())
    }
}

/// Whether both are the same moment. Entries and keys raise the revision, and only they say who is in.
fn is_same(one: &Workspace, other: &Workspace) -> bool {
    one.revision() == other.revision() && one.roster() == other.roster()
}

fn read_mark(waiting: &Waiting, connection: &mut PgConnection, number: i32) -> Result<Option<Mark>, Fault> {
    let row = waiting.ask(async {
        let sql = "SELECT marker, person FROM mirrors WHERE workspace = $1";
        sqlx::query(sql).bind(number).fetch_optional(connection).await
    })?;
    Ok(row.as_ref().map(Mark::read).transpose()?)
}
