//! What is needed of a board, one shape for each list of the export.

use crate::import::json::{Item, Wrong};
use std::collections::{BTreeMap, HashSet};

/// The lists of a board that are read element by element.
pub(super) const LISTS: &[&str] =
    &["lists", "cards", "labels", "members", "checklists", "customFields", "actions"];

/// How far apart Trello places things: where a position is missing, the place in the file counts.
const STEP: f64 = 65_536.0;

/// A board, as far as Velo takes it over.
#[derive(Default)]
pub(super) struct Board {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) desc: String,
    pub(super) closed: bool,
    pub(super) lists: Vec<List>,
    pub(super) cards: Vec<Card>,
    pub(super) labels: Vec<Label>,
    pub(super) members: Vec<Person>,
    pub(super) checklists: Vec<Checklist>,
    pub(super) custom_fields: Vec<CustomField>,
    pub(super) comments: Vec<Comment>,
    /// When a card was created, in milliseconds, where an action says so.
    pub(super) created: BTreeMap<String, i64>,
    /// People who did something, members or not: who left the board is named nowhere else.
    pub(super) actors: BTreeMap<String, Person>,
    /// Labels and checklists written out in cards, for files in which the lists of their own lack them.
    pub(super) card_labels: BTreeMap<String, Label>,
    pub(super) card_checklists: Vec<Checklist>,
    /// Ids seen in each list.
    ids: BTreeMap<&'static str, HashSet<String>>,
}

pub(super) struct List {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) closed: bool,
    pub(super) pos: f64,
    pub(super) limit: Option<i64>,
}

pub(super) struct Card {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) desc: String,
    pub(super) closed: bool,
    pub(super) list: String,
    pub(super) pos: f64,
    pub(super) start: Option<i64>,
    pub(super) due: Option<i64>,
    pub(super) due_complete: bool,
    pub(super) labels: Vec<String>,
    pub(super) members: Vec<String>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) custom: Vec<CustomValue>,
    pub(super) url: String,
}

pub(super) struct Label {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) color: String,
}

#[derive(Clone, Default)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) full_name: String,
    pub(super) username: String,
}

pub(super) struct Checklist {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) card: String,
    pub(super) pos: f64,
    pub(super) items: Vec<CheckItem>,
}

pub(super) struct CheckItem {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) pos: f64,
    pub(super) complete: bool,
}

pub(super) struct Attachment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) media_type: String,
    pub(super) bytes: Option<i64>,
}

pub(super) struct CustomField {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) pos: f64,
    /// The choices of a field of type `list`: id and text.
    pub(super) options: BTreeMap<String, String>,
}

pub(super) struct CustomValue {
    pub(super) field: String,
    pub(super) value: CustomContent,
}

/// Trello writes the values of custom fields as texts, whatever the field's type.
pub(super) enum CustomContent {
    Text(String),
    Number(String),
    Checked(bool),
    Date(i64),
    Choice(String),
    /// Nothing, or something newer than this importer.
    Other,
}

pub(super) struct Comment {
    pub(super) id: String,
    /// It came along when its card was copied.
    pub(super) copied: bool,
    pub(super) card: Option<String>,
    pub(super) text: String,
    pub(super) author: Option<String>,
    pub(super) date: Option<i64>,
}

impl Board {
    /// Takes one element of the list `key`.
    pub(super) fn take(&mut self, key: &str, at: usize, item: &Item<'_>) -> Result<(), Wrong> {
        match key {
            "lists" => self.lists.push(List::read(item, at)?),
            "cards" => self.take_card(item, at)?,
            "labels" => self.labels.push(Label::read(item)?),
            "members" => self.members.push(Person::read(item)?),
            "checklists" => self.checklists.push(Checklist::read(item, at)?),
            "customFields" => self.custom_fields.push(CustomField::read(item, at)?),
            _ => return self.take_action(item),
        }
        let list = LISTS.iter().find(|list| **list == key).copied().unwrap_or_default();
        if self.ids.entry(list).or_default().insert(item.id("id")?) {
            return Ok(());
        }
        Err(item.wrong("id", "an id that nothing else in this list has"))
    }

    /// Takes the fields of the board itself.
    pub(super) fn take_own(&mut self, item: &Item<'_>) -> Result<(), Wrong> {
        self.id = item.id("id")?;
        self.name = item.text_or_empty("name")?;
        self.desc = item.text_or_empty("desc")?;
        self.closed = item.flag("closed")?;
        Ok(())
    }

    fn take_card(&mut self, item: &Item<'_>, at: usize) -> Result<(), Wrong> {
        for label in item.objects("labels")? {
            // Boards of the early years name a card's labels by colour only.
            if let Some(id) = label.text("id")?
                && !self.card_labels.contains_key(id)
            {
                self.card_labels.insert(id.to_owned(), Label::read(&label)?);
            }
        }
        let checklists = item.objects("checklists")?;
        for (at, checklist) in checklists.iter().enumerate() {
            let card = item.id("id")?;
            self.card_checklists.push(Checklist { card, ..Checklist::read(checklist, at)? });
        }
        self.cards.push(Card::read(item, at)?);
        Ok(())
    }

