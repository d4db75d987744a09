//! Asking before what cannot be taken back.
//!
//! On a terminal the question says whom or what it is about, so that part of a name will do: what is
//! sent afterwards is the id of who was shown. Where nobody can be asked, `--yes` has to be typed.

use super::{Command, Settings, call, device as device_layout, key::typed_root, output, read};
use crate::api::{
    Action, ApiError, device, member,
    member::AboutAnswer,
    workspace::{self, WorkspaceDetail},
};
use serde::de::DeserializeOwned;
use std::io::{self, IsTerminal, Write};

/// A command to be carried out, perhaps after a question. `Err`: it is not to be.
pub(super) fn confirmed(command: Command, settings: &Settings) -> Result<Command, ApiError> {
    match command {
        Command::Member(member::Request::Remove(mut remove)) if !remove.yes => {
            check_terminal()?;
            let AboutAnswer { workspace, member } = about(Some(remove.person), settings)?;
            let (name, id) = (&member.name, member.person.short());
            let role = member.role.map_or("not in", member::RoleName::name);
            confirm(&format!(
                "Remove {name} ({id}, {role}) from \"{workspace}\"? What {name}'s devices wrote and this one has \
                 not seen will have no effect."
            ))?;
            remove.person = member.person.to_string();
            Ok(Command::Member(member::Request::Remove(remove)))
        }
        Command::Member(request @ member::Request::Leave(member::Leave { yes: false })) => {
            check_terminal()?;
            let workspace = about(None, settings)?.workspace;
            confirm(&format!(
                "Leave \"{workspace}\"? From then on nobody takes your changes; an admin can let you in again."
            ))?;
            Ok(Command::Member(request))
        }
        Command::Workspace(workspace::Request::Forget(mut forget)) if !forget.yes => {
            check_terminal()?;
            let WorkspaceDetail { workspace, you, .. } = shown(&forget.name, settings)?;
            let (name, id) = (device_layout::titled(&workspace), workspace.id.short());
            let gone = match you.map_or(0, |you| you.without_effect) {
                0 => String::new(),
                1 => " 1 of your changes that has no effect is gone for good.".to_owned(),
                many => format!(" {many} of your changes that have no effect are gone for good."),
            };
            confirm(&format!(
                "Remove {name} ({id}) from this device? Its files here are deleted.{gone} The others keep what they \
                 have."
            ))?;
            forget.name = workspace.id.to_string();
            Ok(Command::Workspace(workspace::Request::Forget(forget)))
        }
        Command::Device(device::Request::Unlink(mut unlink)) => {
            if !unlink.yes {
                check_terminal()?;
                let device = &unlink.device;
                confirm(&format!(
                    "Take device {device} away? What it wrote and this one has not seen will have no effect."
                ))?;
            }
            unlink.root = if unlink.words { Some(typed_root()?) } else { None };
            Ok(Command::Device(device::Request::Unlink(unlink)))
        }
        other => Ok(other),
    }
}

fn about(person: Option<String>, settings: &Settings) -> Result<AboutAnswer, ApiError> {
    told(Action::Member(member::Request::About(member::About { person })), settings)
}

fn shown(workspace: &str, settings: &Settings) -> Result<WorkspaceDetail, ApiError> {
    let of = Settings { workspace: Some(workspace.to_owned()), ..settings.clone() };
    told(Action::Workspace(workspace::Request::Show), &of)
}

fn told<T: DeserializeOwned>(action: Action, settings: &Settings) -> Result<T, ApiError> {
    let answer = call(action, settings)?;
    let other = |error| ApiError::Failed(format!("an answer of another version: {error}"));
    read(&output::plain_answer(&answer)).map_err(other)
}

/// Refuses to do it unasked where nobody can be asked.
fn check_terminal() -> Result<(), ApiError> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(ApiError::Invalid(
        "this cannot be taken back: without a terminal to ask on, it needs --yes".to_owned(),
    ))
}

/// Asks. Anything but a yes is a no.
fn confirm(question: &str) -> Result<(), ApiError> {
    // Not with the answers, which may go into a file.
    let asked = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush());
    let mut said = String::new();
    let failed = |error: io::Error| ApiError::Failed(format!("asking on the terminal: {error}"));
    asked.and_then(|()| io::stdin().read_line(&mut said)).map_err(failed)?;
    if is_yes(&said) { Ok(()) } else { Err(ApiError::Refused("nothing was changed".to_owned())) }
}

fn is_yes(said: &str) -> bool {
    matches!(said.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_one() {
        assert!(["y\n", "YES\r\n", " yes "].iter().all(|said| is_yes(said)));
        assert!(["", "\n", "n", "yess", "ye"].iter().all(|said| !is_yes(said)));
    }
}
