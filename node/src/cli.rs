//! The command line: what people type, and how answers are laid out for them.
//!
//! A command becomes an [`api::Request`]. If a process holds the data directory, the app or
//! `velo node`, the request travels over its control socket; otherwise a node of the command's own
//! answers it ([`client`]). Either way it is [`api::execute`] that carries it out. Here it is only
//! read, and its answer printed: as a table, or with `--json` as it is.

mod attach;
mod board;
mod checkup;
mod bundle;
mod client;
mod confirm;
mod conflict;
mod device;
mod doctor;
mod init;
mod key;
mod link;
mod invite;
mod node;
pub mod output;
mod people;
mod relay;
mod storage;
mod surroundings;
mod task;

use crate::{
    api::{self, Action, ApiError, Request, history, import, network, workspace},
    bench, data_dir, demo,
};
use clap::{Parser, Subcommand};
use client::Client;
pub(crate) use client::call_running;
pub use node::interrupted;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::{env, ffi::OsString, io, path::PathBuf, process::ExitCode};
use surroundings::Settings;
pub use surroundings::Surroundings;

/// Turns an answer into text for people.
type Layout = fn(&Json) -> Result<String, serde_json::Error>;

/// Names the workspace when no `--workspace` is given.
const WORKSPACE_VAR: &str = "VELO_WORKSPACE";

/// Project management that needs no server.
///
/// Everything happens on this device at once. Devices find each other on the LAN and keep each
/// other up to date. Works beside the running app or `velo node`, and alone.
#[derive(Debug, Parser)]
#[command(
    name = "velo",
    version,
    after_help = "First steps:\n  \
        velo init --name Anna\n  \
        velo workspace create Workshop\n  \
        velo project add House\n  \
        velo task add \"Order the paint\" --due friday\n  \
        velo node &          # stay reachable\n  \
        velo invite          # a ticket for the next device\n\n\
        `velo demo` shows three devices that work offline and agree afterwards.",
    after_long_help = api::EXIT_CODES
)]
struct Cli {
    // Clap would read the variables too, but it shows what it found in one as if it had to be typed.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = format!("Where everything is kept [env: {}]", data_dir::DATA_DIR_VAR)
    )]
    data_dir: Option<PathBuf>,
    #[arg(
        long,
        short,
        global = true,
        value_name = "NAME",
        help = format!(
            "Which workspace, by part of its name [default: the only one, or the one last changed] \
             [env: {WORKSPACE_VAR}]"
        )
    )]
    workspace: Option<String>,
    /// Print one JSON value instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Introduce yourself on this device
    Init(init::Init),
    /// Create, list and show workspaces
    #[command(subcommand, after_help = "Examples:\n  velo workspace create Workshop\n  velo workspace list")]
    Workspace(workspace::Request),
    /// Show who is in, change roles, remove somebody, leave
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo member list\n  \
            velo member role Anna admin\n  \
            velo member remove Ben"
    )]
    Member(api::member::Request),
    /// Take in a further device of yours, or have this new one taken in
    Link(link::Link),
    /// Come back on a new device, with your 24 words
    Recover(link::Recover),
    /// List devices, take one away, or sign what a relay asks
    #[command(subcommand, after_help = "Examples:\n  velo device list\n  velo device unlink 3f9a01")]
    Device(api::device::Request),
    /// Make a ticket that lets somebody join; list and withdraw tickets
    #[command(after_help = "Examples:\n  \
            velo invite\n  \
            velo invite --role viewer --qr\n  \
            velo invite --days 1 --address /ip4/192.168.1.7/tcp/4001\n  \
            velo invite list")]
    Invite(invite::Invite),
    /// Join a workspace with a ticket
    Join(invite::Join),
    /// Add, list, show and delete projects
    #[command(subcommand, after_help = "Examples:\n  velo project add House\n  velo project show House")]
    Project(api::project::Request),
    /// Add, list, rename and delete columns
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo column add Review --project House\n  \
            velo column list --project House"
    )]
    Column(api::column::Request),
    /// Add, edit, move, show, list, finish, delete and restore tasks
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo task add \"Order the paint\" --due friday\n  \
            velo task list --open\n  \
            velo task done HOUS-1"
    )]
    Task(api::task::Request),
    /// Add, list and delete comments
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo comment add HOUS-1 \"The shop opens at eight\"\n  \
            velo comment list HOUS-1"
    )]
    Comment(api::comment::Request),
    /// Attach files to tasks; list, save, open and remove them
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo attach add HOUS-1 leak.jpg\n  \
            velo attach list HOUS-1\n  \
            velo attach save k3f7qa2m"
    )]
    Attach(api::attach::Request),
    /// Add, list and delete labels
    #[command(subcommand, after_help = "Examples:\n  velo label add urgent\n  velo label list")]
    Label(api::label::Request),
    /// Keep what you use most at hand: on your devices alone
    #[command(
        subcommand,
        after_help = "Examples:\n  velo favourite add House\n  velo favourite add HOUS-1\n  velo favourite list"
    )]
    Favourite(api::favourite::Request),
    /// List and settle conflicts
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo conflicts list\n  \
            velo conflicts resolve c4f7qa2 --pick 2"
    )]
    Conflicts(api::conflict::Request),
    /// Show who changed what, when
    History(history::Show),
    /// Take your last action back
    #[command(after_help = "Examples:\n  velo undo\n  velo --workspace Workshop undo")]
    Undo,
    /// Make it again
    #[command(after_help = "Example:\n  velo redo")]
    Redo,
    /// List other devices, or connect to one
    #[command(
        subcommand,
        after_help = "Examples:\n  \
            velo peers list\n  \
            velo peers add /ip4/192.168.1.7/tcp/4001"
    )]
    Peers(network::Request),
    /// Have a relay carry the workspace for who is never online together
    #[command(subcommand, after_help = "Examples:\n  velo relay list\n  velo relay role viewer")]
    Relay(api::relay::Request),
    /// Compare with every peer now, and wait until all are equal
    Sync(network::Sync),
    /// Show who is here, and what they look at
    Who(checkup::Who),
    /// Show where this device stands
    #[command(after_help = "Examples:\n  velo status\n  velo status --json")]
    Status,
    /// Show what takes up space on this device, or give some back
    #[command(after_help = "Examples:\n  velo storage\n  velo storage --json\n  velo storage clean")]
    Storage(api::storage::Storage),
    /// Carry a workspace in a file, where no network goes, or as a backup
    #[command(
        subcommand,
        after_help = "Examples:\n  velo bundle export workshop.velo\n  velo bundle import workshop.velo"
    )]
    Bundle(bundle::Bundle),
    /// Bring a file of another program in
    Import(import::Import),
    /// Write your phrase down, and choose how this device's keys are kept
    #[command(subcommand, after_help = "Examples:\n  velo key phrase\n  velo key confirm\n  velo key show")]
    Key(key::Key),
    /// Run without a window: stay reachable and in sync
    Node(node::Node),
    /// Show three devices working offline and agreeing afterwards
    Demo(demo::Demo),
    /// Measure this machine
    Bench(bench::Bench),
    /// Look for what is wrong with this device, or stands between it and another
    Doctor(doctor::Doctor),
    /// Put what helps to find a fault into one file
    Diagnostics(checkup::Diagnostics),
}

