//! The app: takes what is new, reads the keys, paints, and carries out the commands.

mod answer;
mod attachments;
mod carry;
mod devices;
mod people;
mod personal;
mod picture;
mod save;
mod sync;

use crate::{
    bridge::{Bridge, Request},
    command::{self, AppCommand},
    panels::{Cx, frame_ui},
    theme,
    view::{
        attachments::LOOK_MS,
        board::{Board, Of},
        model::Model,
        presence::Told,
        state::{Dialog, Page, View},
        toast::{Toast, Tone},
    },
};
use answer::Pending;
use egui::{Context, Event, Key, Modifiers, ThemePreference, Ui};
use egui_commonmark::CommonMarkCache;
use std::{collections::BTreeMap, time::Duration};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    replica::RequestId,
    workspace::Workspace,
};

/// How long the first key of a sequence is remembered, in milliseconds.
const LEAD_MS: u64 = 1_500;
/// How often an answer is looked for while one is awaited.
const ANSWER_EVERY: Duration = Duration::from_millis(15);
/// How often times such as "5 min ago" are renewed.
const MINUTE: Duration = Duration::from_mins(1);

/// See the module.
pub struct VeloApp {
    bridge: Box<dyn Bridge>,
    model: Model,
    view: View,
    markdown: CommonMarkCache,
    pending: BTreeMap<RequestId, Pending>,
    next_request: RequestId,
    shown: Option<WorkspaceId>,
    /// Of what it was noted last that it is read: the revisions, and the open task.
    read_noted: Option<(u64, u64, Option<EntityId>)>,
    /// Tickets that turned out to be of no use, of which the person was told.
    refused: BTreeMap<WorkspaceId, String>,
    /// The name that was noted last because a workspace shows it.
    noted: Option<String>,
    /// What the others were told of the person.
    told: Told,
    installed: bool,
    /// Since when the window is to close, and waits for what is being saved.
    closing: Option<u64>,
}

impl VeloApp {
    /// An app in front of a bridge.
    pub fn new(bridge: Box<dyn Bridge>) -> Self {
        let model = Model::new(&*bridge);
        let mut view = View { preferences: bridge.preferences(), ..View::default() };
        view.onboarding.name = model.name.clone().unwrap_or_default();
        Self {
            bridge,
            model,
            view,
            markdown: CommonMarkCache::default(),
            pending: BTreeMap::new(),
            next_request: 0,
            shown: None,
            read_noted: None,
            refused: BTreeMap::new(),
            noted: None,
            told: Told::default(),
            installed: false,
            closing: None,
        }
    }

    /// As [`Self::new`], where fonts and looks were set before.
    pub fn installed(bridge: Box<dyn Bridge>) -> Self {
        Self { installed: true, ..Self::new(bridge) }
    }

    /// Sets fonts and looks. Must be done a frame before the first painting.
    pub fn install(&mut self, ctx: &Context, fallback_fonts: Vec<(String, Vec<u8>)>) {
        theme::install(ctx, fallback_fonts);
        self.apply_theme(ctx);
        self.installed = true;
    }

    /// Where the person is.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What there is to see.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// One frame.
    pub fn frame(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        if !self.installed {
            self.install(&ctx, Vec::new());
            ctx.request_repaint();
            return;
        }
        let asked = self.next_request;
        self.take_answers();
        self.renew();
        self.close_when_saved(&ctx);
        self.take_dropped(&ctx);
        self.read_keys(&ctx);
        let mut out = Vec::new();
        let (view, markdown) = (&mut self.view, &mut self.markdown);
        frame_ui::show(ui, &mut Cx { model: &self.model, view, markdown, out: &mut out });
        let acted = !out.is_empty();
        for command in out {
            self.carry_out(&ctx, command);
        }
        if acted || self.next_request != asked {
            ctx.request_repaint();
        }
        self.plan_repaint(&ctx);
    }

    fn plan_repaint(&mut self, ctx: &Context) {
        ctx.request_repaint_after(MINUTE);
        if !self.pending.is_empty() {
            ctx.request_repaint_after(ANSWER_EVERY);
        }
        let typed = &self.view.detail.typed.comment;
        if let Some(ms) = self.view.draft.due_in(typed, self.model.moment.wall_ms) {
            ctx.request_repaint_after(Duration::from_millis(ms + 1));
        }
        if self.view.attachments.is_coming() {
            ctx.request_repaint_after(Duration::from_millis(LOOK_MS));
        }
        if let Some(ms) = self.view.toasts.expire(self.model.moment.wall_ms) {
            ctx.request_repaint_after(Duration::from_millis(ms + 1));
        }
    }

    /// Takes the newest snapshot, and what follows from it.
    fn renew(&mut self) {
        // What is made elsewhere meanwhile does not take the place of what is being looked at.
        let wanted = self.view.preferences.workspace.or(self.shown);
        let changed = self.model.renew(&*self.bridge, wanted);
        self.hear_refusals();
        self.note_name();
        if !self.view.is_covered() {
            self.view.dialog = self.view.returned.pop().unwrap_or_default();
        }
        // A clone of a snapshot shares everything with it.
        let Some(workspace) = self.model.workspace.clone() else {
            self.shown = None;
            return;
        };
        if self.shown.is_none() {
            self.arrived();
        }
        self.show(&workspace, changed);
        self.follow_detail(&workspace);
        self.follow_draft();
        self.follow_attachments();
        self.note_read(&workspace);
        self.tell_presence();
        if let Some(of) = self.view.story.ask(&workspace, self.view.open) {
            self.send(Request::Story(of.workspace, of.task), Pending::Told(of));
        }
    }

