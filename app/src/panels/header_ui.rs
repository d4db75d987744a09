//! The header: where one is, how the project is shown, and what can be done.

use super::{Cx, presence_ui};
use crate::{
    command::{self, AppCommand},
    fonts, icons,
    theme::{measure, size, space, tokens},
    view::state::{Dialog, Layout, Page},
    widget::{
        button::{self, Weight},
        hairline,
    },
};
use egui::{Align, Frame, Margin, RichText, Ui, vec2};
use velo_protocol::model::{EntityKey, Kind};

/// Paints the header.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    Frame::new().inner_margin(Margin::symmetric(space::L as i8, 0)).show(ui, |ui| {
        let size = vec2(ui.available_width(), measure::HEADER - 1.0);
        ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_height(measure::HEADER - 1.0);
            ui.spacing_mut().item_spacing.x = space::XS;
            breadcrumb(ui, cx);
            if let Some(project) = cx.view.board.project().filter(|_| cx.view.page == Page::Project) {
                super::star(ui, cx, EntityKey::new(Kind::Project, project));
            }
            ui.add_space(space::M);
            if cx.view.page == Page::Project && cx.view.board.project().is_some() {
                tabs(ui, cx);
            }
            ui.with_layout(egui::Layout::right_to_left(Align::Center), |ui| actions(ui, cx));
        });
    });
    hairline(ui);
}

fn breadcrumb(ui: &mut Ui, cx: &Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let page = match cx.view.page {
        Page::Project if cx.view.board.project().is_none() => "Projects",
        Page::Project | Page::WithoutProject => cx.view.board.name.as_str(),
        Page::Conflicts => "Conflicts",
        Page::Members => "Members",
        Page::Peers => "Peers",
    };
    let page = RichText::new(page).font(fonts::semibold(size::LARGE)).color(tokens.text);
    ui.add(egui::Label::new(page).truncate());
}

fn tabs(ui: &mut Ui, cx: &mut Cx<'_>) {
    for (layout, name) in [(Layout::Board, "Board"), (Layout::List, "List")] {
        let show = AppCommand::ShowLayout(layout);
        let Some(named) = command::entry(&show) else { continue };
        let selected = cx.view.preferences.layout == layout;
        if button::tab(ui, named.icon, name, selected, named.keys).clicked() {
            cx.say(show);
        }
    }
}

fn actions(ui: &mut Ui, cx: &mut Cx<'_>) {
    let add = AppCommand::OpenDialog(Dialog::QuickAdd { column: None, text: String::new() });
    if cx.view.page == Page::Project && !cx.view.board.columns.is_empty() && cx.may_edit() {
        let keys = command::entry(&add).and_then(|named| named.keys);
        let new = button::words(ui, Weight::Primary, icons::PLUS, "New task");
        if button::tip(new, "New task", keys).clicked() {
            cx.say(add);
        }
        ui.add_space(space::S);
    }
    for action in [AppCommand::Redo, AppCommand::Undo, AppCommand::OpenPalette] {
        let Some(named) = command::entry(&action) else { continue };
        if cx.model.standing.allows(action.need()).is_err() {
            continue;
        }
        if button::icon(ui, named.icon, named.name, named.keys).clicked() {
            cx.say(action);
        }
    }
    presence_ui::faces(ui, cx);
}
