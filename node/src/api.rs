//! What people and scripts can ask of a node: every action of the command line, reads and writes.
//!
//! One definition serves both doors. A request type's `clap` derive is the command line of that
//! action, its `serde` derive is its form on the control socket, and [`execute`] is what it means.
//! So `velo task add` does the same beside a running app (over the socket) and alone (on a node of
//! its own without network).
//!
//! A subject has one module: requests, answers, and the functions from one to the other. Answers
//! are plain structures that `--json` prints as they are and `cli` lays out for people. References
//! to things are resolved here ([`mod@reference`]), where the state is.

pub mod attach;
pub mod checkup;
pub mod bundle;
pub mod column;
pub mod comment;
pub mod conflict;
pub mod damage;
pub mod date;
pub mod device;
pub mod diagnostics;
mod error;
pub mod favourite;
pub mod history;
pub mod import;
pub mod invite;
pub mod label;
pub mod link;
pub mod member;
pub mod network;
pub mod person;
pub mod project;
pub mod reference;
pub mod relay;
pub mod scope;
pub mod show;
pub mod status;
pub mod storage;
pub mod task;
pub mod verify;
pub mod who;
pub mod workspace;
pub mod written;

pub use error::{ApiError, EXIT_CODES};

use crate::{
    control::{self, ControlError, ControlServer},
    handle::NodeHandle,
};
use scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One request, as it travels over the control socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Name or start of the id of the workspace meant; `None` for the only or the last used one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What to do, by subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Workspaces, and who is in them.
    Workspace(workspace::Request),
    /// Who is in a workspace, and what each may do.
    Member(member::Request),
    /// The devices that act for people.
    Device(device::Request),
    /// Introduces the person of this device, or gives them another name.
    Introduce(person::Introduce),
    /// Makes a ticket.
    Invite(invite::Invite),
    /// Tickets that were made.
    Tickets(invite::Request),
    /// Joins with a ticket.
    Join(workspace::Join),
    /// What the person holds dear.
    Favourite(favourite::Request),
    /// Projects.
    Project(project::Request),
    /// Columns of a project.
    Column(column::Request),
    /// Tasks.
    Task(task::Request),
    /// Comments.
    Comment(comment::Request),
    /// Attachments.
    Attach(attach::Request),
    /// Labels.
    Label(label::Request),
    /// Conflicts.
    Conflict(conflict::Request),
    /// Who changed what, when.
    History(history::Show),
    /// Takes back the last own action.
    Undo,
    /// Makes it again.
    Redo,
    /// Further devices of the person.
    Link(link::Request),
    /// Other devices, and the way to them.
    Network(network::Request),
    /// Relays of a workspace.
    Relay(relay::Request),
    /// What takes up space.
    Storage(storage::Storage),
    /// Who is here, and what they look at.
    Who,
    /// Goes step by step through what keeps this device and others apart.
    Checkup(checkup::Request),
    /// Puts what helps to find a fault into one file.
    Diagnostics(diagnostics::Request),
    /// Where this device stands.
    Status,
    /// Waits for the state to change.
    Wait(status::Wait),
    /// Writes and reads bundles.
    Bundle(bundle::Request),
    /// Brings a file of another program in.
    Import(import::Import),
    /// Reads every entry of every workspace from the disk and checks it.
    Verify,
    /// Tells what damage took from the logs, and what waits for it.
    Damage,
}

/// Carries out a request. The answer is the JSON of the subject's own type.
pub async fn execute(request: Request, node: &NodeHandle) -> Result<Json, ApiError> {
    let wanted = request.workspace.as_deref();
    match request.action {
        Action::Workspace(request) => workspace::execute(request, wanted, node).await,
        Action::Introduce(introduce) => person::execute(introduce, node).await,
        Action::Join(join) => workspace::join(join, node).await,
        Action::Network(request) => network::execute(request, wanted, node).await,
        Action::Link(request) => link::execute(request, node).await,
        Action::Bundle(request) => bundle::execute(request, wanted, node).await,
        Action::Favourite(request) => favourite::execute(request, wanted, node).await,
        Action::Storage(storage) => storage::execute(storage, wanted, node).await,
        Action::Status => status::status(wanted, node),
        Action::Checkup(request) => checkup::execute(&request, node).await,
        Action::Diagnostics(request) => diagnostics::execute(request, node).await,
        Action::Verify => verify::execute(node).await,
        Action::Damage => damage::execute(node).await,
        action => in_workspace(action, Scope::open(node, wanted)?).await,
    }
}

