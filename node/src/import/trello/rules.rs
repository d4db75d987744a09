//! What becomes of every known path of an export.
//!
//! A rule that ends in `*` holds for all paths that begin so. An exact rule goes first, then the
//! longest beginning. What no rule knows is dropped as unknown, and the report says so. Values
//! that go another way than their path's rule are told apart by [`super::build`].

use crate::import::fidelity::Fate::{self, Dropped, Kept, Mapped};

const INTERNAL: &str = "Trello's own bookkeeping";
const COUNTED: &str = "Velo counts this itself";
const HISTORY: &str = "Velo's history starts with the import";
const LOOKS: &str = "how Trello shows it";
const ACCOUNT: &str = "the person's account at Trello";
const LIMITS: &str = "limits of Trello's service";
const TWICE: &str = "said elsewhere in the file, and taken from there";
const SERIES: &str = "becomes the id in Velo, so that importing again doubles nothing";
const POWER_UPS: &str = "Velo has no plug-ins";
const UNKNOWN: &str = "not known to Velo";

/// The fate of the values at a path pattern, and the note for the report.
pub(super) fn rule(path: &str) -> (Fate, &'static str) {
    let rules = || BOARD.iter().chain(LISTS).chain(CARDS).chain(PARTS).chain(ACTIONS);
    let exact = rules().find(|(pattern, ..)| *pattern == path);
    let beginning = || {
        let begins = |pattern: &str| pattern.strip_suffix('*').is_some_and(|start| path.starts_with(start));
        rules().filter(|(pattern, ..)| begins(pattern)).max_by_key(|(pattern, ..)| pattern.len())
    };
    // An empty list or object stands where its contents would.
    let contents = || {
        let holds = |pattern: &str| {
            pattern.strip_prefix(path).is_some_and(|rest| rest.starts_with("[]") || rest.starts_with('.'))
        };
        rules().find(|(pattern, ..)| holds(pattern))
    };
    let found = exact.or_else(beginning).or_else(contents);
    found.map_or((Dropped, UNKNOWN), |(_, fate, note)| (*fate, note))
}

type Rule = (&'static str, Fate, &'static str);

#[rustfmt::skip]
const BOARD: &[Rule] = &[
    ("id", Mapped, SERIES),
    ("name", Kept, "the project's name"),
    ("desc", Kept, "the project's description"),
    ("closed", Kept, "the project is archived"),
    ("descData*", Dropped, INTERNAL),
    ("nodeId", Dropped, INTERNAL),
    ("url", Dropped, "the project is found in Velo"),
    ("shortUrl", Dropped, "the project is found in Velo"),
    ("shortLink", Dropped, "the project is found in Velo"),
    ("prefs*", Dropped, LOOKS),
    ("pinned", Dropped, LOOKS),
    ("starred", Dropped, "favourites are each person's own in Velo"),
    ("subscribed", Dropped, "notifications are each person's own in Velo"),
    ("labelNames*", Mapped, TWICE),
    ("limits*", Dropped, LIMITS),
    ("idOrganization", Dropped, ACCOUNT),
    ("idEnterprise", Dropped, ACCOUNT),
    ("enterpriseOwned", Dropped, ACCOUNT),
    ("premiumFeatures*", Dropped, ACCOUNT),
    ("memberships*", Dropped, "roles are given in Velo, to people with a device"),
    ("invited", Dropped, "roles are given in Velo, to people with a device"),
    ("invitations*", Dropped, "roles are given in Velo, to people with a device"),
    ("idMemberCreator", Dropped, HISTORY),
    ("dateLastActivity", Dropped, HISTORY),
    ("dateLastView", Dropped, HISTORY),
    ("dateClosed", Dropped, HISTORY),
    ("datePluginDisable", Dropped, POWER_UPS),
    ("powerUps*", Dropped, POWER_UPS),
    ("pluginData*", Dropped, POWER_UPS),
    ("creationMethod*", Dropped, INTERNAL),
    ("ixUpdate", Dropped, INTERNAL),
    ("idTags*", Dropped, INTERNAL),
    ("idBoardSource", Dropped, INTERNAL),
    ("templateGallery*", Dropped, INTERNAL),
    ("type", Dropped, INTERNAL),
];

