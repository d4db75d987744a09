//! The app on a screen of its own, driven by the names that a screen reader tells.

use super::world::{Device, Shared, TestBridge};
use egui::{Key, Modifiers, Theme, Vec2};
use egui_kittest::{
    Harness,
    kittest::{NodeT, Queryable},
};
use velo_app::{
    app::VeloApp,
    view::state::{Dialog, Invite, InviteStep},
};
use velo_protocol::{id::WorkspaceId, ticket::Ticket};

/// A running app.
pub struct Screen {
    /// The harness around it.
    pub harness: Harness<'static, VeloApp>,
    /// Its device.
    pub device: Shared,
}

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Screen {
    /// An app in front of a device.
    pub fn new(device: &Shared, size: Vec2, theme: Theme) -> Self {
        let app = VeloApp::new(Box::new(TestBridge(device.clone())));
        let builder = Harness::builder().with_size(size).with_theme(theme).with_max_steps(40);
        let mut harness = builder.build_ui_state(|ui, app: &mut VeloApp| whole(ui, |ui| app.frame(ui)), app);
        still(&harness.ctx);
        harness.run();
        Self { harness, device: device.clone() }
    }

    /// An app in front of the sample board.
    pub fn sample() -> (Self, WorkspaceId) {
        let device = Device::new(1);
        let workspace = device.borrow_mut().found("Workshop", "Anna Berg");
        device.borrow_mut().fill(workspace);
        (Self::new(&device, Vec2::new(1440.0, 900.0), Theme::Dark), workspace)
    }

    /// Clicks what has this name.
    #[track_caller]
    pub fn click(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.harness.run();
    }

    /// Clicks what has this name, where an answer is waited for then: the window looks for it again and
    /// again, so it does not come to rest.
    #[track_caller]
    pub fn click_waiting(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.harness.run_steps(8);
    }

    /// Types into the field of this name.
    #[track_caller]
    pub fn fill_in(&mut self, name: &str, text: &str) {
        let field = self.harness.get_by_label(name);
        field.focus();
        self.harness.run();
        self.harness.get_by_label(name).type_text(text);
        self.harness.run();
    }

    /// The ticket that was made.
    #[track_caller]
    pub fn ticket(&self) -> Ticket {
        match &self.harness.state().view().dialog {
            Dialog::Invite(Invite { step: InviteStep::Made { ticket, .. }, .. }) => (**ticket).clone(),
            other => panic!("no ticket: {other:?}"),
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run();
    }

    /// Presses a key with control.
    pub fn control(&mut self, key: Key) {
        self.harness.key_press_modifiers(Modifiers::COMMAND, key);
        self.harness.run();
    }

    /// Whether something of this name is there.
    pub fn shows(&self, name: &str) -> bool {
        self.harness.query_all_by_label(name).next().is_some()
    }

    /// Whether something is there whose name contains this.
    pub fn shows_part(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    /// The middle of what has this name.
    #[track_caller]
    pub fn place(&self, name: &str) -> egui::Pos2 {
        self.harness.get_by_label(name).rect().center()
    }

    /// Interactive nodes without a name.
    pub fn unnamed(&self) -> Vec<String> {
        fn visit(node: &egui_kittest::Node<'_>, found: &mut Vec<String>) {
            use egui::accesskit::Role;
            let inner = node.accesskit_node();
            let interactive = matches!(
                inner.role(),
                Role::Button
                    | Role::CheckBox
                    | Role::TextInput
                    | Role::PasswordInput
                    | Role::MultilineTextInput
                    | Role::Link
                    | Role::ComboBox
            );
            if interactive && inner.label().is_none_or(|label| label.trim().is_empty()) {
                found.push(format!("{:?} at {:?}", inner.role(), node.rect()));
            }
            for child in node.children() {
                visit(&child, found);
            }
        }
        let mut found = Vec::new();
        visit(&self.harness.root(), &mut found);
        found
    }
}

/// The harness leaves a margin around what it shows; a window does not.
pub fn whole(ui: &mut egui::Ui, content: impl FnOnce(&mut egui::Ui)) {
    let rect = ui.ctx().content_rect();
    let mut window = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    window.set_clip_rect(rect);
    content(&mut window);
}

/// Nothing moves by itself.
pub fn still(ctx: &egui::Context) {
    ctx.all_styles_mut(|style| {
        style.visuals.text_cursor.blink = false;
        style.scroll_animation = egui::style::ScrollAnimation::none();
        style.animation_time = 0.0;
        style.interaction.tooltip_delay = 60.0;
    });
}
