//! Appending: one transaction under the lock of the workspace.
//!
//! Doing it twice changes nothing, since nobody knows whether a transaction came through whose connection
//! broke while it was being committed; and another relay may have written the same entries in its own runs.
//! So before a run is written, it is compared with the rows that are there.

use super::{
    Piece,
    open::{CHAIN_COLUMNS, ChainRow},
    rows::{COPY, EntryRow, Rows},
};
use crate::limits;
use sqlx::{AssertSqlSafe, Error, PgPool, Postgres, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    crypto::Sig,
    id::{EntryId, LogId},
    log::{ChainEnd, Entry, Head, LogError, Origin, parse_entries},
    store::{BatchRun, ChainNo, chains::end_before},
};

/// The channel on which is told that a workspace grew, by its number.
pub(crate) const APPENDED: &str = "velo_appended";

/// A run on its way to the database.
#[derive(Debug)]
pub(super) struct Item {
    no: ChainNo,
    log: LogId,
    origin: Origin,
    from: ChainEnd,
    end: ChainEnd,
    seal: Sig,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Item {
    pub fn new(run: &BatchRun) -> Result<Self, LogError> {
        Ok(Self {
            no: run.chain,
            log: run.run.log,
            origin: run.origin,
            from: end_before(&run.run, &run.end),
            end: run.end,
            seal: run.run.seal,
            bytes: run.run.bytes.clone(),
            entries: parse_entries(run.run.after, &run.run.bytes)?,
        })
    }
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// For each run, the rows that hold it, each piece with the end of the chain behind it.
    pub pieces: Vec<Vec<(Piece, ChainEnd)>>,
    /// To which rows each chain is appended from now on.
    pub chains: BTreeMap<ChainNo, i32>,
}

/// Makes runs durable. `known`: to which rows each chain was appended before.
pub(super) async fn append(
    pool: &PgPool,
    workspace: i32,
    items: &[Item],
    known: BTreeMap<ChainNo, i32>,
) -> Result<Written, Error> {
    let mut writing = Writing::begin(pool, workspace, items).await?;
    let mut written = Written { pieces: Vec::new(), chains: known };
    for item in items {
        let (pieces, chain) = writing.take(item, written.chains.get(&item.no).copied()).await?;
        written.pieces.push(pieces);
        written.chains.insert(item.no, chain);
    }
    writing.finish().await?;
    Ok(written)
}

struct Writing {
    change: Transaction<'static, Postgres>,
    workspace: i32,
    next_cursor: i64,
    next_chain: i32,
    /// The chains of the logs at hand.
    chains: BTreeMap<i32, ChainRow>,
    /// Those that are new or longer.
    changed: BTreeSet<i32>,
    checkpoints: Vec<(i32, ChainEnd)>,
    rows: Rows,
    /// Whether any row is new.
    has_news: bool,
}

impl Writing {
    async fn begin(pool: &PgPool, workspace: i32, items: &[Item]) -> Result<Self, Error> {
        let mut change = pool.begin().await?;
        let lock =
            sqlx::query_as("SELECT next_cursor, next_chain FROM workspaces WHERE number = $1 FOR UPDATE");
        let (next_cursor, next_chain) = lock.bind(workspace).fetch_one(&mut *change).await?;
        let logs: BTreeSet<LogId> = items.iter().map(|item| item.log).collect();
        let logs: Vec<&[u8]> = logs.iter().map(|log| log.as_bytes().as_slice()).collect();
        let sql = format!("SELECT {CHAIN_COLUMNS} FROM chains WHERE workspace = $1 AND log = ANY($2)");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(workspace).bind(logs).fetch_all(&mut *change).await?;
        let chains = rows.iter().map(|row| ChainRow::read(row).map(|row| (row.chain, row)));
        let chains = chains.collect::<Result<_, _>>()?;
        let (changed, checkpoints, rows) = (BTreeSet::new(), Vec::new(), Rows::default());
        Ok(Self {
            change,
            workspace,
            next_cursor,
            next_chain,
            chains,
            changed,
            checkpoints,
            rows,
            has_news: false,
        })
    }