#[rustfmt::skip]
const LISTS: &[Rule] = &[
    ("lists[].id", Mapped, SERIES),
    ("lists[].name", Kept, "the column's name"),
    ("lists[].closed", Kept, "the column is archived"),
    ("lists[].pos", Mapped, "the column's place"),
    ("lists[].softLimit", Kept, "the most tasks it should hold"),
    ("lists[].color", Dropped, LOOKS),
    ("lists[].idBoard", Mapped, "the project"),
    ("lists[].subscribed", Dropped, "notifications are each person's own in Velo"),
    ("lists[].limits*", Dropped, LIMITS),
    ("lists[].creationMethod*", Dropped, INTERNAL),
    ("lists[].idOrganization", Dropped, ACCOUNT),
    ("lists[].nodeId", Dropped, INTERNAL),
    ("lists[].type", Dropped, INTERNAL),
    ("lists[].datasource*", Dropped, INTERNAL),
    ("labels[].id", Mapped, SERIES),
    ("labels[].name", Kept, "the label's name"),
    ("labels[].color", Mapped, "the nearest of Velo's accents"),
    ("labels[].idBoard", Mapped, "Velo's labels are for tasks of any project"),
    ("labels[].idOrganization", Dropped, ACCOUNT),
    ("labels[].nodeId", Dropped, INTERNAL),
    ("labels[].limits*", Dropped, LIMITS),
    ("labels[].uses", Dropped, COUNTED),
    ("members[].id", Mapped, SERIES),
    ("members[].fullName", Kept, "a contact, whom a member can later merge into a person"),
    ("members[].username", Mapped, "the contact's handle, with an @"),
    ("members[].initials", Dropped, "Velo takes them from the name"),
    ("members[].*", Dropped, ACCOUNT),
];

