//! One file that helps somebody else to find a fault: versions, how the node and its network stand, what the
//! doctor says, counts and sizes, and the end of the log.
//!
//! It goes to people who are in none of the workspaces. So it holds no keys and no secrets, and nothing that
//! anybody wrote: no titles, no names, no texts. Devices and workspaces stand in it by their ids,
//! and addresses of the network as they are, without which nothing could be said about it. What comes
//! from free text, the log above all, is cleared of names and of the path of the home folder besides.

use crate::{
    api::{
        checkup::{self, Checkup},
        damage,
        network::{self, PeerRow},
        workspace::Introduction,
    },
    blobs::named,
    handle::{NodeHandle, NodeStatus},
    limits,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use velo_protocol::{id::WorkspaceId, message::PROTOCOL_VERSION};
use zip::{ZipWriter, write::SimpleFileOptions};

/// What stands in the place of what is left out.
const LEFT_OUT: &str = "…";
/// Names shorter than this are no names that could be told from other words.
const NAME_LEAST: usize = 3;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Where it is.
    pub path: PathBuf,
    /// How large.
    pub bytes: u64,
    /// What is in it.
    pub parts: Vec<Part>,
}

/// A file in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it says.
    pub what: String,
    /// How large.
    pub bytes: u64,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// It could not be written.
    #[error("writing {path}: {source}. Name another file", path = path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes the file. It must not be there yet. Reads the disk, and takes its time.
pub fn write(node: &NodeHandle, path: &Path) -> Result<Bundle, DiagnosticsError> {
    let failed = |source| DiagnosticsError::Write { path: path.to_owned(), source };
    let texts = collect(node);
    let bytes = write_texts(path, &texts).map_err(failed)?;
    let part = |text: &Text| Part {
        name: text.name.clone(),
        what: text.what.to_owned(),
        bytes: text.content.len() as u64,
    };
    Ok(Bundle { path: path.to_owned(), bytes, parts: texts.iter().map(part).collect() })
}

/// Where people look for files: their folder of downloads, or else their home, or the data directory.
pub fn folder(data_dir: &Path) -> PathBuf {
    let found = named::download_folder().filter(|folder| folder.is_dir());
    found.unwrap_or_else(|| data_dir.to_owned())
}

/// A name for it that says when it was made, and is not taken yet.
pub fn file_name() -> String {
    format!("velo-diagnostics-{}.zip", jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S"))
}

/// A file in the making.
struct Text {
    name: String,
    what: &'static str,
    content: String,
}

impl Text {
    fn json(name: &str, what: &'static str, content: &impl Serialize) -> Self {
        let content = serde_json::to_string_pretty(content).unwrap_or_else(|error| error.to_string());
        Self { name: name.to_owned(), what, content }
    }
}

/// Nothing stands in the file's place before it is whole, and nothing that stood there is lost. Only its owner
/// may read it. Returns how large it is.
fn write_texts(path: &Path, texts: &[Text]) -> io::Result<u64> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new().tempfile_in(folder.unwrap_or(Path::new(".")))?;
    pack(file.as_file(), texts)?;
    let file = file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(file.metadata()?.len())
}

fn pack(file: &File, texts: &[Text]) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    // Small, and readable by every tool.
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for text in texts {
        zip.start_file(text.name.as_str(), options)?;
        zip.write_all(text.content.as_bytes())?;
    }
    zip.finish()?.sync_all()
}

fn collect(node: &NodeHandle) -> Vec<Text> {
    let (scrub, status) = (Scrub::of(node), node.status());
    let rows = network::rows_without_names(node);
    let checkups = checkup::of_all(&status, &rows);
    let mut texts = vec![
        Text::json("versions.json", "the versions of Velo, its protocol and the system", &versions()),
        Text::json(
            "status.json",
            "how the node and its workspaces stand, in counts",
            &facts(node, &status, &scrub),
        ),
        Text::json(
            "peers.json",
            "which devices are known, their addresses, and how much each lacks",
            &rows.iter().map(|row| scrub.row(row)).collect::<Vec<_>>(),
        ),
        Text::json(
            "doctor.json",
            "what the connection doctor says of each",
            &checkups.into_iter().map(|checkup| scrub.checkup(checkup)).collect::<Vec<_>>(),
        ),
        Text::json("sizes.json", "how large the parts of the data directory are", &sizes(node.data_dir())),
    ];
    texts.extend(logs(node.data_dir(), &scrub));
    texts.insert(0, read_me(&texts));
    texts
}

fn read_me(texts: &[Text]) -> Text {
    let mut content =
        "Diagnostics of Velo.\n\nNo keys, no secrets, no titles, no names and no texts of people. \
                       Devices and workspaces stand in it by their ids. Addresses of devices in the network are \
                       in it: look through it before you send it.\n\n"
            .to_owned();
    for text in texts {
        // Writing to a string cannot fail.
        let _ = writeln!(content, "{:<24} {}", text.name, text.what);
    }
    Text { name: "README.txt".into(), what: "what is in here", content }
}

