//! A throw-away `PostgreSQL` server: in a folder of its own, reached through a socket in it, run by a user
//! who may do nothing else.

use crate::skip;
use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Who runs the server where the tests are run by root, whom it refuses.
const NOBODY: u32 = 65534;
/// How long a start may take: after a crash it reads its log again.
const START: Duration = Duration::from_mins(1);

/// A running server. It ends, and its folder goes, when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    server: Child,
}

impl Postgres {
    /// Starts one. `None` where `PostgreSQL` is not installed: that is told as a skip.
    ///
    /// # Panics
    /// If it is installed and does not start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip::tell("PostgreSQL is not installed (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("velo-pg-").tempdir().expect("a folder for PostgreSQL");
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("giving the folder to nobody");
        }
        let data = folder.path().join("data");
        let made = run(&programs.join("initdb"))
            .args([
                "--username=velo",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .expect("running initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = launch(&programs, folder.path());
        let postgres = Self { programs, folder, server };
        postgres.wait_until_ready();
        Some(postgres)
    }

    /// How to connect to it.
    pub fn url(&self) -> String {
        format!("postgres://velo@localhost/postgres?host={}", self.folder.path().display())
    }

    /// Kills the server without warning, as a power cut would.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.server.kill().expect("killing PostgreSQL");
        self.server.wait().expect("PostgreSQL has ended");
    }

    /// Starts the server after [`Self::kill`], with the data that it left.
    ///
    /// # Panics
    /// If it does not come back.
    pub fn start_again(&mut self) {
        let until = Instant::now() + START;
        loop {
            self.server = launch(&self.programs, self.folder.path());
            // What it started may still be on its way out: then it refuses.
            while self.server.try_wait().expect("looking after PostgreSQL").is_none() {
                if self.is_ready() {
                    return;
                }
                assert!(Instant::now() < until, "PostgreSQL does not come back: {}", self.log());
                thread::sleep(Duration::from_millis(20));
            }
            assert!(Instant::now() < until, "PostgreSQL does not start again: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a query answers, as `psql` prints it without any decoration.
    ///
    /// # Panics
    /// If the query fails.
    pub fn query(&self, sql: &str) -> String {
        let asked = Command::new("psql").args(["-XqAt", "-c", sql]).arg(self.url()).output();
        let asked = asked.expect("running psql");
        assert!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).trim_end().to_owned()
    }

    fn is_ready(&self) -> bool {
        let mut asked = Command::new(self.programs.join("pg_isready"));
        asked.arg("--quiet").arg("--host").arg(self.folder.path());
        asked.status().is_ok_and(|status| status.success())
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + START;
        while !self.is_ready() {
            assert!(Instant::now() < until, "PostgreSQL does not start: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Whatever became of it: the folder goes with it.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// A command of the server's user.
fn run(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn launch(programs: &Path, folder: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
    let log = log.expect("a log for PostgreSQL");
    run(&programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "max_connections=60"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("starting PostgreSQL")
}

/// Where the programs of the newest version are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest =
        versions.map(|version| version.path()).filter(|path| number(path).is_some()).max_by_key(number);
    newest.map(|path| path.join("bin")).filter(|path| path.join("initdb").exists())
}
