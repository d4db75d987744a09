//! Where a program runs, and what every command gets to know of it.

use crate::{
    companion::Companion,
    data_dir,
    handle::NodeConfig,
    operator::Operator,
    store::home::{InFiles, LogHome},
};
use std::{path::PathBuf, sync::Arc};

/// Where a program keeps its data if nothing else is said.
#[derive(Debug)]
pub struct Surroundings {
    /// What its folder is called among those of other programs.
    pub program: &'static str,
    /// Where the logs of workspaces lie.
    pub log_home: Arc<dyn LogHome>,
    /// Who decides what is carried; nobody, where the program is no relay.
    pub operator: Option<Arc<dyn Operator>>,
    /// What runs beside a peer as long as it runs.
    pub companions: Vec<Arc<dyn Companion>>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            program: data_dir::PROGRAM,
            log_home: Arc::new(InFiles),
            operator: None,
            companions: Vec::new(),
        }
    }
}

/// What every command gets to know.
#[derive(Clone)]
pub(super) struct Settings {
    pub data_dir: PathBuf,
    pub workspace: Option<String>,
    pub json: bool,
    pub log_home: Arc<dyn LogHome>,
    pub operator: Option<Arc<dyn Operator>>,
    pub companions: Vec<Arc<dyn Companion>>,
}

impl Settings {
    /// A node of the command's own that talks to nobody.
    pub fn node(&self) -> NodeConfig {
        let (log_home, operator) = (Arc::clone(&self.log_home), self.operator.clone());
        NodeConfig { log_home, operator, ..NodeConfig::offline(self.data_dir.clone()) }
    }
}