async fn in_workspace(action: Action, scope: Scope<'_>) -> Result<Json, ApiError> {
    if reads_content(&action) && !scope.has_arrived() {
        return Err(ApiError::NotYet(format!(
            "workspace {} has not arrived yet: it comes with the first of its devices that is met. Leave `velo node` \
             or the app running, or `velo peers add ADDRESS`; `velo doctor` says what is missing",
            scope.id.short()
        )));
    }
    match action {
        Action::Invite(invite) => invite::make(invite, &scope).await,
        Action::Tickets(request) => invite::execute(request, scope).await,
        Action::Member(request) => member::execute(request, scope).await,
        Action::Device(request) => device::execute(request, scope).await,
        Action::Project(request) => project::execute(request, scope).await,
        Action::Column(request) => column::execute(request, scope).await,
        Action::Task(request) => task::execute(request, scope).await,
        Action::Comment(request) => comment::execute(request, scope).await,
        Action::Attach(request) => attach::execute(request, scope).await,
        Action::Label(request) => label::execute(request, scope).await,
        Action::Conflict(request) => conflict::execute(request, scope).await,
        Action::History(request) => scope.apart(move |scope| history::execute(&request, scope)).await?,
        Action::Undo => history::undo(scope).await,
        Action::Redo => history::redo(scope).await,
        Action::Relay(request) => relay::execute(request, scope).await,
        Action::Who => who::answer_who(&scope),
        Action::Wait(wait) => status::wait(wait, &scope).await,
        Action::Import(import) => import::execute(import, scope).await,
        Action::Workspace(_)
        | Action::Introduce(_)
        | Action::Join(_)
        | Action::Link(_)
        | Action::Bundle(_)
        | Action::Favourite(_)
        | Action::Network(_)
        | Action::Storage(_)
        | Action::Status
        | Action::Checkup(_)
        | Action::Diagnostics(_)
        | Action::Verify
        | Action::Damage => Err(ApiError::Failed("this request needs no workspace".into())),
    }
}

/// Whether the answer would look as if a workspace were empty that has only not arrived.
fn reads_content(action: &Action) -> bool {
    match action {
        Action::Project(request) => matches!(request, project::Request::List | project::Request::Show(_)),
        Action::Column(request) => matches!(request, column::Request::List(_)),
        Action::Task(request) => matches!(request, task::Request::List(_) | task::Request::Show(_)),
        Action::Comment(request) => matches!(request, comment::Request::List(_)),
        Action::Label(request) => matches!(request, label::Request::List),
        Action::Conflict(request) => matches!(request, conflict::Request::List),
        Action::History(_) => true,
        _ => false,
    }
}

/// Serves the control socket of the node's data directory, until the returned server is dropped.
/// Call it in a tokio runtime.
///
/// A request is [`Request`] as JSON; the answer is `{"ok": …}` or [`ApiError::to_json`].
pub fn serve(node: &NodeHandle) -> Result<ControlServer, ControlError> {
    let served = node.clone();
    control::serve(node.data_dir(), move |request| {
        let node = served.clone();
        async move {
            let answer = match understand(request) {
                Ok(request) => execute(request, &node).await,
                Err(error) => Err(error),
            };
            answer.map_or_else(|error| error.to_json(), |value| serde_json::json!({ "ok": value }))
        }
    })
}

/// A request as it came over the socket.
pub fn understand(request: Json) -> Result<Request, ApiError> {
    serde_json::from_value(request)
        .map_err(|error| ApiError::Invalid(format!("the request is not understood: {error}")))
}

/// An answer as JSON.
fn answer<T: Serialize>(value: &T) -> Result<Json, ApiError> {
    serde_json::to_value(value).map_err(|error| ApiError::Failed(format!("writing the answer: {error}")))
}
