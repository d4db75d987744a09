//! The first start: one page, a name, three ways to begin.

use super::{Cx, invite_ui, link_ui, picture_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{
        conflict::sentence,
        onboarding::{self, Way},
        picture::Wanted,
    },
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{
    Align2, CentralPanel, Color32, CornerRadius, Frame, Margin, Mesh, Rect, RichText, ScrollArea, Stroke, Ui,
    vec2,
};

use velo_protocol::root::Root;

/// Paints the page.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    CentralPanel::default().frame(Frame::new().fill(tokens.app)).show(ui, |ui| {
        glow(ui, tokens);
        let room = ui.max_rect();
        let way = cx.view.onboarding.way;
        let wide = if way == Way::Device { 640.0_f32 } else { 440.0 };
        let width = wide.min(room.width() - 2.0 * space::L);
        let top = (room.height() * 0.5 - 270.0).max(space::L);
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.add_space(top);
            column(ui, width, |ui| {
                greeting(ui, tokens);
                ui.add_space(space::L);
                card(ui, tokens, |ui| form(ui, cx));
                if matches!(way, Way::New | Way::Join) && !cx.view.picture.open {
                    ui.add_space(space::M);
                    sample(ui, cx, tokens);
                }
                ui.add_space(space::L);
            });
        });
    });
}

/// What stands below each other in the middle of a page.
pub fn column(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui)) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space((ui.available_width() - width) / 2.0);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            ui.set_width(width);
            content(ui);
        });
    });
}

/// A soft light behind the card.
pub fn glow(ui: &Ui, tokens: &Tokens) {
    let rect = ui.max_rect();
    let mut mesh = Mesh::default();
    mesh.colored_vertex(rect.left_top(), tokens.app.lerp_to_gamma(tokens.accent, 0.16));
    mesh.colored_vertex(rect.right_top(), tokens.app.lerp_to_gamma(tokens.conflict, 0.10));
    mesh.colored_vertex(rect.left_bottom(), tokens.app);
    mesh.colored_vertex(rect.right_bottom(), tokens.app);
    mesh.add_triangle(0, 1, 2);
    mesh.add_triangle(1, 2, 3);
    ui.painter().add(mesh);
}

/// The sign of the app.
pub fn logo(ui: &Ui, rect: Rect, tokens: &Tokens) {
    ui.painter().rect_filled(rect, CornerRadius::same(radius::L), tokens.accent);
    let size = rect.height() * 0.5;
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, "V", fonts::semibold(size), tokens.on_accent);
}

fn greeting(ui: &mut Ui, tokens: &Tokens) {
    ui.vertical_centered(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(44.0, 44.0), egui::Sense::hover());
        logo(ui, rect, tokens);
        ui.add_space(space::M);
        ui.label(RichText::new("Welcome to Velo").font(fonts::semibold(size::TITLE)).color(tokens.text));
        let note = "Project management without a server: your work is on this device, and meets the others’ \
                    whenever they are near.";
        ui.label(RichText::new(note).font(fonts::regular(size::BODY)).color(tokens.secondary));
    });
}

/// A raised surface with what is asked for.
pub fn card(ui: &mut Ui, tokens: &Tokens, content: impl FnOnce(&mut Ui)) {
    let shadow = egui::Shadow { offset: [0, 12], blur: 32, spread: 0, color: tokens.shadow };
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.border))
        .corner_radius(CornerRadius::same(radius::L))
        .shadow(shadow)
        .inner_margin(Margin::same(20));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        content(ui);
    });
}

fn form(ui: &mut Ui, cx: &mut Cx<'_>) {
    let state = &mut cx.view.onboarding;
    ui.spacing_mut().item_spacing.y = 6.0;
    if matches!(state.way, Way::New | Way::Join) {
        field::heading(ui, "Your name, as the others will see it");
        let name = field::single(ui, "Your name", "Anna", &mut state.name);
        if ui.memory(|memory| memory.focused().is_none()) && state.name.is_empty() {
            name.request_focus();
        }
        ui.add_space(space::S);
    }
    let before = state.way;
    ui.horizontal_wrapped(|ui| {
        for (way, sign, words) in [
            (Way::New, icons::PLUS, "New workspace"),
            (Way::Join, icons::TICKET, "I have a ticket"),
            (Way::Device, icons::LAPTOP, "I use Velo on another device"),
            (Way::Lost, icons::LINK_2_OFF, "I lost my devices"),
        ] {
            if button::tab(ui, sign, words, state.way == way, None).clicked() {
                state.way = way;
                state.problem = None;
            }
        }
    });
    let (way, asks) = (state.way, state.way == Way::Device && before != Way::Device);
    if asks {
        cx.say(AppCommand::ShowLinkCode);
    }
    ui.add_space(space::XS);
    match way {
        Way::New => new_workspace(ui, cx),
        Way::Join => join(ui, cx),
        Way::Device => device(ui, cx),
        Way::Lost => lost(ui, cx),
    }
}

fn new_workspace(ui: &mut Ui, cx: &mut Cx<'_>) {
    let state = &mut cx.view.onboarding;
    field::heading(ui, "What the team is called");
    field::single(ui, "Workspace name", "Workshop", &mut state.workspace);
    problem(ui, state.problem.as_deref());
    let missing = missing_name(&state.name);
    if begin(ui, "Create workspace", state.waiting, missing.is_none() && !state.workspace.trim().is_empty()) {
        let workspace = state.workspace.trim().to_owned();
        let person = state.name.trim().to_owned();
        cx.say(AppCommand::Found { workspace, person, sample: false });
    }
}