/// Runs the command line `args`, the program's name first, and returns its exit code:
/// see [`api::EXIT_CODES`].
pub fn main_with<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    main_in(Surroundings::default(), args)
}

/// The same for a program that keeps its data somewhere else.
pub fn main_in<I, T>(surroundings: Surroundings, args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, args.iter().any(|arg| arg == "--json")),
    };
    let json = cli.json;
    match run(cli, surroundings) {
        Ok(code) => code,
        Err(error) => {
            report(&error, json);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Says what is wrong with the arguments. Help and version are errors too, to clap: of code 0.
fn misused(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned();
        report(&ApiError::Invalid(message), json);
    } else {
        // A closed pipe is nobody's loss.
        let _ = error.print();
    }
    ExitCode::from(error.exit_code() as u8)
}

/// What a command line asks, and how the answer is laid out. `None` for commands that ask nothing.
#[cfg(feature = "fuzzing")]
pub fn asked<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Option<(Request, Layout)>, clap::Error> {
    let Cli { workspace, command, .. } = Cli::try_parse_from(args)?;
    Ok(request(command).map(|(action, layout)| (Request { workspace, action }, layout)))
}

fn report(error: &ApiError, json: bool) {
    if json {
        output::say_json(&error.to_json());
    } else {
        let told = output::plain_lines(&error.to_string());
        output::complain(format!("{} {told}", output::styled(output::BAD, "error:")));
    }
}

fn run(cli: Cli, surroundings: Surroundings) -> Result<ExitCode, ApiError> {
    let Surroundings { program, log_home, operator, companions } = surroundings;
    let data_dir = match cli.data_dir {
        Some(path) => path,
        None => data_dir::default_path(program).map_err(|error| ApiError::Failed(error.to_string()))?,
    };
    let workspace = cli.workspace.or_else(|| env::var(WORKSPACE_VAR).ok().filter(|name| !name.is_empty()));
    let settings = Settings { data_dir, workspace, json: cli.json, log_home, operator, companions };
    match cli.command {
        Command::Init(init) => init.run(&settings),
        Command::Key(key) => key.run(&settings),
        Command::Link(link) => link.run(&settings),
        Command::Bundle(bundle) => bundle.run(&settings),
        Command::Recover(recover) => recover.run(&settings),
        Command::Node(node) => node.run(&settings),
        Command::Demo(demo) => demo.run(settings.json),
        Command::Bench(bench) => bench.run(settings.json),
        Command::Doctor(doctor) => doctor.run(&settings),
        Command::Diagnostics(diagnostics) => {
            let (action, layout) = diagnostics.request()?;
            print(&call(action, &settings)?, layout, settings.json)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Invite(invite) => invite.run(&settings),
        Command::Attach(api::attach::Request::Add(add)) => attach::add(add, &settings),
        Command::Attach(
            request @ (api::attach::Request::Save(_)
            | api::attach::Request::Open(_)
            | api::attach::Request::Fetch(_)),
        ) => attach::fetch_and_save(request, &settings),
        Command::Join(join) => ask(Command::Join(join.with_ticket(settings.json)?), &settings),
        command => ask(confirm::confirmed(command, &settings)?, &settings),
    }
}

/// Has a request carried out and prints the answer.
fn ask(command: Command, settings: &Settings) -> Result<ExitCode, ApiError> {
    answered(command, settings).map(|(_, code)| code)
}

/// As [`ask`], with the answer, for what else is to be made of it.
fn answered(command: Command, settings: &Settings) -> Result<(Json, ExitCode), ApiError> {
    let Some((action, layout)) = request(command) else {
        return Err(ApiError::Failed("this command asks nothing".into()));
    };
    let (came_true, doubtful) = (what_was_asked(&action), what_is_doubtful(&action));
    let bar = waits_for_peers(&action).map(|words| output::waiting(words, settings.json));
    let answer = call(action, settings);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let answer = answer?;
    print(&answer, layout, settings.json)?;
    // JSON says it in the answer itself.
    if let Some(warning) = doubtful(&answer).filter(|_| !settings.json) {
        output::complain(format!("{} {warning}", output::styled(output::NOTICE, "warning:")));
    }
    let not_yet = ApiError::NotYet(String::new()).exit_code();
    let code = if came_true(&answer) { ExitCode::SUCCESS } else { ExitCode::from(not_yet) };
    Ok((answer, code))
}

/// Has an action carried out by whoever answers for the data directory.
fn call(action: Action, settings: &Settings) -> Result<Json, ApiError> {
    // Lives as long as the answer is waited for.
    let (action, _copy) = with_readable_file(action)?;
    if client::needs_listener(&action) {
        client::let_node_start(&settings.data_dir);
    }
    let client = Client::open(settings, client::needs_network(&action))?;
    let answer = client.call(Request { workspace: settings.workspace.clone(), action });
    client.close()?;
    answer
}

/// Tells from the answer to an action whether what was asked for has come true. What depends on
/// others may not have, although nothing failed.
fn what_was_asked(action: &Action) -> fn(&Json) -> bool {
    match action {
        Action::Network(network::Request::Sync(_)) => {
            |json| read::<network::SyncAnswer>(json).is_ok_and(|answer| answer.synced)
        }
        Action::Join(_) => |json| read::<workspace::JoinAnswer>(json).is_ok_and(|answer| answer.arrived),
        _ => |_| true,
    }
}

/// What to say while the answer to an action depends on others, who may take their time.
fn waits_for_peers(action: &Action) -> Option<&'static str> {
    match action {
        Action::Network(network::Request::Sync(_)) => Some("Comparing with every peer"),
        Action::Network(network::Request::Add(_)) => Some("Trying that address"),
        Action::Join(_) => Some("Waiting for a device of the workspace"),
        _ => None,
    }
}

/// Tells from the answer to an action what people should know before they rely on it.
fn what_is_doubtful(action: &Action) -> fn(&Json) -> Option<String> {
    match action {
        Action::Invite(_) => invite::warning,
        Action::Network(network::Request::Sync(_)) => {
            |json| read::<network::SyncAnswer>(json).ok().and_then(|answer| answer.out)
        }
        _ => |_| None,
    }
}

/// The request a command stands for, and how its answer is laid out.
fn request(command: Command) -> Option<(Action, Layout)> {
    Some(match command {
        Command::Workspace(request) => {
            let layout = device::workspace_layout(&request);
            (Action::Workspace(request), layout)
        }
        Command::Member(request) => {
            let layout = people::member_layout(&request);
            (Action::Member(request), layout)
        }
        Command::Device(request) => {
            let layout = people::device_layout(&request);
            (Action::Device(request), layout)
        }
        Command::Invite(invite) => invite.request(),
        Command::Join(join) => join.request(),
        Command::Project(request) => {
            let layout = board::project_layout(&request);
            (Action::Project(request), layout)
        }
        Command::Column(request) => {
            let layout = board::column_layout(&request);
            (Action::Column(request), layout)
        }
        Command::Task(request) => {
            let layout = task::layout(&request);
            (Action::Task(request), layout)
        }
        Command::Comment(request) => {
            let layout = board::comment_layout(&request);
            (Action::Comment(request), layout)
        }
        Command::Attach(request) => attach::request(request),
        Command::Storage(storage) => storage::request(storage),
        Command::Favourite(request) => {
            let layout = board::favourite_layout(&request);
            (Action::Favourite(request), layout)
        }
        Command::Label(request) => {
            let layout = board::label_layout(&request);
            (Action::Label(request), layout)
        }
        Command::Conflicts(request) => {
            let layout = conflict::layout(&request);
            (Action::Conflict(request), layout)
        }
        Command::Peers(request) => {
            let layout = device::network_layout(&request);
            (Action::Network(request), layout)
        }
        Command::Relay(request) => relay::request(request),
        Command::Sync(sync) => (Action::Network(network::Request::Sync(sync)), device::synced),
        Command::History(show) => (Action::History(show), device::history),
        Command::Undo => (Action::Undo, device::undone),
        Command::Redo => (Action::Redo, device::redone),
        Command::Who(_) => (Action::Who, checkup::who),
        Command::Status => (Action::Status, device::status),
        Command::Import(import) => (Action::Import(import), device::import),
        Command::Init(_)
        | Command::Link(_)
        | Command::Bundle(_)
        | Command::Recover(_)
        | Command::Key(_)
        | Command::Node(_)
        | Command::Demo(_)
        | Command::Bench(_)
        | Command::Diagnostics(_)
        | Command::Doctor(_) => {
            return None;
        }
    })
}

/// Files are opened by the process that answers, which may stand in another folder and has another
/// standard input: a path is made whole, and what comes through a pipe is copied into a file, which
/// goes when it is dropped.
fn with_readable_file(mut action: Action) -> Result<(Action, Option<tempfile::NamedTempFile>), ApiError> {
    let Action::Import(import::Import { format: import::Format::Trello(source) }) = &mut action else {
        return Ok((action, None));
    };
    let failed = |error: io::Error| ApiError::Failed(format!("opening {}: {error}", source.file.display()));
    let kind = std::fs::metadata(&source.file).map_err(failed)?.file_type();
    if !is_pipe(kind) {
        source.file = source.file.canonicalize().map_err(failed)?;
        return Ok((action, None));
    }
    let mut copy = tempfile::NamedTempFile::new().map_err(failed)?;
    let mut pipe = std::fs::File::open(&source.file).map_err(failed)?;
    io::copy(&mut pipe, &mut copy).map_err(failed)?;
    copy.path().clone_into(&mut source.file);
    Ok((action, Some(copy)))
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_kind: std::fs::FileType) -> bool {
    false
}

fn print(answer: &Json, layout: Layout, json: bool) -> Result<(), ApiError> {
    if json {
        output::say_json(answer);
        return Ok(());
    }
    let other = |error| {
        ApiError::Failed(format!(
            "the running Velo answered otherwise than expected ({error}): is it another version?"
        ))
    };
    output::say(layout(&output::plain_answer(answer)).map_err(other)?.trim_end());
    Ok(())
}

/// An answer as the type it was made from.
fn read<T: DeserializeOwned>(json: &Json) -> Result<T, serde_json::Error> {
    T::deserialize(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The commands below one, and those below these, with what their help ends with.
    fn below(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let path = format!("{path} {}", one.get_name());
            let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((path.clone(), help));
            below(one, &path, found);
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut found = Vec::new();
        below(&Cli::command(), "velo", &mut found);
        assert!(found.len() > 40, "{found:?}");
        let silent: Vec<_> = found.iter().filter(|(_, help)| !help.contains("Example")).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }

    /// What an example shows is a command that this program knows, with options that it has.
    #[test]
    fn examples_can_be_typed() {
        let mut found = Vec::new();
        below(&Cli::command(), "velo", &mut found);
        let lines = found.iter().flat_map(|(path, help)| help.lines().map(move |line| (path, line.trim())));
        for (path, line) in lines.filter(|(_, line)| line.starts_with("velo ")) {
            // Only titles are quoted, and what they say does not matter.
            let plain = line.split('"').enumerate().map(|(n, part)| if n % 2 == 0 { part } else { "text" });
            let typed = plain.collect::<String>();
            let parsed = Cli::try_parse_from(typed.split_whitespace());
            assert!(
                parsed.is_ok(),
                "{path}: {line}\n{}",
                parsed.err().map(|error| error.to_string()).unwrap_or_default()
            );
        }
    }
}
