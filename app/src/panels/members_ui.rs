//! Members: who is in and what they may do, with which devices; open tickets; and who was in.
//!
//! What may not be done is not offered, but said: a role without a picker tells why under the pointer.

mod person;

use super::{Cx, board_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::members::{Former, Ticket, role_name},
    widget::{
        button::{self, Weight},
        explain, field, focus_ring, hairline, mark, text,
    },
};
use egui::{
    Align, Align2, Color32, CornerRadius, CursorIcon, Frame, Layout, Margin, Rect, RichText, ScrollArea,
    Sense, Stroke, Ui, UiBuilder, WidgetInfo, WidgetType, pos2, vec2,
};

/// The page is no wider than this.
const WIDEST: f32 = 760.0;
/// A line with a name and something under it.
const LINE: f32 = 56.0;
/// Where the words of a line start.
const INDENT: f32 = 56.0;
/// Space between the edge of a card and what stands in it.
const EDGE: f32 = 16.0;

/// Paints the page.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.model.members.people.is_empty() {
        let note = "Everybody shows here as soon as a device of the workspace is reached.";
        board_ui::empty(ui, icons::USERS, "Nobody is known yet", note, |_| {});
        return;
    }
    ScrollArea::vertical().id_salt("members").auto_shrink([false, false]).show(ui, |ui| {
        Frame::new().inner_margin(Margin::same(space::XL as i8)).show(ui, |ui| {
            ui.set_max_width(ui.available_width().min(WIDEST));
            ui.spacing_mut().item_spacing.y = 0.0;
            people(ui, cx);
            ui.add_space(space::XL);
            tickets(ui, cx);
            former(ui, cx);
        });
    });
}

fn people(ui: &mut Ui, cx: &mut Cx<'_>) {
    let members = &cx.model.members;
    let alone = members.people.len() == 1;
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), 30.0),
        Layout::right_to_left(Align::Center),
        |ui| {
            if invite(ui, &cx.model.standing.invite()) {
                cx.out.push(AppCommand::Invite);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                heading(ui, "People", members.people.len());
            });
        },
    );
    ui.add_space(space::M);
    card(ui, |ui| {
        for (at, person) in members.people.iter().enumerate() {
            if at > 0 {
                hairline(ui);
            }
            ui.push_id(person.face.person.0, |ui| person::show(ui, cx.out, person));
        }
        if alone {
            hairline(ui);
            let words = "Nobody else is in yet. Invite somebody with a ticket: as text, or as a QR code.";
            quiet(ui, icons::USER_PLUS, words);
        }
    });
}

/// The button that begins an invitation; where it may not be pressed, the reason is under the pointer.
pub fn invite(ui: &mut Ui, may: &Result<(), String>) -> bool {
    let button = ui.add_enabled_ui(may.is_ok(), |ui| {
        button::words(ui, Weight::Primary, icons::TICKET, "Invite somebody")
    });
    match may {
        Ok(()) => button.inner.clicked(),
        Err(why) => explain(ui, button.inner, why).clicked(),
    }
}

fn tickets(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tickets = &cx.model.members.tickets;
    heading(ui, "Open tickets", tickets.len());
    ui.add_space(space::M);
    let may = cx.model.standing.invite().is_ok();
    card(ui, |ui| {
        if tickets.is_empty() {
            quiet(ui, icons::TICKET, "No ticket is open: nobody can join right now.");
        }
        for (at, ticket) in tickets.iter().enumerate() {
            if at > 0 {
                hairline(ui);
            }
            ui.push_id(ticket.id.0, |ui| {
                if one_ticket(ui, ticket, may) {
                    cx.out.push(AppCommand::Withdraw(ticket.id));
                }
            });
        }
    });
}

/// Returns whether it is to be withdrawn.
fn one_ticket(ui: &mut Ui, ticket: &Ticket, may: bool) -> bool {
    let tokens = tokens(ui.ctx());
    let name = format!("{} ticket", role_name(ticket.role));
    let rect = line(ui, &format!("{name}: {}", ticket.text), LINE);
    let tile = Rect::from_center_size(pos2(rect.left() + 32.0, rect.center().y), vec2(32.0, 32.0));
    let color = if ticket.expired { tokens.muted } else { tokens.accent };
    ui.painter().rect_filled(tile, CornerRadius::same(radius::M), tokens.tint(color));
    mark::icon(ui.painter(), tile.center(), icons::TICKET, 16.0, color);
    let end = if may { 110.0 } else { EDGE };
    two_lines(
        ui,
        rect,
        end,
        &name,
        &ticket.text,
        if ticket.expired { tokens.warn } else { tokens.secondary },
    );
    let withdraw = |ui: &mut Ui| {
        let button = button::words(ui, Weight::Plain, "", "Withdraw");
        button.on_hover_text("Whoever has this ticket can then no longer join with it").clicked()
    };
    may && at_end(ui, rect, withdraw)
}

