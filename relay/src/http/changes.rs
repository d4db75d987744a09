//! What was appended to a workspace, in the order of arrival, from a cursor on.

use super::{
    App, Asked,
    caller::Caller,
    cursor::{Cursors, Mark, Place},
    generation,
    problem::Problem,
};
use crate::{database::Database, limits, store::origin_of};
use axum::{Json, extract::State};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sqlx::{Error, PgPool, Row, postgres::PgRow};
use std::time::Duration;
use tokio::time::Instant;
use velo_node::handle::NodeHandle;
use velo_protocol::{
    crypto::{PublicKey, Sig},
    id::{EntryId, LogId, WorkspaceId},
    log::{Head, Origin, verify_seal},
    time::Hlc,
};

/// What the address asks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    cursor: Option<String>,
    limit: Option<i64>,
    /// Seconds.
    wait: Option<u64>,
}

/// One entry, with all that it takes to check it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ChangeRow {
    id: EntryId,
    log: LogId,
    origin: Origin,
    seq: u64,
    /// The entry before it in its log, or the log's start.
    previous: EntryId,
    kind: u8,
    /// When, by its author's clock: milliseconds since 1970.
    time: u64,
    header: String,
    body: String,
    /// Over this entry and all before it, where a run ends with it.
    seal: Option<String>,
}

/// A part of the changes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub changes: Vec<ChangeRow>,
    /// Where to go on.
    pub next_cursor: String,
    /// Whether there is more at once.
    pub more: bool,
    /// Whether the cursor was of another life of the database, so that these are the first changes.
    pub restarted: bool,
}

/// Reads changes.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub node: &'a NodeHandle,
    pub database: &'a Database,
    pub secret: &'a [u8],
    pub workspace: WorkspaceId,
}

/// What a query brought.
struct Found {
    page: Page,
    /// The workspace's number; `None`: the database does not hold it.
    number: Option<i32>,
}

pub(super) async fn changes(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Query>,
) -> Result<Json<Page>, Problem> {
    let database = app.database()?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(limits::WAIT_S));
    let reader = Reader { node: &app.node, database, secret: &app.secret, workspace: caller.workspace };
    let until = Instant::now() + wait;
    let _room = if wait.is_zero() {
        None
    } else {
        Some(app.waiting.try_acquire().map_err(|_| Problem::busy(5, "too many wait already"))?)
    };
    loop {
        // Before looking, so that nothing comes in between unheard.
        let mut waiter = app.arrivals()?.waiter();
        let found = reader.read(query.cursor.as_deref(), query.limit).await?;
        if !found.page.changes.is_empty() || found.page.restarted || Instant::now() >= until {
            return Ok(Json(found.page));
        }
        let woken = async {
            match found.number {
                Some(number) => waiter.wait(number).await,
                None => std::future::pending().await,
            }
        };
        let _ = tokio::time::timeout_at(until, woken).await;
        // Who was removed meanwhile hears no more.
        caller.check(&app.node)?;
    }
}

impl Reader<'_> {
    /// The changes behind a cursor, for others.
    pub async fn page(&self, cursor: Option<&str>, limit: Option<i64>) -> Result<Page, Problem> {
        self.read(cursor, limit).await.map(|found| found.page)
    }

    async fn read(&self, cursor: Option<&str>, limit: Option<i64>) -> Result<Found, Problem> {
        let limit = limit.unwrap_or(limits::PAGE_DEFAULT);
        if !(1..=limits::PAGE).contains(&limit) {
            let detail = format!("limit is a number from 1 to {}", limits::PAGE);
            return Err(Problem::bad("invalid_query", detail));
        }
        let ask = |pool: PgPool| async move { generation::look(&pool).await };
        let life = self.database.ask(limits::HTTP_PATIENCE_MS, ask).await;
        let life = life.map_err(|error| Problem::database(&error))?;
        let cursors = Cursors::new(self.secret, &life.salt);
        let place = cursor.map(|cursor| cursors.read(self.workspace, life.generation, cursor)).transpose()?;
        let (after, mut restarted) = match place {
            None => (Mark::START, false),
            Some(Place::After(mark)) => (mark, false),
            Some(Place::Elsewhere) => (Mark::START, true),
        };
        let mut rows = self.rows(after.position, limit).await?;
        if rows.start != after {
            // An older state was put back without the database being told, or the workspace came anew.
            (rows, restarted) = (self.rows(0, limit).await?, true);
        }
        let reached = rows.reached;
        let changes = rows.changes.into_iter().map(|row| self.checked(row)).collect::<Vec<_>>();
        let next_cursor = cursors.make(self.workspace, life.generation, reached);
        let page = Page { changes, next_cursor, more: reached.position < rows.end, restarted };
        Ok(Found { page, number: rows.number })
    }

    async fn rows(&self, after: i64, limit: i64) -> Result<Rows, Problem> {
        let workspace = self.workspace;
        let asked = self.database.ask(limits::HTTP_PATIENCE_MS, move |pool| async move {
            select(&pool, workspace, after, limit).await
        });
        asked.await.map_err(|error| Problem::database(&error))
    }

    /// A relay closes what it wrote itself with seals that it alone can check, until somebody is to receive
    /// it: for others they are none.
    fn checked(&self, mut row: ChangeRow) -> ChangeRow {
        if row.origin.person != self.node.person() {
            return row;
        }
        let head = Head { position: row.seq, id: row.id };
        let stored = row.seal.take().and_then(|seal| BASE64.decode(seal.as_bytes()).ok());
        let stored = stored.and_then(|seal| seal.try_into().ok().map(Sig));
        let seal = stored.and_then(|seal| {
            if row.origin.device == self.node.device() {
                return self.node.seal_for_others(self.workspace, row.log, head, &seal);
            }
            let key = PublicKey::parse(&row.origin.device.0).ok()?;
            verify_seal(&key, self.workspace, row.log, head, &seal).is_ok().then_some(seal)
        });
        row.seal = seal.map(|seal| BASE64.encode(&seal.0));
        row
    }
}

