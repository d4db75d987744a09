//! The sidebar: workspace, search, conflicts, projects, peers, and the honest sync chip.

use super::{Cx, phrase_ui};
use crate::{
    command::{self, AppCommand},
    fonts, icons,
    theme::{Tokens, measure, radius, size, space, tokens},
    view::{
        board,
        directory::color_of,
        peers::Agreement,
        state::{Confirm, Dialog, NamePurpose, Page},
    },
    widget::{
        button::{self, Row, Weight},
        focus_ring, mark, text,
    },
};
use egui::{
    Align, Align2, Color32, CornerRadius, CursorIcon, Frame, Layout, Margin, Mesh, Popup, Rect, RichText,
    ScrollArea, Sense, Stroke, Ui, UiBuilder, WidgetInfo, WidgetType, pos2, vec2,
};

use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind},
};

/// Paints the sidebar.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let rect = ui.max_rect();
    glass(ui, rect, tokens);
    let inner = rect.shrink2(vec2(space::S, space::S));
    let reminder = if cx.model.owes_phrase { phrase_ui::REMINDER } else { 0.0 };
    let foot = Rect::from_min_max(pos2(inner.left(), inner.bottom() - 40.0 - reminder), inner.max);
    let body = Rect::from_min_max(inner.min, pos2(inner.right(), foot.top() - space::S));
    ui.scope_builder(UiBuilder::new().max_rect(body), |ui| {
        ui.spacing_mut().item_spacing.y = space::XXS;
        switcher(ui, cx);
        ui.add_space(space::S);
        places(ui, cx);
        ui.add_space(space::M);
        favourites(ui, cx);
        projects(ui, cx);
    });
    ui.scope_builder(UiBuilder::new().max_rect(foot), |ui| {
        ui.spacing_mut().item_spacing.y = space::XXS;
        if cx.model.owes_phrase {
            phrase_ui::reminder(ui, cx);
        }
        chip(ui, cx);
    });
    ui.painter().vline(rect.right() - 0.5, rect.y_range(), Stroke::new(1.0, tokens.border));
}

/// A translucent fill with a line of light, over a soft gradient of our own.
fn glass(ui: &Ui, rect: Rect, tokens: &Tokens) {
    let mut mesh = Mesh::default();
    let tone = |color: Color32, strength| tokens.app.lerp_to_gamma(color, strength);
    let corners = [
        (rect.left_top(), tone(tokens.accent, 0.16)),
        (rect.right_top(), tone(tokens.accent, 0.05)),
        (rect.left_bottom(), tone(tokens.conflict, 0.07)),
        (rect.right_bottom(), tone(tokens.app, 0.0)),
    ];
    for (corner, color) in corners {
        mesh.colored_vertex(corner, color);
    }
    mesh.add_triangle(0, 1, 2);
    mesh.add_triangle(1, 2, 3);
    ui.painter().add(mesh);
    ui.painter().rect_filled(rect, CornerRadius::ZERO, tokens.panel.gamma_multiply(0.78));
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, tokens.highlight));
}

fn switcher(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let Some(workspace) = &cx.model.workspace else { return };
    let name = if workspace.name().is_empty() { "Workspace" } else { workspace.name() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::click());
    let label = format!("Workspace {name}");
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, &label));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let badge = Rect::from_center_size(pos2(rect.left() + 18.0, rect.center().y), vec2(22.0, 22.0));
    let color = tokens.accent_at(color_of(&workspace.id().0[..4]));
    ui.painter().rect_filled(badge, CornerRadius::same(radius::M), color);
    let first: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
    ui.painter().text(
        badge.center(),
        Align2::CENTER_CENTER,
        first,
        fonts::semibold(size::SMALL),
        tokens.on_accent,
    );
    let at = pos2(badge.right() + 9.0, rect.center().y);
    let font = fonts::semibold(size::BODY);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, name, font, tokens.text, rect.right() - 30.0 - at.x);
    let arrow = pos2(rect.right() - 14.0, rect.center().y);
    mark::icon(ui.painter(), arrow, icons::CHEVRON_DOWN, 14.0, tokens.muted);
    focus_ring(ui, &response, rect, radius::M);
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(6));
    Popup::menu(&response).width(rect.width()).frame(frame).show(|ui| workspace_menu(ui, cx));
}

