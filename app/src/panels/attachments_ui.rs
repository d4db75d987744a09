//! The attachments of the open task.

use super::{Cx, link_ui};
use crate::{
    command::{AppCommand, TaskCommand},
    fonts, icons,
    theme::{Tokens, measure, radius, size, space, tokens},
    view::attachments::{Found, Thumbnail, bytes, typed_path},
    widget::{
        button::{self, Weight},
        field, mark, text,
    },
};
use egui::{
    Align, Align2, Color32, ColorImage, CornerRadius, Frame, Key, Layout, Margin, Rect, RichText, Sense,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, WidgetInfo, WidgetType, pos2, vec2,
};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, attachment},
    value::Value,
    workspace::Workspace,
};

/// A row is so high: a picture and two lines.
const ROW: f32 = 56.0;
/// The side of a picture.
const PICTURE: f32 = 44.0;
/// How thick the line is that shows how far a download is.
const BAR: f32 = 3.0;

/// Paints the attachments of a task, and the way to add one.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, task: EntityId) {
    let all = workspace.attachments(task);
    let may = cx.may_edit();
    if all.is_empty() && !may {
        return;
    }
    ui.horizontal(|ui| {
        field::heading(ui, "Attachments");
        if may && cx.view.attachments.path.is_none() {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if button::icon(ui, icons::PAPERCLIP, "Attach a file", None).clicked() {
                    cx.view.attachments.path = Some(String::new());
                }
            });
        }
    });
    for id in all {
        row(ui, cx, workspace, id);
    }
    if may {
        add(ui, cx, task);
    }
    ui.add_space(space::L);
}

/// What is shown of one attachment.
struct Shown<'a> {
    id: EntityId,
    name: &'a str,
    url: &'a str,
    size: u64,
    found: Option<Found>,
    fetching: bool,
}

impl Shown<'_> {
    fn facts(&self) -> String {
        if !self.url.is_empty() {
            return self.url.to_owned();
        }
        let size = bytes(self.size);
        match &self.found {
            None => size,
            Some(found) if found.whole => size,
            Some(found) if found.bytes > 0 => format!("{} of {size}", bytes(found.bytes)),
            Some(_) if self.fetching => format!("{size} · waiting for a device that has it"),
            Some(_) => format!("{size} · not on this device yet"),
        }
    }

    /// How much of it has come, while it is coming.
    fn progress(&self) -> Option<f32> {
        let found = self.found.as_ref().filter(|found| !found.whole && found.bytes > 0)?;
        Some((found.bytes as f32 / self.size.max(1) as f32).min(1.0))
    }

    fn is_here(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.whole)
    }
}

fn row(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let key = EntityKey::new(Kind::Attachment, id);
    let size = workspace.value(key, &attachment::SIZE.into()).and_then(Value::as_int);
    let shown = Shown {
        id,
        name: workspace.text(key, attachment::NAME),
        url: workspace.text(key, attachment::URL),
        size: size.map_or(0, |size| size.max(0) as u64),
        found: cx.view.attachments.found.get(&id).cloned(),
        fetching: cx.view.attachments.fetching.contains(&id),
    };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let facts = shown.facts();
    let spoken = format!("{}, {facts}", shown.name);
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, &spoken));
    let place =
        Rect::from_min_size(pos2(rect.left(), rect.center().y - PICTURE / 2.0), vec2(PICTURE, PICTURE));
    picture(ui, cx, &shown, place);
    let buttons = 2.0 * (measure::TARGET + space::XXS);
    let left = place.right() + 10.0;
    let wide = rect.right() - buttons - left - 6.0;
    let (upper, lower) = (rect.center().y - 9.0, rect.center().y + 9.0);
    let painter = ui.painter();
    let (body, small) = (fonts::regular(size::BODY), fonts::regular(size::SMALL));
    text::line(painter, pos2(left, upper), Align2::LEFT_CENTER, shown.name, body, tokens.text, wide);
    text::line(painter, pos2(left, lower), Align2::LEFT_CENTER, &facts, small, tokens.muted, wide);
    if let Some(progress) = shown.progress() {
        let line = Rect::from_min_size(pos2(left, place.bottom() - BAR), vec2(wide, BAR));
        bar(painter, line, progress, tokens);
    }
    let at = Rect::from_min_max(pos2(rect.right() - buttons, rect.top()), rect.max);
    let layout = Layout::right_to_left(Align::Center);
    ui.scope_builder(egui::UiBuilder::new().max_rect(at).layout(layout), |ui| {
        ui.spacing_mut().item_spacing.x = space::XXS;
        actions(ui, cx, &shown);
    });
}

