//! The attachment that names what was kept of a file.

use super::content::Added;
use crate::plain::is_obeyed;
use std::path::{Path, PathBuf};
use velo_protocol::{
    change::Change,
    id::EntityId,
    limits,
    model::{EntityKey, Kind, attachment},
    value::Value,
};

/// Media types by the ending of a file's name: those that people attach to tasks. Others have none, which
/// no feature hangs on.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zip", "application/zip"),
];

/// Whether a file of this name can be handed to the system to be opened: one that others attached could be
/// a program, or a link that starts one.
pub fn opens_safely(name: &str) -> bool {
    let safe = safe_name(name).to_lowercase();
    safe.rsplit_once('.').is_some_and(|(_, ending)| MEDIA_TYPES.iter().any(|(known, _)| *known == ending))
}

/// Attaches what was kept of the file at `path` to a task.
pub fn attach(id: EntityId, task: EntityId, path: &Path, added: &Added) -> Change {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let known = MEDIA_TYPES.iter().find(|(known, _)| ending.as_deref() == Some(*known));
    let mut fields = vec![
        (attachment::TASK.into(), Value::Entity(task)),
        (attachment::NAME.into(), Value::text(file_name(path))),
        // A file has at most `limits::ATTACHMENT_BYTES`.
        (attachment::SIZE.into(), Value::Int(added.size as i64)),
        (attachment::CONTENT.into(), Value::text(added.content.to_string())),
    ];
    fields.extend(known.map(|(_, media)| (attachment::MEDIA_TYPE.into(), Value::text(*media))));
    Change::Create { key: EntityKey::new(Kind::Attachment, id), fields }
}

/// The file's name as a title: one line of a bounded length.
fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let line: String = name.chars().filter(|c| !is_obeyed(*c)).take(limits::TITLE_CHARS).collect();
    if line.trim().is_empty() { "file".to_owned() } else { line }
}

/// A name under which an attachment can be saved in any folder. Others wrote it: it must not lead
/// elsewhere, hide, be what the system takes for something else, or look like another one.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let fits = |c: &char| !is_obeyed(*c) && !r#"<>:"|?*"#.contains(*c);
    let plain: String = last.chars().filter(fits).collect();
    let plain = plain.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' ']);
    // What file systems take at most is 255 bytes.
    let cut = plain.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 200).last();
    let plain = &plain[..cut.unwrap_or(0)];
    if plain.is_empty() { "attachment".to_owned() } else { plain.to_owned() }
}

/// Where the person keeps what they download; their home if the system names no place for that.
pub fn download_folder() -> Option<PathBuf> {
    let dirs = directories::UserDirs::new()?;
    let named = dirs.download_dir().filter(|folder| folder.is_dir());
    Some(named.unwrap_or(dirs.home_dir()).to_owned())
}

/// A place in a folder where nothing stands, under this name or one that is close to it.
pub fn free_place(folder: &Path, name: &str) -> PathBuf {
    let name = PathBuf::from(safe_name(name));
    let stem = name.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = name.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let numbered = (2..).map(|number| folder.join(format!("{stem} ({number}){ending}")));
    let mut places = std::iter::once(folder.join(&name)).chain(numbered);
    places.find(|place| !place.exists()).unwrap_or_else(|| folder.join(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_is_opened() {
        for name in ["leak.jpg", "PLAN.PDF", "../a.txt", "a.exe.csv"] {
            assert!(opens_safely(name), "{name}");
        }
        for name in ["a.exe", "a.desktop", "a.jpg.lnk", "a.sh", "a", "", "jpg", ".jpg", "a.jpg\u{202e}.exe"] {
            assert!(!opens_safely(name), "{name}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for (name, safe) in [
            ("leak.jpg", "leak.jpg"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("..", "attachment"),
            ("", "attachment"),
            ("a\u{0}b\nc?.txt", "abc.txt"),
            ("Übersicht 東京.pdf", "Übersicht 東京.pdf"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("\u{2066}\u{200f}.bashrc\u{2069}", "bashrc"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        assert!(safe_name(&"é".repeat(500)).len() <= 200);
    }
}
