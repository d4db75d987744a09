//! What a device can do to others by what it signs: forks, floods of logs, entries that name too
//! much. Honest peers stay connected, agree on everything honest, and fall silent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "forks/author.rs"]
mod author;
#[path = "forks/chain.rs"]
mod chain;
#[path = "forks/net.rs"]
mod net;

use author::Author;
use net::{Disk, Net};
use std::collections::BTreeMap;
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, EntryId, WorkspaceId},
    limits,
    log::{EntryKind, Run},
    log_set::{LogSet, Received, Rejected},
    model::{EntityKey, Kind, task},
    replica::{Command, Reply},
    store::{Batch, ChainNo, EntryAt, LogReader, LogStore, memory::MemoryLog},
    value::Value,
};

const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);
const MALLORY: u8 = 9;
const EVE: u8 = 10;
const ANNA: u8 = 11;

/// A set with its store; every run is durable at once, and what can be applied is.
struct Copy {
    logs: LogSet,
    store: MemoryLog,
}

impl Copy {
    fn new() -> Self {
        Self { logs: LogSet::new(WORKSPACE), store: MemoryLog::new() }
    }

    fn receive(&mut self, run: Run) -> Result<bool, Rejected> {
        let reader = self.store.reader();
        let Received::News(taken) = self.logs.receive(run, &reader)? else { return Ok(false) };
        let runs = self.logs.batch_run(&taken).into_iter().collect();
        self.store.append(&Batch { runs }).unwrap();
        self.logs.persisted(taken.chain, taken.run.end().head.position);
        while self.logs.next_ready(&self.store.reader()).unwrap().is_some() {}
        Ok(true)
    }

    fn applied(&self, id: EntryId) -> bool {
        self.logs.find(id).is_some_and(|at| self.logs.is_applied(at))
    }

    /// The same set as it comes back from its store, with and without the state's pages.
    fn reopened(&self, pages: bool) -> Self {
        let applied = |chain| if pages { self.logs.chain(chain).map_or(0, |chain| chain.applied) } else { 0 };
        let (mut logs, _) = LogSet::open(WORKSPACE, &self.store.reader(), applied).unwrap();
        while logs.next_ready(&self.store.reader()).unwrap().is_some() {}
        Self { logs, store: self.store.clone() }
    }
}

fn linked(seed: u8) -> (Author, Run) {
    let mut author = Author::new(WORKSPACE, seed);
    let run = author.link();
    (author, run)
}

/// So many branches that part after the entry that introduces the device.
fn branches(of: &Author, count: usize) -> Vec<(Author, Run)> {
    let branch = |number: usize| {
        let mut branch = of.clone();
        let run = branch.task(&format!("Mallory {number}"), &[]);
        (branch, run)
    };
    (0..count).map(branch).collect()
}

#[test]
fn a_branch_at_the_start_of_a_log_introduces_the_device_too() {
    let (_, link) = linked(MALLORY);
    let mut branch = Author::new(WORKSPACE, MALLORY);
    let bare = branch.task("no introduction", &[]);
    let mut first = Copy::new();
    assert_eq!(first.receive(link), Ok(true));
    assert_eq!(first.receive(bare.clone()), Err(Rejected::Introduction));
    assert_eq!(Copy::new().receive(bare), Err(Rejected::Introduction), "whichever comes first");
    // A second introduction is a fork like any other.
    let second = Author::new(WORKSPACE, MALLORY).link_naming(&[EntryId([5; 32])]);
    assert_eq!(first.receive(second), Ok(true));
}