#[derive(Serialize)]
struct Versions {
    velo: &'static str,
    protocol: u16,
    system: &'static str,
    architecture: &'static str,
    debug_build: bool,
    made_at: String,
}

fn versions() -> Versions {
    Versions {
        velo: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL_VERSION,
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        debug_build: cfg!(debug_assertions),
        made_at: jiff::Timestamp::now().to_string(),
    }
}

#[derive(Serialize)]
struct Facts {
    device: String,
    listening: Vec<String>,
    discovering: bool,
    connected: usize,
    read_only: Option<String>,
    unopened: Vec<String>,
    workspaces: Vec<WorkspaceFacts>,
}

#[derive(Serialize)]
struct WorkspaceFacts {
    workspace: String,
    entries: u64,
    logs: usize,
    conflicts: usize,
    people: usize,
    projects: usize,
    tasks: usize,
    without_effect: usize,
    auto_sync: bool,
    role: Option<String>,
    device_is_in: bool,
    here: usize,
    damaged_places: usize,
    lost_entries: u64,
    waiting_entries: u64,
}

fn facts(node: &NodeHandle, status: &NodeStatus, scrub: &Scrub) -> Facts {
    let workspaces = status.workspaces.iter().filter_map(|one| workspace_facts(node, one.id, one));
    Facts {
        device: status.device.short(),
        listening: status.addresses.clone(),
        discovering: status.network.as_ref().is_some_and(|network| network.discovering),
        connected: status.connected,
        read_only: status.read_only.as_deref().map(|reason| scrub.text(reason)),
        unopened: status.unopened.iter().map(|reason| scrub.text(reason)).collect(),
        workspaces: workspaces.collect(),
    }
}

fn workspace_facts(
    node: &NodeHandle,
    id: WorkspaceId,
    counts: &crate::handle::WorkspaceStatus,
) -> Option<WorkspaceFacts> {
    let workspace = node.workspace(id)?;
    let standing = workspace.roster().members.get(&node.person());
    let damage = damage::row(node, id).ok().flatten();
    let gaps = damage.as_ref().map(|damage| damage.logs.as_slice()).unwrap_or_default();
    Some(WorkspaceFacts {
        workspace: id.short(),
        entries: counts.entries,
        logs: counts.logs,
        conflicts: counts.conflicts,
        people: workspace.roster().members.len(),
        projects: workspace.projects().len(),
        tasks: workspace.shown(velo_protocol::model::Kind::Task).count(),
        without_effect: workspace.void_work(),
        auto_sync: node.syncs_by_itself(id),
        role: standing.map(|standing| format!("{:?}", standing.role).to_lowercase()),
        device_is_in: standing.is_some_and(|standing| standing.devices.contains(&node.device())),
        here: node.present(id).len(),
        damaged_places: damage.as_ref().map_or(0, |damage| damage.places),
        lost_entries: gaps.iter().map(|gap| gap.lost).sum(),
        waiting_entries: gaps.iter().map(|gap| gap.waiting).sum(),
    })
}

#[derive(Serialize)]
struct Size {
    part: String,
    files: usize,
    bytes: u64,
}

/// The folders of the data directory, which all have names of ours. Each counts with what is within it.
fn sizes(data_dir: &Path) -> Vec<Size> {
    let mut sizes = vec![size(".".to_owned(), data_dir, false)];
    for part in ["logs", "workspaces"] {
        sizes.push(size(part.to_owned(), &data_dir.join(part), true));
    }
    let workspaces = fs::read_dir(data_dir.join("workspaces")).into_iter().flatten().flatten();
    for workspace in workspaces {
        let Some(id) = workspace.file_name().to_str().and_then(|name| name.parse::<WorkspaceId>().ok())
        else {
            continue;
        };
        for part in ["log", "log/quarantine", "state", "blobs"] {
            sizes.push(size(format!("{}/{part}", id.short()), &workspace.path().join(part), true));
        }
    }
    sizes.retain(|size| size.files > 0);
    sizes
}

fn size(part: String, folder: &Path, deep: bool) -> Size {
    let mut found = Size { part, files: 0, bytes: 0 };
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for item in fs::read_dir(folder).into_iter().flatten().flatten() {
            match item.metadata() {
                Ok(data) if data.is_dir() && deep => waiting.push(item.path()),
                Ok(data) if data.is_file() => {
                    found.files += 1;
                    found.bytes += data.len();
                }
                _ => {}
            }
        }
    }
    found
}