fn bar(painter: &egui::Painter, line: Rect, progress: f32, tokens: &Tokens) {
    let round = CornerRadius::same((BAR / 2.0) as u8);
    painter.rect_filled(line, round, tokens.border);
    let done = Rect::from_min_size(line.min, vec2((line.width() * progress).max(BAR), BAR));
    painter.rect_filled(done, round, tokens.accent);
}

/// The picture of an attachment, if it has one.
fn texture(ui: &Ui, cx: &mut Cx<'_>, id: EntityId) -> Option<TextureHandle> {
    let attachments = &mut cx.view.attachments;
    let Thumbnail { size, rgba } = attachments.thumbnails.get(&id)?;
    let load = || {
        let image = ColorImage::from_rgba_unmultiplied(*size, rgba);
        ui.ctx().load_texture(format!("attachment {id}"), image, TextureOptions::LINEAR)
    };
    Some(attachments.textures.entry(id).or_insert_with(load).clone())
}

fn picture(ui: &Ui, cx: &mut Cx<'_>, shown: &Shown<'_>, place: Rect) {
    let tokens = tokens(ui.ctx());
    let (round, line) = (CornerRadius::same(radius::M), Stroke::new(1.0, tokens.border));
    ui.painter().rect(place, round, tokens.raised, line, StrokeKind::Inside);
    if let Some(texture) = texture(ui, cx, shown.id) {
        let size = texture.size_vec2();
        let scale = (place.width() / size.x).min(place.height() / size.y);
        let rect = Rect::from_center_size(place.center(), size * scale);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
        return;
    }
    let sign = if shown.url.is_empty() { icons::FILE } else { icons::LINK };
    mark::icon(ui.painter(), place.center(), sign, 18.0, tokens.secondary);
}

fn actions(ui: &mut Ui, cx: &mut Cx<'_>, shown: &Shown<'_>) {
    if cx.may_edit() && button::icon(ui, icons::TRASH_2, &format!("Remove {}", shown.name), None).clicked() {
        let key = EntityKey::new(Kind::Attachment, shown.id);
        let done = format!("{} removed", shown.name);
        cx.say(AppCommand::Edit { changes: vec![Change::Delete { key }], done });
    }
    if !shown.url.is_empty() {
        if button::icon(ui, icons::COPY, &format!("Copy the link {}", shown.name), None).clicked() {
            cx.say(AppCommand::Copy(shown.url.to_owned(), "Link"));
        }
    } else if shown.is_here() {
        if button::icon(ui, icons::DOWNLOAD, &format!("Save {}", shown.name), None).clicked() {
            cx.say(AppCommand::SaveContent(shown.id));
        }
    } else if shown.found.is_some()
        && !shown.fetching
        && button::icon(ui, icons::CLOUD_DOWNLOAD, &format!("Fetch {}", shown.name), None).clicked()
    {
        cx.say(AppCommand::FetchContent(shown.id));
    }
}

/// Where a file lies that is to be attached, or a drop of it.
fn add(ui: &mut Ui, cx: &mut Cx<'_>, task: EntityId) {
    if cx.view.attachments.adding > 0 {
        link_ui::waiting(ui, "Adding…");
    }
    let over = ui.input(|input| !input.raw.hovered_files.is_empty());
    if cx.view.attachments.path.is_none() && !over {
        if let Some(problem) = &cx.view.attachments.problem {
            field::problem(ui, problem);
        }
        return;
    }
    let tokens = tokens(ui.ctx());
    let line = if over { Stroke::new(2.0, tokens.accent) } else { Stroke::new(1.0, tokens.border_strong) };
    let frame = Frame::new().fill(tokens.app).stroke(line).corner_radius(CornerRadius::same(radius::M));
    frame.inner_margin(Margin::same(10)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        let words = "Drop files on this window, or say where one lies.";
        let words = RichText::new(words).font(fonts::regular(size::BODY)).color(tokens.secondary);
        ui.add(egui::Label::new(words).wrap());
        if let Some(problem) = &cx.view.attachments.problem {
            field::problem(ui, problem);
        }
        path(ui, cx, task);
    });
}

fn path(ui: &mut Ui, cx: &mut Cx<'_>, task: EntityId) {
    let Some(path) = &mut cx.view.attachments.path else { return };
    let typed = field::single(ui, "Where the file lies", "/home/anna/Pictures/leak.jpg", path);
    let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let file = typed_path(path);
    if typed.changed() {
        cx.view.attachments.problem = None;
    }
    let ready = !file.as_os_str().is_empty();
    let (attach, cancel) = ui
        .horizontal(|ui| {
            let attach =
                ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Primary, "", "Attach").clicked());
            (attach.inner, button::words(ui, Weight::Quiet, "", "Cancel").clicked())
        })
        .inner;
    if cancel {
        cx.view.attachments.added(0, None);
    } else if ready && (attach || entered) {
        cx.say(AppCommand::ForTask(task, TaskCommand::Attach(vec![file])));
    }
}