#[rustfmt::skip]
const CARDS: &[Rule] = &[
    ("cards[].id", Mapped, "becomes the id in Velo, and says when the card was created"),
    ("cards[].name", Kept, "the task's title"),
    ("cards[].desc", Kept, "the task's description"),
    ("cards[].closed", Kept, "the task is archived"),
    ("cards[].idList", Mapped, "the task's column"),
    ("cards[].pos", Mapped, "the task's place in its column"),
    ("cards[].start", Mapped, "when work starts, in UTC"),
    ("cards[].due", Mapped, "when it is due, in UTC"),
    ("cards[].dueComplete", Mapped, "the custom field \"Marked complete\""),
    ("cards[].idLabels[]", Mapped, "the task's labels"),
    ("cards[].idMembers[]", Mapped, "assigned to the contact"),
    ("cards[].idChecklists[]", Mapped, TWICE),
    ("cards[].shortUrl", Kept, "the task's source, to follow"),
    ("cards[].url", Mapped, TWICE),
    ("cards[].shortLink", Mapped, TWICE),
    ("cards[].idBoard", Mapped, "the project"),
    ("cards[].labels[].id", Mapped, TWICE),
    ("cards[].labels[].*", Mapped, TWICE),
    ("cards[].checklists*", Mapped, TWICE),
    ("cards[].attachments[].id", Mapped, SERIES),
    ("cards[].attachments[].name", Kept, "the attachment's name"),
    ("cards[].attachments[].url", Kept, "a link: the file itself stays at Trello"),
    ("cards[].attachments[].mimeType", Kept, "the attachment's media type"),
    ("cards[].attachments[].bytes", Kept, "the attachment's size"),
    ("cards[].attachments[].previews*", Dropped, LOOKS),
    ("cards[].attachments[].date", Dropped, HISTORY),
    ("cards[].attachments[].idMember", Dropped, HISTORY),
    ("cards[].attachments[].fileName", Mapped, TWICE),
    ("cards[].attachments[].pos", Dropped, "attachments stand in the order of their names"),
    ("cards[].attachments[].*", Dropped, LOOKS),
    ("cards[].customFieldItems[].id", Dropped, INTERNAL),
    ("cards[].customFieldItems[].idCustomField", Mapped, "which custom field it is"),
    ("cards[].customFieldItems[].idValue", Mapped, "the text of the choice"),
    ("cards[].customFieldItems[].value", Mapped, "a value of a custom field"),
    ("cards[].customFieldItems[].value.text", Kept, "a value of a custom field"),
    ("cards[].customFieldItems[].value.number", Kept, "a value of a custom field"),
    ("cards[].customFieldItems[].value.checked", Kept, "a value of a custom field"),
    ("cards[].customFieldItems[].value.date", Mapped, "a value of a custom field, in UTC"),
    ("cards[].customFieldItems[].idModel", Mapped, "the task"),
    ("cards[].customFieldItems[].modelType", Dropped, INTERNAL),
    ("cards[].cover*", Dropped, "Velo has no covers on cards"),
    ("cards[].idAttachmentCover", Dropped, "Velo has no covers on cards"),
    ("cards[].manualCoverAttachment", Dropped, "Velo has no covers on cards"),
    ("cards[].stickers*", Dropped, "Velo has no stickers"),
    ("cards[].idMembersVoted*", Dropped, "Velo has no votes"),
    ("cards[].isTemplate", Dropped, "templates come as ordinary tasks"),
    ("cards[].cardRole", Dropped, "links, mirrors and separators come as ordinary tasks"),
    ("cards[].mirrorSourceId", Dropped, "links, mirrors and separators come as ordinary tasks"),
    ("cards[].address", Dropped, "Velo has no map"),
    ("cards[].locationName", Dropped, "Velo has no map"),
    ("cards[].coordinates*", Dropped, "Velo has no map"),
    ("cards[].staticMapUrl", Dropped, "Velo has no map"),
    ("cards[].dueReminder", Dropped, "reminders are each person's own in Velo"),
    ("cards[].subscribed", Dropped, "notifications are each person's own in Velo"),
    ("cards[].email", Dropped, "Trello's address for sending mail to the card"),
    ("cards[].idShort", Dropped, "Velo numbers tasks itself; the source leads to the card"),
    ("cards[].badges*", Dropped, COUNTED),
    ("cards[].limits*", Dropped, LIMITS),
    ("cards[].descData*", Dropped, INTERNAL),
    ("cards[].checkItemStates*", Mapped, TWICE),
    ("cards[].dateLastActivity", Dropped, HISTORY),
    ("cards[].dateCompleted", Dropped, HISTORY),
    ("cards[].dateClosed", Dropped, HISTORY),
    ("cards[].idMemberCreator", Dropped, HISTORY),
    ("cards[].pluginData*", Dropped, POWER_UPS),
    ("cards[].creationMethod*", Dropped, INTERNAL),
    ("cards[].externalSource", Dropped, INTERNAL),
    ("cards[].faviconUrl", Dropped, LOOKS),
    ("cards[].idOrganization", Dropped, ACCOUNT),
    ("cards[].nodeId", Dropped, INTERNAL),
    ("cards[].pinned", Dropped, LOOKS),
    ("cards[].urlSource*", Dropped, INTERNAL),
];

#[rustfmt::skip]
const PARTS: &[Rule] = &[
    ("checklists[].id", Mapped, SERIES),
    ("checklists[].name", Kept, "the heading of the checklist's lines"),
    ("checklists[].idCard", Mapped, "the task"),
    ("checklists[].pos", Mapped, "the place of its lines"),
    ("checklists[].idBoard", Mapped, "the project"),
    ("checklists[].limits*", Dropped, LIMITS),
    ("checklists[].creationMethod*", Dropped, INTERNAL),
    ("checklists[].nodeId", Dropped, INTERNAL),
    ("checklists[].checkItems[].id", Mapped, SERIES),
    ("checklists[].checkItems[].name", Kept, "a line of the task's checklist"),
    ("checklists[].checkItems[].state", Mapped, "ticked off if complete"),
    ("checklists[].checkItems[].pos", Mapped, "the line's place"),
    ("checklists[].checkItems[].idChecklist", Mapped, "the checklist"),
    ("checklists[].checkItems[].nameData*", Dropped, INTERNAL),
    ("checklists[].checkItems[].due", Dropped, "lines of a checklist have no dates in Velo"),
    ("checklists[].checkItems[].dueReminder", Dropped, "lines of a checklist have no dates in Velo"),
    ("checklists[].checkItems[].idMember", Dropped, "lines of a checklist are not assigned in Velo"),
    ("checklists[].checkItems[].limits*", Dropped, LIMITS),
    ("customFields[].id", Mapped, SERIES),
    ("customFields[].name", Kept, "the custom field's name"),
    ("customFields[].type", Mapped, "the custom field's type; a list of choices becomes text"),
    ("customFields[].pos", Mapped, "the custom field's place"),
    ("customFields[].options[].id", Mapped, "the text of the choice"),
    ("customFields[].options[].value.text", Kept, "the text of the choice, where a card has it"),
    ("customFields[].options[].*", Dropped, LOOKS),
    ("customFields[].display*", Dropped, LOOKS),
    ("customFields[].idModel", Mapped, "the project"),
    ("customFields[].modelType", Dropped, INTERNAL),
    ("customFields[].fieldGroup", Dropped, INTERNAL),
    ("customFields[].limits*", Dropped, LIMITS),
    ("customFields[].isSuggestedField", Dropped, INTERNAL),
];

