//! Who else is here: initials in the header, and in the detail of the task that they look at.

use super::Cx;
use crate::{
    command::AppCommand,
    fonts,
    theme::{size, space, tokens},
    view::presence::Here,
    widget::{focus_ring, mark},
};
use egui::{CursorIcon, RichText, Sense, Ui, WidgetInfo, WidgetType, vec2};
use velo_protocol::id::EntityId;

/// Avatars in the header; of more people only the number is shown.
const SHOWN: usize = 5;
const AVATAR: f32 = 24.0;

/// Paints initials, from the right. Who looks at a task leads there.
pub fn faces(ui: &mut Ui, cx: &mut Cx<'_>) {
    let here = &cx.model.here;
    if here.is_empty() {
        return;
    }
    ui.add_space(space::S);
    let more = here.len().saturating_sub(SHOWN);
    if more > 0 {
        let words = RichText::new(format!("+{more}")).font(fonts::medium(size::SMALL));
        ui.label(words.color(tokens(ui.ctx()).secondary));
    }
    let mut open = None;
    for one in here.iter().take(SHOWN).rev() {
        if face(ui, one) {
            open = one.task;
        }
    }
    if let Some(task) = open {
        cx.say(AppCommand::Open(task));
    }
}

fn face(ui: &mut Ui, one: &Here) -> bool {
    let tokens = tokens(ui.ctx());
    let leads = one.task.is_some();
    let sense = if leads { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(AVATAR + 2.0, AVATAR + 2.0), sense);
    let kind = if leads { WidgetType::Button } else { WidgetType::Label };
    response.widget_info(|| WidgetInfo::labeled(kind, true, &one.words));
    mark::avatar(ui.painter(), rect.center(), AVATAR, &one.initials, tokens.accent_at(one.color), tokens);
    focus_ring(ui, &response, rect, (AVATAR / 2.0) as u8);
    let response = response.on_hover_text(one.words.as_str());
    if leads { response.on_hover_cursor(CursorIcon::PointingHand).clicked() } else { false }
}

/// Says who looks at the task that is open.
pub fn at_task(ui: &mut Ui, cx: &Cx<'_>, task: EntityId) {
    let tokens = tokens(ui.ctx());
    let there: Vec<&Here> = cx.model.here.iter().filter(|one| one.task == Some(task)).collect();
    let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
    let words = match names.as_slice() {
        [] => return,
        [one] => format!("{one} looks at this too"),
        [others @ .., last] => format!("{} and {last} look at this too", others.join(", ")),
    };
    ui.horizontal(|ui| {
        for one in there.iter().take(SHOWN) {
            let (rect, _) = ui.allocate_exact_size(vec2(20.0, 20.0), Sense::hover());
            mark::avatar(
                ui.painter(),
                rect.center(),
                20.0,
                &one.initials,
                tokens.accent_at(one.color),
                tokens,
            );
        }
        ui.label(RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens.secondary));
    });
    ui.add_space(space::XS);
}