/// The ends of the last log files, the newest first.
fn logs(data_dir: &Path, scrub: &Scrub) -> Vec<Text> {
    let items = fs::read_dir(data_dir.join("logs")).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        items.filter_map(|item| Some((item.file_name().into_string().ok()?, item.path()))).collect();
    files.sort();
    let newest = files.into_iter().rev().filter(|(name, _)| name.starts_with("velo.log"));
    let text = |(name, path): (String, PathBuf)| {
        let content = scrub.text(&tail(&path).unwrap_or_else(|error| error.to_string()));
        Text { name: format!("log/{name}"), what: "what happened: the end of the log of one day", content }
    };
    newest.take(limits::DIAGNOSTIC_LOGS).map(text).collect()
}

/// The end of a file, from the start of a line on.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let cut = file.metadata()?.len().saturating_sub(limits::DIAGNOSTIC_LOG_BYTES);
    file.seek(SeekFrom::Start(cut))?;
    let mut bytes = Vec::new();
    file.take(limits::DIAGNOSTIC_LOG_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let whole = if cut == 0 { Some(text.as_str()) } else { text.split_once('\n').map(|(_, rest)| rest) };
    Ok(whole.unwrap_or_default().to_owned())
}

/// Takes names and the path of the home folder out of free text.
struct Scrub {
    /// The longest first: one may be part of another.
    names: Vec<String>,
}

impl Scrub {
    fn of(node: &NodeHandle) -> Self {
        let mut names = BTreeSet::new();
        for workspace in node.all_workspaces().into_iter().filter_map(|id| node.workspace(id)) {
            names.insert(workspace.name().to_owned());
            names.extend(workspace.members().into_iter().map(|member| member.name));
        }
        names.extend(Introduction::read(node.data_dir()).ok().flatten().map(|person| person.name));
        let home = directories::UserDirs::new().map(|dirs| dirs.home_dir().display().to_string());
        names.extend(home);
        names.insert(node.data_dir().display().to_string());
        let mut names: Vec<String> =
            names.into_iter().filter(|name| name.chars().count() >= NAME_LEAST).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { names }
    }

    fn text(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, name| text.replace(name.as_str(), LEFT_OUT))
    }

    fn row(&self, row: &PeerRow) -> PeerRow {
        let trouble = row.trouble.as_deref().map(|trouble| self.text(trouble));
        PeerRow { trouble, ..row.clone() }
    }

    fn checkup(&self, mut checkup: Checkup) -> Checkup {
        for step in &mut checkup.steps {
            step.told = self.text(&step.told);
        }
        checkup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_cleared_of_names_and_of_the_home_folder() {
        let names = vec!["/home/anna/data".into(), "/home/anna".into(), "Anna Berg".into(), "Anna".into()];
        let scrub = Scrub { names };
        let told = scrub.text("Anna Berg wrote /home/anna/data/x and /home/anna/y, says Anna");
        assert_eq!(told, "… wrote …/x and …/y, says …");
    }

    #[test]
    fn every_folder_of_a_workspace_is_measured() {
        let home = tempfile::tempdir().unwrap();
        let id = WorkspaceId([7; 32]);
        let folder = crate::data_dir::workspace_folder(home.path(), id);
        for (part, bytes) in [("log", 10), ("log/quarantine", 20), ("state", 30), ("blobs", 40)] {
            fs::create_dir_all(folder.join(part)).unwrap();
            fs::write(folder.join(part).join("planted"), vec![0; bytes]).unwrap();
        }
        let sizes = sizes(home.path());
        let bytes = |part: &str| {
            let name = format!("{}/{part}", id.short());
            sizes.iter().find(|size| size.part == name).map(|size| size.bytes)
        };
        assert_eq!(
            [bytes("log"), bytes("log/quarantine"), bytes("state"), bytes("blobs")],
            [Some(30), Some(20), Some(30), Some(40)]
        );
    }

    #[test]
    fn half_a_file_is_not_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("to send.zip");
        let text = || Text { name: "same".into(), what: "twice", content: "text".repeat(1000) };
        write_texts(&path, &[text(), text()]).unwrap_err();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        write_texts(&path, &[text()]).unwrap();
        let before = fs::read(&path).unwrap();
        write_texts(&path, &[text()]).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), before, "what is there stays");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_long_log_is_cut_at_the_start_of_a_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let line = "a line of the log\n";
        let lines = limits::DIAGNOSTIC_LOG_BYTES as usize / line.len() + 100;
        fs::write(&path, line.repeat(lines)).unwrap();
        let end = tail(&path).unwrap();
        assert!(end.starts_with("a line") && end.len() <= limits::DIAGNOSTIC_LOG_BYTES as usize);
        fs::write(&path, line).unwrap();
        assert_eq!(tail(&path).unwrap(), line);
    }
}
