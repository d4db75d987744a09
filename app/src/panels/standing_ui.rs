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

/// What the button says that removes the workspace from this device.
pub const FORGET: &str = "Remove from this device…";

/// Room for the sign before the sentence.
const INDENT: f32 = 26.0;
/// Sentences are no narrower for what can be done beside them: then it stands below.
const LEAST: f32 = 260.0;
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
    let told = empty && shows_in_the_middle(&cx.model.standing.place);
    let actions = if told { Vec::new() } else { actions(&cx.model.standing) };
    let room = ui.available_width() - margin.sum().x - INDENT;
    let taken: f32 = actions.iter().map(|(words, command)| width(ui, words, command) + space::S).sum();
    let below = !actions.is_empty() && room - taken < LEAST;
    let galley = text::galley(
        ui.painter(),
        &banner.words,
        fonts::regular(size::BODY),
        tokens.text,
        if below { room } else { room - taken },
        ROWS,
    );
    let words = galley.size().y;
    let height = match actions.len() {
        0 => words,
        many if below => words + many as f32 * (BUTTON + space::S),
        _ => words.max(BUTTON),
    };
    let fill = tokens.app.lerp_to_gamma(color, 0.13);
    let frame = Frame::new().fill(fill).corner_radius(CornerRadius::ZERO).inner_margin(margin);
    // A panel that measures itself is as high as its content was the last time, and cuts off the rest.
    let panel = Panel::top("standing").exact_size(height + margin.sum().y).resizable(false);
    panel.show_separator_line(false).frame(frame).show(ui, |ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, &banner.words));
        let top = if below { rect.top() } else { rect.center().y - words / 2.0 };
        let icon = pos2(rect.left() + 8.0, top + (size::BODY * 1.45).round() / 2.0);
        mark::icon(ui.painter(), icon, banner.icon, 15.0, color);
        ui.painter().galley(pos2(rect.left() + INDENT, top), galley, tokens.text);
        let (place, layout) = if below {
            let place = Rect::from_min_max(pos2(rect.left() + INDENT, top + words + space::S), rect.max);
            (place, Layout::top_down(Align::LEFT))
        } else {
            let place = Rect::from_min_max(pos2(rect.right() - taken, rect.top()), rect.max);
            (place, Layout::right_to_left(Align::Center))
        };
        ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
            ui.spacing_mut().item_spacing = vec2(space::S, space::S);
            for (words, command) in actions {
                offer(ui, cx, words, command);
            }
        });
    });
}

/// The next steps that the app itself can do, from the right.
fn actions(standing: &Standing) -> Vec<(&'static str, AppCommand)> {
    let confirm = |what| AppCommand::OpenDialog(Dialog::Confirm(what));
    let let_go = |count| confirm(Confirm::LetGo(count));
    match standing.to_post_again() {
        0 => {
            let forget = standing.forget().is_ok().then(|| (FORGET, confirm(Confirm::Forget)));
            action(&standing.place).into_iter().chain(forget).collect()
        }
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

/// Whether an empty page tells how somebody stands, and what can be done.
fn shows_in_the_middle(place: &Place) -> bool {
    matches!(place, Place::Waiting | Place::Refused(_))
}

fn sign(command: &AppCommand) -> &'static str {
    command::entry(command).map_or("", |named| named.icon)
}

fn width(ui: &Ui, words: &str, command: &AppCommand) -> f32 {
    button::width(ui, sign(command), words)
}

fn offer(ui: &mut Ui, cx: &mut Cx<'_>, words: &str, command: AppCommand) {
    if button::words(ui, Weight::Plain, sign(&command), words).clicked() {
        cx.say(command);
    }
}

/// Paints a page that is empty because nothing has arrived yet, or nothing was let in. Whether there
/// was such a reason.
pub fn empty(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    let place = &cx.model.standing.place;
    let Some(Banner { icon, words, .. }) = cx.model.standing.banner().filter(|_| shows_in_the_middle(place))
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
        for (words, command) in actions(&cx.model.standing) {
            offer(ui, cx, words, command);
        }
    });
    true
}
