//! What a device shows and what the tables hold, in the same form.

use crate::team::{Peer, eventually};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use velo_protocol::{
    history::{self, Happened},
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, comment, task},
    time::Hlc,
    value::Value,
    workspace::Workspace,
};
use velo_tests::postgres::Postgres;

/// Rows by id.
type Rows = BTreeMap<String, Json>;

fn ms(hlc: Hlc) -> u64 {
    hlc.ms()
}

/// What the commands of a device answer, as far as the views have it.
fn of_device(peer: &Peer, workspace: WorkspaceId) -> [Rows; 3] {
    let state = peer.node().workspace(workspace).unwrap();
    let tasks = state.shown(Kind::Task).map(|id| (id.to_string(), task_row(peer, &state, id)));
    let projects = peer.ask(&json!({ "project": "list" }));
    let project = |row: &Json| {
        let kept = ["id", "name", "prefix", "description", "archived"]
            .map(|name| (name.to_owned(), row[name].clone()));
        (row["id"].as_str().unwrap().to_owned(), Json::from_iter(kept))
    };
    let shown = state.shown(Kind::Task);
    let comments =
        shown.flat_map(|task| state.comments(task)).map(|id| (id.to_string(), comment(&state, id)));
    [tasks.collect(), projects.as_array().unwrap().iter().map(project).collect(), comments.collect()]
}

fn task_row(peer: &Peer, state: &Workspace, id: EntityId) -> Json {
    let detail = peer.ask(&json!({ "task": { "show": { "task": id.to_string() } } }));
    let view = state.task(id).unwrap();
    let taken = [
        "id",
        "short",
        "title",
        "column",
        "done",
        "priority",
        "estimate",
        "labels",
        "assignees",
        "archived",
        "start",
        "due",
        "parent",
    ];
    let mut row = Json::from_iter(taken.map(|name| (name.to_owned(), detail[name].clone())));
    row["project"] = detail["project"].clone();
    row["description"] = json!(detail["description"].as_str().unwrap().replace('\0', "\u{fffd}"));
    row["created"] = json!(ms(view.created));
    row["created_by"] = detail["created"]["by"].clone();
    row["completed"] = json!(view.completed.map(ms));
    row
}

fn comment(state: &Workspace, id: EntityId) -> Json {
    let key = EntityKey::new(Kind::Comment, id);
    let (at, author) = state.created(key).unwrap();
    json!({
        "id": id, "body": state.text(key, comment::TEXT), "author": state.person_name(author),
        "author_id": author, "written": ms(at),
        "task_id": state.value(key, &comment::TASK.into()).unwrap().as_entity().unwrap(),
    })
}

const TASKS: &str = "SELECT json_build_object('id', t.id, 'short', t.short_id, 'title', t.title, \
    'project', t.project, 'column', t.column_name, 'done', coalesce(t.category = 'done', false), \
    'priority', t.priority, 'estimate', t.estimate_minutes, 'labels', t.labels, 'assignees', t.assignees, \
    'archived', t.archived, \
    'start', coalesce(to_char(t.start_at AT TIME ZONE 'Europe/Zurich', 'YYYY-MM-DD HH24:MI \"Europe/Zurich\"'), \
        to_char(t.start_on, 'YYYY-MM-DD')), \
    'due', coalesce(to_char(t.due_at AT TIME ZONE 'Europe/Zurich', 'YYYY-MM-DD HH24:MI \"Europe/Zurich\"'), \
        to_char(t.due_on, 'YYYY-MM-DD')), \
    'parent', parent.short_id, 'description', t.description, \
    'created', (extract(epoch FROM t.created_at) * 1000)::bigint, 'created_by', t.created_by, \
    'completed', (extract(epoch FROM t.completed_at) * 1000)::bigint) \
    FROM velo.tasks t LEFT JOIN velo.tasks parent \
        ON parent.workspace_id = t.workspace_id AND parent.id = t.parent_id WHERE t.workspace_id = ";
const PROJECTS: &str = "SELECT json_build_object('id', id, 'name', name, 'prefix', prefix, \
    'description', description, 'archived', archived) FROM velo.projects WHERE workspace_id = ";
const COMMENTS: &str = "SELECT json_build_object('id', id, 'body', body, 'author', author, \
    'author_id', author_id, 'written', (extract(epoch FROM written_at) * 1000)::bigint, 'task_id', task_id) \
    FROM velo.comments WHERE workspace_id = ";