#[test]
fn branches_over_the_bound_are_refused_until_another_device_names_them() {
    let (mallory, link) = linked(MALLORY);
    let (mut eve, eves_link) = linked(EVE);
    let all = branches(&mallory, 10);
    let mut copy = Copy::new();
    copy.receive(link).unwrap();
    copy.receive(eves_link).unwrap();
    for (number, (branch, run)) in all.iter().enumerate() {
        let expected = if number <= limits::BRANCHES_PER_LOG { Ok(true) } else { Err(Rejected::Bound) };
        assert_eq!(copy.receive(run.clone()), expected, "branch {number}");
        assert_eq!(copy.applied(branch.head()), number < limits::BRANCHES_PER_LOG, "branch {number}");
    }
    // The proof is not continued, and what follows a refused branch is no gap.
    let (mut proof, mut refused) = (all[4].0.clone(), all[7].0.clone());
    assert_eq!(copy.receive(proof.task("more", &[])), Err(Rejected::Bound));
    let more = refused.many(600);
    assert_eq!(copy.receive(more[1].clone()), Err(Rejected::Bound));

    // Its own device cannot lift the bound.
    let mut sibling = mallory.incarnation(2);
    copy.receive(sibling.link()).unwrap();
    copy.receive(sibling.ack(&[all[8].0.head()])).unwrap();
    assert_eq!(copy.receive(all[8].1.clone()), Err(Rejected::Bound));

    // Eve can, also for a long branch, and through the sibling's entry.
    copy.receive(eve.ack(&[refused.head(), sibling.head()])).unwrap();
    assert!(!copy.applied(eve.head()));
    for run in std::iter::once(&all[7].1).chain(&more) {
        assert_eq!(copy.receive(run.clone()), Ok(true));
    }
    assert!(copy.applied(refused.head()) && !copy.applied(eve.head()));
    assert_eq!(copy.receive(all[8].1.clone()), Ok(true));
    assert!(copy.applied(eve.head()) && copy.applied(sibling.head()));
    assert_eq!(copy.receive(all[9].1.clone()), Err(Rejected::Bound), "nobody waits any more");
    for pages in [true, false] {
        let again = copy.reopened(pages);
        assert_eq!(again.logs.digest(), copy.logs.digest());
        assert!(again.applied(eve.head()) && !again.applied(all[4].0.head()));
    }
}

#[test]
fn an_entry_that_names_a_fifth_branch_is_not_well_formed_on_any_peer() {
    let (mallory, link) = linked(MALLORY);
    let (mut eve, eves_link) = linked(EVE);
    let all = branches(&mallory, 6);
    let mut further = all[0].0.clone();
    let extension = further.task("further on the first branch", &[]);
    let mut runs = vec![link, eves_link];
    runs.extend(all.iter().map(|(_, run)| run.clone()));
    runs.push(extension);
    let mut good = Vec::new();
    for branch in [&all[0].0, &all[1].0, &all[2].0, &all[3].0, &further] {
        runs.push(eve.ack(&[branch.head()]));
        good.push(eve.head());
    }
    runs.push(eve.ack(&[all[4].0.head()]));
    let fifth = eve.head();
    runs.push(eve.task("after it", &[]));
    let after = eve.head();

    for order in [false, true] {
        let mut copy = Copy::new();
        let mut left = runs.clone();
        // Whatever has to wait comes again, as from a peer that compares heads.
        for _ in 0..runs.len() {
            if order {
                left.reverse();
            }
            left.retain(|run| copy.receive(run.clone()).is_err());
        }
        for copy in [copy.reopened(true), copy.reopened(false), copy] {
            assert!(good.iter().all(|id| copy.applied(*id)), "four branches, one of them twice");
            assert!(!copy.applied(fifth) && !copy.applied(after));
            assert!(copy.logs.find(after).is_some(), "it is stored all the same");
        }
    }
}

#[test]
fn an_entry_that_names_a_65th_log_of_a_device_is_not_well_formed() {
    let (mallory, link) = linked(MALLORY);
    let (mut eve, eves_link) = linked(EVE);
    let mut copy = Copy::new();
    copy.receive(link).unwrap();
    copy.receive(eves_link).unwrap();
    let mut logs: Vec<Author> = vec![mallory.clone()];
    for number in 1..80u64 {
        let mut log = mallory.incarnation(number);
        let run = log.link();
        let expected = if number <= limits::LOGS_PER_DEVICE as u64 { Ok(true) } else { Err(Rejected::Bound) };
        assert_eq!(copy.receive(run), expected, "log {number}");
        logs.push(log);
    }
    for log in &logs[..limits::LOGS_PER_DEVICE] {
        copy.receive(eve.ack(&[log.head()])).unwrap();
        assert!(copy.applied(eve.head()));
    }
    copy.receive(eve.ack(&[logs[limits::LOGS_PER_DEVICE].head()])).unwrap();
    assert!(!copy.applied(eve.head()));
}

