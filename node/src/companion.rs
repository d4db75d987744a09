//! What a program runs beside its node: a relay answers HTTP, and keeps tables in its database.

use crate::handle::NodeHandle;
use std::{any::Any, fmt::Debug};

/// See the module.
pub trait Companion: Debug + Send + Sync {
    /// Starts it, in the tokio runtime that it is called in. It ends when what this returns is dropped,
    /// which is before the node ends. Why it cannot start, and what to do, is for people.
    fn start(&self, node: &NodeHandle) -> Result<Box<dyn Any + Send>, String>;
}