    fn take_action(&mut self, item: &Item<'_>) -> Result<(), Wrong> {
        for actor in [item.object("memberCreator")?, item.object("member")?].into_iter().flatten() {
            if let Some(id) = actor.text("id")?
                && !self.actors.contains_key(id)
            {
                self.actors.insert(id.to_owned(), Person::read(&actor)?);
            }
        }
        let kind = item.text("type")?;
        let data = item.object("data")?;
        let card = data.as_ref().map(|data| data.object("card")).transpose()?.flatten();
        let card = card.map(|card| card.text("id")).transpose()?.flatten();
        match kind {
            Some("commentCard" | "copyCommentCard") => {
                let data = data.ok_or_else(|| item.wrong("data", "an object"))?;
                let creator = item.object("memberCreator")?;
                let creator = creator.map(|creator| creator.text("id")).transpose()?.flatten();
                let author = item.text("idMemberCreator")?.or(creator);
                self.comments.push(Comment {
                    id: item.id("id")?,
                    copied: kind == Some("copyCommentCard"),
                    card: card.map(str::to_owned),
                    text: data.text_or_empty("text")?,
                    author: author.map(str::to_owned),
                    date: item.instant("date")?,
                });
            }
            Some("createCard") => {
                if let (Some(card), Some(date)) = (card, item.instant("date")?) {
                    self.created.insert(card.to_owned(), date);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn pos(item: &Item<'_>, at: usize) -> Result<f64, Wrong> {
    Ok(item.number("pos")?.unwrap_or((at + 1) as f64 * STEP))
}

impl List {
    fn read(item: &Item<'_>, at: usize) -> Result<Self, Wrong> {
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            closed: item.flag("closed")?,
            pos: pos(item, at)?,
            limit: item.whole("softLimit")?,
        })
    }
}

impl Card {
    fn read(item: &Item<'_>, at: usize) -> Result<Self, Wrong> {
        let attachments = item.objects("attachments")?;
        let custom = item.objects("customFieldItems")?;
        let url = match item.text("shortUrl")? {
            Some(short) => short.to_owned(),
            None => item.text_or_empty("url")?,
        };
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            desc: item.text_or_empty("desc")?,
            closed: item.flag("closed")?,
            list: item.text_or_empty("idList")?,
            pos: pos(item, at)?,
            start: item.instant("start")?,
            due: item.instant("due")?,
            due_complete: item.flag("dueComplete")?,
            labels: item.texts("idLabels")?,
            members: item.texts("idMembers")?,
            attachments: attachments.iter().map(Attachment::read).collect::<Result<_, _>>()?,
            custom: custom.iter().map(CustomValue::read).collect::<Result<_, _>>()?,
            url,
        })
    }
}

impl Label {
    fn read(item: &Item<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            color: item.text_or_empty("color")?,
        })
    }
}

impl Person {
    fn read(item: &Item<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            id: item.id("id")?,
            full_name: item.text_or_empty("fullName")?,
            username: item.text_or_empty("username")?,
        })
    }
}

impl Checklist {
    fn read(item: &Item<'_>, at: usize) -> Result<Self, Wrong> {
        let items = item.objects("checkItems")?;
        let items = items.iter().enumerate().map(|(at, item)| CheckItem::read(item, at));
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            card: item.text_or_empty("idCard")?,
            pos: pos(item, at)?,
            items: items.collect::<Result<_, _>>()?,
        })
    }
}

impl CheckItem {
    fn read(item: &Item<'_>, at: usize) -> Result<Self, Wrong> {
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            pos: pos(item, at)?,
            complete: item.text("state")? == Some("complete"),
        })
    }
}

impl Attachment {
    fn read(item: &Item<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            url: item.text_or_empty("url")?,
            media_type: item.text_or_empty("mimeType")?,
            bytes: item.whole("bytes")?.filter(|bytes| *bytes >= 0),
        })
    }
}

impl CustomField {
    fn read(item: &Item<'_>, at: usize) -> Result<Self, Wrong> {
        let mut options = BTreeMap::new();
        for option in item.objects("options")? {
            let text = option.object("value")?.map(|value| value.text_or_empty("text")).transpose()?;
            options.insert(option.id("id")?, text.unwrap_or_default());
        }
        Ok(Self {
            id: item.id("id")?,
            name: item.text_or_empty("name")?,
            kind: item.text_or_empty("type")?,
            pos: pos(item, at)?,
            options,
        })
    }
}

impl CustomValue {
    fn read(item: &Item<'_>) -> Result<Self, Wrong> {
        let field = item.id("idCustomField")?;
        let value = match (item.text("idValue")?, item.object("value")?) {
            (Some(choice), _) => CustomContent::Choice(choice.to_owned()),
            (None, Some(value)) => CustomContent::read(&value)?,
            (None, None) => CustomContent::Other,
        };
        Ok(Self { field, value })
    }
}

impl CustomContent {
    fn read(value: &Item<'_>) -> Result<Self, Wrong> {
        Ok(if let Some(text) = value.text("text")? {
            Self::Text(text.to_owned())
        } else if let Some(number) = value.text("number")? {
            Self::Number(number.to_owned())
        } else if let Some(checked) = value.text("checked")? {
            Self::Checked(checked == "true")
        } else if let Some(date) = value.instant("date")? {
            Self::Date(date)
        } else {
            Self::Other
        })
    }
}
