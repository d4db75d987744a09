//! What the people of the workload do, and in which words.

use super::Generator;
use crate::{
    change::Change,
    id::{EntityId, PersonId},
    model::{self, EntityKey, Kind, Slot},
    value::{Date, Element, OrderKey, Value},
};

impl Generator<'_> {
    /// What one person does next, in the proportions of a busy team.
    pub(super) fn action(&mut self, known: usize, made: &mut Vec<EntityId>) -> Vec<Change> {
        let place = self.dice.below(known.max(1) as u64) as usize;
        // What the other device of this round has just made is not known here yet.
        let Some(task) = self.tasks.get(..known).and_then(|tasks| tasks.get(place)).copied() else {
            return vec![self.create_task(made)];
        };
        let key = EntityKey::new(Kind::Task, task);
        let set = |slot: Slot, value: Value| vec![Change::Set { key, slot, value }];
        match self.dice.below(470) {
            0..100 => vec![self.create_task(made)],
            100..160 => {
                let id = self.entity();
                let text = self.words(8, 30);
                let task = (model::comment::TASK.into(), Value::Entity(task));
                vec![create(Kind::Comment, id, vec![task, (model::comment::TEXT.into(), text)])]
            }
            160..220 => set(model::task::TITLE.into(), self.words(3, 8)),
            220..280 => {
                let (column, order) = (self.column(), self.order());
                let mut changes = set(model::task::COLUMN.into(), column);
                changes.extend(set(model::task::ORDER.into(), order));
                changes
            }
            280..330 => {
                let label = self.dice.pick(&self.labels).copied().unwrap_or(task);
                let slot = Slot::element(model::task::LABELS, Element::Entity(label));
                let on = self.dice.chance(800);
                set(slot, Value::Bool(on))
            }
            330..380 => set(model::task::DESCRIPTION.into(), self.words(15, 60)),
            380..420 => {
                let priority = self.dice.below(5) as i64;
                set(model::task::PRIORITY.into(), Value::Int(priority))
            }
            420..450 => {
                let day = 20_454 + self.dice.below(365) as i32;
                set(model::task::DUE.into(), Value::Date(Date::Day(day)))
            }
            _ => {
                let person = self.dice.pick(&self.writers).map(|writer| writer.identity.person);
                let person = person.unwrap_or(PersonId([0; 32]));
                set(Slot::element(model::task::ASSIGNEES, Element::Person(person)), Value::Bool(true))
            }
        }
    }

    fn create_task(&mut self, made: &mut Vec<EntityId>) -> Change {
        let id = self.entity();
        made.push(id);
        let fields = vec![
            (model::task::TITLE.into(), self.words(3, 8)),
            (model::task::COLUMN.into(), self.column()),
            (model::task::ORDER.into(), self.order()),
        ];
        create(Kind::Task, id, fields)
    }

    pub(super) fn entity(&mut self) -> EntityId {
        let mut random = [0; 10];
        random.copy_from_slice(&self.dice.bytes()[..10]);
        EntityId::new(self.clock_ms, random)
    }

    fn column(&mut self) -> Value {
        self.dice.pick(&self.columns).map_or(Value::Unset, |column| Value::Entity(*column))
    }

    fn order(&mut self) -> Value {
        let key = OrderKey::between(self.last_order.as_ref(), None, [1, 1]);
        let full = key.0.first().is_some_and(|first| *first > 0xF0);
        self.last_order = if full { None } else { Some(key.clone()) };
        Value::Order(key)
    }

    /// Some words, as a text value.
    pub(super) fn words(&mut self, fewest: u64, most: u64) -> Value {
        let count = fewest + self.dice.below(most - fewest + 1);
        let words: Vec<&str> = (0..count).filter_map(|_| self.dice.pick(WORDS).copied()).collect();
        Value::text(words.join(" "))
    }
}

pub(super) fn create(kind: Kind, id: EntityId, fields: Vec<(Slot, Value)>) -> Change {
    Change::Create { key: EntityKey::new(kind, id), fields }
}

const WORDS: &[&str] = &[
    "pump",
    "replace",
    "the",
    "gasket",
    "on",
    "line",
    "two",
    "before",
    "Friday",
    "inspection",
    "and",
    "order",
    "spare",
    "parts",
    "from",
    "supplier",
    "check",
    "pressure",
    "valve",
    "measure",
    "again",
    "after",
    "cleaning",
    "filter",
    "paint",
    "north",
    "wall",
    "with",
    "primer",
    "ask",
    "electrician",
    "about",
    "cable",
    "routing",
    "in",
    "hall",
    "photo",
    "attached",
    "see",
    "drawing",
    "revision",
    "customer",
    "wants",
    "delivery",
    "earlier",
    "than",
    "planned",
    "tighten",
    "bolts",
    "to",
    "torque",
    "document",
    "result",
    "call",
    "back",
    "tomorrow",
    "morning",
    "weld",
    "seam",
    "leaks",
    "slightly",
    "near",
    "flange",
    "new",
    "bearing",
    "arrived",
    "sort",
    "shelf",
    "label",
    "boxes",
    "send",
    "invoice",
    "update",
    "manual",
    "page",
    "test",
    "emergency",
    "stop",
    "button",
    "works",
    "as",
    "expected",
    "noise",
    "at",
    "high",
    "speed",
    "needs",
    "grease",
    "crane",
    "booked",
    "for",
    "Monday",
    "move",
    "pallets",
    "outside",
];