/// What the views hold.
fn of_views(postgres: &Postgres, workspace: WorkspaceId) -> [Rows; 3] {
    [TASKS, PROJECTS, COMMENTS].map(|sql| {
        let answer = postgres.query(&format!("{sql}'{workspace}'"));
        let rows = answer.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
    })
}

/// BLAKE3 over rows in order of their ids, each with its fields in order of their names.
fn hash(rows: &[Rows; 3]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for (table, rows) in (0_u8..).zip(rows) {
        for row in rows.values() {
            let fields: BTreeMap<_, _> = row.as_object().unwrap().iter().collect();
            hasher.update(&[table]).update(serde_json::to_string(&fields).unwrap().as_bytes());
        }
    }
    hasher.finalize()
}

/// Waits until the views hold what a device shows. Returns the hash of both, and how many rows there are.
pub fn assert_equal(postgres: &Postgres, peer: &Peer, workspace: WorkspaceId) -> (blake3::Hash, usize) {
    let shown = of_device(peer, workspace);
    let wanted = hash(&shown);
    let mut held = of_views(postgres, workspace);
    let start = std::time::Instant::now();
    while hash(&held) != wanted {
        if start.elapsed() > crate::team::PATIENCE {
            tell_difference(&shown, &held);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        held = of_views(postgres, workspace);
    }
    (wanted, shown.iter().map(BTreeMap::len).sum())
}

fn tell_difference(shown: &[Rows; 3], held: &[Rows; 3]) {
    for (shown, held) in shown.iter().zip(held) {
        for id in shown.keys().chain(held.keys()) {
            let (shown, held) = (shown.get(id), held.get(id));
            assert_eq!(shown, held, "row {id}");
        }
    }
}

/// Actions on tasks, by task and action: how many.
type Actions = BTreeMap<String, u64>;

/// The activity tells of tasks what their history does.
pub fn assert_activity(postgres: &Postgres, peer: &Peer, workspace: WorkspaceId) {
    const TASKS: usize = 100;
    let state = peer.node().workspace(workspace).unwrap();
    let tasks: Vec<EntityId> = state.shown(Kind::Task).chain(state.deleted(Kind::Task)).take(TASKS).collect();
    let mut told = Actions::new();
    for task in &tasks {
        let read = |at| peer.node().read_entry(workspace, at).ok().flatten()?.logged();
        for item in history::history(&state, EntityKey::new(Kind::Task, *task), &read) {
            let action = match item.happened {
                Happened::Created { .. } => "created",
                Happened::Deleted => "deleted",
                Happened::Restored => "restored",
                Happened::Set { slot, to: Value::Entity(_), .. } if slot.field == task::COLUMN => "moved",
                _ => continue,
            };
            *told.entry(format!("{task}|{action}")).or_default() += 1;
        }
    }
    let names: Vec<String> = tasks.iter().map(|task| format!("'{task}'")).collect();
    let sql = format!(
        "SELECT entity_id || '|' || action, count(*) FROM velo.activity WHERE kind = 'task' \
         AND action IN ('created', 'deleted', 'restored', 'moved') AND entity_id IN ({}) GROUP BY 1",
        names.join(", ")
    );
    let rows = postgres.query(&sql);
    let row =
        |line: &str| line.rsplit_once('|').map(|(what, count)| (what.to_owned(), count.parse().unwrap()));
    let held: Actions = rows.lines().filter_map(row).collect();
    assert!(!told.is_empty());
    assert_eq!(held, told);
}

/// Everything that the tables hold, in one text; without when it was written.
pub fn dump(postgres: &Postgres) -> String {
    let tables = ["names", "projects", "columns", "tasks", "comments", "activity"];
    let dump = |table: &&str| {
        let sql = format!("SELECT to_json(t) FROM mirror_{table} t ORDER BY to_json(t)::text COLLATE \"C\"");
        format!("{table}\n{}\n", postgres.query(&sql))
    };
    tables.iter().map(dump).collect()
}

/// Waits until no workspace has rows.
pub fn assert_empty(postgres: &Postgres) {
    eventually("empty tables", || {
        let tables = ["names", "projects", "columns", "tasks", "comments", "activity"];
        let none = |table: &&str| postgres.query(&format!("SELECT count(*) FROM mirror_{table}")) == "0";
        tables.iter().all(none) && postgres.query("SELECT count(*) FROM mirrors") == "0"
    });
}
