//! The whole window: sidebar, page, detail, and what lies over them.

use super::{
    Cx, board_ui, conflicts_ui, detail_ui, dialog_ui, header_ui, list_ui, members_ui, onboarding_ui,
    peers_ui, picker_ui, sidebar_ui, standing_ui, toast_ui, troubles_ui,
};
use crate::{
    theme::{measure, tokens},
    view::state::{Layout, Page},
};
use egui::{CentralPanel, Frame, Panel, Stroke, Ui};

/// Paints the window.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    let troubled = !cx.model.troubles.is_empty();
    if cx.model.workspace.is_some() {
        working(ui, cx);
    } else if troubled && !cx.view.onboarding.anyway {
        // What is there but cannot be opened must not look like a first start.
        troubles_ui::page(ui, cx);
    } else {
        onboarding_ui::show(ui, cx);
    }
    toast_ui::show(ui.ctx(), cx);
}

fn working(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let narrow = ui.ctx().content_rect().width() < measure::NARROW;
    Panel::left("sidebar")
        .exact_size(measure::SIDEBAR)
        .resizable(false)
        .show_separator_line(false)
        .frame(Frame::new())
        .show(ui, |ui| sidebar_ui::show(ui, cx));
    troubles_ui::banner(ui, cx.model);
    standing_ui::banner(ui, cx);
    let page = Frame::new().fill(tokens.app);
    if cx.view.open.is_some() && cx.view.page.has_tasks() {
        if narrow {
            CentralPanel::default().frame(page.fill(tokens.panel)).show(ui, |ui| detail_ui::show(ui, cx));
            covers(ui, cx);
            return;
        }
        let shown = Panel::right("detail")
            .exact_size(measure::DETAIL)
            .resizable(false)
            .show_separator_line(false)
            .frame(Frame::new().fill(tokens.panel))
            .show(ui, |ui| detail_ui::show(ui, cx));
        let rect = shown.response.rect;
        ui.painter().vline(rect.left(), rect.y_range(), Stroke::new(1.0, tokens.border));
    }
    CentralPanel::default().frame(page).show(ui, |ui| page_ui(ui, cx));
    covers(ui, cx);
}

fn page_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    header_ui::show(ui, cx);
    match cx.view.page {
        Page::Conflicts => conflicts_ui::show(ui, cx),
        Page::Members => members_ui::show(ui, cx),
        Page::Peers => peers_ui::show(ui, cx),
        Page::WithoutProject => list_ui::without_project(ui, cx),
        Page::Project if cx.view.board.project().is_none() => board_ui::no_project(ui, cx),
        Page::Project if cx.view.preferences.layout == Layout::List => list_ui::show(ui, cx),
        Page::Project => board_ui::show(ui, cx),
    }
}

fn covers(ui: &Ui, cx: &mut Cx<'_>) {
    dialog_ui::show(ui.ctx(), cx);
    picker_ui::show(ui.ctx(), cx);
}
