//! The dialog that makes a ticket: what it gives and for how long, then the ticket as text and as a
//! QR code.

use super::{
    Cx,
    dialog_ui::{foot, foot_row, title, window},
};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{
        date,
        members::{a_role, role_icon, role_name, role_note},
        onboarding,
        qr::Qr,
        state::{Invite, InviteStep},
    },
    widget::{
        button::{self, Weight},
        field, focus_ring, mark, text,
    },
};
use egui::{
    Align2, Color32, Context, CornerRadius, CursorIcon, Frame, Margin, Mesh, Rect, RichText, ScrollArea,
    Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, WidgetType, pos2, vec2,
};
use velo_protocol::{access::Role, ticket::Ticket};

/// The side of a QR code with its blank edge: the least, and the least where there is room.
const QR: (f32, f32) = (220.0, 280.0);
/// In less room the code stands over the text.
const NARROW: f32 = 520.0;

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, invite: &mut Invite) -> bool {
    let made = matches!(invite.step, InviteStep::Made { .. });
    let (kept, close) = window(ctx, "invite dialog", if made { 680.0 } else { 480.0 }, |ui| {
        title(ui, "Invite somebody");
        match &invite.step {
            InviteStep::Made { ticket, text, qr } => {
                self::made(ui, cx, invite.role, ticket, text, qr.as_ref())
            }
            _ => choose(ui, cx, invite),
        }
    });
    kept && !close
}

fn choose(ui: &mut Ui, cx: &mut Cx<'_>, invite: &mut Invite) -> bool {
    let making = invite.step == InviteStep::Making;
    field::note(
        ui,
        "A ticket lets somebody in through any device of the workspace, also while yours is off.",
    );
    ui.add_space(space::S);
    field::heading(ui, "What they may do");
    for role in [Role::Member, Role::Viewer] {
        if choice(ui, role, invite.role == role) && !making {
            invite.role = role;
        }
    }
    ui.add_space(space::S);
    field::heading(ui, "How long the ticket can be used");
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for days in Invite::DAYS {
            let words = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            if button::tab(ui, icons::CLOCK, &words, invite.days == days, None).clicked() && !making {
                invite.days = days;
            }
        }
    });
    ui.add_space(space::XS);
    let until = cx.model.moment.wall_ms + invite.days * 24 * 3_600_000;
    field::note(ui, &format!("Until {}.", date::at(until, cx.model.moment)));
    let words = if making { "Making the ticket …" } else { "Make ticket" };
    let (done, cancelled) = foot(ui, words, !making);
    if done {
        cx.say(AppCommand::MakeTicket { role: invite.role, days: invite.days });
    }
    !cancelled
}

/// One of several exclusive choices, with what it means.
fn choice(ui: &mut Ui, role: Role, selected: bool) -> bool {
    let tokens = tokens(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 54.0), Sense::click());
    let name = role_name(role);
    response.widget_info(|| WidgetInfo::selected(WidgetType::RadioButton, true, selected, &name));
    let (fill, line) = match (selected, response.hovered()) {
        (true, _) => (tokens.tint(tokens.accent), Stroke::new(1.5, tokens.accent)),
        (false, true) => (tokens.hover, Stroke::new(1.0, tokens.border_strong)),
        (false, false) => (tokens.card, Stroke::new(1.0, tokens.border_strong)),
    };
    ui.painter().rect(rect, CornerRadius::same(radius::M), fill, line, StrokeKind::Inside);
    let y = rect.center().y;
    let color = if selected { tokens.accent } else { tokens.secondary };
    mark::icon(ui.painter(), pos2(rect.left() + 24.0, y), role_icon(role), 16.0, color);
    let left = rect.left() + 48.0;
    let room = rect.right() - left - 40.0;
    let font = fonts::semibold(size::BODY);
    text::line(ui.painter(), pos2(left, y - 9.0), Align2::LEFT_CENTER, &name, font, tokens.text, room);
    let font = fonts::regular(size::SMALL);
    let at = pos2(left, y + 9.0);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, role_note(role), font, tokens.secondary, room);
    let sign = if selected { icons::CIRCLE_CHECK } else { icons::CIRCLE };
    mark::icon(ui.painter(), pos2(rect.right() - 22.0, y), sign, 16.0, color);
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}

