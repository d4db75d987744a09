//! Dialogs: small windows over everything that ask for one thing.

use super::{
    Cx, doctor_ui, invite_ui, keys_ui, link_ui, phrase_ui, picture_ui, quick_add_ui, standing_ui::FORGET,
    storage_ui,
};
use crate::{
    command::{AppCommand, NAMED},
    fonts, icons,
    theme::{measure, radius, size, space, tokens},
    view::{
        confirm,
        conflict::sentence,
        onboarding,
        picture::Wanted,
        relay::RelayLine,
        state::{Confirm, Dialog, NamePurpose},
    },
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{
    Align, Context, CornerRadius, Frame, Id, Key, Layout, Margin, Modal, Response, RichText, ScrollArea,
    Stroke, Ui, Vec2, vec2,
};
use velo_protocol::id::OpId;

/// Paints the open dialog.
pub fn show(ctx: &Context, cx: &mut Cx<'_>) {
    let mut dialog = std::mem::take(&mut cx.view.dialog);
    if dialog == Dialog::None {
        return;
    }
    let kept = match &mut dialog {
        Dialog::None => false,
        Dialog::QuickAdd { column, text } => quick_add_ui::show(ctx, cx, *column, text),
        Dialog::Name { purpose, text, seen } => name(ctx, cx, *purpose, text, seen),
        Dialog::Invite(invite) => invite_ui::show(ctx, cx, invite),
        Dialog::Confirm(what) => confirm(ctx, cx, *what),
        Dialog::Join { text, problem } => join(ctx, cx, text, problem),
        Dialog::AddPeer { text, problem } => add_peer(ctx, cx, text, problem),
        Dialog::AddRelay { text, problem } => add_relay(ctx, cx, text, problem),
        Dialog::Link(link) => link_ui::show(ctx, cx, link),
        Dialog::Phrase(phrase) => phrase_ui::show(ctx, cx, phrase),
        Dialog::Keys(keys) => keys_ui::show(ctx, cx, keys),
        Dialog::Storage(storage) => storage_ui::show(ctx, cx, storage),
        Dialog::Doctor(doctor) => doctor_ui::doctor(ctx, cx, doctor),
        Dialog::Diagnostics(dialog) => doctor_ui::diagnostics(ctx, cx, dialog),
        Dialog::Shortcuts => shortcuts(ctx),
    };
    if kept {
        cx.view.dialog = dialog;
    }
}

/// A window in the middle. Returns what the content returned, and whether it was asked to close.
pub fn window<T>(ctx: &Context, name: &str, width: f32, content: impl FnOnce(&mut Ui) -> T) -> (T, bool) {
    let tokens = tokens(ctx);
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.border_strong))
        .corner_radius(CornerRadius::same(radius::L))
        .shadow(egui::Shadow { offset: [0, 16], blur: 48, spread: 0, color: tokens.shadow })
        .inner_margin(Margin::same(20));
    let modal = Modal::new(Id::new(name)).frame(frame).backdrop_color(tokens.scrim).show(ctx, |ui| {
        ui.set_width(width.min(ctx.content_rect().width() - 80.0));
        ui.spacing_mut().item_spacing.y = space::S;
        content(ui)
    });
    let close = modal.should_close();
    settle(ctx, name, modal.response.rect.size());
    (modal.inner, close)
}

/// A window that has grown or shrunk stands in the middle from the next frame on: there must be one.
fn settle(ctx: &Context, name: &str, size: Vec2) {
    let id = Id::new((name, "size"));
    let before = ctx.data_mut(|data| std::mem::replace(data.get_temp_mut_or(id, size), size));
    if before != size {
        ctx.request_repaint();
    }
}

/// The heading of a dialog.
pub fn title(ui: &mut Ui, words: &str) {
    ui.label(RichText::new(words).font(fonts::semibold(size::LARGE)).color(tokens(ui.ctx()).text));
}

/// A line of buttons, from the right. Only as high as they are: without that it is as high as the window
/// was before, where that has shrunk.
pub fn foot_row<T>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> T) -> T {
    let size = vec2(ui.available_width(), 30.0);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), content).inner
}

