//! What stands over the page while the person may not change anything: why, and what to do next.

use super::Cx;
use crate::{
    command::{self, AppCommand},
    fonts,
    theme::{size, space, tokens},
    view::{
        standing::{Banner, Place, Standing},
        state::{Confirm, Dialog, Page},
    },
    widget::{
        button::{self, Weight},
        mark, text,
    },
};
use egui::{
    Align, CornerRadius, Frame, Layout, Margin, Panel, Rect, Sense, Ui, UiBuilder, WidgetInfo, WidgetType,
    pos2, vec2,
};

/// Room for the sign before the sentence.
const INDENT: f32 = 26.0;
/// Room for one thing that can be done, and for two.
const ACTION: f32 = 170.0;
const ACTIONS: f32 = 250.0;
const ROWS: usize = 6;
const BUTTON: f32 = 30.0;

/// Paints the banner, if there is anything to say.
pub fn banner(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(banner) = cx.model.standing.banner() else { return };
    let tokens = tokens(ui.ctx());
    let margin = Margin::symmetric(16, 8);
    let color = if banner.grave { tokens.warn } else { tokens.info };
    // An empty page offers the same in its middle.
    let empty = cx.view.page == Page::Project && cx.view.board.project().is_none();
    let actions = if empty { Vec::new() } else { actions(&cx.model.standing) };
    let taken = [0.0, ACTION, ACTIONS][actions.len().min(2)];
    let room = ui.available_width() - margin.sum().x;
    let width = room - INDENT - taken;
    let galley = text::galley(
        ui.painter(),
        &banner.words,
        fonts::regular(size::BODY),
        tokens.text,
        width.max(120.0),
        ROWS,
    );
    let least = if actions.is_empty() { 0.0 } else { BUTTON };
    let height = galley.size().y.max(least);
    let fill = tokens.app.lerp_to_gamma(color, 0.13);
    let frame = Frame::new().fill(fill).corner_radius(CornerRadius::ZERO).inner_margin(margin);
    // A panel that measures itself is as high as its content was the last time, and cuts off the rest.
    let panel = Panel::top("standing").exact_size(height + margin.sum().y).resizable(false);
    panel.show_separator_line(false).frame(frame).show(ui, |ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, &banner.words));
        let top = rect.center().y - galley.size().y / 2.0;
        let icon = pos2(rect.left() + 8.0, top + (size::BODY * 1.45).round() / 2.0);
        mark::icon(ui.painter(), icon, banner.icon, 15.0, color);
        ui.painter().galley(pos2(rect.left() + INDENT, top), galley, tokens.text);
        let rect = Rect::from_min_max(pos2(rect.right() - taken, rect.top()), rect.max);
        let layout = Layout::right_to_left(Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
            for (words, command) in actions {
                offer(ui, cx, words, command);
            }
        });
    });
}

/// The next steps that the app itself can do, from the right.
fn actions(standing: &Standing) -> Vec<(&'static str, AppCommand)> {
    let let_go = |count| AppCommand::OpenDialog(Dialog::Confirm(Confirm::LetGo(count)));
    match standing.to_post_again() {
        0 => action(&standing.place).into_iter().collect(),
        1 => vec![("Post it again", AppCommand::PostAgain), ("Leave it…", let_go(1))],
        many => vec![("Post them again", AppCommand::PostAgain), ("Leave them…", let_go(many))],
    }
}

/// The next step of somebody who is not in.
fn action(place: &Place) -> Option<(&'static str, AppCommand)> {
    let dialog = match place {
        Place::Waiting => Dialog::AddPeer { text: String::new(), problem: None },
        Place::Refused(_) => Dialog::Join { text: String::new(), problem: None },
        _ => return None,
    };
    let words = if *place == Place::Waiting { "Add by address" } else { "Use another ticket" };
    Some((words, AppCommand::OpenDialog(dialog)))
}

fn offer(ui: &mut Ui, cx: &mut Cx<'_>, words: &str, command: AppCommand) {
    let sign = command::entry(&command).map_or("", |named| named.icon);
    if button::words(ui, Weight::Plain, sign, words).clicked() {
        cx.say(command);
    }
}

/// Paints a page that is empty because nothing has arrived yet, or nothing was let in. Whether there
/// was such a reason.
pub fn empty(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    let place = &cx.model.standing.place;
    let Some(Banner { icon, words, .. }) =
        cx.model.standing.banner().filter(|_| matches!(place, Place::Waiting | Place::Refused(_)))
    else {
        return false;
    };
    let title =
        if *place == Place::Waiting { "Nothing has arrived yet" } else { "This ticket does not work" };
    let note = if *place == Place::Waiting {
        "As soon as a device of the workspace is reached, the ticket is used, and everything that was written \
         so far comes here."
    } else {
        &words
    };
    super::board_ui::empty(ui, icon, title, note, |ui| {
        ui.add_space(space::XS);
        if let Some((words, command)) = action(&cx.model.standing.place) {
            offer(ui, cx, words, command);
        }
    });
    true
}
