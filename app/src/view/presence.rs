//! Who else is here, and what they look at: one entry for each person, whatever the number of their devices.

use super::directory::{color_of, initials};
use velo_protocol::{
    id::{EntityId, PersonId, WorkspaceId},
    presence::Doing,
    replica::Present,
    workspace::Workspace,
};

/// Somebody who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Who.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// For the avatar.
    pub initials: String,
    /// Their accent.
    pub color: usize,
    /// The task that they look at, if it is shown.
    pub task: Option<EntityId>,
    /// What they do, in a sentence.
    pub words: String,
}

/// Everybody else who has the app open, by name. A device that only runs a node is nobody who looks.
pub fn read(workspace: &Workspace, present: &[Present], me: PersonId) -> Vec<Here> {
    let mut here: Vec<Here> = Vec::new();
    for one in present.iter().filter(|one| one.person != me) {
        let task = match one.doing {
            Doing::Gone | Doing::Running => continue,
            Doing::Here => None,
            Doing::At(task) => Some(task).filter(|task| workspace.task(*task).is_some()),
        };
        match here.iter_mut().find(|known| known.person == one.person) {
            Some(known) if known.task.is_some() || task.is_none() => {}
            Some(known) => *known = entry(workspace, one.person, task),
            None => here.push(entry(workspace, one.person, task)),
        }
    }
    here.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.person.cmp(&b.person)));
    here
}

fn entry(workspace: &Workspace, person: PersonId, task: Option<EntityId>) -> Here {
    let name = workspace.person_name(person);
    let title = task.and_then(|task| Some(workspace.task(task)?.title));
    let words = title.map_or_else(|| format!("{name} is here"), |title| format!("{name} looks at {title}"));
    Here { person, initials: initials(&name), color: color_of(&person.0[..4]), name, task, words }
}

/// What is told to the others of the person at this device, and where it was told last.
#[derive(Debug, Default)]
pub struct Told(Option<(Doing, Option<WorkspaceId>)>);

impl Told {
    /// What is to be told now, if it is something else than before.
    pub fn news(
        &mut self,
        workspace: Option<WorkspaceId>,
        open: Option<EntityId>,
        hidden: bool,
    ) -> Option<(Doing, Option<WorkspaceId>)> {
        let doing = match (hidden, open) {
            (true, _) => Doing::Gone,
            (false, Some(task)) => Doing::At(task),
            (false, None) => Doing::Here,
        };
        let wanted = (doing, workspace.filter(|_| matches!(doing, Doing::At(_))));
        (self.0.replace(wanted) != Some(wanted)).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::id::DeviceId;

    #[test]
    fn one_person_with_several_devices_is_here_once() {
        let workspace = Workspace::new(WorkspaceId([1; 32]));
        let (me, ben, carla) = (PersonId([1; 32]), PersonId([2; 32]), PersonId([3; 32]));
        let present = |device, person, doing| Present { device: DeviceId([device; 32]), person, doing };
        let here = read(
            &workspace,
            &[
                present(1, me, Doing::Here),
                present(2, ben, Doing::Running),
                present(3, ben, Doing::Here),
                present(4, ben, Doing::At(EntityId([9; 16]))),
                present(5, carla, Doing::Running),
            ],
            me,
        );
        let [one] = here.as_slice() else { panic!("{here:?}") };
        assert_eq!((one.person, one.task), (ben, None), "a task that is not shown is nobody's business");
        assert!(one.words.ends_with("is here"));
    }

    #[test]
    fn only_what_is_new_is_told() {
        let (workspace, task) = (Some(WorkspaceId([1; 32])), EntityId([2; 16]));
        let mut told = Told::default();
        assert_eq!(told.news(workspace, None, false), Some((Doing::Here, None)));
        assert_eq!(told.news(workspace, None, false), None);
        assert_eq!(told.news(workspace, Some(task), false), Some((Doing::At(task), workspace)));
        assert_eq!(told.news(workspace, Some(task), true), Some((Doing::Gone, None)));
        assert_eq!(told.news(workspace, None, true), None);
    }
}
