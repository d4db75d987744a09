//! One person: name, role, devices, and what may be done with each.

use super::{EDGE, INDENT, LINE, at_end, line, tag, two_lines};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{
        members::{Device, Person, role_icon, role_name, role_note},
        state::{Confirm, Dialog, Link},
    },
    widget::{
        button::{self, Weight},
        explain, focus_ring, hairline, mark, text,
    },
};
use egui::{
    Align, Align2, CornerRadius, CursorIcon, Frame, Layout, Margin, Popup, PopupCloseBehavior, Rect,
    Response, RichText, Sense, Stroke, StrokeKind, Ui, WidgetInfo, WidgetType, pos2, vec2,
};
use velo_protocol::access::Role;

const DEVICE: f32 = 32.0;
/// A line of words by which somebody or a device is known.
const WORDS: f32 = 20.0;
/// The widths of the role and of the button that removes, so that they stand below each other.
const ROLE: f32 = 116.0;
const PART: f32 = 92.0;
/// In less room the controls stand under the name.
const NARROW: f32 = 440.0;

/// Paints somebody.
pub fn show(ui: &mut Ui, out: &mut Vec<AppCommand>, person: &Person) {
    let narrow = ui.available_width() < NARROW;
    head(ui, out, person, narrow);
    person_words(ui, person);
    for device in &person.devices {
        one_device(ui, out, device);
    }
    if person.you {
        link(ui, out);
    }
    ui.add_space(space::S);
}

fn head(ui: &mut Ui, out: &mut Vec<AppCommand>, person: &Person, narrow: bool) {
    let tokens = tokens(ui.ctx());
    let face = &person.face;
    let you = if person.you { ", you" } else { "" };
    let spoken = format!("{}{you}: {}. {}", face.name, person.role.name(), person.joined);
    let rect = line(ui, &spoken, LINE);
    let below = |ui: &mut Ui| ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::hover()).0;
    let controls = if narrow { below(ui) } else { rect };
    let center = pos2(rect.left() + 32.0, rect.center().y);
    mark::avatar(ui.painter(), center, 32.0, &face.initials, tokens.accent_at(face.color), tokens);
    let taken = if narrow { EDGE } else { EDGE + ROLE + PART + 2.0 * space::S };
    let end = if person.you { taken + 40.0 } else { taken };
    let drawn = two_lines(ui, rect, end, &face.name, &person.joined, tokens.secondary);
    if person.you {
        let y = if person.joined.is_empty() { rect.center().y } else { rect.center().y - 9.0 };
        tag(ui, drawn + 8.0, y, "you", tokens);
    }
    let indent = if person.roles.is_ok() { INDENT } else { INDENT - 10.0 };
    let left = if narrow { controls.left() + indent } else { controls.right() - EDGE - PART - ROLE };
    let role = Rect::from_min_size(pos2(left, controls.center().y - 15.0), vec2(ROLE - space::S, 30.0));
    role_of(ui, out, person, role);
    part(ui, out, person, controls);
}

