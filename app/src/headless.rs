//! Without a display: the same peer, and a sample to try when there is nothing yet.

use std::{path::Path, process::ExitCode};
use velo_app::bridge::sample;
use velo_node::{
    api::workspace::Introduction,
    handle::{Node, NodeConfig},
};
use velo_protocol::replica::{Command, Reply};

/// Runs a headless node until it is interrupted. `reason` says why there is no window.
pub fn run(data_dir: &Path, reason: &str) -> ExitCode {
    println!("No window, because {reason}.");
    println!("Running as a headless node in {}. Ctrl-C ends it.", data_dir.display());
    if let Err(problem) = prepare(data_dir) {
        return super::fail(&problem);
    }
    velo_node::cli::main_with([
        "velo-app".as_ref(),
        "--data-dir".as_ref(),
        data_dir.as_os_str(),
        "node".as_ref(),
    ])
}

/// Makes a sample workspace where there is none, and says what to try.
fn prepare(data_dir: &Path) -> Result<(), String> {
    let person = introduce(data_dir)?;
    let node = Node::start(NodeConfig::offline(data_dir.to_owned())).map_err(|error| error.to_string())?;
    let made = if node.workspaces().is_empty() { fill(&node, person).map(|()| true) } else { Ok(false) };
    node.shutdown().map_err(|error| error.to_string())?;
    if made? {
        let program = std::env::args().next().unwrap_or_else(|| "velo-app".to_owned());
        println!("\nA sample workspace was made. Try in another terminal:");
        println!("  {program} task list");
        println!("  {program} task add \"Order the paint\" --due friday");
        println!("  {program} invite\n");
    }
    Ok(())
}

/// The name of whoever is here; the login name if none was given before.
fn introduce(data_dir: &Path) -> Result<String, String> {
    if let Some(known) = Introduction::read(data_dir).map_err(|error| error.to_string())? {
        return Ok(known.name);
    }
    let login = std::env::var("USER").ok().filter(|name| !name.trim().is_empty());
    let new =
        Introduction::new(&login.unwrap_or_else(|| "Me".to_owned())).map_err(|error| error.to_string())?;
    new.write(data_dir).map_err(|error| error.to_string())?;
    Ok(new.name)
}

fn fill(node: &Node, person_name: String) -> Result<(), String> {
    let found = Command::CreateWorkspace { name: "Sample workshop".to_owned(), person_name };
    let Reply::Workspace(workspace) = node.submit_blocking(found).map_err(|error| error.to_string())? else {
        return Err("the node answered something else".to_owned());
    };
    let today = i32::try_from(jiff::Timestamp::now().as_second().div_euclid(86_400)).unwrap_or_default();
    let changes = sample::changes(workspace, today).map_err(|error| error.to_string())?;
    let edit = Command::Edit { workspace, changes };
    node.submit_blocking(edit).map(|_| ()).map_err(|error| error.to_string())
}
