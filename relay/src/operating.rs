//! What an operator types beyond the commands of a node: `velo-relay token`, for teams and for programs, and
//! `velo-relay bench`.

use crate::{
    bench::Bench,
    integration::command::Programs,
    store::InDatabase,
    tokens::{Token, Tokens},
};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use velo_node::{api, control, data_dir};

/// The folder of a relay's data among those of other programs.
pub const PROGRAM: &str = "velo-relay";
const GIGABYTE: u64 = 1_000_000_000;

/// What an operator does with a relay.
#[derive(Debug, Parser)]
#[command(name = "velo-relay", version)]
struct Operating {
    /// Where everything is kept
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print one JSON value instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say for whom this relay carries
    #[command(
        subcommand,
        after_help = "Examples:\n  velo-relay token add Workshop\n  velo-relay token list\n  \
            velo-relay token remove Workshop"
    )]
    Token(TokenCommand),
    /// Measure this machine and its database server
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and show the line with which a team uses it
    Add(Add),
    /// List tokens, and what they admitted
    List,
    /// Take a token back: what it admitted is carried on
    Remove {
        /// Its name
        name: String,
    },
    #[command(flatten)]
    Programs(Programs),
}

#[derive(Debug, Args)]
struct Add {
    /// For whom it is
    name: String,
    /// Gigabytes that are kept of each workspace, changes and attachments together [default: as many as there are]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    gigabytes: Option<u64>,
    /// How many workspaces it is good for
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    workspaces: u32,
}

/// Whether a command line is for the operator, rather than for the node.
pub fn is_for_operator(args: &[OsString]) -> bool {
    let mut words = args.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        match word.as_ref() {
            "--data-dir" => drop(words.next()),
            flag if flag.starts_with('-') => {}
            command => return ["token", "bench"].contains(&command),
        }
    }
    false
}

/// Runs such a command line, and returns its exit code.
pub fn run(args: &[OsString], database: Option<&Arc<InDatabase>>) -> ExitCode {
    let operating = match Operating::try_parse_from(args) {
        Ok(operating) => operating,
        Err(error) => {
            // A closed pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let json = operating.json;
    let done = match operating.command {
        Command::Token(command) => carry_out(command, operating.data_dir, json, database),
        Command::Bench(bench) => bench.run(database, json).map_err(|error| error.to_string()),
    };
    match done {
        Ok(said) => {
            say(&mut io::stdout(), &said);
            ExitCode::SUCCESS
        }
        Err(error) if json => {
            let code = json!({ "error": { "code": "refused", "message": error } });
            say(&mut io::stdout(), &code.to_string());
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&mut io::stderr(), &format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(to: &mut dyn Write, text: &str) {
    // A closed pipe is nobody's loss.
    let _ = writeln!(to, "{}", text.trim_end());
}

fn carry_out(
    command: TokenCommand,
    data_dir: Option<PathBuf>,
    json: bool,
    database: Option<&Arc<InDatabase>>,
) -> Result<String, String> {
    let data_dir = match data_dir {
        Some(path) => path,
        None => data_dir::default_path(PROGRAM).map_err(|error| error.to_string())?,
    };
    let tokens = Tokens::of(database.cloned());
    match command {
        TokenCommand::Programs(programs) => programs.run(database.map(AsRef::as_ref), json),
        TokenCommand::Add(add) => {
            let token = Token::new(&add.name, add.gigabytes.map(|some| some * GIGABYTE), add.workspaces);
            let token = token.map_err(told)?;
            let text = tokens.add(&data_dir, &token).map_err(told)?;
            Ok(added(&token, &text, address(&data_dir).as_deref(), json))
        }
        TokenCommand::List => {
            let tokens = tokens.list(&data_dir).map_err(told)?;
            if json { Ok(json!(tokens).to_string()) } else { Ok(listed(&tokens)) }
        }
        TokenCommand::Remove { name } => {
            tokens.remove(&data_dir, &name).map_err(told)?;
            let told = format!("\"{name}\" admits nothing new any more. What is carried is carried on.");
            Ok(if json { json!({ "removed": name }).to_string() } else { told })
        }
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn added(token: &Token, text: &str, address: Option<&str>, json: bool) -> String {
    if json {
        return json!({ "name": token.name, "token": text, "address": address }).to_string();
    }
    let hint = match &address {
        Some(_) => "",
        None => "\nADDRESS is what `velo-relay` prints when it starts, as others reach it.",
    };
    let address = address.unwrap_or("ADDRESS");
    format!(
        "The token for \"{}\" is shown this once. In each workspace that the relay is to carry, somebody runs:\n\n  \
         velo relay add {address} --token {text}\n{hint}",
        token.name
    )
}

fn listed(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "No tokens: this relay carries nothing new. `velo-relay token add NAME` makes one."
            .to_owned();
    }
    let line = |token: &Token| {
        let room = token.room.map_or_else(String::new, |room| format!(", {} GB each", room / GIGABYTE));
        format!("{}: {} of {} workspaces{room}", token.name, token.admitted.len(), token.workspaces)
    };
    tokens.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Where the relay that runs on this data directory is reached from elsewhere, if that can be told.
fn address(data_dir: &Path) -> Option<String> {
    let request = api::Request { workspace: None, action: api::Action::Status };
    let answer = control::call(data_dir, &serde_json::to_value(request).ok()?).ok()??;
    let addresses = answer.pointer("/ok/addresses")?.as_array()?;
    let addresses = addresses.iter().filter_map(|address| address.as_str());
    let elsewhere = |address: &&str| !address.starts_with("/ip4/127.") && !address.starts_with("/ip6/::1/");
    addresses.clone().find(elsewhere).or_else(|| addresses.clone().next()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_commands_are_told_from_those_of_the_node() {
        let is = |line: &str| is_for_operator(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in
            ["velo-relay token add A", "velo-relay --data-dir token token list", "velo-relay --json token"]
        {
            assert!(is(line), "{line}");
        }
        for line in ["velo-relay", "velo-relay node --name token", "velo-relay --data-dir token status"] {
            assert!(!is(line), "{line}");
        }
    }
}