/// The role: a picker where something can be picked, otherwise words that say why not.
fn role_of(ui: &mut Ui, out: &mut Vec<AppCommand>, person: &Person, rect: Rect) {
    let tokens = tokens(ui.ctx());
    let name = format!("Role of {}: {}", person.face.name, person.role.name());
    let sense = if person.roles.is_ok() { Sense::click() } else { Sense::hover() };
    let response = ui.interact(rect, ui.id().with("role"), sense);
    let kind = if person.roles.is_ok() { WidgetType::ComboBox } else { WidgetType::Label };
    response.widget_info(|| WidgetInfo::labeled(kind, true, &name));
    let color = role_color(person.role, tokens);
    mark::icon(ui.painter(), pos2(rect.left() + 17.0, rect.center().y), role_icon(person.role), 14.0, color);
    let at = pos2(rect.left() + 31.0, rect.center().y);
    let font = fonts::medium(size::BODY);
    let words = role_name(person.role);
    let roles = match &person.roles {
        Ok(roles) => roles,
        Err(why) => {
            text::line(ui.painter(), at, Align2::LEFT_CENTER, &words, font, tokens.secondary, rect.width());
            explain(ui, response, why);
            return;
        }
    };
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let stroke = Stroke::new(1.0, tokens.border_strong);
    ui.painter().rect_stroke(rect, CornerRadius::same(radius::M), stroke, StrokeKind::Inside);
    mark::icon(ui.painter(), pos2(rect.left() + 17.0, rect.center().y), role_icon(person.role), 14.0, color);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, &words, font, tokens.text, rect.width() - 54.0);
    let arrow = pos2(rect.right() - 14.0, rect.center().y);
    mark::icon(ui.painter(), arrow, icons::CHEVRON_DOWN, 13.0, tokens.muted);
    focus_ring(ui, &response, rect, radius::M);
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    role_menu(&response, roles, Some(person.role), |role| {
        out.push(if person.you {
            AppCommand::OpenDialog(Dialog::Confirm(Confirm::StepDown(role)))
        } else {
            AppCommand::SetRole(person.face.person, Some(role))
        });
    });
}

fn role_color(role: Role, tokens: &Tokens) -> egui::Color32 {
    match role {
        Role::Owner => tokens.warn,
        Role::Admin => tokens.accent,
        Role::Member => tokens.secondary,
        Role::Viewer => tokens.muted,
    }
}

/// A menu of roles under a button. The one that somebody has does nothing.
pub fn role_menu(button: &Response, roles: &[Role], now: Option<Role>, choose: impl FnOnce(Role)) {
    let frame = Frame::popup(&button.ctx.global_style()).inner_margin(Margin::same(6));
    let menu = Popup::menu(button).gap(4.0).width(330.0).frame(frame);
    let chosen = menu.close_behavior(PopupCloseBehavior::CloseOnClick).show(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let chosen = roles.iter().copied().filter(|role| role_row(ui, *role, now == Some(*role))).last();
        if roles.iter().any(|role| now > Some(*role)) {
            lowering(ui);
        }
        chosen
    });
    let chosen = chosen.and_then(|shown| shown.inner).filter(|role| now != Some(*role));
    if let Some(role) = chosen {
        choose(role);
    }
}

/// What people would not expect of a lower role.
fn lowering(ui: &mut Ui) {
    hairline(ui);
    let words = "A lower role counts at once. What it does not allow, and has not reached this device yet, \
                 has no effect.";
    Frame::new().inner_margin(Margin::symmetric(10, 6)).show(ui, |ui| {
        let words = RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens(ui.ctx()).muted);
        // A menu justifies what stands in it.
        ui.with_layout(Layout::top_down(Align::Min), |ui| ui.add(egui::Label::new(words).wrap()));
    });
}

fn role_row(ui: &mut Ui, role: Role, current: bool) -> bool {
    let tokens = tokens(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 46.0), Sense::click());
    let name = role_name(role);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, current, &name));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let y = rect.center().y;
    mark::icon(ui.painter(), pos2(rect.left() + 18.0, y), role_icon(role), 15.0, role_color(role, tokens));
    let left = rect.left() + 38.0;
    let room = rect.right() - 32.0 - left;
    let font = fonts::medium(size::BODY);
    text::line(ui.painter(), pos2(left, y - 9.0), Align2::LEFT_CENTER, &name, font, tokens.text, room);
    let font = fonts::regular(size::SMALL);
    let at = pos2(left, y + 9.0);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, role_note(role), font, tokens.secondary, room);
    if current {
        mark::icon(ui.painter(), pos2(rect.right() - 16.0, y), icons::CHECK, 14.0, tokens.accent);
    }
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}

