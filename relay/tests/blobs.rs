//! Carried attachments in a real `PostgreSQL`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::time::{Duration, SystemTime};
use velo_node::{blobs::store::KeptBlobs, store::home::LogHome};
use velo_protocol::id::{BlobId, WorkspaceId};
use velo_relay::store::InDatabase;
use velo_tests::postgres::Postgres;

const HOME: WorkspaceId = WorkspaceId([1; 32]);

/// As a relay of its own would see them.
fn rows(postgres: &Postgres, workspace: WorkspaceId) -> (InDatabase, Box<dyn KeptBlobs>) {
    let home = InDatabase::at(postgres.url());
    let rows = home.carried_blobs(workspace, "/nowhere".into());
    (home, rows)
}

fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_hours(24 * days)
}

#[test]
fn two_relays_keep_the_same_once_and_what_nobody_offers_gives_way_first() {
    let Some(postgres) = Postgres::start() else { return };
    let ((home, here), (_, there), (_, elsewhere)) =
        (rows(&postgres, HOME), rows(&postgres, HOME), rows(&postgres, WorkspaceId([2; 32])));
    let blobs: Vec<BlobId> = (0..4_u8).map(|n| BlobId::of(&[n; 100])).collect();
    assert_eq!((here.bytes().unwrap(), here.read(blobs[0]).unwrap()), (0, None));
    for (n, blob) in (0..).zip(&blobs) {
        assert!(here.write(*blob, &[n; 100]).unwrap());
        assert!(!there.write(*blob, &[n; 100]).unwrap(), "it is there already");
    }
    assert_eq!(there.read(blobs[1]).unwrap().unwrap(), [1; 100]);
    assert_eq!((here.bytes().unwrap(), there.bytes().unwrap(), elsewhere.bytes().unwrap()), (400, 400, 0));
    assert!(there.has(blobs[0]) && !elsewhere.has(blobs[0]));
    let other = BlobId([9; 32]);
    assert_eq!(there.missing(&[&blobs[..], &[other]].concat()).unwrap(), [other].into());
    assert_eq!(here.list().unwrap().len(), 4);

    postgres.query(
        "UPDATE blobs SET offered_at = now() - interval '100 days' + get_byte(bytes, 0) * interval '1 day'",
    );
    there.renew(&[blobs[0], other]).unwrap();
    assert_eq!(here.drop_stale(days_ago(30), 150).unwrap(), 200);
    assert_eq!(here.bytes().unwrap(), 200);
    assert!(here.has(blobs[0]) && here.has(blobs[3]) && !here.has(blobs[1]) && !here.has(blobs[2]));
    assert_eq!(here.drop_stale(days_ago(30), 1_000).unwrap(), 100, "what is offered stays");
    assert_eq!(here.drop_stale(days_ago(30), 1_000).unwrap(), 0);

    // Bytes that are not what their name says are fetched again.
    postgres.query("UPDATE blobs SET bytes = '\\x00'");
    assert_eq!(here.read(blobs[0]).unwrap(), None);
    assert!(!there.has(blobs[0]));
    there.write(blobs[0], &[0; 100]).unwrap();
    elsewhere.write(other, b"other").unwrap();
    here.remove(blobs[0]).unwrap();
    here.remove(blobs[0]).unwrap();
    assert!(!there.has(blobs[0]));
    home.forget(HOME, std::path::Path::new("/nowhere")).unwrap();
    assert_eq!(postgres.query("SELECT count(*), (SELECT count(*) FROM workspaces) FROM blobs"), "1|1");
}

#[test]
fn a_database_that_was_away_is_asked_again() {
    let Some(mut postgres) = Postgres::start() else { return };
    let (_home, rows) = rows(&postgres, HOME);
    let blob = BlobId::of(b"part");
    rows.write(blob, b"part").unwrap();
    postgres.kill();
    postgres.start_again();
    assert_eq!(rows.read(blob).unwrap().as_deref(), Some(&b"part"[..]));
    assert_eq!(rows.bytes().unwrap(), 4);
}
