//! A connection to a running node's control socket: a process for every request would be slower than
//! what is tested.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

/// See the module.
pub struct Control(BufReader<UnixStream>);

impl Control {
    /// Connects to the node that holds a data directory.
    ///
    /// # Errors
    /// If nobody serves it.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(data_dir.join("control.sock"))?)))
    }

    /// Asks for an action and returns its answer.
    ///
    /// # Errors
    /// If it is refused, or the node is gone.
    pub fn ask(&mut self, action: &Value) -> anyhow::Result<Value> {
        self.request(&json!({ "action": action }))
    }

    /// The same in a workspace of that name.
    ///
    /// # Errors
    /// If it is refused, or the node is gone.
    pub fn ask_in(&mut self, workspace: &str, action: &Value) -> anyhow::Result<Value> {
        self.request(&json!({ "workspace": workspace, "action": action }))
    }

    fn request(&mut self, request: &Value) -> anyhow::Result<Value> {
        writeln!(self.0.get_mut(), "{request}")?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the node is gone")?;
        match answer.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => bail!("refused: {line}"),
        }
    }

    /// Adds a task, durably.
    ///
    /// # Errors
    /// If it was not acknowledged.
    pub fn add_task(&mut self, title: &str, description: Option<&str>) -> anyhow::Result<()> {
        let fields = json!({ "description": description });
        self.ask(&json!({ "task": { "add": { "title": title, "fields": fields } } })).map(drop)
    }

    /// The titles of all tasks.
    ///
    /// # Errors
    /// If the node is gone.
    pub fn titles(&mut self) -> anyhow::Result<BTreeSet<String>> {
        titles_in(&self.ask(&json!({ "task": { "list": {} } }))?)
    }

    /// The titles of all tasks of a workspace of that name.
    ///
    /// # Errors
    /// If the node is gone, or there is none.
    pub fn titles_in(&mut self, workspace: &str) -> anyhow::Result<BTreeSet<String>> {
        titles_in(&self.ask_in(workspace, &json!({ "task": { "list": {} } }))?)
    }
}

/// The titles in an answer of `velo task list`.
///
/// # Errors
/// If it is something else.
pub fn titles_in(answer: &Value) -> anyhow::Result<BTreeSet<String>> {
    let rows = answer.as_array().with_context(|| format!("no list: {answer}"))?;
    let title = |row: &Value| row.get("title").and_then(Value::as_str).map(str::to_owned);
    Ok(rows.iter().filter_map(title).collect())
}
