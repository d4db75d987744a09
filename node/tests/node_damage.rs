//! Flipped bits and cut files, anywhere in what a whole node keeps: never believed, always told, and what
//! a peer has comes back from it.
//!
//! `VELO_FLIPS` says how many, `VELO_SEED` where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_node::{
    api::workspace::{Introduction, state_hash},
    handle::{NetOptions, Node, NodeConfig, NodeError, NodeEvent},
};
use velo_protocol::{
    access::Role,
    change::Change,
    dice::Dice,
    id::WorkspaceId,
    model::{EntityKey, Kind, project},
    replica::{Command, Refusal, Reply},
    value::Value,
};

const PATIENCE: Duration = Duration::from_mins(1);
/// Flips of one device; then another is made, since each loss of own entries adds a log.
const FLIPS_EACH: u64 = 250;
/// Of so many flips one is followed by a meeting with the peer.
const HEALED: u64 = 10;
const LANES: usize = 4;
/// What an error that stops a start says to do.
const ADVICE: [&str; 4] = ["backup", "move it away", "delete it", "remove it"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn config(home: &Path, online: bool) -> NodeConfig {
    let (state_dir, network) = (Some(home.join("state")), online.then(NetOptions::loopback));
    NodeConfig { state_dir, network, ..NodeConfig::offline(home.join("data")) }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn add_projects(node: &Node, workspace: WorkspaceId, names: &[&str]) {
    for name in names {
        try_to_add(node, workspace, name).unwrap();
    }
}

/// Adds a project, which is refused where what makes one a member is lost.
fn try_to_add(node: &Node, workspace: WorkspaceId, name: &str) -> Result<(), Refusal> {
    let key = EntityKey::new(Kind::Project, node.new_entity_id());
    let fields = vec![(project::NAME.into(), Value::text(name))];
    let changes = vec![Change::Create { key, fields }];
    match node.submit_blocking(Command::Edit { workspace, changes }) {
        Ok(_) => Ok(()),
        Err(NodeError::Refused(refused)) => Err(refused),
        Err(other) => panic!("{other}"),
    }
}

/// The hash of what a node shows; `None` if it shows nothing.
fn shown(node: &Node, workspace: WorkspaceId) -> Option<String> {
    node.workspace(workspace).map(|workspace| state_hash(&workspace))
}

/// Whether a damaged device can meet its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    Impossible,
    Possible,
    /// Or something stays lost that nobody was told of.
    Needed,
}

/// Anna's device, as it was before it was damaged, and Ben's, which is well.
struct World {
    home: TempDir,
    pristine: TempDir,
    workspace: WorkspaceId,
    before: Option<String>,
    ben: Node,
    _ben_home: TempDir,
}

impl World {
    fn new() -> Self {
        let (home, pristine, ben_home) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let anna = Node::start(config(home.path(), true)).unwrap();
        let ben = Node::start(config(ben_home.path(), true)).unwrap();
        Introduction::new("Anna").unwrap().write(&home.path().join("data")).unwrap();
        let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        let Reply::Workspace(workspace) = anna.submit_blocking(found).unwrap() else { panic!() };
        add_projects(&anna, workspace, &["House", "Garden", "Cellar"]);
        eventually("listening", || !anna.listen_addresses().is_empty());
        let (role, addresses) = (Role::Member, Vec::new());
        let invite = Command::Invite { workspace, role, single_use: false, expires_ms: u64::MAX, addresses };
        let Reply::Ticket(ticket) = anna.submit_blocking(invite).unwrap() else { panic!() };
        ben.submit_blocking(Command::Join { ticket, person_name: "Ben".into() }).unwrap();
        let equal = || shown(&anna, workspace).is_some_and(|hash| shown(&ben, workspace) == Some(hash));
        eventually("Ben is in", || ben.workspace(workspace).is_some_and(|state| state.members().len() == 2));
        add_projects(&ben, workspace, &["Roof", "Attic"]);
        add_projects(&anna, workspace, &["Porch"]);
        eventually("equal", equal);
        let before = shown(&anna, workspace);
        anna.shutdown().unwrap();
        // Some of the log lies behind the saved state.
        let anna = Node::start(config(home.path(), false)).unwrap();
        anna.shutdown().unwrap();
        copy(home.path(), pristine.path());
        Self { home, pristine, workspace, before, ben, _ben_home: ben_home }
    }

    fn restore(&self) {
        for part in ["data", "state"] {
            fs::remove_dir_all(self.home.path().join(part)).unwrap();
        }
        copy(self.pristine.path(), self.home.path());
    }

    /// Starts the damaged device. Returns what came of it, and whether it can meet its peer.
    fn look(&self, file: &Path) -> (&'static str, Meeting) {
        let node = match Node::start(config(self.home.path(), false)) {
            Ok(node) => node,
            Err(error) => {
                let told = error.to_string();
                let name = file.file_name().unwrap().to_str().unwrap();
                assert!(told.contains(name), "it does not say which file: {told}");
                assert!(ADVICE.iter().any(|advice| told.contains(advice)), "nor what to do: {told}");
                return ("told, and nothing is opened", Meeting::Impossible);
            }
        };
        let unopened = node.unopened().to_vec();
        let outcome = if shown(&node, self.workspace) == self.before {
            ("all is shown", Meeting::Possible)
        } else if unopened.is_empty() {
            let damage = node.damage(self.workspace).expect("it is open").unwrap();
            if damage.places > 0 || !damage.gaps.is_empty() {
                ("told, and the rest is shown", Meeting::Possible)
            } else {
                // As after a crash in the middle of an append, and nothing of its own, which the marker knows.
                ("others' entries are missing at the end", Meeting::Needed)
            }
        } else {
            let is_told = |told: &String| ADVICE.iter().any(|advice| told.contains(advice));
            assert!(unopened.iter().all(is_told), "nothing says what to do: {unopened:?}");
            ("told, and the others are opened", Meeting::Impossible)
        };
        node.shutdown().unwrap();
        outcome
    }

    /// Meets Ben: what was lost comes back, and what is written next fits what he has.
    fn heal(&mut self, flip: u64) {
        let mut events = self.ben.subscribe();
        self.meet(&format!("After flip {flip}"));
        let state = self.ben.workspace(self.workspace).unwrap();
        let name = |id| state.text(EntityKey::new(Kind::Project, id), project::NAME).to_owned();
        let names: Vec<String> = state.shown(Kind::Project).map(name).collect();
        for wanted in ["House", "Roof", "Porch", &format!("After flip {flip}")] {
            assert!(names.iter().any(|name| name == wanted), "{wanted} is missing: {names:?}");
        }
        while let Ok(event) = events.try_recv() {
            assert!(!matches!(event, NodeEvent::Forked { .. }), "Anna forked her log");
        }
        // What she was before would now be a backup, which nothing says: the marker was restored with it.
        self.restore();
        fs::remove_dir_all(self.home.path().join("state")).unwrap();
        self.meet("And again");
        fs::remove_dir_all(self.pristine.path()).unwrap();
        copy(self.home.path(), self.pristine.path());
        self.before = shown(&self.ben, self.workspace);
    }

    /// Has Anna meet Ben and write something, until they are equal.
    fn meet(&self, name: &str) {
        let anna = Node::start(config(self.home.path(), true)).unwrap();
        eventually("Ben listens", || !self.ben.listen_addresses().is_empty());
        // What is written before anything came back must fit what he has.
        let written = try_to_add(&anna, self.workspace, name);
        anna.add_peer(&self.ben.listen_addresses()[0]).unwrap();
        if let Err(refused) = written {
            assert!(refused.to_string().contains("missing on this device"), "{refused}");
            eventually("what makes her a member comes back", || {
                try_to_add(&anna, self.workspace, name).is_ok()
            });
        }
        eventually("equal", || {
            shown(&anna, self.workspace).is_some_and(|hash| shown(&self.ben, self.workspace) == Some(hash))
        });
        anna.shutdown().unwrap();
    }
}

/// Copies a folder; the ballast, which nobody reads, by name only.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.ends_with("ballast") {
            fs::hard_link(&path, &target).unwrap();
        } else if path.is_file() {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The files that are read again.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "logs" {
            found.extend(files(&path));
        } else if path.is_file() && !["ballast", "lock", "device.lock"].contains(&name) {
            found.push(path);
        }
    }
    found.retain(|path| fs::metadata(path).unwrap().len() > 0);
    found.sort();
    found
}

