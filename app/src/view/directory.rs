//! Everybody and every label of a workspace by name: for pickers, avatars and quick-add.

use std::collections::BTreeMap;
use velo_protocol::{
    id::{EntityId, PersonId},
    model::{self, EntityKey, Kind},
    value::Element,
    workspace::Workspace,
};

/// Somebody who can be assigned: a person with keys, or a contact of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// How operations name them.
    pub element: Element,
    /// Their name.
    pub name: String,
    /// Other names: the handle in the source of an import.
    pub handle: String,
    /// Their accent.
    pub color: usize,
}

impl Who {
    /// One or two capital letters for an avatar.
    pub fn initials(&self) -> String {
        initials(&self.name)
    }
}

/// One or two capital letters of a name.
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Its accent.
    pub color: usize,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// People, then contacts, each by name.
    pub people: Vec<Who>,
    /// Labels by name.
    pub labels: Vec<Label>,
    by_element: BTreeMap<Element, usize>,
    by_label: BTreeMap<EntityId, usize>,
}

impl Directory {
    /// Reads the names of a workspace.
    pub fn read(workspace: &Workspace) -> Self {
        let mut people: Vec<Who> = workspace.members().into_iter().map(|member| person(&member)).collect();
        let mut contacts: Vec<Who> = workspace
            .shown(Kind::Contact)
            .filter(|id| workspace.value(key(Kind::Contact, *id), &model::contact::MERGED.into()).is_none())
            .map(|id| contact(workspace, id))
            .collect();
        contacts.sort_by_key(|who| who.name.to_lowercase());
        people.extend(contacts);
        let mut labels: Vec<Label> = workspace.shown(Kind::Label).map(|id| label(workspace, id)).collect();
        labels.sort_by_key(|label| label.name.to_lowercase());
        Self::new(people, labels)
    }

    /// A directory of these.
    pub fn new(people: Vec<Who>, labels: Vec<Label>) -> Self {
        Self {
            by_element: people.iter().enumerate().map(|(at, who)| (who.element.clone(), at)).collect(),
            by_label: labels.iter().enumerate().map(|(at, label)| (label.id, at)).collect(),
            people,
            labels,
        }
    }

    /// Somebody by how operations name them.
    pub fn who(&self, element: &Element) -> Option<&Who> {
        self.by_element.get(element).and_then(|at| self.people.get(*at))
    }

    /// A label.
    pub fn label(&self, id: EntityId) -> Option<&Label> {
        self.by_label.get(&id).and_then(|at| self.labels.get(*at))
    }

    /// Who is meant by a handle or the start of a name, if only one can be.
    pub fn find_who(&self, text: &str) -> Option<&Who> {
        let wanted = text.to_lowercase();
        let exact = |who: &&Who| {
            who.name.to_lowercase() == wanted
                || who.handle.trim_start_matches('@').to_lowercase() == wanted
                || who.name.to_lowercase().split_whitespace().next() == Some(&wanted)
        };
        let begins = |who: &&Who| who.name.to_lowercase().starts_with(&wanted);
        only(self.people.iter().filter(exact)).or_else(|| only(self.people.iter().filter(begins)))
    }

    /// The label of this name.
    pub fn find_label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name.to_lowercase() == name.to_lowercase())
    }
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The accent of a person or label without one of its own.
pub fn color_of(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
}

/// How operations name a person.
pub fn element_of(person: PersonId) -> Element {
    Element::Person(person)
}

fn key(kind: Kind, id: EntityId) -> EntityKey {
    EntityKey::new(kind, id)
}

fn person(member: &velo_protocol::workspace::Member) -> Who {
    Who {
        element: element_of(member.person),
        name: member.name.clone(),
        handle: String::new(),
        color: color_of(&member.person.0[..4]),
    }
}

fn contact(workspace: &Workspace, id: EntityId) -> Who {
    let text = |field| workspace.text(key(Kind::Contact, id), field).to_owned();
    Who {
        element: Element::Entity(id),
        name: text(model::contact::NAME),
        handle: text(model::contact::HANDLE),
        color: color_of(&id.0[12..]),
    }
}

fn label(workspace: &Workspace, id: EntityId) -> Label {
    let color = workspace.value(key(Kind::Label, id), &model::label::COLOR.into());
    Label {
        id,
        name: workspace.text(key(Kind::Label, id), model::label::NAME).to_owned(),
        color: color
            .and_then(velo_protocol::value::Value::as_int)
            .map_or(color_of(&id.0[12..]), |c| c as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(names: &[&str]) -> Directory {
        let who = |(at, name): (usize, &&str)| Who {
            element: Element::Person(PersonId([at as u8; 32])),
            name: (*name).to_owned(),
            handle: format!("@{}", name.to_lowercase().replace(' ', "")),
            color: 0,
        };
        Directory::new(names.iter().enumerate().map(who).collect(), Vec::new())
    }

    #[test]
    fn a_name_is_found_when_only_one_can_be_meant() {
        let directory = directory(&["Anna Berg", "Anton Frei", "Ben Moss"]);
        let found = |text: &str| directory.find_who(text).map(|who| who.name.as_str());
        assert_eq!(found("anna"), Some("Anna Berg"));
        assert_eq!(found("BEN"), Some("Ben Moss"));
        assert_eq!(found("antonfrei"), Some("Anton Frei"));
        assert_eq!(found("an"), None);
        assert_eq!(found("carl"), None);
    }

    #[test]
    fn initials_are_those_of_the_first_and_last_word() {
        assert_eq!(initials("Anna Maria Berg"), "AB");
        assert_eq!(initials("ben"), "B");
        assert_eq!(initials("山田 太郎"), "山太");
        assert_eq!(initials(""), "");
    }
}
