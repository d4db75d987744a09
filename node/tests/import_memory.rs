//! A large board is imported without holding the file in memory. In a process of its own, so that
//! nothing else adds to the peak.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, in its helper functions too"
)]

use std::io::{Cursor, Read};
use velo_node::import::{DEMO_BOARD, Target, read_trello};
use velo_protocol::id::WorkspaceId;

const FILE_BYTES: usize = 32 * 1024 * 1024;
const MOST_BYTES: usize = 192 * 1024 * 1024;

/// The middle third of every id in the embedded board.
const OWN: usize = 0x5e10_c4a7;

/// An element as text, cut where a number goes that makes its id one of its own.
type Pattern = (String, String);

/// A board whose cards and history are those of the embedded one over and over, made while it is read.
struct Huge {
    cards: Vec<Pattern>,
    actions: Vec<Pattern>,
    chunk: Cursor<Vec<u8>>,
    made: usize,
    round: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Head,
    Cards,
    Actions,
    End,
}

impl Huge {
    fn new() -> Self {
        let mut board: serde_json::Value = serde_json::from_str(DEMO_BOARD).unwrap();
        let mut take = |key: &str| {
            let elements = board[key].as_array_mut().map(std::mem::take).unwrap();
            elements.iter().map(pattern).collect()
        };
        let (cards, actions) = (take("cards"), take("actions"));
        let fields = board.as_object_mut().unwrap();
        fields.remove("cards");
        fields.remove("actions");
        let head = board.to_string();
        let chunk = Cursor::new(format!("{},\"cards\":[", head.strip_suffix('}').unwrap()).into_bytes());
        Self { cards, actions, chunk, made: 0, round: 0, state: State::Head }
    }

    /// The elements once more, under ids of their own; at first under those they have, so that the
    /// history speaks of cards that exist.
    fn again(elements: &[Pattern], round: usize) -> String {
        let texts = elements.iter().map(|(before, after)| format!("{before}{:08x}{after}", OWN + round));
        texts.collect::<Vec<_>>().join(",")
    }

    fn next(&mut self) -> String {
        let (half, whole) = (self.made >= FILE_BYTES / 2, self.made >= FILE_BYTES);
        let comma = |first: bool| if first { "" } else { "," };
        match self.state {
            State::Head | State::Cards if !half => {
                let first = self.state == State::Head;
                self.state = State::Cards;
                comma(first).to_owned() + &Self::again(&self.cards, self.round)
            }
            State::Head | State::Cards => {
                self.state = State::Actions;
                self.round = 0;
                "],\"actions\":[".to_owned() + &Self::again(&self.actions, self.round)
            }
            State::Actions if !whole => ",".to_owned() + &Self::again(&self.actions, self.round),
            State::Actions => {
                self.state = State::End;
                "]}".to_owned()
            }
            State::End => String::new(),
        }
    }
}

fn pattern(element: &serde_json::Value) -> Pattern {
    let text = element.to_string();
    let id = element["id"].as_str().unwrap();
    let at = text.find(id).unwrap();
    (text[..at + 8].to_owned(), text[at + 16..].to_owned())
}

impl Read for Huge {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 {
            return Ok(read);
        }
        let next = self.next();
        self.made += next.len();
        self.round += 1;
        self.chunk = Cursor::new(next.into_bytes());
        self.chunk.read(buffer)
    }
}

/// The most memory this process ever held, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_board_of_32_mib_fits_into_192_mib() {
    let mut file = Huge::new();
    let target = Target { workspace: WorkspaceId([1; 32]), project: None };
    let started = std::time::Instant::now();
    let import = read_trello(&mut file, target).unwrap();
    let (made, peak) = (file.made, peak());
    println!(
        "{} MB with {}: {:?}, {} MB at most",
        made >> 20,
        import.report.imported,
        started.elapsed(),
        peak >> 20
    );
    assert!(
        made >= FILE_BYTES
            && import.report.imported.tasks > 10_000
            && import.report.imported.comments > 10_000
    );
    assert!(peak < MOST_BYTES, "{peak} bytes");
}