/// Removing somebody, or leaving. What may not be done to others is not offered.
fn part(ui: &mut Ui, out: &mut Vec<AppCommand>, person: &Person, rect: Rect) {
    let (words, confirm) = if person.you {
        ("Leave…", Confirm::Leave)
    } else {
        ("Remove…", Confirm::Remove(person.face.person))
    };
    if !person.you && person.part.is_err() {
        return;
    }
    let pressed = at_end(ui, rect, |ui| {
        let button = ui.add_enabled_ui(person.part.is_ok(), |ui| button::words(ui, Weight::Quiet, "", words));
        match &person.part {
            Ok(()) => button.inner.clicked(),
            Err(why) => explain(ui, button.inner, why).clicked(),
        }
    });
    if pressed {
        out.push(AppCommand::OpenDialog(Dialog::Confirm(confirm)));
    }
}

/// Takes in another device of whoever is here; and the keys of this one.
fn link(ui: &mut Ui, out: &mut Vec<AppCommand>) {
    let narrow = ui.available_width() < NARROW;
    let buttons = [
        (icons::PLUS, "Link a device…", AppCommand::OpenDialog(Dialog::Link(Link::default()))),
        (icons::KEY_ROUND, "Keys of this device…", AppCommand::ShowKeys),
    ];
    let rows: Vec<&[_]> = buttons.chunks(if narrow { 1 } else { 2 }).collect();
    for row in rows {
        ui.horizontal(|ui| {
            ui.add_space(INDENT - 4.0);
            for (sign, words, command) in row {
                if button::words(ui, Weight::Quiet, sign, words).clicked() {
                    out.push(command.clone());
                }
            }
        });
    }
}

/// By which people know somebody, for the phone: "are your words these?"
fn person_words(ui: &mut Ui, person: &Person) {
    let shown = format!("Words: {}", person.words);
    let rect = line(ui, &format!("{}: {}", person.face.name, shown), WORDS);
    quiet_words(ui, rect.left() + INDENT, rect, &shown);
}

fn quiet_words(ui: &Ui, left: f32, rect: Rect, words: &str) {
    let (font, color) = (fonts::regular(size::SMALL), tokens(ui.ctx()).muted);
    let at = pos2(left, rect.center().y);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, words, font, color, rect.right() - EDGE - left);
}

fn one_device(ui: &mut Ui, out: &mut Vec<AppCommand>, device: &Device) {
    let tokens = tokens(ui.ctx());
    let state = if device.here { "This device" } else { device.seen.as_str() };
    let rect = line(ui, &format!("Device {}: {state}", device.short), DEVICE);
    let y = rect.center().y;
    let color = if device.connected || device.here { tokens.ok } else { tokens.muted };
    mark::icon(ui.painter(), pos2(rect.left() + INDENT + 7.0, y), icons::LAPTOP, 14.0, color);
    // The typeface for code stands a little higher in its line than the other.
    let at = pos2(rect.left() + INDENT + 24.0, y + 0.5);
    let font = egui::FontId::monospace(size::SMALL);
    let short = text::line(ui.painter(), at, Align2::LEFT_CENTER, &device.short, font, tokens.text, 90.0);
    let end = if device.unlink { 100.0 } else { EDGE };
    let at = pos2(short.right() + 12.0, y);
    let room = rect.right() - end - at.x;
    let font = fonts::regular(size::SMALL);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, state, font, tokens.secondary, room);
    if device.unlink && unlink(ui, device, rect) {
        out.push(AppCommand::OpenDialog(Dialog::Confirm(Confirm::Unlink(device.id))));
    }
    // Last: a button at the end of a line takes the place of what follows back to that line.
    let below = line(ui, &format!("Words of device {}: {}", device.short, device.words), WORDS);
    quiet_words(ui, rect.left() + INDENT + 24.0, below, &device.words);
}

fn unlink(ui: &mut Ui, device: &Device, rect: Rect) -> bool {
    at_end(ui, rect, |ui| {
        ui.push_id(device.id.0, |ui| button::words(ui, Weight::Quiet, "", "Unlink…").clicked()).inner
    })
}
