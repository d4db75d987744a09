//! Painting. A panel reads the [`Model`], keeps where the person is in the [`View`], and says what
//! to do as [`AppCommand`]s. It never waits and never locks.

pub mod attachments_ui;
pub mod board_ui;
pub mod card_ui;
pub mod comments_ui;
pub mod conflicts_ui;
pub mod detail_ui;
pub mod dialog_ui;
pub mod doctor_ui;
pub mod frame_ui;
pub mod header_ui;
pub mod invite_ui;
pub mod keys_ui;
pub mod link_ui;
pub mod list_ui;
pub mod members_ui;
pub mod onboarding_ui;
pub mod peers_ui;
pub mod phrase_ui;
pub mod picker_ui;
pub mod picture_ui;
pub mod presence_ui;
pub mod quick_add_ui;
pub mod sidebar_ui;
pub mod standing_ui;
pub mod storage_ui;
pub mod toast_ui;
pub mod troubles_ui;
pub mod unlock_ui;

use crate::{
    command::{self, AppCommand},
    icons,
    theme::tokens,
    view::{model::Model, state::View},
    widget::button,
};
use egui::Ui;
use velo_protocol::model::EntityKey;

/// What a panel works with.
pub struct Cx<'a> {
    /// What there is.
    pub model: &'a Model,
    /// Where the person is.
    pub view: &'a mut View,
    /// Markdown that has been laid out before.
    pub markdown: &'a mut egui_commonmark::CommonMarkCache,
    /// What to do.
    pub out: &'a mut Vec<AppCommand>,
}

impl Cx<'_> {
    /// Asks for something to be done after this frame.
    pub fn say(&mut self, command: AppCommand) {
        self.out.push(command);
    }

    /// Whether tasks, projects and everything in them may be changed.
    pub fn may_edit(&self) -> bool {
        self.model.standing.may_edit()
    }
}

/// The star that makes something a favourite, or none any more.
fn star(ui: &mut Ui, cx: &mut Cx<'_>, key: EntityKey) {
    if !cx.model.personal.is_open() {
        return;
    }
    let is_favourite = cx.model.personal.is_favourite(key);
    let name = if is_favourite { "Remove from favourites" } else { "Add to favourites" };
    let keys = command::entry(&AppCommand::Favourite).and_then(|named| named.keys);
    let color = is_favourite.then(|| tokens(ui.ctx()).warn);
    if button::icon_in(ui, icons::STAR, color, name, keys).clicked() {
        cx.say(AppCommand::ToggleFavourite(key));
    }
}