#[rustfmt::skip]
const ACTIONS: &[Rule] = &[
    ("actions[*", Dropped, HISTORY),
    ("actions", Dropped, HISTORY),
    ("actions[type=createCard].date", Mapped, "when the task was created"),
    ("actions[type=createCard].data.card.id", Mapped, "the task"),
    ("actions[type=commentCard].id", Mapped, SERIES),
    ("actions[type=commentCard].date", Mapped, "when the comment was written"),
    ("actions[type=commentCard].idMemberCreator", Mapped, "the comment's author, a contact"),
    ("actions[type=commentCard].memberCreator.id", Mapped, "the comment's author, a contact"),
    ("actions[type=commentCard].memberCreator.fullName", Mapped, "the author's name, unless a member of the board"),
    ("actions[type=commentCard].memberCreator.username", Mapped, "the author's handle, unless a member of the board"),
    ("actions[type=commentCard].memberCreator.*", Dropped, ACCOUNT),
    ("actions[type=commentCard].data.text", Kept, "the comment"),
    ("actions[type=commentCard].data.card.id", Mapped, "the task"),
    ("actions[type=commentCard].type", Mapped, "a comment"),
    ("actions[type=commentCard].data.board*", Mapped, TWICE),
    ("actions[type=commentCard].data.list*", Mapped, TWICE),
    ("actions[type=commentCard].data.card.*", Mapped, TWICE),
    ("actions[type=commentCard].data.textData*", Dropped, INTERNAL),
    ("actions[type=commentCard].data.dateLastEdited", Dropped, HISTORY),
    ("actions[type=commentCard].limits*", Dropped, LIMITS),
    ("actions[type=commentCard].appCreator*", Dropped, INTERNAL),
    ("actions[type=copyCommentCard].id", Mapped, SERIES),
    ("actions[type=copyCommentCard].date", Mapped, "when the comment was copied"),
    ("actions[type=copyCommentCard].idMemberCreator", Mapped, "the comment's author, a contact"),
    ("actions[type=copyCommentCard].data.text", Kept, "the comment"),
    ("actions[type=copyCommentCard].data.card.id", Mapped, "the task"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_rule_holds() {
        assert_eq!(rule("cards[].attachments[].name").0, Kept);
        assert_eq!(rule("cards[].attachments[].edgeColor"), (Dropped, LOOKS));
        assert_eq!(rule("cards[].attachments"), rule("cards[].attachments[].id"), "empty");
        assert_eq!(rule("actions[type=updateCard].data.old.pos"), (Dropped, HISTORY));
        assert_eq!(rule("actions[type=commentCard].data.text").0, Kept);
        assert_eq!(rule("cards[].hologram"), (Dropped, UNKNOWN));
        assert_eq!(rule("shortUrlOfTomorrow"), (Dropped, UNKNOWN));
    }

    #[test]
    fn no_rule_stands_twice() {
        let rules = || BOARD.iter().chain(LISTS).chain(CARDS).chain(PARTS).chain(ACTIONS);
        let mut patterns: Vec<_> = rules().map(|(pattern, ..)| *pattern).collect();
        patterns.sort_unstable();
        let count = patterns.len();
        patterns.dedup();
        assert_eq!(patterns.len(), count);
    }
}
