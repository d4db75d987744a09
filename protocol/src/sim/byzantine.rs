//! A member that cheats.
use crate::{
    dice::Dice, id::WorkspaceId, log::Run, log_set::LogSet, replica::Identity, store::LogReader,
    workspace::Workspace,
};

#[derive(Debug)]
pub(super) struct Cheat {}

impl Cheat {
    pub fn new(_dice: &mut Dice, _workspace: WorkspaceId, _identity: Identity) -> Self {
        Self {}
    }

    pub fn act(
        &mut self,
        _dice: &mut Dice,
        _wall_ms: u64,
        _state: &Workspace,
        _logs: &LogSet,
        _reader: &dyn LogReader,
        _others: &[Identity],
    ) -> Option<(&'static str, Vec<Run>)> {
        None
    }
}