fn task_key(number: u8) -> EntityKey {
    EntityKey::new(Kind::Task, EntityId([number; 16]))
}

fn create(workspace: WorkspaceId, number: u8) -> Command {
    let fields = vec![(task::TITLE.into(), Value::text(format!("Task {number}")))];
    Command::Edit { workspace, changes: vec![Change::Create { key: task_key(number), fields }] }
}

/// Two devices of one workspace, not connected.
fn pair() -> (Net, WorkspaceId) {
    let mut net = Net::default();
    let (first, second) = (net.add(1), net.add(2));
    let made =
        net.command(first, Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() });
    let Ok(Reply::Workspace(workspace)) = made else { panic!("{made:?}") };
    let invited = net.command(
        first,
        Command::Invite {
            workspace,
            role: Role::Member,
            single_use: false,
            expires_ms: u64::MAX / 2,
            addresses: Vec::new(),
        },
    );
    let Ok(Reply::Ticket(ticket)) = invited else { panic!("{invited:?}") };
    net.command(second, Command::Join { ticket: ticket.clone(), person_name: "Ben".into() }).unwrap();
    net.connect(first, second);
    net.run(5_000);
    net.disconnect(first, second);
    net.ticket = Some(ticket);
    (net, workspace)
}

/// A member who is up to no good, and the entry by which he came in.
fn mallory(net: &Net, workspace: WorkspaceId) -> (Author, Run) {
    let mut mallory = Author::new(workspace, MALLORY);
    let join = mallory.join(net.ticket.as_ref().unwrap());
    (mallory, join)
}

fn assert_agree(net: &Net, workspace: WorkspaceId) {
    let seen: Vec<_> = net
        .nodes
        .iter()
        .map(|node| {
            assert_eq!(node.disconnected, Vec::<String>::new());
            let replica = &node.replica;
            (replica.logs(workspace).unwrap().digest(), replica.workspace(workspace).unwrap().state_hash())
        })
        .collect();
    assert!(seen.windows(2).all(|pair| pair[0].0 == pair[1].0), "different digests");
    assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1), "different states");
}

/// Nothing but digests is said any more.
fn assert_quiet(net: &mut Net) {
    let before: Vec<usize> = net.nodes.iter().map(|node| node.sent).collect();
    net.run(40_000);
    let after: Vec<usize> = net.nodes.iter().map(|node| node.sent).collect();
    assert_eq!(before, after, "peers do not fall silent");
}

#[test]
fn peers_that_met_different_branches_agree_and_fall_silent() {
    let (mut net, workspace) = pair();
    let (mallory, link) = mallory(&net, workspace);
    let all = branches(&mallory, 14);
    let part = |numbers: std::ops::Range<usize>| -> Vec<Run> {
        std::iter::once(link.clone()).chain(all[numbers].iter().map(|(_, run)| run.clone())).collect()
    };
    net.plant(0, workspace, &part(0..5));
    net.plant(1, workspace, &part(7..12));
    net.command(0, create(workspace, 1)).unwrap();
    net.connect(0, 1);
    net.run(60_000);
    assert_agree(&net, workspace);
    assert_quiet(&mut net);
    for node in [1, 0] {
        net.command(node, create(workspace, 10 + node as u8)).unwrap();
        net.run(30_000);
        assert_agree(&net, workspace);
    }
    assert_quiet(&mut net);
    for (number, (branch, _)) in all.iter().enumerate() {
        let logs = net.nodes[0].replica.logs(workspace).unwrap();
        let applied = logs.find(branch.head()).is_some_and(|at| logs.is_applied(at));
        assert_eq!(applied, (0..4).contains(&number) || (7..11).contains(&number), "branch {number}");
    }
    net.restart(0);
    net.restart(1);
    assert_agree(&net, workspace);
}

