//! What `velo-relay` is told beside the commands of `velo`: tokens for programs.

use crate::{integration, limits, store::InDatabase};
use clap::{Parser, Subcommand};
use std::{ffi::OsString, io::Write, process::ExitCode};
use velo_protocol::id::WorkspaceId;

/// The word that these commands start with.
const WORD: &str = "token";

#[derive(Debug, Parser)]
#[command(name = "velo-relay")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tokens with which programs write to a workspace over HTTP
    #[command(subcommand)]
    Token(Token),
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token for a program, and show it once
    #[command(after_help = "Example:\n  velo-relay token add-integration builds --workspace ID")]
    AddIntegration {
        /// What people call the program
        name: String,
        /// Its workspace, by the whole id: see `velo-relay workspace list --json`
        #[arg(long)]
        workspace: WorkspaceId,
    },
    /// List the programs that may write to a workspace
    #[command(after_help = "Example:\n  velo-relay token list-integrations --workspace ID")]
    ListIntegrations {
        /// The workspace, by the whole id
        #[arg(long)]
        workspace: WorkspaceId,
    },
    /// Take a program's tokens away; they are good no more at once
    #[command(after_help = "Example:\n  velo-relay token remove-integration builds --workspace ID")]
    RemoveIntegration {
        /// What people call the program
        name: String,
        /// Its workspace, by the whole id
        #[arg(long)]
        workspace: WorkspaceId,
    },
}

/// Carries out a command of the relay's own. `None`: it is one of `velo`'s.
pub fn run(args: &[OsString], database: Option<&InDatabase>) -> Option<ExitCode> {
    if args.get(1).is_none_or(|word| word != WORD) {
        return None;
    }
    let Command::Token(token) = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => {
            // A closed pipe is nobody's loss.
            let _ = error.print();
            return Some(ExitCode::from(error.exit_code() as u8));
        }
    };
    // A closed pipe is nobody's loss.
    Some(match token.run(database) {
        Ok(told) => {
            let _ = writeln!(std::io::stdout(), "{}", told.trim_end());
            ExitCode::SUCCESS
        }
        Err(told) => {
            let _ = writeln!(std::io::stderr(), "error: {told}");
            ExitCode::FAILURE
        }
    })
}

impl Token {
    fn run(self, database: Option<&InDatabase>) -> Result<String, String> {
        let database = database.ok_or("tokens of programs are kept in the database: set DATABASE_URL")?;
        let database = database.database().map_err(|error| error.to_string())?;
        let failed = |error: sqlx::Error| format!("the database: {error}");
        match self {
            Self::AddIntegration { name, workspace } => {
                check_name(&name)?;
                let token = integration::draw().map_err(|error| format!("no randomness: {error}"))?;
                let added = integration::add(database, workspace, name, &token).map_err(failed)?;
                added.then_some(token).ok_or_else(|| {
                    format!("workspace {workspace} is not in this database: join it first (`velo-relay join TICKET`)")
                })
            }
            Self::ListIntegrations { workspace } => {
                let rows = integration::list(database, workspace).map_err(failed)?;
                Ok(rows.iter().map(|(name, made)| format!("{made}  {name}")).collect::<Vec<_>>().join("\n"))
            }
            Self::RemoveIntegration { name, workspace } => {
                let removed = integration::remove(database, workspace, name.clone()).map_err(failed)?;
                if removed == 0 {
                    return Err(format!("no program \"{name}\" writes to that workspace"));
                }
                Ok(format!("Tokens of {name} that are good no more: {removed}"))
            }
        }
    }
}

/// It stands beside what the program wrote, so it has to be readable.
fn check_name(name: &str) -> Result<(), String> {
    let most = limits::INTEGRATION_NAME;
    let good = !name.trim().is_empty() && name.chars().count() <= most && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(format!("a name is one line of at most {most} characters")) }
}
