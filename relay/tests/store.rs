//! Logs in a real `PostgreSQL`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};
use velo_node::store::home::LogHome;
use velo_protocol::{
    id::WorkspaceId,
    store::{
        BatchRun, ChainNo, LogStore,
        conformance::{self, Author, batch},
    },
};
use velo_relay::{
    database::Database,
    store::{DatabaseLog, InDatabase},
};
use velo_tests::postgres::Postgres;

/// A server with an open database, for one test.
struct Server {
    postgres: Postgres,
    database: Database,
}

fn server() -> Option<Server> {
    let postgres = Postgres::start()?;
    let database = Database::open(&postgres.url()).unwrap();
    Some(Server { postgres, database })
}

/// A workspace that no other test uses.
fn workspace() -> WorkspaceId {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    WorkspaceId([NEXT.fetch_add(1, Ordering::Relaxed); 32])
}

impl Server {
    fn open(&self, workspace: WorkspaceId) -> DatabaseLog {
        DatabaseLog::open(&self.database, workspace).unwrap()
    }

    /// Every cursor from the first on is there once.
    fn assert_dense(&self, entries: u64) {
        let counted = self.postgres.query(
            "SELECT count(*), coalesce(min(cursor), 1), coalesce(max(cursor), 0), count(DISTINCT cursor) FROM entries",
        );
        assert_eq!(counted, format!("{entries}|1|{entries}|{entries}"));
    }

    /// Rows are found by their place in a chain, from any position to any other one.
    fn assert_found(&self) {
        let wrong = self.postgres.query(
            "WITH ends AS (SELECT workspace, chain, place::bigint FROM chains, generate_series(0, end_seq + 1, 3) AS place) \
             SELECT count(*), count(*) FILTER (WHERE \
                 (SELECT array_agg(seq) FROM entries_of(a.workspace, a.chain, a.place, b.place)) IS DISTINCT FROM \
                 (SELECT array_agg(seq ORDER BY seq) FROM entries AS e WHERE e.workspace = a.workspace \
                     AND e.chain = a.chain AND e.seq > a.place AND e.seq <= b.place)) \
             FROM ends AS a JOIN ends AS b USING (workspace, chain) WHERE a.place < b.place",
        );
        let (asked, wrong) = wrong.split_once('|').unwrap();
        assert!(asked.parse::<u32>().unwrap() > 100 && wrong == "0", "{wrong} of {asked}");
    }
}

/// The same run, cut into two.
fn halves(mut author: Author, first: usize, second: usize, body: usize) -> [BatchRun; 2] {
    [author.write(ChainNo(0), first, body), author.write(ChainNo(0), second, body)]
}

#[test]
fn conforms() {
    let Some(server) = server() else { return };
    conformance::check(|| server.open(workspace()));
}

#[test]
fn a_log_that_is_opened_again_holds_the_same() {
    let Some(server) = server() else { return };
    let workspace = workspace();
    let (mut log, mut anna, mut ben) = (server.open(workspace), Author::new(1), Author::new(2));
    for count in 0..60 {
        let runs = [anna.write(ChainNo(0), 1 + count % 9, 40), ben.write(ChainNo(1), 7, 400)];
        log.append(&batch(runs)).unwrap();
    }
    drop(log);
    let mut log = server.open(workspace);
    for (author, no) in [(&anna, 0), (&ben, 1)] {
        author.assert_held(&log.reader(), ChainNo(no));
    }
    log.append(&batch([anna.write(ChainNo(0), 300, 20)])).unwrap();
    anna.assert_held(&log.reader(), ChainNo(0));
    assert!(server.open(workspace).reader().chains().len() == 2);
    server.assert_dense((anna.written().len() + ben.written().len()) as u64);
}

#[test]
fn what_was_saved_with_the_state_tells_whether_it_fits() {
    let Some(server) = server() else { return };
    let (workspace, home) = (workspace(), InDatabase::at(server.postgres.url()));
    let folder = tempfile::tempdir().unwrap();
    let open = |index: Option<&[u8]>| home.open(workspace, folder.path(), index).unwrap();
    let mut anna = Author::new(1);
    let (mut log, report) = open(None);
    assert!(report.must_rebuild() && !report.in_doubt() && report.is_blank());
    log.append(&batch([anna.write(ChainNo(0), 3, 10)])).unwrap();
    let early = log.index();
    log.append(&batch([anna.write(ChainNo(0), 3, 10)])).unwrap();
    let late = log.index();
    assert!(!open(Some(&early)).1.must_rebuild(), "what came since is read");
    assert!(!open(Some(&late)).1.must_rebuild());
    server.postgres.query("UPDATE chains SET end_seq = 3");
    let report = open(Some(&late)).1;
    assert!(report.shortened && report.in_doubt() && report.must_rebuild(), "restored from a backup");
    home.forget(workspace, folder.path()).unwrap();
    assert_eq!(
        server.postgres.query("SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM chains)"),
        "0"
    );
}

#[test]
fn a_relay_that_forgets_leaves_the_rows_to_the_others() {
    let Some(server) = server() else { return };
    let (workspace, home) = (workspace(), InDatabase::at(server.postgres.url()));
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut anna = Author::new(1);
    home.open(workspace, here.path(), None)
        .unwrap()
        .0
        .append(&batch([anna.write(ChainNo(0), 3, 10)]))
        .unwrap();
    let (mut log, _) = home.open(workspace, there.path(), None).unwrap();
    // Opened twice, forgotten once.
    drop(home.open(workspace, here.path(), None).unwrap());
    home.forget(workspace, here.path()).unwrap();
    log.append(&batch([anna.write(ChainNo(0), 2, 10)])).unwrap();
    anna.assert_held(&log.reader(), ChainNo(0));
    drop(log);
    home.forget(workspace, there.path()).unwrap();
    let left = "SELECT (SELECT count(*) FROM workspaces) + (SELECT count(*) FROM entries) + (SELECT count(*) FROM holders)";
    assert_eq!(server.postgres.query(left), "0");
}