    fn show(&mut self, workspace: &Workspace, changed: bool) {
        if self.shown != Some(workspace.id()) {
            self.shown = Some(workspace.id());
            self.view.cards.clear();
            self.view.stacks.of = None;
            self.view.open = None;
            self.view.cursor = None;
        }
        let of = match self.view.page {
            Page::WithoutProject => Of::WithoutProject,
            _ => self.project().map_or(Of::Nothing, Of::Project),
        };
        if let (Of::Project(project), true) = (of, self.view.board.of != of) {
            self.recall_layout(project);
        }
        if changed || self.view.board.of != of {
            self.view.board = Board::read(workspace, of);
        }
        let of = (workspace.revision(), self.model.personal.revision(), self.model.moment.today());
        self.view.cards.keep_for(of);
        // What somebody else has deleted cannot stay open.
        self.view.open = self.view.open.filter(|id| workspace.task(*id).is_some());
        self.view.cursor = self.view.cursor.filter(|id| workspace.task(*id).is_some());
    }

    /// The project shown last, or the first.
    fn project(&self) -> Option<EntityId> {
        let there = |id: &EntityId| self.model.projects.iter().any(|(project, _)| project == id);
        let wanted = self.view.preferences.project.filter(there);
        wanted.or(self.model.projects.first().map(|(id, _)| *id))
    }

    fn read_keys(&mut self, ctx: &Context) {
        if self.model.workspace.is_none() || self.view.is_covered() || egui::Popup::is_any_open(ctx) {
            return;
        }
        let typing = ctx.text_edit_focused();
        let focused = ctx.egui_wants_keyboard_input();
        let pressed: Vec<(Key, Modifiers)> = ctx.input(|input| {
            let keys = input.events.iter().filter_map(|event| match event {
                Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
                _ => None,
            });
            keys.collect()
        });
        for (key, modifiers) in pressed {
            // A text field keeps its keys; only the palette is reached from everywhere.
            let palette = modifiers.command && key == Key::K;
            let moves_focus =
                matches!(key, Key::Enter | Key::ArrowDown | Key::ArrowUp | Key::ArrowLeft | Key::ArrowRight)
                    && !modifiers.command;
            if (typing && !palette) || (focused && moves_focus) {
                continue;
            }
            if let Some(command) = self.command_of(key, modifiers) {
                ctx.input_mut(|input| input.consume_key(modifiers, key));
                // The letter that opens a field must not be typed into it.
                ctx.input_mut(|input| input.events.retain(|event| !matches!(event, Event::Text(_))));
                self.carry_out(ctx, command);
            }
        }
    }

    fn command_of(&mut self, key: Key, modifiers: Modifiers) -> Option<AppCommand> {
        let now = self.model.moment.wall_ms;
        let lead = self.view.lead.take().filter(|(_, since)| now.saturating_sub(*since) < LEAD_MS);
        let found = command::of_key(key, modifiers, lead.map(|(key, _)| key)).cloned();
        if found.is_none() && modifiers.is_none() && command::is_lead(key) {
            self.view.lead = Some((key, now));
        }
        found
    }

    fn apply_theme(&self, ctx: &Context) {
        match self.view.preferences.dark {
            Some(true) => ctx.set_theme(ThemePreference::Dark),
            Some(false) => ctx.set_theme(ThemePreference::Light),
            None => {}
        }
    }

    fn send(&mut self, request: Request, pending: Pending) {
        self.next_request += 1;
        self.pending.insert(self.next_request, pending);
        self.bridge.send(self.next_request, request);
    }

    fn say(&mut self, text: impl Into<String>, tone: Tone, undo: bool) {
        let since_ms = self.model.moment.wall_ms;
        self.view.toasts.push(Toast { text: text.into(), tone, undo, since_ms });
    }

    fn keep_preferences(&mut self) {
        self.bridge.keep_preferences(&self.view.preferences);
    }

    fn workspace_id(&self) -> Option<WorkspaceId> {
        self.model.workspace.as_ref().map(Workspace::id)
    }

    /// Opens a task, in its project.
    fn open(&mut self, task: EntityId) {
        let Some(workspace) = &self.model.workspace else { return };
        if workspace.task(task).is_none() {
            return;
        }
        match workspace.project_of(task) {
            Some(project) if self.project() != Some(project) => self.show_project(project),
            Some(_) => self.view.page = Page::Project,
            None => self.view.page = Page::WithoutProject,
        }
        self.view.open = Some(task);
        self.view.cursor = Some(task);
        self.view.reveal = true;
    }

    fn show_project(&mut self, project: EntityId) {
        self.view.page = Page::Project;
        self.view.preferences.project = Some(project);
        self.view.open = None;
        self.view.cursor = None;
        self.keep_preferences();
    }

    fn close(&mut self) {
        if self.view.dialog != Dialog::None {
            self.view.dialog = Dialog::None;
        } else if self.view.open.is_some() {
            self.view.open = None;
        } else {
            self.view.cursor = None;
        }
    }
}

impl eframe::App for VeloApp {
    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.finish();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame(ui);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
