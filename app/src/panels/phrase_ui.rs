//! The 24 words: the reminder in the sidebar, and the dialog that shows them and has them typed in.

use super::{
    Cx,
    dialog_ui::{foot, foot_row, title, window},
};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{
        phrase::{Phrase, Step, Words},
        state::Dialog,
    },
    widget::{
        button::{self, Row, Weight},
        field, mark, text,
    },
};
use egui::{
    Align2, Context, CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, WidgetInfo, WidgetType, pos2, vec2,
};

/// Words beside each other.
const COLUMNS: usize = 4;

/// Room for [`reminder`], with the space below.
pub const REMINDER: f32 = 34.0;

/// Stands in the sidebar until the words are confirmed.
pub fn reminder(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    let words = "Write down your 24 words";
    let row = Row { icon: icons::PENCIL, color: tokens.warn, text: words, end: "", selected: false };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::OpenDialog(Dialog::Phrase(Phrase::default())));
    }
}

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, phrase: &mut Phrase) -> bool {
    let (kept, close) = window(ctx, "phrase dialog", 580.0, |ui| {
        title(ui, "Your 24 words");
        match &phrase.step {
            Step::Told | Step::Asked => tell(ui, cx, phrase),
            Step::Shown(words) => {
                let words = words.clone();
                shown(ui, phrase, &words)
            }
            Step::Typing | Step::Comparing => typing(ui, cx, phrase),
        }
    });
    kept && !close
}

fn tell(ui: &mut Ui, cx: &mut Cx<'_>, phrase: &mut Phrase) -> bool {
    let tokens = tokens(ui.ctx());
    let points = [
        (icons::LAPTOP, "If you lose all your devices, these words bring you back into your workspaces."),
        (icons::USER_X, "Whoever has them can act as you. Write them on paper, and tell nobody."),
        (icons::SHIELD, "Once you have typed them in here, this device forgets them."),
    ];
    ui.add_space(space::XS);
    for (sign, words) in points {
        ui.horizontal_top(|ui| {
            mark::icon_ui(ui, sign, 15.0, tokens.muted);
            ui.add_space(space::XS);
            field::note(ui, words);
        });
    }
    if let Some(problem) = &phrase.problem {
        field::problem(ui, problem);
    }
    ui.add_space(space::XS);
    field::note(ui, "Make sure that nobody looks over your shoulder.");
    let asked = phrase.step == Step::Asked;
    let (pressed, cancelled) = foot(ui, "Show the words", !asked);
    if pressed {
        (phrase.step, phrase.problem) = (Step::Asked, None);
        cx.say(AppCommand::ShowPhrase);
    }
    !cancelled
}

fn shown(ui: &mut Ui, phrase: &mut Phrase, words: &Words) -> bool {
    field::note(ui, "Write them down in this order.");
    ui.add_space(space::XS);
    grid(ui, words, tokens(ui.ctx()));
    let (pressed, cancelled) = foot(ui, "I have written them down", true);
    if pressed {
        phrase.step = Step::Typing;
    }
    !cancelled
}

/// Numbered row by row, as they are read.
fn grid(ui: &mut Ui, words: &Words, tokens: &Tokens) {
    let gap = space::S;
    let width = (ui.available_width() - gap * (COLUMNS - 1) as f32) / COLUMNS as f32;
    let words: Vec<&str> = words.0.split(' ').collect();
    for (row, line) in words.chunks(COLUMNS).enumerate() {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for (column, word) in line.iter().enumerate() {
                let (rect, response) = ui.allocate_exact_size(vec2(width, 34.0), Sense::hover());
                let number = row * COLUMNS + column + 1;
                let spoken = format!("{number}. {word}");
                response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, &spoken));
                cell(ui, rect, number, word, tokens);
            }
        });
    }
}

fn cell(ui: &Ui, rect: Rect, number: usize, word: &str, tokens: &Tokens) {
    let line = Stroke::new(1.0, tokens.border_strong);
    ui.painter().rect(rect, CornerRadius::same(radius::M), tokens.app, line, StrokeKind::Inside);
    let y = rect.center().y;
    let font = fonts::medium(size::SMALL);
    let at = pos2(rect.left() + 26.0, y);
    text::line(ui.painter(), at, Align2::RIGHT_CENTER, &number.to_string(), font, tokens.muted, 24.0);
    let font = fonts::semibold(size::BODY);
    let at = pos2(rect.left() + 36.0, y);
    let room = rect.right() - 6.0 - at.x;
    text::line(ui.painter(), at, Align2::LEFT_CENTER, word, font, tokens.text, room);
}

fn typing(ui: &mut Ui, cx: &mut Cx<'_>, phrase: &mut Phrase) -> bool {
    let comparing = phrase.step == Step::Comparing;
    field::note(ui, "Type in all 24 words from your paper. Then this device forgets them.");
    ui.add_space(space::XS);
    field::heading(ui, "All 24 words, with a space between");
    let response = ui.add_enabled_ui(!comparing, |ui| {
        field::several(ui, "The 24 words", "First word, second word, …", 5, &mut phrase.typed.0)
    });
    if ui.memory(|memory| memory.focused().is_none()) {
        response.inner.request_focus();
    }
    if response.inner.changed() {
        phrase.problem = None;
    }
    if let Some(problem) = &phrase.problem {
        field::problem(ui, problem);
    }
    ui.add_space(space::S);
    let ready = !comparing && !phrase.typed.0.trim().is_empty();
    let row = foot_row(ui, |ui| {
        let words = if comparing { "Comparing…" } else { "Confirm" };
        let confirm = ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Primary, "", words).clicked());
        let again = ui.add_enabled_ui(!comparing, |ui| {
            button::words(ui, Weight::Plain, "", "Show them again").clicked()
        });
        let cancelled = button::words(ui, Weight::Quiet, "", "Cancel").clicked();
        (confirm.inner, again.inner, cancelled)
    });
    let (confirm, again, cancelled) = row;
    if confirm {
        (phrase.step, phrase.problem) = (Step::Comparing, None);
        cx.say(AppCommand::ConfirmPhrase(phrase.typed.clone()));
    } else if again {
        (phrase.step, phrase.problem) = (Step::Asked, None);
        cx.say(AppCommand::ShowPhrase);
    }
    !cancelled
}
