//! Registers: values that several devices may set at once.

use crate::{id::OpId, store::ChainNo, time::Hlc, value::Value};
use serde::{Deserialize, Serialize};

/// A value that no operation replaced yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The operation that set it.
    pub op: OpId,
    /// When, by its author's clock.
    pub hlc: Hlc,
    /// The chain it came on, which tells the author: [`crate::workspace::Workspace::author`].
    pub chain: ChainNo,
    /// Whether a deletion saw it: an entity is shown while it has a live value that none saw.
    pub listed: bool,
    /// The value.
    pub value: Value,
}
