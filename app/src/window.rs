//! The window, and the node behind it.

use std::path::Path;
use velo_app::{
    app::VeloApp,
    bridge::{
        door::{self, NodeDoor, Running, Slot},
        node::{self, NodeBridge},
    },
    scripts,
    start::Start,
};
use velo_node::{
    handle::{NodeConfig, NodeError},
    keystore::{KeystoreError, PASSPHRASE_VAR},
};

/// Why there is no window.
pub enum Failed {
    /// The node could not be started.
    Node(String),
    /// The window could not be opened.
    Display(String),
}

/// How the start of the node went.
enum Begun {
    /// It runs.
    Open,
    /// Its keys lie under a passphrase. What was tried before, and why that did not open them.
    Locked(Option<String>),
}

/// Runs the app until its window is closed.
pub fn run(data_dir: &Path) -> Result<(), Failed> {
    let slot = Slot::default();
    let begun = begin(data_dir, &slot).map_err(|error| Failed::Node(error.to_string()))?;
    let shown = show(begun, data_dir, &slot);
    if let Some(running) = slot.take() {
        running.stop().map_err(|error| Failed::Node(error.to_string()))?;
    }
    shown.map_err(|error| Failed::Display(error.to_string()))
}

/// Starts the node, unless somebody has to be asked for the passphrase first. The window asks, also where
/// it was started from a terminal.
fn begin(data_dir: &Path, slot: &Slot) -> Result<Begun, NodeError> {
    let names_file = std::env::var_os(PASSPHRASE_VAR).is_some_and(|path| !path.is_empty());
    let locked = door::is_locked(data_dir);
    if locked && !names_file {
        return Ok(Begun::Locked(None));
    }
    match Running::start(NodeConfig::online(data_dir.to_owned())) {
        Ok(running) => {
            slot.put(running);
            Ok(Begun::Open)
        }
        Err(NodeError::Keystore(
            error @ (KeystoreError::WrongPassphrase
            | KeystoreError::PassphraseFile { .. }
            | KeystoreError::PassphraseNeeded),
        )) if locked => Ok(Begun::Locked(Some(error.to_string()))),
        Err(error) => Err(error),
    }
}

fn show(begun: Begun, data_dir: &Path, slot: &Slot) -> eframe::Result {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Velo")
        .with_app_id("velo")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([640.0, 480.0]);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let (data_dir, slot) = (data_dir.to_owned(), slot.clone());
    eframe::run_native(
        "Velo",
        options,
        Box::new(move |creation| {
            let ctx = &creation.egui_ctx;
            let mut start = start(begun, &data_dir, slot, ctx)?;
            start.install(ctx, scripts::fallback_fonts(), node::preferences(&data_dir).dark);
            Ok(Box::new(start))
        }),
    )
}

fn start(begun: Begun, data_dir: &Path, slot: Slot, ctx: &egui::Context) -> std::io::Result<Start> {
    let problem = match begun {
        Begun::Locked(problem) => problem,
        Begun::Open => {
            let Some(node) = slot.handle() else { return Err(std::io::Error::other("the node has stopped")) };
            let bridge = NodeBridge::new(node, data_dir, ctx.clone())?;
            return Ok(Start::open(VeloApp::installed(Box::new(bridge))));
        }
    };
    let door = NodeDoor::new(NodeConfig::online(data_dir.to_owned()), ctx.clone(), slot);
    Ok(Start::locked(Box::new(door), data_dir.display().to_string(), problem))
}