fn join(ui: &mut Ui, cx: &mut Cx<'_>) {
    let now = cx.model.moment.wall_ms;
    let state = &mut cx.view.onboarding;
    field::heading(ui, "The ticket somebody sent you");
    if field::several(ui, "Ticket", "velo1…", 3, &mut state.ticket).changed() {
        state.problem = None;
    }
    invite_ui::invited_by(ui, &state.ticket);
    picture_ui::show(ui, cx, Wanted::Ticket);
    let state = &mut cx.view.onboarding;
    problem(ui, state.problem.as_deref());
    let ready = !state.ticket.trim().is_empty() && missing_name(&state.name).is_none();
    if begin(ui, "Join", state.waiting, ready) {
        match onboarding::read_ticket(&state.ticket, now) {
            Ok(ticket) => {
                let person = state.name.trim().to_owned();
                cx.out.push(AppCommand::Join { ticket, person });
            }
            Err(error) => state.problem = Some(sentence(&error.to_string())),
        }
    }
}

fn device(ui: &mut Ui, cx: &mut Cx<'_>) {
    let state = &cx.view.onboarding;
    let steps = [
        "On the device that you use already, open Members, and there “Link a device…”.",
        "Give it this code: copy the text, or scan the picture.",
        "Leave both on. Your workspaces then come here by themselves.",
    ];
    link_ui::steps(ui, &steps);
    problem(ui, state.problem.as_deref());
    let Some(code) = state.code.clone() else { return };
    ui.add_space(space::S);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        invite_ui::code(ui, "QR code of this device", code.qr.as_ref(), 200.0);
        ui.vertical(|ui| {
            invite_ui::ticket_text(ui, &code.text, tokens(ui.ctx()));
            ui.add_space(space::S);
            if button::words(ui, Weight::Primary, icons::COPY, "Copy code").clicked() {
                cx.say(AppCommand::Copy(code.text.clone(), "Code"));
            }
            ui.add_space(space::S);
            link_ui::waiting(ui, "Waiting for your other device…");
        });
    });
}

fn lost(ui: &mut Ui, cx: &mut Cx<'_>) {
    let state = &mut cx.view.onboarding;
    field::heading(ui, "Your 24 words, with a space between");
    let words = field::several(ui, "The 24 words", "First word, second word, …", 4, &mut state.words.0);
    ui.add_space(space::XS);
    field::heading(ui, "Where a device of your team can be reached, if not in this network");
    let hint = "/ip4/192.168.1.7/tcp/4001";
    let address = field::single(ui, "Address, optional", hint, &mut state.address);
    if words.changed() || address.changed() {
        (state.problem, state.recovering) = (None, false);
    }
    problem(ui, state.problem.as_deref());
    if state.recovering {
        ui.add_space(space::XS);
        let words = "Looking for a device of your team… Leave Velo open. If nothing comes, compare the words, \
                     and name an address.";
        link_ui::waiting(ui, words);
    }
    let ready = !state.words.0.trim().is_empty() && !state.recovering;
    if begin(ui, "Bring me back", state.waiting, ready) {
        state.problem = None;
        match Root::from_phrase(&state.words.0) {
            Ok(root) => {
                let address = state.address.trim().to_owned();
                cx.say(AppCommand::Recover { root, address });
            }
            Err(error) => state.problem = Some(sentence(&error.to_string())),
        }
    }
}

fn missing_name(name: &str) -> Option<&'static str> {
    name.trim().is_empty().then_some("Say first what your name is.")
}

fn problem(ui: &mut Ui, words: Option<&str>) {
    if let Some(words) = words {
        ui.add_space(space::XS);
        field::problem(ui, words);
    }
}

fn begin(ui: &mut Ui, words: &str, waiting: bool, ready: bool) -> bool {
    ui.add_space(space::M);
    ui.add_enabled_ui(ready && !waiting, |ui| {
        let words = if waiting { "One moment" } else { words };
        button::words(ui, Weight::Primary, icons::ARROW_RIGHT, words).clicked()
    })
    .inner
}

fn sample(ui: &mut Ui, cx: &mut Cx<'_>, tokens: &Tokens) {
    card(ui, &Tokens { shadow: Color32::TRANSPARENT, ..*tokens }, |ui| {
        ui.horizontal(|ui| {
            mark::icon_ui(ui, icons::SPARKLES, 18.0, tokens.accent);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.label(
                    RichText::new("Just looking around?")
                        .font(fonts::semibold(size::BODY))
                        .color(tokens.text),
                );
                field::note(ui, "A board to play with.");
            });
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let waiting = cx.view.onboarding.waiting;
                let sample = ui.add_enabled_ui(!waiting, |ui| {
                    button::words(ui, Weight::Plain, "", "Try with a sample board")
                });
                if sample.inner.clicked() {
                    let person = cx.view.onboarding.name.trim().to_owned();
                    cx.say(AppCommand::Found {
                        workspace: "Sample workshop".to_owned(),
                        person,
                        sample: true,
                    });
                }
            });
        });
    });
}
