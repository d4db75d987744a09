//! What the window shows: the app, or before it the page that asks for the passphrase.

use crate::{
    app::VeloApp,
    bridge::door::{Closed, Door},
    panels::unlock_ui,
    theme,
    view::{
        conflict::sentence,
        unlock::{self, Unlock},
    },
};
use egui::{Context, ThemePreference, Ui};
use std::time::Duration;

/// How often an answer is looked for while the keys are being opened.
const ANSWER_EVERY: Duration = Duration::from_millis(50);

/// See the module.
pub struct Start {
    stage: Stage,
    installed: bool,
}

enum Stage {
    /// The passphrase is asked for.
    Locked(Box<dyn Door>, Unlock),
    /// The app.
    Open(Box<VeloApp>),
}

impl Start {
    /// The app at once.
    pub fn open(app: VeloApp) -> Self {
        Self { stage: Stage::Open(Box::new(app)), installed: false }
    }

    /// The page in front of a door. `problem`: why it was not opened before.
    pub fn locked(door: Box<dyn Door>, data_dir: String, problem: Option<String>) -> Self {
        let unlock = Unlock { problem, data_dir, ..Unlock::default() };
        Self { stage: Stage::Locked(door, unlock), installed: false }
    }

    /// Sets fonts and looks. Must be done a frame before the first painting.
    pub fn install(&mut self, ctx: &Context, fallback_fonts: Vec<(String, Vec<u8>)>, dark: Option<bool>) {
        theme::install(ctx, fallback_fonts);
        match dark {
            Some(true) => ctx.set_theme(ThemePreference::Dark),
            Some(false) => ctx.set_theme(ThemePreference::Light),
            None => {}
        }
        self.installed = true;
    }

    /// The app, once the keys are open.
    pub fn app(&mut self) -> Option<&mut VeloApp> {
        if let Stage::Open(app) = &mut self.stage { Some(app) } else { None }
    }

    /// One frame.
    pub fn frame(&mut self, ui: &mut Ui) {
        if !self.installed {
            self.install(&ui.ctx().clone(), Vec::new(), None);
            ui.ctx().request_repaint();
            return;
        }
        if let Stage::Locked(door, unlock) = &mut self.stage
            && let Some(app) = locked(ui, &mut **door, unlock)
        {
            self.stage = Stage::Open(Box::new(app));
            ui.ctx().request_repaint();
        } else if let Stage::Open(app) = &mut self.stage {
            app.frame(ui);
        }
    }
}

/// One frame of the page. Returns the app once the door is open.
fn locked(ui: &mut Ui, door: &mut dyn Door, unlock: &mut Unlock) -> Option<VeloApp> {
    if unlock.opening {
        match door.answer() {
            Some(Ok(bridge)) => return Some(VeloApp::installed(bridge)),
            Some(Err(closed)) => refuse(unlock, &closed),
            None => ui.ctx().request_repaint_after(ANSWER_EVERY),
        }
    }
    if unlock_ui::show(ui, unlock) {
        (unlock.opening, unlock.problem) = (true, None);
        door.knock(std::mem::take(&mut unlock.typed));
        ui.ctx().request_repaint();
    }
    None
}

fn refuse(unlock: &mut Unlock, closed: &Closed) {
    unlock.opening = false;
    unlock.problem = Some(match closed {
        Closed::WrongPassphrase => unlock::WRONG.to_owned(),
        Closed::Failed(problem) => sentence(problem),
    });
}

impl eframe::App for Start {
    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        if let Some(app) = self.app() {
            app.on_exit(gl);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame(ui);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