struct Rows {
    number: Option<i32>,
    /// The last position there is.
    end: i64,
    /// Where these begin: with what stands there.
    start: Mark,
    /// Where they end.
    reached: Mark,
    changes: Vec<ChangeRow>,
}

/// The row at a position and those behind it, as many as fit into an answer. Cursors are dense, so their range is the limit. The
/// entry before one in its chain stands right before it, or has a seal: see the migration.
const SELECT: &str = "\
    SELECT part.*, chain.log, chain.person, chain.device, chain.incarnation, chain.founder, \
        coalesce(part.before, ( \
            SELECT ended.id FROM entries AS ended WHERE ended.workspace = $1 AND ended.chain = part.chain \
                AND ended.seq = part.seq - 1 AND ended.seal IS NOT NULL \
        ), chain.base_id) AS previous \
    FROM ( \
        SELECT *, sum(octet_length(header) + octet_length(body)) FILTER (WHERE cursor > $2) OVER page AS bytes, \
            CASE WHEN lag(chain) OVER page = chain AND lag(seq) OVER page = seq - 1 THEN lag(id) OVER page END \
                AS before \
        FROM entries WHERE workspace = $1 AND cursor BETWEEN $2 AND $2 + $3 \
        WINDOW page AS (ORDER BY cursor) \
    ) AS part \
    JOIN chains AS chain ON chain.workspace = $1 AND chain.chain = part.chain \
    WHERE part.cursor <= $2 + 1 OR part.bytes <= $4 \
    ORDER BY part.cursor";

async fn select(pool: &PgPool, workspace: WorkspaceId, after: i64, limit: i64) -> Result<Rows, Error> {
    let held = sqlx::query("SELECT number, next_cursor - 1 FROM workspaces WHERE id = $1");
    let (mut start, mut changes) = (Mark::START, Vec::new());
    let Some(held) = held.bind(workspace.0).fetch_optional(pool).await? else {
        return Ok(Rows { number: None, end: 0, start, reached: start, changes });
    };
    let (number, end): (i32, i64) = (held.try_get(0)?, held.try_get(1)?);
    let query = sqlx::query(SELECT).bind(number).bind(after).bind(limit).bind(limits::PAGE_BYTES);
    let mut reached = start;
    for row in &query.fetch_all(pool).await? {
        reached = Mark { position: row.try_get("cursor")?, entry: EntryId(bytes(row, "id")?) };
        if reached.position == after {
            start = reached;
        } else {
            changes.push(row_of(row)?);
        }
    }
    Ok(Rows { number: Some(number), end, start, reached, changes })
}

fn row_of(row: &PgRow) -> Result<ChangeRow, Error> {
    let seal: Option<&[u8]> = row.try_get("seal")?;
    Ok(ChangeRow {
        id: EntryId(bytes(row, "id")?),
        log: LogId(bytes(row, "log")?),
        origin: origin_of(row)?,
        seq: row.try_get::<i64, _>("seq")? as u64,
        previous: EntryId(bytes(row, "previous")?),
        kind: row.try_get::<i16, _>("kind")? as u8,
        time: Hlc(row.try_get::<i64, _>("hlc")? as u64).ms(),
        header: BASE64.encode(row.try_get("header")?),
        body: BASE64.encode(row.try_get("body")?),
        seal: seal.map(|seal| BASE64.encode(seal)),
    })
}

fn bytes<const N: usize>(row: &PgRow, column: &str) -> Result<[u8; N], Error> {
    crate::store::fixed_bytes(row, column)
}
