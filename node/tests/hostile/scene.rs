//! Anna's node, which is attacked, and Ben's, which comes and goes.

use crate::{GROWTH_KIB, attacker::Attacker};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use velo_tests::{
    device::{Device, text_at},
    lan::{Host, Lan},
};

/// Nothing takes longer, also under attack on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Times that Ben comes in peace, and under attack.
const ROUNDS: usize = 5;
/// How much longer he may take then, with some time for a busy machine.
const SLOWER: u32 = 10;
const BUSY: Duration = Duration::from_secs(10);

pub struct Scene<'a> {
    anna: Device,
    ben: Device,
    ben_host: &'a Host,
    args: &'static [&'static str],
    added: usize,
    /// Whether they know where the other one is.
    has_addresses: bool,
}

impl<'a> Scene<'a> {
    /// Each on a host of their own, and their nodes started so.
    pub fn new(lan: &'a Lan, args: &'static [&'static str]) -> anyhow::Result<Self> {
        let [anna_host, ben_host] = [&lan.hosts()[0], &lan.hosts()[1]];
        let (mut anna, mut ben) = (Device::new("Anna")?, Device::new("Ben")?);
        anna.velo(&["workspace", "create", "Workshop"])?;
        anna.velo(&["project", "add", "House"])?;
        anna.start(Some(anna_host), args)?;
        ben.start(Some(ben_host), args)?;
        ben.velo(&["join", text_at(&anna.velo(&["invite"])?, "/ticket")?])?;
        ben.stop()?;
        Ok(Self { anna, ben, ben_host, args, added: 0, has_addresses: true })
    }

    /// The same where Ben comes without knowing where Anna is, at another port each time.
    pub fn without_addresses(self) -> Self {
        Self { has_addresses: false, ..self }
    }

    /// Where Anna's node listens.
    pub fn address(&self) -> anyhow::Result<String> {
        Ok(text_at(&self.anna.velo(&["status"])?, "/addresses/0")?.to_owned())
    }

    /// How long it takes, in the median, until Ben has what Anna added while he was away.
    fn meetings(&mut self) -> anyhow::Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            self.added += 1;
            self.anna.control()?.add_task(&format!("Task {}", self.added), None)?;
            if !self.has_addresses {
                self.ben.forget_addresses()?;
            }
            let (state, start) = (self.anna.state_hash()?, Instant::now());
            self.ben.start(Some(self.ben_host), self.args)?;
            self.ben.reached(&state, PATIENCE)?;
            times.push(start.elapsed());
            self.ben.stop()?;
        }
        times.sort();
        Ok(times[ROUNDS / 2])
    }

    /// The same again and again, for as long as `VELO_HOSTILE_SECONDS` says. Returns the longest median.
    fn meetings_under_attack(&mut self) -> anyhow::Result<Duration> {
        let seconds = std::env::var("VELO_HOSTILE_SECONDS").ok().and_then(|text| text.parse().ok());
        let (length, start) = (Duration::from_secs(seconds.unwrap_or(0)), Instant::now());
        let mut longest = self.meetings()?;
        while start.elapsed() < length {
            longest = longest.max(self.meetings()?);
        }
        Ok(longest)
    }

    /// Has Ben come in peace, and then while an attack goes on. Returns what the attacker said.
    pub fn withstands(
        &mut self,
        what: &str,
        attack: impl FnOnce() -> anyhow::Result<Attacker>,
    ) -> anyhow::Result<String> {
        let in_peace = self.meetings()?;
        let memory = Memory::watch(self.anna.process().expect("it runs"));
        let attacker = attack()?;
        let meanwhile = self.meetings_under_attack();
        let said = attacker.end();
        let growth = memory.growth();
        let meanwhile = meanwhile?;
        println!(
            "{what}: {} ms instead of {} ms ({:.1} times), {} KiB more memory",
            meanwhile.as_millis(),
            in_peace.as_millis(),
            meanwhile.as_secs_f64() / in_peace.as_secs_f64(),
            growth
        );
        assert!(growth <= GROWTH_KIB, "{what}: {growth} KiB");
        assert!(meanwhile <= in_peace * SLOWER + BUSY, "{what}: {meanwhile:?} instead of {in_peace:?}");
        Ok(said)
    }
}

/// Watches how much memory a process takes.
struct Memory {
    before: u64,
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    watcher: thread::JoinHandle<()>,
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

impl Memory {
    fn watch(process: u32) -> Self {
        let (most, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (raised, ended) = (Arc::clone(&most), Arc::clone(&done));
        let watcher = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                raised.fetch_max(resident_kib(process), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self { before: resident_kib(process), most, done, watcher }
    }

    fn growth(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap();
        let most = self.most.load(Ordering::Relaxed);
        assert!(self.before > 0 && most > 0, "its memory could not be seen");
        most.saturating_sub(self.before)
    }
}
