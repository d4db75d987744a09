//! The dialog about the keys of this device: where they lie, and the passphrase over them.

use super::{
    Cx,
    dialog_ui::{foot, foot_row, title, window},
    invite_ui,
};
use crate::{
    command::AppCommand,
    theme::{space, tokens},
    view::keys::{Keeping, KeysDialog, Place, Step},
    widget::{
        button::{self, Weight},
        field,
    },
};
use egui::{Context, Ui};

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, dialog: &mut KeysDialog) -> bool {
    let Some(keeping) = cx.model.keys.clone() else { return false };
    let (kept, close) = window(ctx, "keys dialog", 480.0, |ui| match dialog.step {
        Step::Told => tell(ui, &keeping, dialog),
        Step::Choosing | Step::Removing => change(ui, cx, &keeping, dialog),
    });
    kept && !close
}

fn tell(ui: &mut Ui, keeping: &Keeping, dialog: &mut KeysDialog) -> bool {
    title(ui, "The keys of this device");
    field::note(ui, keeping.words());
    ui.add_space(space::XS);
    invite_ui::ticket_text(ui, &keeping.folder, tokens(ui.ctx()));
    if let Some(problem) = &dialog.problem {
        field::problem(ui, problem);
    }
    ui.add_space(space::S);
    let row = foot_row(ui, |ui| {
        let next = match keeping.place {
            Place::Plain => pressed(ui, Weight::Primary, "Set a passphrase…").then_some(Step::Choosing),
            Place::Sealed => {
                let change = pressed(ui, Weight::Primary, "Change it…").then_some(Step::Choosing);
                let remove = pressed(ui, Weight::Plain, "Remove it…").then_some(Step::Removing);
                change.or(remove)
            }
            Place::Keyring => None,
        };
        (next, pressed(ui, Weight::Quiet, "Done"))
    });
    let (next, done) = row;
    if let Some(step) = next {
        *dialog = KeysDialog { step, ..KeysDialog::default() };
    }
    !done
}

fn pressed(ui: &mut Ui, weight: Weight, words: &str) -> bool {
    button::words(ui, weight, "", words).clicked()
}

fn change(ui: &mut Ui, cx: &mut Cx<'_>, keeping: &Keeping, dialog: &mut KeysDialog) -> bool {
    let sealed = keeping.place == Place::Sealed;
    let removing = dialog.step == Step::Removing;
    let working = dialog.working;
    let (heading, done) = match (removing, sealed) {
        (true, _) => ("Remove the passphrase", "Remove passphrase"),
        (false, true) => ("Change the passphrase", "Change passphrase"),
        (false, false) => ("Set a passphrase", "Set passphrase"),
    };
    title(ui, heading);
    if removing {
        field::note(ui, "The keys then lie in their file as they are. Velo starts without asking.");
    } else {
        field::note(ui, advice(cx.model.owes_phrase));
    }
    ui.add_space(space::XS);
    ui.add_enabled_ui(!working, |ui| fields(ui, dialog, sealed, removing));
    if let Some(problem) = &dialog.problem {
        field::problem(ui, problem);
    }
    let done = if working { "One moment" } else { done };
    let (pressed, cancelled) = foot(ui, done, dialog.is_ready(sealed));
    if pressed {
        submit(cx, dialog, sealed);
    }
    !cancelled
}

fn advice(owes_phrase: bool) -> &'static str {
    if owes_phrase {
        "Nothing replaces a passphrase that was forgotten but your 24 words, and you have not written them down \
         yet: do that first. Eight letters at least; several words are best."
    } else {
        "Eight letters at least; several words are best. If you forget it, only your 24 words or another device \
         of yours bring you back."
    }
}

fn fields(ui: &mut Ui, dialog: &mut KeysDialog, sealed: bool, removing: bool) {
    let mut responses = Vec::new();
    if sealed {
        field::heading(ui, "The passphrase there is");
        responses.push(field::secret(ui, "Passphrase now", "", &mut dialog.now));
    }
    if !removing {
        field::heading(ui, "The new passphrase");
        responses.push(field::secret(ui, "New passphrase", "", &mut dialog.new));
        field::heading(ui, "The same again");
        responses.push(field::secret(ui, "New passphrase again", "", &mut dialog.again));
    }
    if ui.memory(|memory| memory.focused().is_none())
        && let Some(first) = responses.first()
    {
        first.request_focus();
    }
    if responses.iter().any(egui::Response::changed) {
        dialog.problem = None;
    }
}

fn submit(cx: &mut Cx<'_>, dialog: &mut KeysDialog, sealed: bool) {
    match dialog.chosen() {
        Ok(new) => {
            let now = sealed.then(|| std::mem::take(&mut dialog.now));
            cx.say(AppCommand::SetPassphrase { now, new });
            *dialog = KeysDialog { step: dialog.step, working: true, ..KeysDialog::default() };
        }
        Err(problem) => {
            dialog.problem = Some(problem.to_owned());
            dialog.again.wipe();
        }
    }
}