#[test]
fn two_relays_write_the_same_in_other_runs_once() {
    let Some(server) = server() else { return };
    let workspace = workspace();
    let (mut here, mut there) = (server.open(workspace), server.open(workspace));
    let mut anna = Author::new(1);
    let before = anna.clone();
    here.append(&batch([anna.write(ChainNo(0), 10, 50)])).unwrap();
    for half in halves(before, 4, 6, 50) {
        there.append(&batch([half])).unwrap();
    }
    for log in [&here, &there] {
        anna.assert_held(&log.reader(), ChainNo(0));
    }
    // Each goes on where the other one wrote last.
    let more = anna.write(ChainNo(0), 5, 50);
    there.append(&batch([more.clone()])).unwrap();
    here.append(&batch([more])).unwrap();
    here.append(&batch([anna.write(ChainNo(0), 200, 50)])).unwrap();
    anna.assert_held(&here.reader(), ChainNo(0));
    anna.assert_held(&server.open(workspace).reader(), ChainNo(0));
    server.assert_dense(215);
    server.assert_found();
}

#[test]
fn two_relays_that_met_two_branches_keep_both() {
    let Some(server) = server() else { return };
    let workspace = workspace();
    let (mut here, mut there) = (server.open(workspace), server.open(workspace));
    let mut trunk = Author::new(1);
    let shared = trunk.write(ChainNo(0), 10, 50);
    let mut branch = trunk.clone();
    here.append(&batch([shared.clone(), trunk.write(ChainNo(0), 8, 30)])).unwrap();
    there.append(&batch([shared, branch.write(ChainNo(0), 300, 31)])).unwrap();
    trunk.assert_held(&here.reader(), ChainNo(0));
    branch.assert_held(&there.reader(), ChainNo(0));
    let log = server.open(workspace);
    trunk.assert_held(&log.reader(), ChainNo(0));
    branch.assert_held(&log.reader(), ChainNo(1));
    server.assert_dense((trunk.written().len() + branch.written().len() - 10) as u64);
    server.assert_found();
}

/// Nobody knows whether a transaction came through whose connection broke.
#[test]
fn what_is_written_twice_is_there_once() {
    let Some(server) = server() else { return };
    let workspace = workspace();
    let (mut log, mut unsure) = (server.open(workspace), server.open(workspace));
    let mut anna = Author::new(1);
    let runs = batch([anna.write(ChainNo(0), 200, 10), anna.write(ChainNo(0), 9, 10)]);
    log.append(&runs).unwrap();
    unsure.append(&runs).unwrap();
    unsure.append(&batch([anna.write(ChainNo(0), 9, 10)])).unwrap();
    anna.assert_held(&unsure.reader(), ChainNo(0));
    server.assert_dense(anna.written().len() as u64);
}

#[test]
fn nothing_acknowledged_is_lost_and_no_cursor_skipped_when_the_database_is_killed() {
    let Some(mut server) = server() else { return };
    let kills: usize = std::env::var("VELO_KILLS").ok().map_or(5, |kills| kills.parse().unwrap());
    let shared = workspace();
    let done = OnceLock::new();
    let database = server.database.clone();
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (1..=3)
            .map(|seed| {
                let (database, done) = (&database, &done);
                scope.spawn(move || {
                    let (mut log, mut author) =
                        (DatabaseLog::open(database, shared).unwrap(), Author::new(seed));
                    // Others may have begun before.
                    let own = ChainNo(log.reader().chains().len() as u32);
                    while done.get().is_none() {
                        log.append(&batch([author.write(own, 3, 100)])).unwrap();
                    }
                    author.assert_held(&log.reader(), own);
                    author.written().len()
                })
            })
            .collect();
        let paging = scope.spawn(|| page(&database, &done));
        for _ in 0..kills {
            thread::sleep(Duration::from_millis(300));
            server.postgres.kill();
            thread::sleep(Duration::from_millis(50));
            server.postgres.start_again();
        }
        thread::sleep(Duration::from_millis(300));
        done.set(()).unwrap();
        let written: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        (written, paging.join().unwrap())
    });
    println!("{kills} kills: {} entries written, {} paged", written.0, written.1);
    server.assert_dense(written.0 as u64);
    assert!(written.0 > 100);
}

/// Reads on from the last cursor, as somebody does who follows the changes. Gives how many were read.
fn page(database: &Database, done: &OnceLock<()>) -> i64 {
    let mut cursor = 0i64;
    loop {
        let is_last = done.get().is_some();
        let cursors: Vec<i64> = database
            .insist(60_000, move |pool| async move {
                sqlx::query_scalar("SELECT cursor FROM entries WHERE cursor > $1 ORDER BY cursor LIMIT 1000")
                    .bind(cursor)
                    .fetch_all(&pool)
                    .await
            })
            .unwrap();
        for read in &cursors {
            assert_eq!(*read, cursor + 1, "a cursor was skipped");
            cursor = *read;
        }
        if is_last && cursors.is_empty() {
            return cursor;
        }
    }
}
