//! The window, and the node behind it.

use std::path::Path;
use tokio::runtime::{Builder, Runtime};
use velo_app::{app::VeloApp, bridge::node::NodeBridge, scripts};
use velo_node::{
    api,
    control::ControlServer,
    handle::{Node, NodeConfig, NodeHandle},
};

/// Why there is no window.
pub enum Failed {
    /// The node could not be started.
    Node(String),
    /// The window could not be opened.
    Display(String),
}

/// Runs the app until its window is closed.
pub fn run(data_dir: &Path) -> Result<(), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::Node(error.to_string());
    let node = Node::start(NodeConfig::online(data_dir.to_owned())).map_err(|error| failed(&error))?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let control = serve(&runtime, node.handle());
    let shown = show(node.handle().clone(), data_dir.to_owned());
    drop(control);
    runtime.shutdown_background();
    node.shutdown().map_err(|error| failed(&error))?;
    shown.map_err(|error| Failed::Display(error.to_string()))
}

/// The socket over which `velo` works beside the window. The app also runs without it.
fn serve(runtime: &Runtime, node: &NodeHandle) -> Option<ControlServer> {
    let _inside = runtime.enter();
    api::serve(node).inspect_err(|error| tracing::warn!(%error, "the command line cannot reach the app")).ok()
}

fn show(node: NodeHandle, data_dir: std::path::PathBuf) -> eframe::Result {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Velo")
        .with_app_id("velo")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([640.0, 480.0]);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    eframe::run_native(
        "Velo",
        options,
        Box::new(move |creation| {
            let bridge = NodeBridge::new(node, &data_dir, creation.egui_ctx.clone())?;
            let mut app = VeloApp::new(Box::new(bridge));
            app.install(&creation.egui_ctx, scripts::fallback_fonts());
            Ok(Box::new(app))
        }),
    )
}
