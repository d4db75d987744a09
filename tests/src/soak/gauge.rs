//! What a process uses, as Linux tells it in `/proc`.

use anyhow::Context;
use std::{fs, path::Path};

/// Clock ticks of `/proc/PID/stat` a second: a constant of the interface, whatever the kernel's own is.
const TICKS_PER_SECOND: u64 = 100;

/// What a process uses at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Memory of its own and of files, in KiB.
    pub resident_kib: u64,
    /// Of that, what no file stands behind.
    pub own_kib: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Of these, sockets.
    pub sockets: u64,
    /// Threads.
    pub threads: u64,
    /// Processor time since it started, in milliseconds.
    pub cpu_ms: u64,
}

/// Reads what a process uses.
///
/// # Errors
/// If it is gone, or another user's.
pub fn read(process: u32) -> anyhow::Result<Use> {
    let folder = Path::new("/proc").join(process.to_string());
    let status = fs::read_to_string(folder.join("status"))?;
    let number = |field: &str| number_of(&status, field).with_context(|| format!("{field} of {process}"));
    let (descriptors, sockets) = descriptors(&folder.join("fd"))?;
    Ok(Use {
        resident_kib: number("VmRSS")?,
        own_kib: number("RssAnon")?,
        threads: number("Threads")?,
        descriptors,
        sockets,
        cpu_ms: cpu_ms(&fs::read_to_string(folder.join("stat"))?).context("stat")?,
    })
}

fn number_of(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// All that are open, and how many of them are sockets.
fn descriptors(folder: &Path) -> anyhow::Result<(u64, u64)> {
    let (mut all, mut sockets) = (0, 0);
    for entry in fs::read_dir(folder)? {
        all += 1;
        // One may be closed meanwhile.
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        sockets += u64::from(target.to_string_lossy().starts_with("socket:"));
    }
    Ok((all, sockets))
}

fn cpu_ms(stat: &str) -> Option<u64> {
    // The name comes first, in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, net::UdpSocket, thread};

    #[test]
    fn what_this_process_uses_is_seen() {
        let this = std::process::id();
        let before = read(this).unwrap();
        let held = vec![1_u8; 64 << 20];
        let files: Vec<_> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
        let sockets: Vec<_> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let threads = thread::spawn(move || ended.recv());
        let with = read(this).unwrap();
        // Other tests of this process open and close some meanwhile.
        assert!(with.own_kib > before.own_kib + (32 << 10), "{before:?} {with:?}");
        assert!(with.resident_kib >= with.own_kib);
        assert!(with.descriptors >= before.descriptors + 30, "{before:?} {with:?}");
        assert!(with.sockets >= before.sockets + 15, "{before:?} {with:?}");
        assert!(with.threads >= 2, "{with:?}");
        drop((held, files, sockets, end));
        assert!(threads.join().unwrap().is_err());
    }

    #[test]
    fn a_name_in_brackets_does_not_mislead() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_ms(stat), Some(3_000));
        assert_eq!(number_of("VmRSSX:\t9 kB\nVmRSS:\t  77 kB\n", "VmRSS"), Some(77));
        assert!(read(u32::MAX).is_err());
    }
}