fn former(ui: &mut Ui, cx: &mut Cx<'_>) {
    let former = &cx.model.members.former;
    if former.is_empty() {
        return;
    }
    ui.add_space(space::L);
    let name = "Former people";
    let (rect, response) = ui.allocate_exact_size(vec2(160.0, 30.0), Sense::click());
    let open = cx.view.shows_former;
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, open, name));
    let tokens = tokens(ui.ctx());
    let ink = if response.hovered() { tokens.text } else { tokens.secondary };
    let arrow = if open { icons::CHEVRON_DOWN } else { icons::CHEVRON_RIGHT };
    mark::icon(ui.painter(), pos2(rect.left() + 7.0, rect.center().y), arrow, 14.0, ink);
    let at = pos2(rect.left() + 20.0, rect.center().y);
    let font = fonts::semibold(size::BODY);
    let words = text::line(ui.painter(), at, Align2::LEFT_CENTER, name, font, ink, 130.0);
    let at = pos2(words.right() + 8.0, rect.center().y);
    let font = fonts::regular(size::BODY);
    let count = former.len().to_string();
    text::line(ui.painter(), at, Align2::LEFT_CENTER, &count, font, tokens.muted, 40.0);
    focus_ring(ui, &response, rect, radius::M);
    if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
        cx.view.shows_former = !open;
    }
    if !open {
        return;
    }
    ui.add_space(space::S);
    let roles = cx.model.standing.roles_for(None);
    card(ui, |ui| {
        for (at, former) in former.iter().enumerate() {
            if at > 0 {
                hairline(ui);
            }
            ui.push_id(former.face.person.0, |ui| one_former(ui, cx.out, former, roles.as_deref()));
        }
    });
}

fn one_former(
    ui: &mut Ui,
    out: &mut Vec<AppCommand>,
    former: &Former,
    roles: Result<&[velo_protocol::access::Role], &String>,
) {
    let tokens = tokens(ui.ctx());
    let face = &former.face;
    let rect = line(ui, &format!("{}: {}", face.name, former.why), LINE);
    let center = pos2(rect.left() + 32.0, rect.center().y);
    mark::avatar(ui.painter(), center, 32.0, &face.initials, tokens.muted, tokens);
    let end = if roles.is_ok() { 130.0 } else { EDGE };
    two_lines(ui, rect, end, &face.name, &former.why, tokens.secondary);
    let Ok(roles) = roles else { return };
    at_end(ui, rect, |ui| {
        let button = button::words(ui, Weight::Plain, "", "Let in again…");
        person::role_menu(&button, roles, None, |role| {
            out.push(AppCommand::SetRole(face.person, Some(role)));
        });
    });
}

/// A heading with a count.
fn heading(ui: &mut Ui, words: &str, count: usize) {
    let tokens = tokens(ui.ctx());
    ui.horizontal(|ui| {
        ui.label(RichText::new(words).font(fonts::semibold(size::BODY)).color(tokens.text));
        ui.label(RichText::new(count.to_string()).font(fonts::regular(size::BODY)).color(tokens.muted));
    });
}

/// A surface that holds lines.
fn card(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let tokens = tokens(ui.ctx());
    let frame = Frame::new().fill(tokens.card).stroke(Stroke::new(1.0, tokens.border));
    frame.corner_radius(CornerRadius::same(radius::L)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 0.0;
        content(ui);
    });
}

/// Room for a line, with what a screen reader says of it.
fn line(ui: &mut Ui, spoken: &str, height: f32) -> Rect {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, spoken));
    rect
}

/// A name, and something quieter under it, up to `end` from the right. Returns where the name ends.
fn two_lines(ui: &Ui, rect: Rect, end: f32, name: &str, note: &str, color: Color32) -> f32 {
    let tokens = tokens(ui.ctx());
    let left = rect.left() + INDENT;
    let room = rect.right() - end - left;
    let y = rect.center().y;
    let (high, low) = if note.is_empty() { (y, y) } else { (y - 9.0, y + 9.0) };
    let font = fonts::semibold(size::BODY);
    let drawn =
        text::line(ui.painter(), pos2(left, high), Align2::LEFT_CENTER, name, font, tokens.text, room);
    let font = fonts::regular(size::SMALL);
    text::line(ui.painter(), pos2(left, low), Align2::LEFT_CENTER, note, font, color, room);
    drawn.right()
}

/// Puts something at the end of a line.
fn at_end<T>(ui: &mut Ui, rect: Rect, content: impl FnOnce(&mut Ui) -> T) -> T {
    let inner = rect.shrink2(vec2(EDGE, 0.0));
    let layout = Layout::right_to_left(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(inner).layout(layout), content).inner
}

/// A sentence where a line could be.
fn quiet(ui: &mut Ui, sign: &str, words: &str) {
    Frame::new().inner_margin(Margin::symmetric(EDGE as i8, 14)).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.add_space(8.0);
            mark::icon_ui(ui, sign, 15.0, tokens(ui.ctx()).muted);
            ui.add_space(8.0);
            field::note(ui, words);
        });
    });
}

/// Text in the tone of a tile: "you".
fn tag(ui: &Ui, left: f32, y: f32, words: &str, tokens: &Tokens) {
    let galley =
        text::galley(ui.painter(), words, fonts::medium(size::TINY), tokens.secondary, f32::INFINITY, 1);
    let rect = Rect::from_min_size(pos2(left, y - 9.0), vec2(galley.size().x + 12.0, 18.0));
    ui.painter().rect_filled(rect, CornerRadius::same(9), tokens.tint(tokens.secondary));
    ui.painter().galley(rect.min + vec2(6.0, 9.0 - galley.size().y / 2.0), galley, tokens.secondary);
}
