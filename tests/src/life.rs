//! A short life of a node as a person leads it, and what was acknowledged in it: for tests that cut it
//! off or make it fail at any point.

use crate::{
    control::Control,
    device::{Device, LOOPBACK, text_at},
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A file to attach: one that is there wherever the tests are.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/life.rs");

/// A device that is never harmed, with a workspace that the others join, one after the other: whoever
/// leaves has every ticket withdrawn that they have seen.
pub struct Peer(Device);

impl Peer {
    /// With a running node.
    ///
    /// # Errors
    /// If a command fails.
    pub fn new() -> anyhow::Result<Self> {
        let mut device = Device::new("Ben")?;
        device.velo(&["workspace", "create", "Shared"])?;
        device.velo(&["project", "add", "Garden"])?;
        for n in 1..=3 {
            device.velo(&["task", "add", &format!("Bed {n}")])?;
        }
        device.start(None, &LOOPBACK)?;
        Ok(Self(device))
    }

    fn ticket(&self) -> anyhow::Result<String> {
        let invite = self.0.control()?.ask(&json!({ "invite": { "days": 7 } }))?;
        Ok(text_at(&invite, "/ticket")?.to_owned())
    }
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Promised {
    /// Of each workspace, its tasks.
    pub workspaces: BTreeMap<&'static str, BTreeSet<String>>,
    /// A file on the first task of the workshop.
    pub attached: bool,
    /// A workspace that is gone for good.
    pub forgotten: bool,
    /// Everything that was to be done was done.
    pub is_whole: bool,
    /// Why something was refused.
    pub refusal: Option<String>,
}

impl Promised {
    fn add_task(
        &mut self,
        control: &mut Control,
        workspace: &'static str,
        title: &str,
    ) -> anyhow::Result<()> {
        control.ask_in(workspace, &json!({ "task": { "add": { "title": title } } }))?;
        self.workspaces.entry(workspace).or_default().insert(title.to_owned());
        Ok(())
    }

    /// What a person does, until something is refused; then that is noted.
    pub fn live(&mut self, device: &Device, peer: &Peer) {
        let lived = device.control().and_then(|mut control| self.do_all(&mut control, peer));
        self.refusal = lived.err().map(|error| format!("{error:#}"));
    }

    fn do_all(&mut self, control: &mut Control, peer: &Peer) -> anyhow::Result<()> {
        control.ask(&json!({ "workspace": { "create": { "name": "Workshop" } } }))?;
        self.workspaces.insert("Workshop", BTreeSet::new());
        control.ask_in(
            "Workshop",
            &json!({ "project": { "add": { "name": "House", "columns": ["To do"] } } }),
        )?;
        self.add_task(control, "Workshop", "Fix pump")?;
        let attach = json!({ "attach": { "add": { "task": "Fix pump", "files": [FILE] } } });
        control.ask_in("Workshop", &attach)?;
        self.attached = true;
        self.add_task(control, "Workshop", "Order a gasket")?;
        let joined = control.ask(&json!({ "join": { "ticket": peer.ticket()?, "wait": 30 } }))?;
        ensure!(joined.get("arrived") == Some(&json!(true)), "nobody was met: {joined}");
        self.workspaces.insert("Shared", BTreeSet::new());
        self.add_task(control, "Shared", "Water the beds")?;
        let synced = json!({ "network": { "sync": { "wait": 30, "peers": 1 } } });
        if control.ask_in("Shared", &synced)?.get("synced") == Some(&json!(true)) {
            // The peer was told that these are stored here.
            let beds = (1..=3).map(|n| format!("Bed {n}"));
            self.workspaces.entry("Shared").or_default().extend(beds);
        }
        // From here on it may be gone.
        self.workspaces.remove("Shared");
        control.ask_in("Shared", &json!({ "member": { "leave": {} } }))?;
        control.ask_in("Shared", &synced)?;
        control.ask(&json!({ "workspace": { "forget": { "name": "Shared", "unsent": true } } }))?;
        self.forgotten = true;
        self.add_task(control, "Workshop", "Tell Ben")?;
        self.is_whole = true;
        Ok(())
    }

    /// Starts the device again, looks for everything, and goes on.
    ///
    /// # Errors
    /// If it does not start, something is missing, or it refuses something.
    pub fn check(&self, device: &mut Device, what: &str) -> anyhow::Result<()> {
        device.start(None, &["--offline"])?;
        self.look(device, what)?;
        self.go_on(device)?;
        device.stop()
    }

    /// Whether everything is there.
    ///
    /// # Errors
    /// If something is missing, or the node is gone.
    pub fn look(&self, device: &Device, what: &str) -> anyhow::Result<()> {
        let mut control = device.control()?;
        let rows = control.ask(&json!({ "workspace": "list" }))?;
        let names: BTreeSet<&str> =
            rows.as_array().context("no list")?.iter().filter_map(|row| row.get("name")?.as_str()).collect();
        ensure!(!self.forgotten || !names.contains("Shared"), "{what}: a forgotten workspace is back");
        for (workspace, tasks) in &self.workspaces {
            ensure!(names.contains(workspace), "{what}: {workspace} is lost, there is {names:?}");
            let found = control.titles_in(workspace)?;
            ensure!(tasks.is_subset(&found), "{what}: of {tasks:?} there is {found:?}");
            if found.contains("Fix pump") {
                self.look_at_file(&mut control, what)?;
            }
        }
        Ok(())
    }

    /// Whether the file is there. Its content was durable before anybody could see it, acknowledged or not.
    fn look_at_file(&self, control: &mut Control, what: &str) -> anyhow::Result<()> {
        let list = json!({ "attach": { "list": { "task": "Fix pump" } } });
        let rows = control.ask_in("Workshop", &list)?;
        let rows = rows.as_array().context("no list")?;
        ensure!(!self.attached || !rows.is_empty(), "{what}: the attachment is lost");
        for row in rows {
            let folder = tempfile::tempdir()?;
            let saved = folder.path().join("saved");
            let save = json!({ "attachment": text_at(row, "/short")?, "path": saved, "wait": 0 });
            control.ask_in("Workshop", &json!({ "attach": { "save": save } })).context(what.to_owned())?;
            ensure!(fs::read(&saved)? == fs::read(FILE)?, "{what}: the attachment holds something else");
        }
        Ok(())
    }

    /// Works in what is there, and in a new workspace.
    ///
    /// # Errors
    /// If something is refused.
    pub fn go_on(&self, device: &Device) -> anyhow::Result<()> {
        let mut control = device.control()?;
        control.ask(&json!({ "workspace": { "create": { "name": "Afterwards", "another": true } } }))?;
        for workspace in self.workspaces.keys() {
            let project = json!({ "project": { "add": { "name": "One more" } } });
            control.ask_in(workspace, &project)?;
        }
        Ok(())
    }
}