fn workspace_menu(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let current = cx.model.workspace.as_ref().map(velo_protocol::workspace::Workspace::id);
    for (id, name) in &cx.model.workspaces {
        let sign = if Some(*id) == current { icons::CHECK } else { "" };
        let row = Row { icon: sign, color: tokens.accent, text: name, end: "", selected: false };
        if button::row(ui, row).clicked() {
            cx.out.push(AppCommand::ShowWorkspace(*id));
        }
    }
    crate::widget::hairline(ui);
    let dialogs = [
        AppCommand::Invite,
        AppCommand::OpenDialog(Dialog::Join { text: String::new(), problem: None }),
        AppCommand::OpenDialog(Dialog::name(NamePurpose::Workspace, String::new())),
        AppCommand::OpenDialog(Dialog::Confirm(Confirm::Forget)),
        AppCommand::ToggleTheme,
        AppCommand::OpenDialog(Dialog::Shortcuts),
    ];
    let offered = dialogs.iter().filter(|command| cx.model.standing.allows(command.need()).is_ok());
    for named in offered.filter_map(command::entry) {
        let keys = named.keys.map(|keys| keys.to_string()).unwrap_or_default();
        let row =
            Row { icon: named.icon, color: tokens.secondary, text: named.name, end: &keys, selected: false };
        if button::row(ui, row).clicked() {
            cx.out.push(named.command.clone());
        }
    }
}

fn places(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let row = Row { icon: icons::SEARCH, color: tokens.secondary, text: "Search", end: "/", selected: false };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::OpenSearch);
    }
    let count = cx.model.conflicts.len();
    if count > 0 {
        let end = count.to_string();
        let selected = cx.view.page == Page::Conflicts;
        let row =
            Row { icon: icons::GIT_MERGE, color: tokens.conflict, text: "Conflicts", end: &end, selected };
        if button::row(ui, row).clicked() {
            cx.say(AppCommand::ShowPage(Page::Conflicts));
        }
    }
    let end = match cx.model.peers.iter().filter(|row| row.connected).count() {
        0 => String::new(),
        count => count.to_string(),
    };
    without_project(ui, cx, tokens);
    let count = match cx.model.members.people.len() {
        0 => String::new(),
        count => count.to_string(),
    };
    let selected = cx.view.page == Page::Members;
    let row = Row { icon: icons::USERS, color: tokens.secondary, text: "Members", end: &count, selected };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::ShowPage(Page::Members));
    }
    let selected = cx.view.page == Page::Peers;
    let row = Row { icon: icons::MONITOR, color: tokens.secondary, text: "Peers", end: &end, selected };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::ShowPage(Page::Peers));
    }
}

/// Only while there is something: what is lost should be seen, and then be gone.
fn without_project(ui: &mut Ui, cx: &mut Cx<'_>, tokens: &Tokens) {
    let selected = cx.view.page == Page::WithoutProject;
    if cx.model.without_project == 0 && !selected {
        return;
    }
    let end = cx.model.without_project.to_string();
    let row =
        Row { icon: icons::FOLDER_X, color: tokens.warn, text: board::WITHOUT_PROJECT, end: &end, selected };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::ShowPage(Page::WithoutProject));
    }
}

