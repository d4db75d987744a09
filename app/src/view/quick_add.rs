//! Quick-add: `Fix pump @anna #urgent !2 tomorrow +Workshop`, read while it is typed.
//!
//! `@` assigns, `#` labels, `!0` to `!4` or `!high` sets the priority, `+` chooses the project, and
//! a day (see [`date::parse_day`]) the due date. A name with spaces is quoted: `@"Anna Berg"`. What
//! is quoted without a sign stays in the title as it is. What cannot be resolved stays in the title
//! too, so that nothing typed is lost.

use super::{date, directory::Directory};
use std::ops::Range;
use velo_protocol::{id::EntityId, model::task, value::Element};

/// A project by name.
pub type NamedProject = (EntityId, String);

/// A label to put on the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChoice {
    /// One that is there.
    Known(EntityId, String),
    /// One that will be made.
    New(String),
}

/// What the text asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The title that remains.
    pub title: String,
    /// Who does it, with the name to show.
    pub assignees: Vec<(Element, String)>,
    /// Labels.
    pub labels: Vec<LabelChoice>,
    /// Place in [`task::PRIORITIES`].
    pub priority: Option<i64>,
    /// Days since 1970-01-01.
    pub due: Option<i32>,
    /// The project.
    pub project: Option<NamedProject>,
    /// Names after `@` that nobody has, or several.
    pub doubts: Vec<String>,
    /// What was understood, as ranges of bytes of the text.
    pub understood: Vec<Range<usize>>,
}

/// What names can mean.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// People and labels.
    pub directory: &'a Directory,
    /// Projects.
    pub projects: &'a [NamedProject],
    /// Days since 1970-01-01.
    pub today: i32,
}

struct Word {
    at: Range<usize>,
    sign: Option<char>,
    text: String,
    quoted: bool,
}

/// Reads the text.
pub fn parse(text: &str, known: Known<'_>) -> Draft {
    let words = words(text);
    let mut draft = Draft::default();
    let mut title: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let taken = take(&mut draft, &words[at..], known);
        if let Some(last) = taken.checked_sub(1).and_then(|more| words.get(at + more)) {
            draft.understood.push(word.at.start..last.at.end);
        } else if word.quoted && word.sign.is_none() {
            title.push(&word.text);
        } else {
            title.push(&text[word.at.clone()]);
        }
        at += taken.max(1);
    }
    draft.title = title.join(" ");
    draft
}

/// Understands the first words; returns how many.
fn take(draft: &mut Draft, words: &[Word], known: Known<'_>) -> usize {
    let Some(word) = words.first() else { return 0 };
    let understood = match word.sign {
        Some('@') => take_person(draft, &word.text, known.directory),
        Some('#') => take_label(draft, &word.text, known.directory),
        Some('!') => take_priority(draft, &word.text),
        Some('+') => take_project(draft, &word.text, known.projects),
        _ if word.quoted => false,
        _ => return take_day(draft, words, known.today),
    };
    usize::from(understood)
}

fn take_person(draft: &mut Draft, name: &str, directory: &Directory) -> bool {
    let Some(who) = directory.find_who(name) else {
        let several =
            directory.people.iter().any(|who| who.name.to_lowercase().starts_with(&name.to_lowercase()));
        let doubt = if several { format!("Which @{name}?") } else { format!("Nobody is called @{name}") };
        draft.doubts.push(doubt);
        return false;
    };
    if !draft.assignees.iter().any(|(element, _)| *element == who.element) {
        draft.assignees.push((who.element.clone(), who.name.clone()));
    }
    true
}

fn take_label(draft: &mut Draft, name: &str, directory: &Directory) -> bool {
    // "#3" in a title means a number.
    if !name.chars().any(char::is_alphabetic) {
        return false;
    }
    let choice = match directory.find_label(name) {
        Some(label) => LabelChoice::Known(label.id, label.name.clone()),
        None => LabelChoice::New(name.to_owned()),
    };
    if !draft.labels.contains(&choice) {
        draft.labels.push(choice);
    }
    true
}

fn take_priority(draft: &mut Draft, text: &str) -> bool {
    let number = text.parse::<usize>().ok().filter(|number| *number < task::PRIORITIES.len());
    let found = number.or_else(|| task::PRIORITIES.iter().position(|name| name.eq_ignore_ascii_case(text)));
    draft.priority = found.map(|number| number as i64).or(draft.priority);
    found.is_some()
}

fn take_project(draft: &mut Draft, name: &str, projects: &[NamedProject]) -> bool {
    let wanted = name.to_lowercase();
    let exact = projects.iter().find(|(_, name)| name.to_lowercase() == wanted);
    let found = exact.or_else(|| {
        let mut begin = projects.iter().filter(|(_, name)| name.to_lowercase().starts_with(&wanted));
        begin.next().filter(|_| begin.next().is_none())
    });
    draft.project = found.cloned().or(draft.project.take());
    found.is_some()
}

