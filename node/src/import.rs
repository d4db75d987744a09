//! Bringing in what was made elsewhere.
//!
//! An importer turns a file into [`Change`]s and a [`Fidelity`] report; it writes nothing. Whoever
//! calls it submits the changes as one command, hence one transaction that can be undone, or shows
//! only the report: that is the dry run. So a malformed file changes nothing by construction.
//!
//! **Importing twice doubles nothing.** Every id derives from the project, the format and the id in
//! the source, and every value from the source alone, places included: nothing depends on the
//! clock, on what the workspace holds, or on which siblings stand in the file. Two devices that
//! import one board offline write equal values, and the changes of a later export of the same board
//! differ from those of an earlier one exactly where the board changed.
//!
//! **Nothing is dropped in silence.** While a file is read, every JSON path in it is counted, known
//! or not, and the report accounts for each value: kept, mapped (how) or dropped (why).
//!
//! **Memory is bounded** by what is brought in, not by the file: a list is read one element at a
//! time, and what is not needed is counted and forgotten.

mod fidelity;
mod json;
mod text;
mod trello;

pub use fidelity::{Fate, Fidelity, Imported, Row};
pub use trello::read_trello;

use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
};

/// A workshop's board of our own making, shaped like an export from Trello: what the demo and a
/// first start without a workspace of one's own show.
pub const DEMO_BOARD: &str = include_str!("demo_board.json");

/// Where an import goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// An existing project to add to; `None` for one of the import's own, named as in the source.
    pub project: Option<EntityId>,
}

/// What a file holds, ready to be written or only looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The changes, for one [`velo_protocol::replica::Command::Edit`]. What is referred to stands
    /// before what refers to it.
    pub changes: Vec<Change>,
    /// What became of everything in the file.
    pub report: Fidelity,
    /// The project that was made, or the one given.
    pub project: EntityId,
}

/// Why a file cannot be imported. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The disk or pipe failed.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not JSON, or end too early.
    #[error(
        "the file is damaged at line {line}, column {column}: {reason}. Nothing was changed; export it again"
    )]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser met.
        reason: String,
    },
    /// A value is not what its place calls for.
    #[error("{path} (line {line}): {problem}. Nothing was changed")]
    Value {
        /// Where, such as `cards[3].due`.
        path: String,
        /// The line at which reading stopped, counted from 1.
        line: usize,
        /// What was expected and what was found.
        problem: String,
    },
    /// The file is something else.
    #[error(
        "this is not a Trello board but looks like {looks_like}. Nothing was changed; in Trello, open the \
         board's menu and choose \"Print, export, and share\", then \"Export as JSON\""
    )]
    NotABoard {
        /// Our guess at what it is.
        looks_like: String,
    },
}
