//! `velo-relay bench` measures what it says, and leaves nothing behind on the server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use serde_json::Value;
use std::process::{Command, Output};
use velo_tests::postgres::Postgres;

fn bench(args: &[&str], database: Option<String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velo-relay"));
    command.arg("bench").args(args).env_remove("DATABASE_URL");
    command.envs(database.map(|url| ("DATABASE_URL", url)));
    command.output().unwrap()
}

#[test]
fn every_figure_is_measured_and_nothing_is_left_behind() {
    let Some(postgres) = Postgres::start() else { return };
    let small =
        ["--ops", "2000", "--devices", "3", "--team", "2", "--queries", "50", "--edits", "50", "--json"];
    let measured = bench(&small, Some(postgres.url()));
    let told = String::from_utf8_lossy(&measured.stderr).into_owned();
    assert!(measured.status.success(), "{told}");
    let figures: Value = serde_json::from_slice(&measured.stdout).unwrap();
    for figure in [
        "/ingest_ratio",
        "/fill_s",
        "/changes_ms/p50",
        "/changes_ms/p99",
        "/live_ms/p50",
        "/bare_commit_ms/p50",
        "/crowd/rss_alone_mb",
        "/crowd/rss_mb",
    ] {
        assert!(figures.pointer(figure).and_then(Value::as_f64) > Some(0.0), "{figure} in {figures}");
    }
    // Everything that was written was paged through; the relay and the device add what lets it carry.
    let number = |name: &str| figures[name].as_u64().unwrap();
    assert!(number("changes_entries") > number("entries"), "{figures}");
    assert_eq!(figures["crowd"]["teams"], 2, "{figures}");
    assert_eq!(postgres.query("SELECT count(*) FROM pg_database WHERE datname LIKE 'velo_bench%'"), "0");
}

#[test]
fn without_a_server_it_says_what_it_needs() {
    let refused = bench(&[], None);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("DATABASE_URL"), "{told}");
}