/// What the person uses most. Only while there is something: an empty heading helps nobody.
fn favourites(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let all = &cx.model.personal.favourites;
    if all.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        ui.add_space(space::S);
        ui.label(RichText::new("Favourites").font(fonts::medium(size::SMALL)).color(tokens.muted));
    });
    // Half of the height at most: the projects stay within reach.
    let most = (ui.available_height() / 2.0).max(60.0);
    let height = (all.len() as f32 * 30.0).min(most);
    let area = ScrollArea::vertical().id_salt("favourites").max_height(height).auto_shrink([false, true]);
    area.show_rows(ui, 30.0, all.len(), |ui, rows| {
        for (key, name) in all.get(rows).unwrap_or_default() {
            let (selected, show) = match key.kind {
                Kind::Project => {
                    let shown = cx.view.page == Page::Project && cx.view.board.project() == Some(key.id);
                    (shown && cx.view.open.is_none(), AppCommand::ShowProject(key.id))
                }
                _ => (cx.view.open == Some(key.id), AppCommand::Open(key.id)),
            };
            let row = Row { icon: icons::STAR, color: tokens.warn, text: name, end: "", selected };
            let response = button::row(ui, row);
            if response.clicked() {
                cx.out.push(show);
            }
            response.context_menu(|ui| {
                if button::words(ui, Weight::Quiet, icons::STAR, "Remove from favourites").clicked() {
                    cx.out.push(AppCommand::ToggleFavourite(*key));
                }
            });
        }
    });
    ui.add_space(space::M);
}

fn projects(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    ui.horizontal(|ui| {
        ui.add_space(space::S);
        ui.label(RichText::new("Projects").font(fonts::medium(size::SMALL)).color(tokens.muted));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if cx.may_edit() && button::icon(ui, icons::PLUS, "Add project", None).clicked() {
                let purpose = NamePurpose::Project;
                cx.say(AppCommand::OpenDialog(Dialog::name(purpose, String::new())));
            }
        });
    });
    let shown = (cx.view.page == Page::Project).then(|| cx.view.board.project()).flatten();
    let all = &cx.model.projects;
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, 30.0, all.len(), |ui, rows| {
        for (id, name) in all.get(rows).unwrap_or_default() {
            let color = tokens.accent_at(color_of(&id.0[12..]));
            let row =
                Row { icon: icons::SQUARE_KANBAN, color, text: name, end: "", selected: shown == Some(*id) };
            let response = button::row(ui, row);
            if response.clicked() {
                cx.out.push(AppCommand::ShowProject(*id));
            }
            if cx.model.standing.may_edit() {
                response.context_menu(|ui| project_menu(ui, cx.out, *id, name));
            }
        }
    });
}

fn project_menu(ui: &mut Ui, out: &mut Vec<AppCommand>, id: EntityId, name: &str) {
    if button::words(ui, Weight::Quiet, icons::PENCIL, "Rename project").clicked() {
        let purpose = NamePurpose::RenameProject(id);
        out.push(AppCommand::OpenDialog(Dialog::name(purpose, name.to_owned())));
    }
    if button::words(ui, Weight::Quiet, icons::TRASH_2, "Delete project").clicked() {
        let changes = vec![Change::Delete { key: EntityKey::new(Kind::Project, id) }];
        out.push(AppCommand::Edit { changes, done: format!("Deleted project {name}") });
    }
}

fn chip(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let (sign, color) = match cx.model.chip.agreement {
        Agreement::Synced => (icons::CHECK_CHECK, tokens.ok),
        Agreement::Busy => (icons::REFRESH_CW, tokens.info),
        Agreement::Stuck => (icons::TRIANGLE_ALERT, tokens.warn),
        Agreement::Paused => (icons::CIRCLE_PAUSE, tokens.warn),
        Agreement::Alone => (icons::CLOUD_OFF, tokens.muted),
    };
    let words = &cx.model.chip.text;
    let size = vec2(ui.available_width(), measure::TARGET + 8.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, format!("Sync: {words}")));
    crate::widget::surface(ui, rect, tokens.card.gamma_multiply(0.9), radius::M, tokens);
    if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    mark::icon(ui.painter(), pos2(rect.left() + 18.0, rect.center().y), sign, 15.0, color);
    let at = pos2(rect.left() + 34.0, rect.center().y);
    let font = fonts::medium(size::SMALL);
    text::line(
        ui.painter(),
        at,
        Align2::LEFT_CENTER,
        words,
        font,
        tokens.secondary,
        rect.right() - 8.0 - at.x,
    );
    focus_ring(ui, &response, rect, radius::M);
    if response.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(words.as_str()).clicked() {
        cx.say(AppCommand::ShowPage(Page::Peers));
    }
}