#[test]
fn what_a_device_names_itself_is_acknowledged_once() {
    let (mut net, workspace) = pair();
    let (mallory, joined) = mallory(&net, workspace);
    let mut sibling = mallory.incarnation(2);
    let mut runs = vec![joined, sibling.link()];
    let all = branches(&mallory, 5);
    runs.extend(all.iter().map(|(_, run)| run.clone()));
    let heads: Vec<EntryId> = all.iter().take(4).map(|(branch, _)| branch.head()).collect();
    runs.push(sibling.ack(&heads));
    net.plant(0, workspace, &runs);
    let own_end = |net: &Net| {
        let record = net.nodes[0].record.as_ref().unwrap();
        let logs = net.nodes[0].replica.logs(workspace).unwrap();
        let chain = logs.first_chain(record.origin.log_id(workspace)).unwrap();
        logs.chain(chain).unwrap().end.head.position
    };
    let before = own_end(&net);
    net.connect(0, 1);
    net.run(60_000);
    assert_agree(&net, workspace);
    assert_quiet(&mut net);
    assert!(own_end(&net) <= before + 1, "one Ack at most");
}

#[test]
fn a_peer_below_the_bound_learns_that_it_was_passed() {
    let (mut net, workspace) = pair();
    let (mallory, link) = mallory(&net, workspace);
    let all = branches(&mallory, 9);
    let part = |numbers: std::ops::Range<usize>| -> Vec<Run> {
        std::iter::once(link.clone()).chain(all[numbers].iter().map(|(_, run)| run.clone())).collect()
    };
    net.plant(0, workspace, &part(0..5));
    net.plant(1, workspace, &part(6..8));
    net.connect(0, 1);
    net.run(60_000);
    assert_agree(&net, workspace);
    assert_quiet(&mut net);
}

#[test]
fn a_flood_of_logs_keeps_nobody_from_working_and_splits_nobody() {
    let (mut net, workspace) = pair();
    let per_device = limits::LOGS_PER_DEVICE as u64;
    let devices = limits::LOGS_PER_WORKSPACE as u64 / per_device + 1;
    let mut runs: Vec<Run> = Vec::new();
    for device in 0..devices {
        let stranger = Author::new(workspace, 20 + device as u8);
        runs.extend((0..per_device).map(|number| stranger.incarnation(number).link()));
    }
    net.plant(0, workspace, &runs);
    runs.reverse();
    net.plant(1, workspace, &runs);
    // The first edit names all that came.
    net.command(0, create(workspace, 1)).unwrap();
    net.connect(0, 1);
    net.run(90_000);
    assert_agree(&net, workspace);
    assert_quiet(&mut net);
    let shown = |node: usize| net.nodes[node].replica.workspace(workspace).unwrap().shown(Kind::Task).count();
    assert_eq!((shown(0), shown(1)), (1, 1));
}

#[test]
fn a_longer_branch_that_is_refused_hides_nothing_that_the_peer_lacks() {
    let (mut net, workspace) = pair();
    let (mallory, link) = mallory(&net, workspace);
    let shared = branches(&mallory, 5);
    let mut long = mallory.clone();
    let missing = std::iter::once((EntryKind::ACK, vec![EntryId([5; 32])], Vec::new()));
    let long = long.run(missing.chain((1..200).map(|_| (EntryKind::ACK, Vec::new(), Vec::new()))));
    let mut runs = vec![link];
    runs.extend(shared.iter().map(|(_, run)| run.clone()));
    net.plant(0, workspace, &runs);
    runs.truncate(4);
    runs.push(long);
    net.plant(1, workspace, &runs);
    // It names four branches, of which the other has three, and in the place of the fourth the long one.
    net.command(0, create(workspace, 1)).unwrap();
    net.connect(0, 1);
    net.run(60_000);
    assert_agree(&net, workspace);
}

#[test]
fn what_no_digest_counts_is_sent_when_somebody_names_it() {
    let (mut net, workspace) = pair();
    let (mallory, link) = mallory(&net, workspace);
    let mut all = branches(&mallory, 5);
    let mut runs = vec![link];
    runs.extend(all.iter().map(|(_, run)| run.clone()));
    net.plant(0, workspace, &runs);
    net.plant(1, workspace, &runs);
    net.command(0, create(workspace, 1)).unwrap();
    net.connect(0, 1);
    net.run(30_000);
    assert_agree(&net, workspace);
    net.disconnect(0, 1);
    // Unnamed, and so without a part in the digests, which are equal when they meet again.
    let more = all[0].0.task("more", &[]);
    net.plant(0, workspace, &[more]);
    net.connect(0, 1);
    net.run(1_000);
    net.command(0, create(workspace, 2)).unwrap();
    net.run(30_000);
    assert_agree(&net, workspace);
}

