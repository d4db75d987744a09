//! The program: see the library.

use std::{env, ffi::OsString, process::ExitCode, sync::Arc};
use velo_node::{
    cli::{self, Surroundings},
    companion::Companion,
    store::home::{InFiles, LogHome},
};
use velo_relay::{
    http::Http,
    neighbours::Neighbours,
    operating::{self, PROGRAM},
    store::InDatabase,
    tables::Tables,
    tokens::Tokens,
};

/// Names the database, as in `postgres://user:password@host/name`.
const DATABASE_VAR: &str = "DATABASE_URL";
/// What it does where nothing else is said: so that it starts on a fresh machine without any set-up.
const SERVE: [&str; 4] = ["node", "--relay", "--name", "Relay"];

fn main() -> ExitCode {
    let mut args: Vec<OsString> = env::args_os().collect();
    let url = env::var(DATABASE_VAR).ok().filter(|url| !url.is_empty());
    let database = url.map(|url| Arc::new(InDatabase::at(url)));
    if operating::is_for_operator(&args) {
        return operating::run(&args, database.as_ref());
    }
    if args.len() <= 1 {
        args.extend(SERVE.map(OsString::from));
    }
    cli::main_in(surroundings(database), args)
}

fn surroundings(database: Option<Arc<InDatabase>>) -> Surroundings {
    let log_home: Arc<dyn LogHome> = match &database {
        Some(database) => Arc::clone(database) as _,
        None => Arc::new(InFiles),
    };
    let operator = Some(Arc::new(Tokens::of(database.clone())) as _);
    let mut companions: Vec<Arc<dyn Companion>> = Vec::new();
    if let Some(database) = &database {
        companions.push(Arc::new(Tables::beside(Arc::clone(database))));
        companions.push(Arc::new(Neighbours::of(Arc::clone(database))));
    }
    if let Some(http) = Http::from_env(database) {
        companions.push(Arc::new(http));
    }
    Surroundings { program: PROGRAM, log_home, operator, companions }
}
