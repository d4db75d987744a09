//! Other relays on the same database.
//!
//! Each is a device of its own and knows what its peers brought, so of what another one wrote it hears from the
//! database: whoever appends notifies the others. What is new is read back as runs and goes through the replica
//! like anything else that comes, which finds it written already, and sends it on to the devices connected
//! here. So two people who each use another relay see each other's edits at once.
//!
//! Nothing hangs on it: a relay that did not hear is told by the peers, or the next time.

use crate::{
    arrivals::Arrivals,
    limits,
    store::{CHAIN_COLUMNS, ChainRow, InDatabase, fixed_bytes},
};
use sqlx::{AssertSqlSafe, Error, PgPool, Row};
use std::{any::Any, collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::AbortHandle;
use velo_node::{companion::Companion, handle::NodeHandle};
use velo_protocol::{
    crypto::Sig,
    id::{EntryId, WorkspaceId},
    log::{Head, Run},
    replica::Command,
};

/// Takes in what other relays write.
#[derive(Debug)]
pub struct Neighbours(Arc<InDatabase>);

impl Neighbours {
    /// Of a relay that keeps its logs there.
    pub fn of(logs: Arc<InDatabase>) -> Self {
        Self(logs)
    }
}

impl Companion for Neighbours {
    fn start(&self, node: &NodeHandle) -> Result<Box<dyn Any + Send>, String> {
        let database = self.0.database().map_err(|error| error.to_string())?;
        let arrivals = self.0.arrivals().map_err(|error| error.to_string())?;
        let following = Following { node: node.clone(), pool: database.pool(), seen: BTreeMap::new() };
        let task = tokio::spawn(following.run(arrivals));
        Ok(Box::new(Running(task.abort_handle())))
    }
}

/// Ends with this.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Following {
    node: NodeHandle,
    pool: PgPool,
    /// Up to which cursor each workspace was looked at.
    seen: BTreeMap<WorkspaceId, i64>,
}

impl Following {
    /// Without end. It is heard as long as `arrivals` is held.
    async fn run(mut self, arrivals: Arc<Arrivals>) {
        let mut waiter = arrivals.waiter();
        loop {
            // A workspace that is new here may have been in the database before: nobody tells of that.
            let heard = tokio::time::timeout(Duration::from_millis(limits::NEIGHBOUR_LOOK_MS), waiter.next());
            let heard = heard.await;
            let is_due = |workspace: &WorkspaceId| heard.is_ok() || !self.seen.contains_key(workspace);
            let due: Vec<WorkspaceId> = self.node.all_workspaces().into_iter().filter(is_due).collect();
            let told = heard.unwrap_or(None);
            for workspace in due {
                if let Err(error) = self.look(workspace, told).await {
                    self.seen.remove(&workspace);
                    tracing::debug!(%error, "what other relays wrote could not be read; it is tried again");
                }
            }
        }
    }

    /// Takes in what is new of a workspace, if it is the one that was told of. None: any may be.
    async fn look(&mut self, workspace: WorkspaceId, told: Option<i32>) -> Result<(), Error> {
        let held = sqlx::query("SELECT number, next_cursor - 1 FROM workspaces WHERE id = $1");
        let Some(held) = held.bind(&workspace.0[..]).fetch_optional(&self.pool).await? else { return Ok(()) };
        let (number, end): (i32, i64) = (held.try_get(0)?, held.try_get(1)?);
        let seen = self.seen.get(&workspace).copied();
        if seen.is_some_and(|seen| end <= seen || told.is_some_and(|told| told != number)) {
            return Ok(());
        }
        let seen = seen.unwrap_or(0);
        for longer in self.longer(number, seen).await? {
            self.take(workspace, number, &longer).await?;
        }
        self.seen.insert(workspace, end);
        Ok(())
    }

    /// The chains that have something new.
    async fn longer(&self, number: i32, seen: i64) -> Result<Vec<ChainRow>, Error> {
        let sql = format!(
            "SELECT {CHAIN_COLUMNS} FROM chains WHERE workspace = $1 AND ($2 = 0 OR chain IN \
                 (SELECT chain FROM entries WHERE workspace = $1 AND cursor > $2)) ORDER BY chain"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(number).bind(seen).fetch_all(&self.pool).await?;
        rows.iter().map(ChainRow::read).collect()
    }

    /// Reads what the node lacks of a chain, and hands it over.
    async fn take(&self, workspace: WorkspaceId, number: i32, longer: &ChainRow) -> Result<(), Error> {
        let mut after = self.known(workspace, number, longer).await?;
        while after.position < longer.end.head.position {
            let runs = self.runs(number, longer, after).await?;
            let Some((last, runs)) = runs else { return Ok(()) };
            let command = Command::TakeRuns { workspace, device: None, runs };
            if let Err(error) = self.node.submit(command).await {
                tracing::debug!(%error, "what another relay wrote is not taken");
                return Ok(());
            }
            after = last;
        }
        Ok(())
    }

    /// How far the node has this chain. Of a log that was forked it is asked from where its branch begins:
    /// what is known is passed over.
    async fn known(&self, workspace: WorkspaceId, number: i32, longer: &ChainRow) -> Result<Head, Error> {
        let chains = self.node.chains(workspace);
        let ends = chains.iter().filter(|chain| chain.log == longer.log).map(|chain| chain.end.head);
        for head in ends.filter(|head| head.position > longer.base.head.position) {
            let row = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM entries_of($1, $2, $3 - 1, $3)");
            let row = row.bind(number).bind(longer.chain).bind(head.position as i64);
            if row.fetch_optional(&self.pool).await?.is_some_and(|id| id == head.id.0) {
                return Ok(head);
            }
        }
        Ok(longer.base.head)
    }

    /// The next runs of a chain, and where they end. None, if nothing that is sealed follows.
    async fn runs(
        &self,
        number: i32,
        longer: &ChainRow,
        after: Head,
    ) -> Result<Option<(Head, Vec<Run>)>, Error> {
        let rows = sqlx::query(
            "SELECT seq, id, header || body AS bytes, seal FROM entries_of($1, $2, $3, $3 + $4) ORDER BY seq",
        );
        let rows = rows.bind(number).bind(longer.chain).bind(after.position as i64);
        let rows = rows.bind(limits::NEIGHBOUR_ROWS).fetch_all(&self.pool).await?;
        let (mut runs, mut start, mut bytes) = (Vec::new(), after, Vec::new());
        for row in &rows {
            bytes.extend_from_slice(row.try_get("bytes")?);
            let Some(seal) = row.try_get::<Option<&[u8]>, _>("seal")? else { continue };
            let head =
                Head { position: row.try_get::<i64, _>("seq")? as u64, id: EntryId(fixed_bytes(row, "id")?) };
            let Ok(seal) = seal.try_into() else { continue };
            let origin = (start.position == 0).then_some(longer.origin);
            let bytes = std::mem::take(&mut bytes);
            runs.push(Run { origin, log: longer.log, after: start, bytes, seal: Sig(seal) });
            start = head;
        }
        Ok((!runs.is_empty()).then_some((start, runs)))
    }
}
