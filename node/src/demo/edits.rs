//! What the three do offline, and what must be left of it.

use super::{peer::Peer, story::Cast};
use crate::api::{
    Action, ApiError,
    column::{self, ColumnRow},
    comment, label, project,
    task::{self, TaskDetail, TaskSummary},
};
use serde_json::Value as Json;

/// The label Anna puts on.
const LABEL: &str = "Before the weekend";
const COMMENT: &str = "I asked in the shop: they have it on Thursday.";
const DUE: &str = "2026-12-01";

/// Tasks and columns needed to play.
const TASKS: [&str; 4] = ["Buy screws", "Sharpen the saw", "Call the painter", "Sweep the floor"];
const COLUMNS: [&str; 3] = ["Ideas", "In work", "Done"];
/// Most characters of a title that another wording is appended to.
const WORDING: usize = 300;

/// The tasks they meet on.
pub(super) struct Edits {
    renamed: TaskSummary,
    moved: TaskSummary,
    deleted: TaskSummary,
    enriched: TaskSummary,
    /// Two columns that are not the moved task's.
    columns: [ColumnRow; 2],
    project: String,
}

/// Whether changes that do not collide are all there.
pub(super) struct Merged {
    /// Whether they are.
    pub all_there: bool,
    /// What is there, in sentences.
    pub lines: Vec<String>,
}

impl Edits {
    /// Chooses four tasks of the board and two columns, and adds what a small board lacks.
    pub(super) async fn prepare(cast: &Cast) -> Result<Self, ApiError> {
        let anna = &cast.anna;
        let label = label::Add { name: LABEL.into(), color: 1 };
        anna.ask::<Json>(Action::Label(label::Request::Add(label))).await?;
        let projects: Vec<project::ProjectRow> = anna.ask(Action::Project(project::Request::List)).await?;
        let project = projects.first().map(|one| one.id.to_string()).unwrap_or_default();
        let mut columns = columns(anna, &project).await?;
        let mut tasks = tasks(anna, &project).await?;
        for title in TASKS.iter().skip(tasks.len()) {
            let add =
                task::Add { title: (*title).into(), project: Some(project.clone()), ..task::Add::default() };
            tasks.push(anna.ask(Action::Task(task::Request::Add(add))).await?);
        }
        tasks.truncate(TASKS.len());
        let [renamed, moved, deleted, enriched] = <[TaskSummary; 4]>::try_from(tasks).map_err(|_| few())?;
        columns.retain(|column| Some(&column.name) != moved.column.as_ref());
        columns.truncate(2);
        let columns = <[ColumnRow; 2]>::try_from(columns).map_err(|_| few())?;
        Ok(Self { renamed, moved, deleted, enriched, columns, project })
    }

    /// Makes the edits, each on the device of who makes it. Returns what was done, in sentences.
    pub(super) async fn make(&self, cast: &Cast) -> Result<Vec<String>, ApiError> {
        let Cast { anna, ben, chi, .. } = cast;
        let reword = |of: &TaskSummary, more: &str| {
            let old: String = of.title.chars().take(WORDING).collect();
            let edit = task::Edit { title: Some(format!("{old} {more}")), ..task::Edit::default() };
            set(of, edit)
        };
        anna.ask::<Json>(reword(&self.renamed, "(by Friday)")).await?;
        ben.ask::<Json>(reword(&self.renamed, "(ask first)")).await?;
        ben.ask::<Json>(self.move_to(0)).await?;
        chi.ask::<Json>(self.move_to(1)).await?;
        let delete = task::Which { task: self.deleted.id.to_string() };
        chi.ask::<Json>(Action::Task(task::Request::Delete(delete))).await?;
        anna.ask::<Json>(reword(&self.deleted, "(before noon)")).await?;
        let label = task::Fields { label: vec![LABEL.into()], ..task::Fields::default() };
        anna.ask::<Json>(set(&self.enriched, task::Edit { fields: label, ..task::Edit::default() })).await?;
        let comment = comment::Add { task: self.enriched.id.to_string(), text: COMMENT.into() };
        ben.ask::<Json>(Action::Comment(comment::Request::Add(comment))).await?;
        let due = task::Fields { due: Some(DUE.into()), ..task::Fields::default() };
        chi.ask::<Json>(set(&self.enriched, task::Edit { fields: due, ..task::Edit::default() })).await?;
        Ok(vec![
            format!("Anna and Ben both rename \"{}\"", self.renamed.title),
            format!("Ben and Chi move \"{}\" to different columns", self.moved.title),
            format!("Chi deletes \"{}\", Anna renames it", self.deleted.title),
            format!("Anna labels \"{}\", Ben comments on it, Chi sets its date", self.enriched.title),
        ])
    }

    fn move_to(&self, place: usize) -> Action {
        Action::Task(task::Request::Move(task::Move {
            task: self.moved.id.to_string(),
            column: self.columns.get(place).map(|column| column.id.to_string()).unwrap_or_default(),
            project: Some(self.project.clone()),
            top: false,
            after: None,
        }))
    }

    /// Looks on every device for what three people did to one task without colliding.
    pub(super) async fn merged(&self, cast: &Cast) -> Result<Merged, ApiError> {
        let mut all_there = true;
        for peer in [&cast.anna, &cast.ben, &cast.chi] {
            let show = task::Which { task: self.enriched.id.to_string() };
            let shown: TaskDetail = peer.ask(Action::Task(task::Request::Show(show))).await?;
            all_there &= shown.task.labels.iter().any(|label| label == LABEL)
                && shown.task.due.as_deref() == Some(DUE)
                && shown.comments.iter().any(|comment| comment.text == COMMENT);
        }
        let title = &self.enriched.title;
        let lines =
            vec![format!("\"{title}\" has Anna's label, Ben's comment and Chi's date on every device.")];
        Ok(Merged { all_there, lines: if all_there { lines } else { Vec::new() } })
    }
}

fn set(of: &TaskSummary, edit: task::Edit) -> Action {
    Action::Task(task::Request::Edit(task::Edit { task: of.id.to_string(), ..edit }))
}

async fn tasks(peer: &Peer, project: &str) -> Result<Vec<TaskSummary>, ApiError> {
    let list = task::List { project: Some(project.to_owned()), ..task::List::default() };
    peer.ask(Action::Task(task::Request::List(list))).await
}

/// The columns in use, at least as many as are needed.
async fn columns(peer: &Peer, project: &str) -> Result<Vec<ColumnRow>, ApiError> {
    let list = column::Of { project: Some(project.to_owned()) };
    let mut columns: Vec<ColumnRow> = peer.ask(Action::Column(column::Request::List(list))).await?;
    columns.retain(|column| !column.archived);
    for name in COLUMNS.iter().skip(columns.len()) {
        let add =
            column::Add { name: (*name).into(), project: Some(project.to_owned()), category: "todo".into() };
        columns.push(peer.ask(Action::Column(column::Request::Add(add))).await?);
    }
    Ok(columns)
}

fn few() -> ApiError {
    ApiError::Failed("the board has too few tasks or columns to play with".into())
}
