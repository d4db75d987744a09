//! The tables of a relay, beside a real `PostgreSQL`, and what the devices of its team show.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "tables/shown.rs"]
mod shown;
#[path = "tables/team.rs"]
mod team;

use shown::{assert_activity, assert_empty, assert_equal, dump};
use std::process::Command as Process;
use team::{Peer, Work, converge, eventually};
use velo_protocol::{
    access::Role,
    id::WorkspaceId,
    model::{EntityKey, Kind, task},
    value::Value,
};
use velo_relay::tables::READER;
use velo_tests::postgres::Postgres;

/// Operations that the team writes: 100000 is the full size, which takes minutes.
fn operations() -> usize {
    let wanted = std::env::var("VELO_TABLE_OPS").ok();
    wanted.map_or(2_500, |wanted| wanted.parse().expect("VELO_TABLE_OPS is a number"))
}

/// Anna founded, Ben is a member, the relay a viewer.
struct Team {
    postgres: Postgres,
    relay: Peer,
    anna: Peer,
    ben: Peer,
    workspace: WorkspaceId,
}

impl Team {
    fn start() -> Option<Self> {
        let postgres = Postgres::start()?;
        let (anna, ben) = (Peer::new("Anna").started(), Peer::new("Ben").started());
        let relay = Peer::relay("Relay", postgres.url()).started();
        let workspace = anna.found("Workshop");
        relay.join(anna.invite(workspace, Role::Viewer));
        ben.join(anna.invite(workspace, Role::Member));
        let team = Self { postgres, relay, anna, ben, workspace };
        team.converge();
        team.anna.meet(&team.relay);
        team.ben.meet(&team.relay);
        Some(team)
    }

    fn converge(&self) {
        converge(self.workspace, &[&self.anna, &self.ben, &self.relay]);
    }

    /// The tables hold what Anna sees. How many rows.
    fn assert_equal(&self) -> usize {
        assert_equal(&self.postgres, &self.anna, self.workspace).1
    }

    /// Names every version of a row.
    fn versions(&self) -> String {
        let sql = "SELECT md5(string_agg(xmin::text, ',' ORDER BY id)) FROM mirror_tasks";
        self.postgres.query(sql)
    }
}

#[test]
fn the_tables_show_what_the_devices_show() {
    let Some(mut team) = Team::start() else { return };
    let mut work = [1, 2].map(|seed| Work::new(seed, team.workspace));
    work[0].furnish(&team.anna, 4);
    team.converge();
    for _ in 0..4 {
        let part = operations() / 8;
        let [one, other] = &mut work;
        std::thread::scope(|scope| {
            scope.spawn(|| one.work(&team.anna, part));
            scope.spawn(|| other.work(&team.ben, part));
        });
        team.converge();
        team.assert_equal();
    }
    let rows = team.assert_equal();
    assert!(rows > operations() / 10, "{rows} rows");
    assert_activity(&team.postgres, &team.anna, team.workspace);

    // A restart has nothing to do, where nothing came since.
    let marker = || team.postgres.query("SELECT marker FROM mirrors");
    let mut last = marker();
    eventually("silence", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        std::mem::replace(&mut last, marker()) == last
    });
    let versions = team.versions();
    team.relay.stop();
    team.relay.start(false);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(team.versions(), versions, "nothing was written again");
    team.assert_equal();

    // What happened while it was away is there when it is back.
    team.relay.stop();
    work[0].work(&team.anna, 100);
    team.relay.start(true);
    team.anna.meet(&team.relay);
    team.converge();
    team.assert_equal();

    // The database crashes while they work.
    std::thread::scope(|scope| {
        scope.spawn(|| work[0].work(&team.anna, 200));
        std::thread::sleep(std::time::Duration::from_millis(300));
        team.postgres.kill();
        std::thread::sleep(std::time::Duration::from_millis(300));
        team.postgres.start_again();
    });
    team.converge();
    team.assert_equal();

    // All that was done step by step is what is made anew at once.
    let before = dump(&team.postgres);
    team.relay.stop();
    team.postgres.query("UPDATE mirrors SET marker = 'another'");
    team.relay.start(true);
    eventually("a rebuild", || {
        team.postgres.query("SELECT count(*) FROM mirrors WHERE marker = 'another'") == "0"
    });
    assert_eq!(dump(&team.postgres), before);
}

