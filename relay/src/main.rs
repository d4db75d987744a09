//! The program: see the library.

use std::{env, ffi::OsString, process::ExitCode, sync::Arc};
use velo_node::{
    cli::{self, Surroundings},
    companion::Companion,
    store::home::{InFiles, LogHome},
};
use velo_relay::{store::InDatabase, tables::Tables};

/// Names the database, as in `postgres://user:password@host/name`.
const DATABASE_VAR: &str = "DATABASE_URL";
/// What it does where nothing else is said: so that it starts on a fresh machine without any set-up.
const SERVE: [&str; 4] = ["node", "--relay", "--name", "Relay"];

fn main() -> ExitCode {
    let url = env::var(DATABASE_VAR).ok().filter(|url| !url.is_empty());
    let (log_home, companions): (Arc<dyn LogHome>, Vec<Arc<dyn Companion>>) = match url {
        Some(url) => {
            let logs = Arc::new(InDatabase::at(url));
            (logs.clone(), vec![Arc::new(Tables::beside(logs))])
        }
        None => (Arc::new(InFiles), Vec::new()),
    };
    let mut args: Vec<OsString> = env::args_os().collect();
    if args.len() <= 1 {
        args.extend(SERVE.map(OsString::from));
    }
    cli::main_in(Surroundings { program: "velo-relay", log_home, companions }, args)
}