/// Flips a bit of some file, or cuts it. Returns which, and what was done.
fn harm(dice: &mut Dice, home: &Path) -> (PathBuf, String) {
    let files = files(home);
    // Every kind of file as often as any other.
    let mut kinds: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_marker = name.len() == 64;
        kinds.entry(if is_marker { "marker".into() } else { name.into() }).or_default().push(path);
    }
    let kinds: Vec<_> = kinds.into_values().collect();
    let path = (*dice.pick(dice.clone().pick(&kinds).unwrap()).unwrap()).clone();
    let mut bytes = fs::read(&path).unwrap();
    let at = dice.below(bytes.len() as u64) as usize;
    let what = if dice.chance(250) {
        bytes.truncate(at);
        format!("{} cut at {at}", path.display())
    } else {
        let bit = dice.below(8);
        bytes[at] ^= 1 << bit;
        format!("{} bit {bit} of byte {at} flipped", path.display())
    };
    fs::write(&path, bytes).unwrap();
    (path, what)
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_is_told_or_harmless_and_healed_from_a_peer() {
    let (flips, seed) = (number("VELO_FLIPS", 1_000), number("VELO_SEED", 2026));
    println!("seed {seed}");
    let start = Instant::now();
    let mut dice = Dice::new(seed);
    let jobs = (0..flips).step_by(FLIPS_EACH as usize);
    let jobs: Vec<_> = jobs.map(|first| (FLIPS_EACH.min(flips - first), Dice::new(dice.roll()))).collect();
    let (jobs, outcomes) = (Mutex::new(jobs.into_iter()), Mutex::new(BTreeMap::<_, u64>::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((flips, mut dice)) = { jobs.lock().unwrap().next() } {
                    let mut world = World::new();
                    for flip in 0..flips {
                        world.restore();
                        let (file, what) = harm(&mut dice, world.home.path());
                        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            let (outcome, meeting) = world.look(&file);
                            let is_turn = flip % HEALED == 0 && meeting == Meeting::Possible;
                            if is_turn || meeting == Meeting::Needed {
                                world.heal(flip);
                                *outcomes.lock().unwrap().entry("and healed from the peer").or_default() += 1;
                            }
                            outcome
                        }));
                        let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed}: {what}"));
                        *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
                    }
                }
            });
        }
    });
    println!("{flips} flips and cuts in {:?}: {:#?}", start.elapsed(), outcomes.into_inner().unwrap());
}