#[test]
fn a_late_removal_turns_the_tables() {
    let Some(mut team) = Team::start() else { return };
    let mut work = [1, 2].map(|seed| Work::new(seed, team.workspace));
    work[0].furnish(&team.anna, 2);
    team.converge();
    work[0].work(&team.anna, 100);
    work[1].work(&team.ben, 100);
    team.converge();
    team.assert_equal();

    // Anna is away, and removes Ben. He does not know, and works on; so does the relay.
    team.anna.stop();
    team.anna.start(false);
    team.anna.set_role(team.workspace, &team.ben, None);
    work[1].work(&team.ben, 200);
    converge(team.workspace, &[&team.ben, &team.relay]);
    assert_equal(&team.postgres, &team.ben, team.workspace);
    let acts = |team: &Team| {
        let sql =
            format!("SELECT count(*) FROM velo.activity WHERE person_id = '{}'", team.ben.node().person());
        team.postgres.query(&sql).parse::<u64>().unwrap()
    };
    let with_late = acts(&team);

    team.anna.stop();
    team.anna.start(true);
    team.anna.meet(&team.relay);
    converge(team.workspace, &[&team.anna, &team.relay]);
    team.assert_equal();
    let without = acts(&team);
    assert!(0 < without && without + 50 < with_late, "{without} of {with_late}");

    // What is made anew from the logs is the same.
    let before = dump(&team.postgres);
    team.relay.stop();
    team.postgres.query("UPDATE mirrors SET marker = 'another'");
    team.relay.start(true);
    eventually("a rebuild", || {
        team.postgres.query("SELECT count(*) FROM mirrors WHERE marker = 'another'") == "0"
    });
    assert_eq!(dump(&team.postgres), before);

    // Ben is let in again, and what he does from then on counts.
    team.anna.meet(&team.relay);
    team.anna.set_role(team.workspace, &team.ben, Some(Role::Member));
    team.anna.meet(&team.ben);
    team.converge();
    work[1].work(&team.ben, 50);
    team.converge();
    team.assert_equal();

    // Whoever removes the relay takes its tables.
    team.anna.set_role(team.workspace, &team.relay, None);
    assert_empty(&team.postgres);
    team.relay.stop();
    team.relay.start(true);
    assert_empty(&team.postgres);
}

#[test]
fn a_workspace_that_the_relay_is_not_in_has_no_rows() {
    let Some(team) = Team::start() else { return };
    let private = team.relay.node().private_id();
    eventually("one mirror", || team.postgres.query("SELECT count(*) FROM mirrors") == "1");
    let mut held: Vec<String> = private.iter().chain([&team.workspace]).map(ToString::to_string).collect();
    held.sort();
    let logs = team.postgres.query("SELECT encode(id, 'hex') FROM workspaces ORDER BY 1");
    assert_eq!(logs, held.join("\n"), "the logs of both are there");
    let rows = team.postgres.query("SELECT DISTINCT id FROM mirrors");
    assert_eq!(rows, team.workspace.to_string());
}

#[test]
fn of_two_that_could_keep_the_tables_one_does_and_the_other_takes_over() {
    let Some(team) = Team::start() else { return };
    let mut work = Work::new(1, team.workspace);
    work.furnish(&team.anna, 2);
    team.converge();
    team.assert_equal();
    let second = team.relay.keep_tables_too();
    work.work(&team.anna, 100);
    team.converge();
    team.assert_equal();
    let locks =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1447382095";
    assert_eq!(team.postgres.query(locks), "1");
    team.relay.keep_tables_no_more();
    work.work(&team.anna, 100);
    team.converge();
    team.assert_equal();
    assert_eq!(team.postgres.query(locks), "1");

    // What somebody else's relay keeps is not for the own one to clear.
    team.postgres.query("UPDATE mirrors SET person = 'another'");
    team.anna.set_role(team.workspace, &team.relay, None);
    eventually("no lock", || team.postgres.query(locks) == "0");
    assert_ne!(team.postgres.query("SELECT count(*) FROM velo.tasks"), "0");
    drop(second);
}

