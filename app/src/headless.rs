//! Without a display: the same peer, and a sample to try when there is nothing yet.

use std::{path::Path, process::ExitCode};
use velo_app::{bridge::sample, view::onboarding::UNNAMED};
use velo_node::{
    api::workspace::Introduction,
    handle::{Node, NodeConfig, NodeHandle},
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
    let login = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    let person = introduce(data_dir, login)?;
    let node = Node::start(NodeConfig::offline(data_dir.to_owned())).map_err(|error| error.to_string())?;
    let made = if is_new(&node) { fill(&node, person).map(|()| true) } else { Ok(false) };
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

/// Whether there is nothing on the device yet. A workspace that cannot be opened is something, and
/// the node tells of it.
fn is_new(node: &NodeHandle) -> bool {
    node.workspaces().is_empty() && node.unopened().is_empty()
}

/// The name of whoever is here; the login name if none was given before. The node needs one, so
/// where there is none either, as in a container, it is one that the app takes for none.
fn introduce(data_dir: &Path, login: Option<String>) -> Result<String, String> {
    if let Some(known) = Introduction::read(data_dir).map_err(|error| error.to_string())? {
        return Ok(known.name);
    }
    let name = login.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| UNNAMED.to_owned());
    let new = Introduction::new(&name).map_err(|error| error.to_string())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn start(dir: &Path) -> Node {
        let config = NodeConfig::offline(dir.join("data"));
        Node::start(NodeConfig { state_dir: Some(dir.join("state")), ..config }).unwrap()
    }

    #[test]
    fn somebody_without_a_login_name_is_introduced_too() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(introduce(dir.path(), Some(" ".to_owned())), Ok(UNNAMED.to_owned()));
        assert!(Introduction::read(dir.path()).unwrap().is_some(), "the node starts");
        assert_eq!(introduce(dir.path(), Some("anna".to_owned())), Ok(UNNAMED.to_owned()));
    }

    #[test]
    fn a_workspace_that_cannot_be_opened_is_not_a_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let node = start(dir.path());
        assert!(is_new(&node));
        fill(&node, "Anna".to_owned()).unwrap();
        assert!(!is_new(&node));
        node.shutdown().unwrap();
        for workspace in std::fs::read_dir(dir.path().join("data/workspaces")).unwrap() {
            std::fs::write(workspace.unwrap().path().join("record.json"), "{").unwrap();
        }
        let node = start(dir.path());
        assert!(node.workspaces().is_empty() && !is_new(&node), "{:?}", node.unopened());
        node.shutdown().unwrap();
    }
}
