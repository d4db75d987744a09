//! The dialogs of the connection doctor and of the diagnostics file.

use super::{
    Cx,
    dialog_ui::{foot_row, title, window},
};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, size, space, tokens},
    view::doctor::{Bundle, Checkup, Diagnostics, Doctor, Step, Verdict},
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{Context, RichText, ScrollArea, Ui, WidgetInfo, WidgetType};

/// Paints the connection doctor. Returns whether it stays.
pub fn doctor(ctx: &Context, cx: &mut Cx<'_>, doctor: &Doctor) -> bool {
    let (kept, close) = window(ctx, "doctor dialog", 560.0, |ui| {
        title(ui, "Connection doctor");
        match doctor {
            Doctor::Looking => _ = field::note(ui, "Looking at every step to every device…"),
            Doctor::Failed(problem) => field::problem(ui, problem),
            Doctor::Found(found) if found.is_empty() => {
                _ = field::note(
                    ui,
                    "No other device is known yet. Invite somebody, or connect to an address.",
                );
            }
            Doctor::Found(found) => {
                let room = (ctx.content_rect().height() - 280.0).clamp(160.0, 560.0);
                ScrollArea::vertical().max_height(room).auto_shrink([false, true]).show(ui, |ui| {
                    for checkup in found {
                        one(ui, checkup);
                    }
                });
            }
        }
        ui.add_space(space::S);
        foot_row(ui, |ui| {
            let done = button::words(ui, Weight::Primary, "", "Done").clicked();
            let ready = *doctor != Doctor::Looking;
            let again =
                ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Plain, "", "Look again").clicked());
            if again.inner {
                cx.say(AppCommand::Doctor);
            }
            !done
        })
    });
    kept && !close
}

fn one(ui: &mut Ui, checkup: &Checkup) {
    let tokens = tokens(ui.ctx());
    ui.add_space(space::S);
    ui.label(RichText::new(&checkup.whom).font(fonts::semibold(size::BODY)).color(tokens.text));
    for step in &checkup.steps {
        one_step(ui, step, tokens);
    }
}

fn one_step(ui: &mut Ui, step: &Step, tokens: &Tokens) {
    let (sign, color, spoken) = match step.verdict {
        Verdict::Good => (icons::CIRCLE_CHECK, tokens.ok, "good"),
        Verdict::Notice => (icons::HOURGLASS, tokens.info, "going on"),
        Verdict::Bad => (icons::CIRCLE_X, tokens.danger, "fails"),
    };
    let shown = ui.horizontal_top(|ui| {
        mark::icon_ui(ui, sign, 13.0, color);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            let told = format!("{}: {}", capital(step.name), step.told);
            let told = RichText::new(told).font(fonts::regular(size::BODY)).color(tokens.secondary);
            ui.add(egui::Label::new(told).wrap());
            if let Some(advice) = step.advice {
                let advice =
                    RichText::new(capital(advice)).font(fonts::regular(size::SMALL)).color(tokens.text);
                ui.add(egui::Label::new(advice).wrap());
            }
        });
    });
    let name = format!("Step {}: {spoken}", step.name);
    shown.response.widget_info(|| WidgetInfo::labeled(WidgetType::Other, true, &name));
}

fn capital(word: &str) -> String {
    crate::view::conflict::capital(word)
}

/// Paints the dialog of the diagnostics file. Returns whether it stays.
pub fn diagnostics(ctx: &Context, cx: &mut Cx<'_>, dialog: &mut Diagnostics) -> bool {
    let (kept, close) = window(ctx, "diagnostics dialog", 480.0, |ui| {
        title(ui, "Diagnostics file");
        match dialog {
            Diagnostics::Written(bundle) => written(ui, cx, bundle),
            told => tell(ui, cx, told),
        }
    });
    kept && !close
}

fn tell(ui: &mut Ui, cx: &mut Cx<'_>, dialog: &mut Diagnostics) -> bool {
    field::note(
        ui,
        "One file to send to whoever helps you: versions, how this device and its peers stand, what the doctor \
         says, counts, sizes, and the end of the log. No keys, no secrets, no titles, no names and no texts. \
         Addresses of devices in the network are in it.",
    );
    if let Diagnostics::Failed(problem) = dialog {
        field::problem(ui, problem);
    }
    ui.add_space(space::S);
    let working = *dialog == Diagnostics::Writing;
    foot_row(ui, |ui| {
        let words = if working { "One moment" } else { "Write the file" };
        let go = ui.add_enabled_ui(!working, |ui| button::words(ui, Weight::Primary, "", words).clicked());
        if go.inner {
            *dialog = Diagnostics::Writing;
            cx.say(AppCommand::Diagnose);
        }
        !button::words(ui, Weight::Quiet, "", "Cancel").clicked()
    })
}

fn written(ui: &mut Ui, cx: &mut Cx<'_>, bundle: &Bundle) -> bool {
    let path = bundle.path.display().to_string();
    field::note(ui, "Look through it before you send it. It was written to:");
    super::invite_ui::ticket_text(ui, &path, tokens(ui.ctx()));
    for (name, what) in &bundle.parts {
        field::note(ui, &format!("{name}: {what}"));
    }
    ui.add_space(space::S);
    foot_row(ui, |ui| {
        let done = button::words(ui, Weight::Primary, "", "Done").clicked();
        if button::words(ui, Weight::Plain, icons::COPY, "Copy its path").clicked() {
            cx.say(AppCommand::Copy(path, "Path"));
        }
        !done
    })
}