#[test]
fn a_database_user_that_may_do_little_keeps_tables_all_the_same() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.query("CREATE ROLE plain LOGIN");
    postgres.query("CREATE DATABASE plain OWNER plain TEMPLATE template0 ENCODING 'UTF8'");
    let url = postgres.url().replace("velo@localhost/postgres", "plain@localhost/plain");
    let (mut relay, anna) = (Peer::relay("Relay", url.clone()).started(), Peer::new("Anna").started());
    let workspace = anna.found("Workshop");
    relay.join(anna.invite(workspace, Role::Viewer));
    converge(workspace, &[&anna, &relay]);
    Work::new(1, workspace).furnish(&anna, 2);
    let ask = |sql: &str| {
        let asked = Process::new("psql").args(["-XqAt", "-c", sql, &url]).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).trim_end().to_owned()
    };
    eventually("projects", || ask("SELECT count(*) FROM velo.projects") == "2");
    assert_eq!(ask("SELECT count(*) FROM pg_roles WHERE rolname = 'velo_reader'"), "0");
    // Once an administrator made the role, a start grants it the views.
    postgres.query("CREATE ROLE velo_reader NOLOGIN");
    relay.stop();
    relay.start(true);
    assert_eq!(ask("SELECT has_table_privilege('velo_reader', 'velo.tasks', 'SELECT')"), "t");
    assert_eq!(ask("SELECT has_table_privilege('velo_reader', 'mirror_tasks', 'SELECT')"), "f");
}

#[test]
fn a_relay_with_an_empty_database_is_filled_again() {
    let Some(mut team) = Team::start() else { return };
    let mut work = Work::new(1, team.workspace);
    work.furnish(&team.anna, 2);
    work.work(&team.anna, 50);
    team.converge();
    team.assert_equal();
    team.relay.stop();
    team.postgres.query("DROP SCHEMA public, velo CASCADE");
    team.postgres.query("CREATE SCHEMA public");
    team.relay.start(true);
    team.anna.meet(&team.relay);
    team.converge();
    team.assert_equal();
}

/// What a person who may read reports gets for a query.
fn as_reader(postgres: &Postgres, sql: &str) -> Result<String, String> {
    let mut asked = Process::new("psql");
    asked.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", &format!("SET ROLE {READER}"), "-c", sql]);
    let answer = asked.arg(postgres.url()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if answer.status.success() { Ok(text(&answer.stdout)) } else { Err(text(&answer.stderr)) }
}

/// The queries in the guide.
fn documented() -> Vec<String> {
    let guide = include_str!("../../docs/reports.md");
    let blocks = guide.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn who_reads_reports_reads_the_views_and_nothing_else() {
    let Some(team) = Team::start() else { return };
    let mut work = Work::new(1, team.workspace);
    work.furnish(&team.anna, 2);
    work.work(&team.anna, 400);
    let late = team.anna.node().workspace(team.workspace).unwrap().shown(Kind::Task).next().unwrap();
    let due = velo_protocol::change::Change::Set {
        key: EntityKey::new(Kind::Task, late),
        slot: task::DUE.into(),
        value: Value::Date(velo_protocol::value::Date::Day(19_000)),
    };
    team.anna.edit(team.workspace, vec![due]);
    team.converge();
    team.assert_equal();

    for view in ["projects", "tasks", "comments", "activity"] {
        let rows = as_reader(&team.postgres, &format!("SELECT count(*) FROM velo.{view}")).unwrap();
        assert_ne!(rows, "0", "{view}");
        for change in [format!("DELETE FROM velo.{view}"), format!("DROP VIEW velo.{view}")] {
            assert!(as_reader(&team.postgres, &change).is_err(), "{change}");
        }
    }
    let tables = "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'S')";
    let tables = team.postgres.query(tables);
    assert!(
        ["entries", "workspaces", "mirror_tasks"]
            .iter()
            .all(|table| tables.lines().any(|line| line == *table))
    );
    for table in tables.lines() {
        let refused = as_reader(&team.postgres, &format!("SELECT * FROM {table} LIMIT 1")).unwrap_err();
        assert!(refused.contains("permission denied"), "{table}: {refused}");
    }
    for change in ["CREATE TABLE velo.mine (a int)", "CREATE TABLE public.mine (a int)", "CREATE SCHEMA mine"]
    {
        let refused = as_reader(&team.postgres, change).unwrap_err();
        assert!(refused.contains("permission denied"), "{change}: {refused}");
    }

    let queries = documented();
    assert!(queries.len() >= 7, "{}", queries.len());
    for query in queries {
        let answer = as_reader(&team.postgres, &query).unwrap_or_else(|error| panic!("{query}\n{error}"));
        assert!(!answer.is_empty(), "nothing answers {query}");
    }
}
