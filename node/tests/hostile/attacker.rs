//! A process that attacks from a host of its own: this test program, started once more.

use crate::{announcements, frames, slow};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
};
use velo_tests::lan::Host;

/// Says to the program which attack it is, and
const ATTACK: &str = "VELO_TEST_ATTACK";
/// where.
const ADDRESS: &str = "VELO_TEST_ADDRESS";

/// Not a test of its own: an attack, for as long as the process lives.
#[test]
fn attacker() {
    let Ok(which) = env::var(ATTACK) else { return };
    let address = env::var(ADDRESS).unwrap().parse().ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("begun");
    runtime.block_on(async {
        match which.as_str() {
            "announce" => announcements::attack(false).await,
            "announce from many" => announcements::attack(true).await,
            "lie" => frames::attack(address.unwrap()).await,
            "silent" => slow::attack_silently(address.unwrap()).await,
            "slow" => slow::attack_slowly(address.unwrap()).await,
            other => panic!("no attack: {other}"),
        }
    });
}

/// See the module. It ends when it is dropped.
pub struct Attacker {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Attacker {
    /// Starts an attack on a node at `address`, from a host.
    pub fn start(which: &str, host: &Host, address: &str) -> anyhow::Result<Self> {
        let mut command = host.command(&env::current_exe()?);
        command.args(["--exact", "attacker::attacker", "--nocapture"]);
        command.env(ATTACK, which).env(ADDRESS, address).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut attacker = Self { process, stdout };
        attacker.wait_for("begun")?;
        Ok(attacker)
    }

    /// Returns when it has said this.
    pub fn wait_for(&mut self, what: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            anyhow::ensure!(
                self.stdout.read_line(&mut line)? > 0,
                "the attacker ended before it said: {what}"
            );
        }
        Ok(())
    }

    /// Ends it. Returns what it said.
    pub fn end(mut self) -> String {
        self.kill();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        said
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.kill();
    }
}