    /// Takes a run. Gives the rows that hold it, and to which chain its last entry belongs.
    async fn take(
        &mut self,
        item: &Item,
        known: Option<i32>,
    ) -> Result<(Vec<(Piece, ChainEnd)>, i32), Error> {
        let (mut after, mut rest, mut known) = (item.from, item.entries.as_slice(), known);
        let mut pieces = Vec::new();
        loop {
            let Some(next) = rest.first() else { return Ok((pieces, known.unwrap_or_default())) };
            let chain = match self.find(item.log, known, after.head, next.id).await? {
                Some(chain) => chain,
                None => self.start(item, after),
            };
            let end = self.chains.get(&chain).map_or(after, |row| row.end);
            let held = end.head.position.saturating_sub(after.head.position).min(rest.len() as u64) as usize;
            let same = self.same(chain, &rest[..held]).await?;
            let from = after.head.position;
            if same == held {
                pieces.push((Piece { chain, after: from, to: item.end.head.position }, item.end));
                self.close(item, chain, &rest[held..]).await?;
                return Ok((pieces, chain));
            }
            // Another relay met another branch of a log that its device forked.
            for entry in &rest[..same] {
                after.advance(entry.id, entry.at[2] - entry.at[0]);
            }
            if same > 0 {
                pieces.push((Piece { chain, after: from, to: after.head.position }, after));
            }
            (rest, known) = (&rest[same..], None);
        }
    }

    /// The chain that holds `after` and goes on with `next`, or may.
    async fn find(
        &mut self,
        log: LogId,
        known: Option<i32>,
        after: Head,
        next: EntryId,
    ) -> Result<Option<i32>, Error> {
        let reaches = |row: &&ChainRow| {
            row.log == log && (row.base.head.position..=row.end.head.position).contains(&after.position)
        };
        let rows: Vec<ChainRow> = self.chains.values().filter(reaches).copied().collect();
        let first = rows.iter().filter(|row| Some(row.chain) == known);
        for row in first.chain(rows.iter().filter(|row| Some(row.chain) != known)) {
            if self.id_at(row, after.position).await? == Some(after.id)
                && self.id_at(row, after.position + 1).await?.is_none_or(|id| id == next)
            {
                return Ok(Some(row.chain));
            }
        }
        Ok(None)
    }

    /// The id at a position from the base of a chain on; `None` behind its end.
    async fn id_at(&mut self, row: &ChainRow, position: u64) -> Result<Option<EntryId>, Error> {
        let ends = [row.end.head, row.base.head];
        if let Some(head) = ends.iter().find(|head| head.position == position) {
            return Ok(Some(head.id));
        }
        if position > row.end.head.position {
            return Ok(None);
        }
        Ok(self.ids(row.chain, position, position).await?.first().copied())
    }

    async fn ids(&mut self, chain: i32, from: u64, to: u64) -> Result<Vec<EntryId>, Error> {
        self.flush().await?;
        let ids: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT id FROM entries WHERE workspace = $1 AND chain = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq",
        )
        .bind(self.workspace)
        .bind(chain)
        .bind(from as i64)
        .bind(to as i64)
        .fetch_all(&mut *self.change)
        .await?;
        Ok(ids.into_iter().filter_map(|id| id.try_into().ok().map(EntryId)).collect())
    }