fn made(ui: &mut Ui, cx: &mut Cx<'_>, role: Role, ticket: &Ticket, words: &str, qr: Option<&Qr>) -> bool {
    let note = format!("Whoever has this ticket can join as {}.", a_role(role));
    field::note(ui, &note);
    ui.add_space(space::S);
    let most = (ui.ctx().content_rect().height() - 176.0).max(160.0);
    ScrollArea::vertical().max_height(most).show(ui, |ui| {
        if ui.available_width() < NARROW {
            code(ui, "QR code of the ticket", qr, most);
            ui.add_space(space::S);
            details(ui, cx, ticket, words);
        } else {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::L;
                code(ui, "QR code of the ticket", qr, most);
                ui.vertical(|ui| details(ui, cx, ticket, words));
            });
        }
    });
    ui.add_space(space::S);
    let row = foot_row(ui, |ui| {
        if button::words(ui, Weight::Primary, icons::COPY, "Copy ticket").clicked() {
            cx.say(AppCommand::Copy(words.to_owned(), "Ticket"));
        }
        button::words(ui, Weight::Quiet, "", "Done").clicked()
    });
    !row
}

/// Dark on white in both themes: many readers see no other.
pub fn code(ui: &mut Ui, name: &str, qr: Option<&Qr>, room: f32) {
    let Some(qr) = qr else {
        field::note(ui, "This is too long for a QR code: send its text.");
        return;
    };
    // Squares of whole pixels, at whole pixels: nothing is blurred.
    let scale = ui.ctx().pixels_per_point();
    // What is a little too high for a low window can be scrolled.
    let least = if room < QR.1 * 1.2 { QR.0 } else { QR.1 };
    let square = (least * scale / qr.outer() as f32).ceil() / scale;
    let (rect, response) =
        ui.allocate_exact_size(vec2(1.0, 1.0) * (square * qr.outer() as f32), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Image, true, name));
    let start = pos2((rect.left() * scale).round() / scale, (rect.top() * scale).round() / scale);
    let line = Stroke::new(1.0, tokens(ui.ctx()).border);
    ui.painter().rect(rect, CornerRadius::same(radius::M), Color32::WHITE, line, StrokeKind::Inside);
    let mut mesh = Mesh::default();
    let quiet = Qr::QUIET as f32;
    for (row, from, to) in qr.runs() {
        let min = start + vec2(from as f32 + quiet, row as f32 + quiet) * square;
        let size = vec2((to - from) as f32, 1.0) * square;
        mesh.add_colored_rect(Rect::from_min_size(min, size), Color32::BLACK);
    }
    ui.painter().add(Shape::mesh(mesh));
}

fn details(ui: &mut Ui, cx: &Cx<'_>, ticket: &Ticket, words: &str) {
    let tokens = tokens(ui.ctx());
    ui.spacing_mut().item_spacing.y = space::S;
    field::note(ui, "Scan the code, or send the text over a channel you trust.");
    ticket_text(ui, words, tokens);
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.spacing_mut().interact_size.y = 24.0;
    fact(ui, icons::USER, &format!("Your words: {}", ticket.inviter.words()), tokens);
    let until = date::at(ticket.expires_ms, cx.model.moment);
    fact(ui, icons::CLOCK, &format!("Expires {until}"), tokens);
    if ticket.addresses.is_empty() {
        fact(ui, icons::TRIANGLE_ALERT, "No address yet: use it in the same network", tokens);
        return;
    }
    for address in ticket.addresses.iter().take(2) {
        fact(ui, icons::RADIO_TOWER, address, tokens);
    }
    if let Some(more) = ticket.addresses.len().checked_sub(2).filter(|more| *more > 0) {
        fact(ui, icons::RADIO_TOWER, &format!("and {more} more"), tokens);
    }
}

/// A long text to copy.
pub fn ticket_text(ui: &mut Ui, words: &str, tokens: &Tokens) {
    let frame = Frame::new().fill(tokens.app).stroke(Stroke::new(1.0, tokens.border_strong));
    frame.corner_radius(CornerRadius::same(radius::M)).inner_margin(Margin::same(10)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let words = RichText::new(words).font(egui::FontId::monospace(size::TINY)).color(tokens.text);
        ScrollArea::vertical().id_salt("ticket text").max_height(132.0).show(ui, |ui| {
            ui.add(egui::Label::new(words).wrap_mode(egui::TextWrapMode::Wrap).selectable(true));
        });
    });
}

/// Who made the ticket in a field, as soon as there is one.
pub fn invited_by(ui: &mut Ui, text: &str) {
    let Some(words) = onboarding::inviter(text) else { return };
    ui.horizontal_top(|ui| {
        mark::icon_ui(ui, icons::USER, 14.0, tokens(ui.ctx()).info);
        let note = format!(
            "Invited by somebody whose words are “{words}”. If you are not sure who sent it, ask them \
                            for theirs."
        );
        field::note(ui, &note);
    });
}

fn fact(ui: &mut Ui, sign: &str, words: &str, tokens: &Tokens) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        mark::icon_ui(ui, sign, 13.0, tokens.muted);
        let words = RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens.secondary);
        ui.add(egui::Label::new(words).truncate());
    });
}