#[test]
fn thousands_of_tiny_runs_fit_into_frames() {
    let (mut net, workspace) = pair();
    let per_device = limits::LOGS_PER_DEVICE as u64;
    let devices = (20..50).map(|seed| Author::new(workspace, seed));
    let mut logs: Vec<Author> =
        devices.flat_map(|device| (0..per_device).map(move |number| device.incarnation(number))).collect();
    let links: Vec<Run> = logs.iter_mut().map(Author::link).collect();
    net.plant(0, workspace, &links);
    net.plant(1, workspace, &links);
    let acks: Vec<Run> = logs.iter_mut().map(|log| log.ack(&[])).collect();
    net.plant(0, workspace, &acks);
    net.connect(0, 1);
    net.run(30_000);
    assert_agree(&net, workspace);
}

#[test]
fn a_read_error_leaves_no_entry_out() {
    // Anna's entries follow Mallory's first; Mallory's run to two checkpoints and beyond.
    let (mut mallory, link) = linked(MALLORY);
    let (mut anna, annas_link) = linked(ANNA);
    let start = mallory.task("cause", &[]);
    let mut effects = vec![anna.ack(&[mallory.head()])];
    effects.extend(anna.many(600));
    let causes = mallory.many(20);
    let mut copy = Copy::new();
    copy.receive(link).unwrap();
    copy.receive(annas_link).unwrap();
    for run in effects {
        copy.receive(run).unwrap();
    }
    // Read again from the store, Anna's later runs are not at hand.
    let mut copy = copy.reopened(true);
    let reader = copy.store.reader();
    let mut broken = Disk { reader: copy.store.reader(), broken: Some((ChainNo(1), 300)) };
    let mut handed_out: BTreeMap<ChainNo, u64> =
        copy.logs.chains().map(|(number, chain)| (number, chain.applied)).collect();
    let mut note = |at: EntryAt| {
        let last = handed_out.insert(at.chain, at.position);
        assert_eq!(last, Some(at.position - 1), "entries come without a hole");
    };
    for run in std::iter::once(start).chain(causes) {
        let Received::News(taken) = copy.logs.receive(run, &reader).unwrap() else { panic!("it is news") };
        let runs = copy.logs.batch_run(&taken).into_iter().collect();
        copy.store.append(&Batch { runs }).unwrap();
        copy.logs.persisted(taken.chain, taken.run.end().head.position);
    }
    let mut errors = 0;
    for _ in 0..5_000 {
        match copy.logs.next_ready(&broken) {
            Ok(Some(ready)) => note(ready.at),
            Ok(None) => break,
            Err(_) => errors += 1,
        }
    }
    assert_eq!(errors, 1);
    assert!(copy.applied(mallory.head()) && !copy.applied(anna.head()));
    broken.broken = None;
    let durable = copy.logs.chain(ChainNo(1)).unwrap().durable;
    copy.logs.persisted(ChainNo(1), durable);
    while let Some(ready) = copy.logs.next_ready(&broken).unwrap() {
        note(ready.at);
    }
    assert!(copy.applied(anna.head()));
    assert_eq!(broken.chains().len(), 2);
}

#[test]
fn an_import_larger_than_the_cache_is_shown_whole_at_once() {
    let (mut net, workspace) = pair();
    let text = "x".repeat(20_000);
    let count = limits::RECENT_RUN_BYTES / 20_000 + 100;
    let change = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let fields = vec![
            (task::TITLE.into(), Value::text("imported")),
            (task::DESCRIPTION.into(), Value::text(text.clone())),
        ];
        Change::Create { key: EntityKey::new(Kind::Task, EntityId(id)), fields }
    };
    let changes = (0..count).map(change).collect();
    let reply = net.command(0, Command::Edit { workspace, changes });
    let Ok(Reply::Edited { changed, .. }) = reply else { panic!("{reply:?}") };
    assert_eq!(changed.len(), count);
    let shown = |net: &Net| net.nodes[0].replica.workspace(workspace).unwrap().shown(Kind::Task).count();
    assert_eq!(shown(&net), count);
    net.command(0, create(workspace, 200)).unwrap();
    net.command(0, Command::Undo { workspace }).unwrap();
    assert_eq!(shown(&net), count, "the last edit is taken back, and nothing else");
}