/// A day may be up to three words: `in 3 days`. Short weekday names are words of their own ("sun").
fn take_day(draft: &mut Draft, words: &[Word], today: i32) -> usize {
    if draft.due.is_some() {
        return 0;
    }
    for count in (1..=3.min(words.len())).rev() {
        let some = &words[..count];
        if some.iter().any(|word| word.quoted || word.sign.is_some()) {
            continue;
        }
        let phrase = some.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let is_short_weekday = count == 1 && phrase.len() == 3;
        let is_version = count == 1 && phrase.contains('.') && phrase.matches('.').count() < 2;
        if let Some(day) = date::parse_day(&phrase, today).filter(|_| !is_short_weekday && !is_version) {
            draft.due = Some(day);
            return count;
        }
    }
    0
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        let sign = matches!(first, '@' | '#' | '!' | '+').then_some(first);
        let opens = |c: char| c == '"';
        let quoted = if sign.is_some() { chars.next_if(|(_, c)| opens(*c)).is_some() } else { opens(first) };
        let mut word = String::new();
        if sign.is_none() && !quoted {
            word.push(first);
        }
        while let Some((_, c)) = chars.next_if(|(_, c)| if quoted { !opens(*c) } else { !c.is_whitespace() })
        {
            word.push(c);
        }
        if quoted {
            chars.next();
        }
        let end = chars.peek().map_or(text.len(), |(at, _)| *at);
        let sign = sign.filter(|_| !word.is_empty());
        words.push(Word { at: start..end, sign, text: word, quoted });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::directory::{Label, Who};
    use velo_protocol::id::PersonId;

    const SUNDAY: i32 = 20_779;

    fn read(text: &str) -> Draft {
        let who = |name: &str, at| Who {
            element: Element::Person(PersonId([at; 32])),
            name: name.to_owned(),
            handle: String::new(),
            color: 0,
        };
        let label = |name: &str, at| Label { id: EntityId([at; 16]), name: name.to_owned(), color: 0 };
        let directory = Directory::new(vec![who("Anna Berg", 1), who("Ben", 2)], vec![label("urgent", 1)]);
        let projects =
            [(EntityId([7; 16]), "Workshop".to_owned()), (EntityId([8; 16]), "Garden shed".to_owned())];
        parse(text, Known { directory: &directory, projects: &projects, today: SUNDAY })
    }

    #[test]
    fn the_example_is_understood() {
        let draft = read("Fix pump @anna #urgent !2 tomorrow +Workshop");
        assert_eq!(draft.title, "Fix pump");
        assert_eq!(draft.assignees.len(), 1);
        assert_eq!(draft.labels, [LabelChoice::Known(EntityId([1; 16]), "urgent".into())]);
        assert_eq!(draft.priority, Some(2));
        assert_eq!(draft.due, Some(SUNDAY + 1));
        assert_eq!(draft.project.map(|(_, name)| name), Some("Workshop".into()));
        assert_eq!(draft.understood.len(), 5);
    }

    #[test]
    fn what_is_not_understood_stays_in_the_title() {
        for text in [
            "Ask @carl about #3",
            "Say hi!",
            "Release 2.0 to 5% + tax",
            "!9 lives",
            "a @ b # c",
            "Buy sun hat",
        ] {
            assert_eq!(read(text).title, text);
        }
    }

    #[test]
    fn quotes_escape_and_join() {
        let draft = read("Read \"tomorrow never dies\" @\"Anna Berg\" +\"Garden shed\" #\"needs review\"");
        assert_eq!(draft.title, "Read tomorrow never dies");
        assert_eq!(draft.due, None);
        assert_eq!(draft.assignees[0].1, "Anna Berg");
        assert_eq!(draft.project.map(|(id, _)| id), Some(EntityId([8; 16])));
        assert_eq!(draft.labels, [LabelChoice::New("needs review".into())]);
    }

    #[test]
    fn days_of_several_words_and_words_of_priority() {
        let draft = read("Call roofer in 3 days !urgent");
        assert_eq!(
            (draft.title.as_str(), draft.due, draft.priority),
            ("Call roofer", Some(SUNDAY + 3), Some(4))
        );
    }

    #[test]
    fn numbers_before_words_are_no_days() {
        for text in ["Order 5 decking boards", "Buy 2 junction boxes", "Visit 3 markets", "Part 20261204"] {
            let draft = read(text);
            assert_eq!((draft.title.as_str(), draft.due), (text, None));
        }
        let due = |text| read(text).due;
        assert_eq!(due("Order boards 5 dec"), due("Order boards 2026-12-05"));
    }

    #[test]
    fn what_follows_a_day_stays_in_the_title() {
        for (text, title) in [
            ("Call Ben 2026-12-04 14:30", "Call Ben 14:30"),
            ("Buy by 2026-12-04 12 eggs", "Buy by 12 eggs"),
            ("Call at 2026-12-04T14:30", "Call at 2026-12-04T14:30"),
        ] {
            assert_eq!(read(text).title, title);
        }
        assert_eq!(read("Call Ben 2026-12-04 14:30").due, Some(SUNDAY + 12));
    }

    #[test]
    fn any_text_can_be_read() {
        for text in ["", "\"", "@", "@\"", "#\"\"", "!\"2", "ü@ö \"ß", "+", "  \t "] {
            read(text);
        }
    }
}
