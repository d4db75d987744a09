//! The program: see the library.

use std::{env, ffi::OsString, process::ExitCode, sync::Arc};
use velo_node::{
    cli::{self, Surroundings},
    store::home::{InFiles, LogHome},
};
use velo_relay::{
    operating::{self, PROGRAM},
    store::InDatabase,
    tokens::Tokens,
};

/// Names the database, as in `postgres://user:password@host/name`.
const DATABASE_VAR: &str = "DATABASE_URL";
/// What it does where nothing else is said: so that it starts on a fresh machine without any set-up.
const SERVE: [&str; 4] = ["node", "--relay", "--name", "Relay"];

fn main() -> ExitCode {
    let url = env::var(DATABASE_VAR).ok().filter(|url| !url.is_empty());
    let database = url.map(|url| Arc::new(InDatabase::at(url)));
    let tokens = database.clone().map_or(Tokens::InFile, Tokens::InDatabase);
    let log_home: Arc<dyn LogHome> = match database {
        Some(database) => database,
        None => Arc::new(InFiles),
    };
    let mut args: Vec<OsString> = env::args_os().collect();
    if operating::is_for_operator(&args) {
        return operating::run(&args, &tokens);
    }
    if args.len() <= 1 {
        args.extend(SERVE.map(OsString::from));
    }
    let operator = Some(Arc::new(tokens) as _);
    cli::main_in(Surroundings { program: PROGRAM, log_home, operator, companions: Vec::new() }, args)
}
