//! Peers: who is there, who has my changes, when we last spoke, and how to add somebody.

use super::{Cx, board_ui, members_ui};
use crate::{
    command::{self, AppCommand},
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{doctor::Diagnostics, peers::Row, state::Dialog},
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{
    CornerRadius, Frame, Margin, RichText, ScrollArea, Sense, Stroke, Ui, WidgetInfo, WidgetType, vec2,
};

/// Paints the page.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.model.peers.is_empty() {
        let note = "Devices in the same network that share this workspace find each other by themselves. \
                    Invite somebody with a ticket, or connect to an address.";
        board_ui::empty(ui, icons::MONITOR, "Nobody else is here yet", note, |ui| begin(ui, cx));
        return;
    }
    ScrollArea::vertical().id_salt("peers").auto_shrink([false, false]).show(ui, |ui| {
        Frame::new().inner_margin(Margin::same(space::XL as i8)).show(ui, |ui| {
            ui.set_max_width(ui.available_width().min(720.0));
            ui.horizontal(|ui| actions(ui, cx));
            ui.add_space(space::S);
            ui.horizontal_wrapped(|ui| switches(ui, cx));
            ui.add_space(space::M);
            let rows = &cx.model.peers;
            for row in rows {
                card(ui, row, tokens(ui.ctx()));
                ui.add_space(space::S);
            }
            here(ui, cx);
        });
    });
}

fn begin(ui: &mut Ui, cx: &mut Cx<'_>) {
    let width = 450.0;
    ui.allocate_ui(vec2(width, 34.0), |ui| {
        ui.horizontal(|ui| actions(ui, cx));
    });
    ui.allocate_ui(vec2(width, 34.0), |ui| {
        ui.horizontal_wrapped(|ui| switches(ui, cx));
    });
    ui.allocate_ui(vec2(width, 0.0), |ui| ui.vertical(|ui| here(ui, cx)));
}

fn actions(ui: &mut Ui, cx: &mut Cx<'_>) {
    if members_ui::invite(ui, &cx.model.standing.invite()) {
        cx.say(AppCommand::Invite);
    }
    if button::words(ui, Weight::Plain, icons::RADIO_TOWER, "Add by address").clicked() {
        cx.say(AppCommand::OpenDialog(Dialog::AddPeer { text: String::new(), problem: None }));
    }
    if button::words(ui, Weight::Plain, icons::SERVER, "Add relay").clicked() {
        cx.say(AppCommand::OpenDialog(Dialog::AddRelay { text: String::new(), problem: None }));
    }
    if !cx.model.peers.is_empty() && button::words(ui, Weight::Plain, icons::REFRESH_CW, "Sync now").clicked()
    {
        cx.say(AppCommand::SyncNow);
    }
}

/// What is chosen once, and what helps when something is wrong.
fn switches(ui: &mut Ui, cx: &mut Cx<'_>) {
    let auto_sync = cx.model.auto_sync;
    if button::check(ui, auto_sync, "Automatic sync").clicked() {
        cx.say(AppCommand::SetAutoSync(!auto_sync));
    }
    let seen = !cx.view.preferences.hidden;
    let hint = "Whether the others see that you are here, and which task you look at. It is stored nowhere.";
    if button::check(ui, seen, "Show that I am here").on_hover_text(hint).clicked() {
        cx.say(AppCommand::HidePresence(seen));
    }
    for (words, command) in [
        ("Doctor", AppCommand::Doctor),
        ("Diagnostics…", AppCommand::OpenDialog(Dialog::Diagnostics(Diagnostics::Told))),
    ] {
        let sign = command::entry(&command).map_or("", |named| named.icon);
        if button::words(ui, Weight::Plain, sign, words).clicked() {
            cx.say(command);
        }
    }
}

fn card(ui: &mut Ui, row: &Row, tokens: &Tokens) {
    let frame = Frame::new()
        .fill(tokens.card)
        .stroke(Stroke::new(1.0, tokens.border))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(14));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(32.0, 32.0), Sense::hover());
            let color = if row.connected { tokens.ok } else { tokens.muted };
            ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.tint(color));
            let sign = match (row.connected, row.is_relay) {
                (false, _) => icons::WIFI_OFF,
                (true, true) => icons::SERVER,
                (true, false) => icons::MONITOR,
            };
            mark::icon(ui.painter(), rect.center(), sign, 16.0, color);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 3.0;
                ui.horizontal(|ui| {
                    ui.label(RichText::new(&row.name).font(fonts::semibold(size::BODY)).color(tokens.text));
                    let print = RichText::new(&row.fingerprint).font(egui::FontId::monospace(size::TINY));
                    ui.label(print.color(tokens.muted));
                });
                let (sign, color) = if row.synced {
                    (icons::CHECK_CHECK, tokens.ok)
                } else if row.stall.is_some() {
                    (icons::TRIANGLE_ALERT, tokens.warn)
                } else {
                    (icons::REFRESH_CW, tokens.info)
                };
                ui.horizontal(|ui| {
                    mark::icon_ui(ui, sign, 13.0, color);
                    let words = format!("{} · {}", row.seen, row.state);
                    ui.label(RichText::new(words).font(fonts::regular(size::BODY)).color(tokens.secondary));
                });
                for why in row.trouble.iter().filter(|_| !row.connected).chain(&row.stall) {
                    let words = RichText::new(why).font(fonts::regular(size::SMALL)).color(tokens.muted);
                    ui.add(egui::Label::new(words).wrap());
                }
            });
        });
    });
    let why = row.stall.as_ref().map_or_else(String::new, |why| format!(". {why}"));
    let spoken = format!("Peer {}: {}, {}{why}", row.name, row.seen, row.state);
    shown.response.widget_info(|| WidgetInfo::labeled(WidgetType::Other, true, &spoken));
}

/// Where others can reach this device.
fn here(ui: &mut Ui, cx: &mut Cx<'_>) {
    let addresses = cx.model.addresses.clone();
    if addresses.is_empty() {
        return;
    }
    let tokens = tokens(ui.ctx());
    ui.add_space(space::M);
    field::heading(ui, "This device can be reached at");
    for address in addresses.iter().take(6) {
        ui.horizontal(|ui| {
            if button::icon(ui, icons::COPY, &format!("Copy {address}"), None).clicked() {
                cx.say(AppCommand::Copy(address.clone(), "Address"));
            }
            let words =
                RichText::new(address).font(egui::FontId::monospace(size::TINY)).color(tokens.secondary);
            ui.add(egui::Label::new(words).truncate());
        });
    }
}
