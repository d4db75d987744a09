//! The session and the replica, checked exhaustively with few peers and few entries: every order in
//! which frames arrive and writes become durable, with faults at every place at which they can come.
//!
//! The machine that is driven is the real one; there is no model beside it. A state is a whole network
//! ([`net::Net`]), known again by all that is in it. Time passes only when nothing is on its way. What
//! must hold does so in every state; and wherever nothing is on its way, the network, healed, comes to
//! agree from there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "model_check/net.rs"]
mod net;

use net::Net;
use stateright::{Checker, Model, Property};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
};

/// How often each fault may strike on one way.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    cuts: u8,
    restarts: u8,
    doubled: u8,
    lost: u8,
    wakes: u8,
}

/// A network, and the faults that may still strike. A mutex, since a replica is for one thread.
#[derive(Clone)]
struct State {
    net: Arc<Mutex<Net>>,
    faults: Faults,
    id: [u8; 32],
}

impl State {
    fn new(net: Net, faults: Faults) -> Self {
        let id = net.fingerprint(&format!("{faults:?}"));
        Self { net: Arc::new(Mutex::new(net)), faults, id }
    }

    fn net(&self) -> Net {
        self.net.lock().unwrap().clone()
    }

    fn look<T>(&self, at: impl FnOnce(&Net) -> T) -> T {
        at(&self.net.lock().unwrap())
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look(|net| write!(f, "faults left: {:?}; fault: {:?}", self.faults, net.fault))
    }
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Deliver((usize, usize)),
    DeliverTwice((usize, usize)),
    Lose((usize, usize)),
    Persist(usize),
    Connect((usize, usize)),
    Cut((usize, usize)),
    Restart(usize),
    Wake,
}

/// What a story is about besides agreement.
type Promise = fn(&Net) -> bool;

/// How something begins, and what must hold all the way.
#[derive(Clone)]
struct Story {
    start: State,
    promise: Promise,
    outcome: Promise,
}

impl Model for Story {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.look(|net| {
            for (wire, _) in net.wires.iter().filter(|(_, frames)| !frames.is_empty()) {
                actions.push(Action::Deliver(*wire));
                if net.is_droppable(*wire) {
                    actions.extend((state.faults.doubled > 0).then_some(Action::DeliverTwice(*wire)));
                    actions.extend((state.faults.lost > 0).then_some(Action::Lose(*wire)));
                }
            }
            for node in 0..net.nodes.len() {
                actions.extend(net.can_persist(node).then_some(Action::Persist(node)));
                actions.extend((state.faults.restarts > 0).then_some(Action::Restart(node)));
            }
            for (link, up) in &net.links {
                let next = if *up { Action::Cut(*link) } else { Action::Connect(*link) };
                actions.extend((!up || state.faults.cuts > 0).then_some(next));
            }
            actions.extend((net.is_quiet() && state.faults.wakes > 0).then_some(Action::Wake));
        });
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let (mut net, mut faults) = (state.net(), state.faults);
        match action {
            Action::Deliver(wire) => net.deliver(wire, false),
            Action::DeliverTwice(wire) => {
                faults.doubled -= 1;
                net.deliver(wire, true);
            }
            Action::Lose(wire) => {
                faults.lost -= 1;
                net.lose(wire);
            }
            Action::Persist(node) => net.persist(node),
            Action::Connect(link) => net.set_link(link, true),
            Action::Cut(link) => {
                faults.cuts -= 1;
                net.set_link(link, false);
            }
            Action::Restart(node) => {
                faults.restarts -= 1;
                net.restart(node);
            }
            Action::Wake => {
                faults.wakes -= 1;
                net.wake();
            }
        }
        Some(State::new(net, faults))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no replica breaks a rule", |_, state: &State| {
                state.look(|net| net.fault.is_none())
            }),
            Property::always("what was answered is kept", |_, state: &State| state.look(Net::keeps_its_word)),
            Property::always("the promise of the story", |story: &Self, state: &State| {
                state.look(story.promise)
            }),
            Property::always("healed, all agree", |_, state: &State| {
                !state.look(Net::is_quiet) || state.net().heal()
            }),
            Property::sometimes("the outcome is reached", |story: &Self, state: &State| {
                state.look(story.outcome)
            }),
        ]
    }
}

fn check(name: &str, net: Net, faults: Faults, promise: Promise, outcome: Promise) {
    let story = Story { start: State::new(net, faults), promise, outcome };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = story.checker().threads(threads).spawn_dfs().join();
    println!("{name}: {} states, at most {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

fn nothing(_: &Net) -> bool {
    true
}

fn both_show_both(net: &Net) -> bool {
    (0..2).all(|node| net.shows(node, 1) && net.shows(node, 2))
}

/// Both wrote while they were apart, and none of it is on a disk yet. Their link breaks.
#[test]
fn two_who_wrote_apart_find_together_though_the_link_breaks() {
    let mut net = Net::members(2);
    net.write(0, 1);
    net.write(1, 2);
    let faults = Faults { cuts: 1, lost: 1, wakes: 1, ..Faults::default() };
    check("two who wrote apart, the link breaks", net, faults, nothing, both_show_both);
}

/// The same, and the power of either goes.
#[test]
fn two_who_wrote_apart_find_together_though_one_restarts() {
    let mut net = Net::members(2);
    net.write(0, 1);
    net.write(1, 2);
    let faults = Faults { restarts: 1, doubled: 1, wakes: 1, ..Faults::default() };
    check("two who wrote apart, one restarts", net, faults, nothing, both_show_both);
}

/// Both write while they are connected, and frames are dropped and doubled.
#[test]
fn what_two_write_at_the_same_time_arrives_though_frames_are_lost() {
    let mut net = Net::members(2);
    assert!(net.heal());
    net.write(0, 1);
    net.write(1, 2);
    let faults = Faults { cuts: 1, doubled: 1, lost: 1, wakes: 2, ..Faults::default() };
    check("two who write together, frames are lost", net, faults, nothing, both_show_both);
}

/// What the first one writes reaches the last one through somebody else, though links break and frames are lost.
#[test]
fn what_one_writes_travels_on() {
    let mut net = Net::members(3);
    assert!(net.heal());
    net.write(0, 1);
    let faults = Faults { cuts: 1, lost: 1, wakes: 1, ..Faults::default() };
    check("through somebody else", net, faults, nothing, |net| net.shows(2, 1));
}

/// Somebody writes on while they are removed. Whoever knows of the removal shows nothing of it.
#[test]
fn what_somebody_writes_who_is_removed_is_nowhere_shown() {
    let mut net = Net::members(2);
    net.remove(1);
    net.write(1, 2);
    let faults = Faults { cuts: 1, wakes: 1, ..Faults::default() };
    let promise = |net: &Net| net.is_in(0, 1) || !net.shows(0, 2);
    check("written by somebody removed", net, faults, promise, |net| !net.is_in(1, 1) && !net.shows(1, 2));
}

/// Who has nothing but the session secret is told of no entry, in whatever order everything comes.
#[test]
fn a_stranger_is_told_nothing() {
    let mut net = Net::members(1);
    net.add_stranger();
    net.write(0, 1);
    let faults = Faults { cuts: 1, doubled: 1, lost: 1, wakes: 2, ..Faults::default() };
    check("with a stranger", net, faults, nothing, |net| net.shows(0, 1) && net.is_quiet());
}
