//! Appending: one transaction under the lock of the workspace.
//!
//! Doing it twice changes nothing, since nobody knows whether a transaction came through whose connection
//! broke while it was being committed; and another relay may have written the same entries in its own runs.
//! So before a run is written, it is compared with the rows that are there.

use super::{
    Piece,
    open::{CHAIN_COLUMNS, ChainRow, bytes},
    rows::{COPY, EntryRow, Rows},
};
use crate::limits;
use sqlx::{AssertSqlSafe, Error, PgPool, Postgres, Row, Transaction, postgres::PgRow};
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

/// A row that is there.
struct Held {
    id: EntryId,
    cursor: i64,
    is_sealed: bool,
}

impl Held {
    fn read(row: &PgRow) -> Result<Self, Error> {
        let (cursor, is_sealed) = (row.try_get("cursor")?, row.try_get("sealed")?);
        Ok(Self { id: EntryId(bytes(row, "id")?), cursor, is_sealed })
    }
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
    /// Whether a row that was there has been changed.
    is_changed: bool,
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
            is_changed: false,
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
            if same.len() == held {
                pieces.push((Piece { chain, after: from, to: item.end.head.position }, item.end));
                match &rest[held..] {
                    [] => self.seal(item, same.last()).await?,
                    new => self.extend(item, chain, new),
                }
                if item.end.checkpoint_due() {
                    self.checkpoints.push((chain, item.end));
                }
                return Ok((pieces, chain));
            }
            let same = same.len();
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
        Ok(self.held(row.chain, position, position).await?.first().map(|held| held.id))
    }

    /// What stands at these positions of a chain.
    async fn held(&mut self, chain: i32, from: u64, to: u64) -> Result<Vec<Held>, Error> {
        self.flush().await?;
        let rows = sqlx::query(
            "SELECT id, cursor, seal IS NOT NULL AS sealed FROM entries_of($1, $2, $3 - 1, $4) ORDER BY seq",
        );
        let rows = rows.bind(self.workspace).bind(chain).bind(from as i64).bind(to as i64);
        rows.fetch_all(&mut *self.change).await?.iter().map(Held::read).collect()
    }

    /// Those of these, from the first on, that the chain holds.
    async fn same(&mut self, chain: i32, entries: &[Entry]) -> Result<Vec<Held>, Error> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(Vec::new()) };
        let mut held = self.held(chain, first.position, last.position).await?;
        let same = entries.iter().zip(&held).take_while(|(entry, held)| entry.id == held.id).count();
        held.truncate(same);
        Ok(held)
    }

    fn start(&mut self, item: &Item, base: ChainEnd) -> i32 {
        let chain = self.next_chain;
        self.next_chain += 1;
        let row = ChainRow { chain, log: item.log, origin: item.origin, base, end: base };
        self.chains.insert(chain, row);
        chain
    }

    /// Writes what is new of a run to the end of a chain: rows that follow each other, of which the last has a
    /// seal. Everything that looks for rows relies on that.
    fn extend(&mut self, item: &Item, chain: i32, new: &[Entry]) {
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
        if let Some(row) = self.chains.get_mut(&chain) {
            row.end = item.end;
            self.changed.insert(chain);
        }
    }

    /// Keeps the seal of a run that is there already: this relay's runs end where those of another one go on.
    async fn seal(&mut self, item: &Item, last: Option<&Held>) -> Result<(), Error> {
        let Some(last) = last.filter(|last| !last.is_sealed) else { return Ok(()) };
        let seal = sqlx::query("UPDATE entries SET seal = $3 WHERE workspace = $1 AND cursor = $2");
        seal.bind(self.workspace).bind(last.cursor).bind(item.seal.0).execute(&mut *self.change).await?;
        self.is_changed = true;
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
        let has_news = !self.changed.is_empty();
        if !has_news && !self.is_changed && self.checkpoints.is_empty() {
            // Another relay wrote it, and committed it: there is nothing to wait for.
            return self.change.rollback().await;
        }
        self.write_chains().await?;
        self.write_checkpoints().await?;
        // Heard by every relay on this database once it is committed. Not of what was there already: they
        // would tell each other without end.
        if has_news {
            sqlx::query(
                "WITH moved AS ( \
                     UPDATE workspaces SET next_cursor = $2, next_chain = $3 WHERE number = $1 RETURNING number \
                 ) SELECT pg_notify($4, number::text) FROM moved",
            )
            .bind(self.workspace)
            .bind(self.next_cursor)
            .bind(self.next_chain)
            .bind(APPENDED)
            .execute(&mut *self.change)
            .await?;
        }
        self.change.commit().await
    }

    async fn write_chains(&mut self) -> Result<(), Error> {
        let changed: Vec<ChainRow> =
            self.changed.iter().filter_map(|chain| self.chains.get(chain)).copied().collect();
        if changed.is_empty() {
            return Ok(());
        }
        let numbers = |of: fn(&ChainRow) -> i64| changed.iter().map(of).collect::<Vec<i64>>();
        let bytes = |of: for<'a> fn(&'a ChainRow) -> &'a [u8]| changed.iter().map(of).collect::<Vec<&[u8]>>();
        let sql = format!(
            "INSERT INTO chains (workspace, {CHAIN_COLUMNS}) \
             SELECT $1, * FROM unnest($2::int[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bool[], \
                 $8::bigint[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[], $14::bigint[], $15::bigint[]) \
             ON CONFLICT (workspace, chain) DO UPDATE SET (end_seq, end_id, end_entries, end_bytes) = \
                 (excluded.end_seq, excluded.end_id, excluded.end_entries, excluded.end_bytes)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.workspace)
            .bind(changed.iter().map(|row| row.chain).collect::<Vec<i32>>())
            .bind(bytes(|row| &row.log.0))
            .bind(bytes(|row| &row.origin.person.0))
            .bind(bytes(|row| &row.origin.device.0))
            .bind(bytes(|row| &row.origin.incarnation.0))
            .bind(changed.iter().map(|row| row.origin.founder).collect::<Vec<bool>>())
            .bind(numbers(|row| row.base.head.position as i64))
            .bind(bytes(|row| &row.base.head.id.0))
            .bind(numbers(|row| row.base.entries.into()))
            .bind(numbers(|row| row.base.bytes.into()))
            .bind(numbers(|row| row.end.head.position as i64))
            .bind(bytes(|row| &row.end.head.id.0))
            .bind(numbers(|row| row.end.entries.into()))
            .bind(numbers(|row| row.end.bytes.into()))
            .execute(&mut *self.change)
            .await?;
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