/// The buttons at the foot. Returns (done, cancelled).
pub fn foot(ui: &mut Ui, done: &str, ready: bool) -> (bool, bool) {
    ui.add_space(space::S);
    foot_row(ui, |ui| {
        let done = ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Primary, "", done).clicked());
        (done.inner, button::words(ui, Weight::Quiet, "", "Cancel").clicked())
    })
}

fn focus_first(ui: &Ui, response: &Response) {
    if ui.memory(|memory| memory.focused().is_none()) {
        response.request_focus();
    }
}

fn entered(ui: &Ui, response: &Response) -> bool {
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// Asks for the person's name, while none was given. Returns whether there is one.
fn person(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    if cx.model.name.is_some() {
        return true;
    }
    ui.add_space(space::S);
    field::heading(ui, "Your name, as the others will see it");
    field::single(ui, "Your name", "Anna", &mut cx.view.onboarding.name);
    !cx.view.onboarding.name.trim().is_empty()
}

fn name(ctx: &Context, cx: &mut Cx<'_>, purpose: NamePurpose, text: &mut String, seen: &[OpId]) -> bool {
    let (heading, hint, done) = match purpose {
        NamePurpose::Project => ("New project", "Garden shed", "Create project"),
        NamePurpose::RenameProject(_) => ("Rename project", "Garden shed", "Rename"),
        NamePurpose::Column(_) => ("New column", "In review", "Create column"),
        NamePurpose::RenameColumn(_) => ("Rename column", "In review", "Rename"),
        NamePurpose::Workspace => ("New workspace", "Workshop", "Create workspace"),
    };
    let ((done, cancelled), close) = window(ctx, "name dialog", 400.0, |ui| {
        title(ui, heading);
        let response = field::single(ui, "Name", hint, text);
        let enter = entered(ui, &response);
        focus_first(ui, &response);
        let named = purpose != NamePurpose::Workspace || person(ui, cx);
        let ready = named && !text.trim().is_empty();
        let (done, cancelled) = foot(ui, done, ready);
        (done || (enter && ready), cancelled)
    });
    if done {
        cx.say(AppCommand::AddNamed { purpose, name: text.trim().to_owned(), seen: seen.to_vec() });
    }
    !(done || cancelled || close)
}

/// Asks before something grave, saying point by point what will happen.
fn confirm(ctx: &Context, cx: &mut Cx<'_>, confirm: Confirm) -> bool {
    let question = confirm::question(confirm, &cx.model.members, &cx.model.standing);
    let tokens = tokens(ctx);
    let ((done, cancelled), close) = window(ctx, "confirm dialog", 490.0, |ui| {
        title(ui, &question.title);
        ui.add_space(space::XS);
        for (sign, words) in &question.points {
            ui.horizontal_top(|ui| {
                mark::icon_ui(ui, sign, 15.0, tokens.muted);
                ui.add_space(space::XS);
                let words = RichText::new(words).font(fonts::regular(size::BODY)).color(tokens.secondary);
                ui.add(egui::Label::new(words).wrap());
            });
        }
        ui.add_space(space::S);
        foot_row(ui, |ui| {
            let done = button::words(ui, Weight::Danger, "", &question.done).clicked();
            (done, button::words(ui, Weight::Quiet, "", "Cancel").clicked())
        })
    });
    if done {
        cx.say(question.command);
    }
    !(done || cancelled || close)
}

fn join(ctx: &Context, cx: &mut Cx<'_>, text: &mut String, problem: &mut Option<String>) -> bool {
    let mut remove = false;
    let ((done, cancelled), close) = window(ctx, "join dialog", 480.0, |ui| {
        title(ui, "Join a workspace");
        field::note(ui, "Paste the ticket that a member sent you, or take it from a picture.");
        let response = field::several(ui, "Ticket", "velo1…", 4, text);
        focus_first(ui, &response);
        if response.changed() {
            *problem = None;
        }
        if let Some(problem) = problem {
            field::problem(ui, problem);
            let offered = cx.model.standing.is_refused();
            remove = offered && button::words(ui, Weight::Quiet, icons::TRASH_2, FORGET).clicked();
        }
        invite_ui::invited_by(ui, text);
        picture_ui::show(ui, cx, Wanted::Ticket);
        let named = person(ui, cx);
        foot(ui, "Join", named && !text.trim().is_empty())
    });
    if remove {
        cx.say(AppCommand::OpenDialog(Dialog::Confirm(Confirm::Forget)));
        return false;
    }
    if done {
        match onboarding::read_ticket(text, cx.model.moment.wall_ms) {
            Ok(ticket) => {
                let person = cx.view.onboarding.person(cx.model);
                cx.say(AppCommand::Join { ticket, person });
                return false;
            }
            Err(error) => *problem = Some(sentence(&error.to_string())),
        }
    }
    !(cancelled || close)
}

fn add_peer(ctx: &Context, cx: &mut Cx<'_>, text: &mut String, problem: &mut Option<String>) -> bool {
    let ((done, cancelled), close) = window(ctx, "peer dialog", 460.0, |ui| {
        title(ui, "Add a peer by address");
        field::note(ui, "On the other device the address stands under Peers. It also tries again by itself.");
        let response = field::single(ui, "Address", "/ip4/192.168.1.7/tcp/4001", text);
        let enter = entered(ui, &response);
        focus_first(ui, &response);
        if response.changed() {
            *problem = None;
        }
        if let Some(problem) = problem {
            field::problem(ui, problem);
        }
        let (done, cancelled) = foot(ui, "Connect", !text.trim().is_empty());
        (done || (enter && !text.trim().is_empty()), cancelled)
    });
    if done {
        cx.say(AppCommand::Dial(text.trim().to_owned()));
    }
    !(done || cancelled || close)
}

fn add_relay(ctx: &Context, cx: &mut Cx<'_>, text: &mut String, problem: &mut Option<String>) -> bool {
    let line = RelayLine::read(text);
    let ((done, cancelled), close) = window(ctx, "relay dialog", 520.0, |ui| {
        title(ui, "Add a relay");
        field::note(
            ui,
            "A relay is always on, so that people who are never online together still meet, and keeps a copy \
             of everything. It cannot read it. Whoever runs it gives you a line with its address and a token.",
        );
        let response = field::single(ui, "Line from the relay", "velo relay add /ip4/… --token …", text);
        let enter = entered(ui, &response);
        focus_first(ui, &response);
        if response.changed() {
            *problem = None;
        }
        if let Some(problem) = problem {
            field::problem(ui, problem);
        }
        let (done, cancelled) = foot(ui, "Ask the relay", line.is_some());
        (done || (enter && line.is_some()), cancelled)
    });
    if let Some(line) = line.filter(|_| done) {
        cx.say(AppCommand::AddRelay(line));
    }
    !(done || cancelled || close)
}

fn shortcuts(ctx: &Context) -> bool {
    let tokens = tokens(ctx);
    let (closed, close) = window(ctx, "shortcuts dialog", 420.0, |ui| {
        title(ui, "Keyboard shortcuts");
        ScrollArea::vertical().max_height(ctx.content_rect().height() * 0.6).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for named in NAMED.iter().filter(|named| named.keys.is_some()) {
                let keys = named.keys.map(|keys| keys.to_string()).unwrap_or_default();
                line(ui, named.name, &keys, tokens);
            }
            line(ui, "Move the cursor", "J K or arrows", tokens);
            line(ui, "Open", "Enter", tokens);
            line(ui, "Move the task", "Ctrl+Shift+arrows", tokens);
            line(ui, "Close", "Esc", tokens);
        });
        button::words(ui, Weight::Plain, "", "Done").clicked()
    });
    !(closed || close)
}

fn line(ui: &mut Ui, name: &str, keys: &str, tokens: &crate::theme::Tokens) {
    ui.horizontal(|ui| {
        ui.set_min_height(measure::TARGET - 2.0);
        ui.label(RichText::new(name).font(fonts::regular(size::BODY)).color(tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(space::M);
            ui.label(RichText::new(keys).font(fonts::medium(size::SMALL)).color(tokens.secondary));
        });
    });
}