    /// How many of these, from the first on, the chain holds.
    async fn same(&mut self, chain: i32, entries: &[Entry]) -> Result<usize, Error> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(0) };
        let ids = self.ids(chain, first.position, last.position).await?;
        Ok(entries.iter().zip(ids).take_while(|(entry, id)| entry.id == *id).count())
    }

    fn start(&mut self, item: &Item, base: ChainEnd) -> i32 {
        let chain = self.next_chain;
        self.next_chain += 1;
        let row = ChainRow { chain, log: item.log, origin: item.origin, base, end: base };
        self.chains.insert(chain, row);
        chain
    }

    /// Writes what is new of a run to the end of a chain. The seal is kept either way: this relay's runs end
    /// where those of another one go on.
    async fn close(&mut self, item: &Item, chain: i32, new: &[Entry]) -> Result<(), Error> {
        let end = item.end.head.position;
        for entry in new {
            let row = EntryRow {
                workspace: self.workspace,
                cursor: self.next_cursor,
                chain,
                seq: entry.position,
                id: entry.id.as_bytes(),
                kind: entry.header.kind.0,
                hlc: entry.header.hlc.0,
                header: entry.header_bytes(&item.bytes),
                body: entry.body(&item.bytes),
                seal: (entry.position == end).then_some(&item.seal.0),
            };
            self.rows.push(&row);
            self.next_cursor += 1;
        }
        self.has_news |= !new.is_empty();
        if new.is_empty() {
            self.flush().await?;
            sqlx::query(
                "UPDATE entries SET seal = $4 WHERE workspace = $1 AND chain = $2 AND seq = $3 AND seal IS NULL",
            )
            .bind(self.workspace)
            .bind(chain)
            .bind(end as i64)
            .bind(item.seal.0)
            .execute(&mut *self.change)
            .await?;
        } else if let Some(row) = self.chains.get_mut(&chain) {
            row.end = item.end;
            self.changed.insert(chain);
        }
        if item.end.checkpoint_due() {
            self.checkpoints.push((chain, item.end));
        }
        Ok(())
    }

    /// Sends the rows that wait, so that queries see them.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let bytes = self.rows.take();
        let mut copy = self.change.copy_in_raw(COPY).await?;
        for part in bytes.chunks(limits::COPY_BYTES) {
            copy.send(part).await?;
        }
        copy.finish().await?;
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Error> {
        self.flush().await?;
        self.write_chains().await?;
        self.write_checkpoints().await?;
        sqlx::query("UPDATE workspaces SET next_cursor = $2, next_chain = $3 WHERE number = $1")
            .bind(self.workspace)
            .bind(self.next_cursor)
            .bind(self.next_chain)
            .execute(&mut *self.change)
            .await?;
        // Heard by every relay on this database once it is committed. Not of what was there already: they
        // would tell each other without end.
        if self.has_news {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(APPENDED)
                .bind(self.workspace.to_string())
                .execute(&mut *self.change)
                .await?;
        }
        self.change.commit().await
    }

    async fn write_chains(&mut self) -> Result<(), Error> {
        for chain in std::mem::take(&mut self.changed) {
            let Some(ChainRow { log, origin, base, end, .. }) = self.chains.get(&chain).copied() else {
                continue;
            };
            let sql = format!(
                "INSERT INTO chains (workspace, {CHAIN_COLUMNS}) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
                 ON CONFLICT (workspace, chain) DO UPDATE SET (end_seq, end_id, end_entries, end_bytes) = \
                     (excluded.end_seq, excluded.end_id, excluded.end_entries, excluded.end_bytes)"
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(self.workspace).bind(chain).bind(log.0);
            query = query
                .bind(origin.person.0)
                .bind(origin.device.0)
                .bind(origin.incarnation.0)
                .bind(origin.founder);
            for end in [base, end] {
                query = query.bind(end.head.position as i64).bind(end.head.id.0);
                query = query.bind(end.entries as i32).bind(end.bytes as i32);
            }
            query.execute(&mut *self.change).await?;
        }
        Ok(())
    }

    async fn write_checkpoints(&mut self) -> Result<(), Error> {
        let column = |of: fn(&(i32, ChainEnd)) -> i32| self.checkpoints.iter().map(of).collect::<Vec<i32>>();
        let (chains, entries) = (column(|(chain, _)| *chain), column(|(_, end)| end.entries as i32));
        let bytes = column(|(_, end)| end.bytes as i32);
        let seqs: Vec<i64> = self.checkpoints.iter().map(|(_, end)| end.head.position as i64).collect();
        let ids: Vec<&[u8]> =
            self.checkpoints.iter().map(|(_, end)| end.head.id.as_bytes().as_slice()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO checkpoints (workspace, chain, seq, id, entries, bytes) \
             SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bytea[], $5::int[], $6::int[]) \
             ON CONFLICT DO NOTHING",
        )
        .bind(self.workspace)
        .bind(chains)
        .bind(seqs)
        .bind(ids)
        .bind(entries)
        .bind(bytes)
        .execute(&mut *self.change)
        .await?;
        Ok(())
    }
}
