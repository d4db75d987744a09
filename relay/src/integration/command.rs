//! What an operator types about the programs that write to workspaces over HTTP.

use crate::{integration, limits, store::InDatabase};
use clap::Subcommand;
use serde_json::json;
use velo_protocol::id::WorkspaceId;

/// See the module.
#[derive(Debug, Subcommand)]
pub enum Programs {
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

impl Programs {
    /// Carries one out. What it returns is for people.
    ///
    /// # Errors
    /// Says why it was not, and what to do.
    pub fn run(self, database: Option<&InDatabase>, json: bool) -> Result<String, String> {
        let database = database.ok_or("tokens of programs are kept in the database: set DATABASE_URL")?;
        let database = database.database().map_err(|error| error.to_string())?;
        let failed = |error: sqlx::Error| format!("the database: {error}");
        match self {
            Self::AddIntegration { name, workspace } => {
                check_name(&name)?;
                let token = integration::draw().map_err(|error| format!("no randomness: {error}"))?;
                let added = integration::add(database, workspace, name.clone(), &token).map_err(failed)?;
                if !added {
                    return Err(format!(
                        "workspace {workspace} is not in this database: `velo relay add` on one of its devices comes first"
                    ));
                }
                Ok(if json { json!({ "name": name, "token": token }).to_string() } else { token })
            }
            Self::ListIntegrations { workspace } => {
                let rows = integration::list(database, workspace).map_err(failed)?;
                if json {
                    let row = |(name, made): &(String, String)| json!({ "name": name, "made": made });
                    return Ok(json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
                }
                Ok(rows.iter().map(|(name, made)| format!("{made}  {name}")).collect::<Vec<_>>().join("\n"))
            }
            Self::RemoveIntegration { name, workspace } => {
                let removed = integration::remove(database, workspace, name.clone()).map_err(failed)?;
                if removed == 0 {
                    return Err(format!("no program \"{name}\" writes to that workspace"));
                }
                let told = format!("Tokens of {name} that are good no more: {removed}");
                Ok(if json { json!({ "removed": removed }).to_string() } else { told })
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
