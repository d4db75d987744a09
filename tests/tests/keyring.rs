//! Keys in the system's keyring: a real one, GNOME Keyring, on a message bus and in a home of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use velo_tests::{binary, device::has_program, skip};

const NEEDS: [&str; 3] = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"];
const SECRETS: &str = "org.freedesktop.secrets";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A desktop session without a desktop.
struct Session {
    home: tempfile::TempDir,
    bus: String,
    _bus: Running,
}

impl Session {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        command.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut bus = Running(command.spawn().unwrap());
        let mut address = String::new();
        BufReader::new(bus.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { home, bus: address.trim().to_owned(), _bus: bus }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home.path());
        command.env("XDG_RUNTIME_DIR", self.home.path()).env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        command
    }

    /// Logging in: a keyring that the password opens. `None` if it does not come up and open on this machine.
    fn log_in(&self) -> Option<Running> {
        let mut command = self.command(Path::new("gnome-keyring-daemon"));
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = Running(command.spawn().unwrap());
        keyring.0.stdin.take().unwrap().write_all(b"password of the login").unwrap();
        let until = Instant::now() + PATIENCE;
        // It answers before it has read the password.
        while self.is_locked() != Some(false) {
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(keyring)
    }

    /// What a service answers to a call.
    fn ask(&self, service: &str, object: &str, method: &str, arguments: &[&str]) -> String {
        let mut command = self.command(Path::new("dbus-send"));
        command.args(["--session", "--print-reply", &format!("--dest={service}"), object, method]);
        let output = command.args(arguments).stderr(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn call(&self, object: &str, method: &str, arguments: &[&str]) -> String {
        self.ask(SECRETS, object, method, arguments)
    }

    /// Whether the keyring is locked; `None` while there is none. The service is not called before it is
    /// there: the bus would start another one, which nobody opens.
    fn is_locked(&self) -> Option<bool> {
        let name = format!("string:{SECRETS}");
        let bus = "org.freedesktop.DBus";
        if !self
            .ask(bus, "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", &[&name])
            .contains("true")
        {
            return None;
        }
        let property = ["string:org.freedesktop.Secret.Collection", "string:Locked"];
        let told = self.call(LOGIN, "org.freedesktop.DBus.Properties.Get", &property);
        if told.contains("boolean false") {
            Some(false)
        } else {
            told.contains("boolean true").then_some(true)
        }
    }

    fn lock(&self) {
        let login = format!("array:objpath:{LOGIN}");
        self.call("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", &[&login]);
        assert_eq!(self.is_locked(), Some(true));
    }

    /// Runs `velo`: whether it succeeded, and all that it said.
    fn velo(&self, args: &[&str]) -> (bool, String) {
        let mut command = self.command(&binary("velo"));
        command.env("VELO_STATE_DIR", self.home.path().join("state"));
        command.arg("--data-dir").arg(self.home.path().join("data")).args(args).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat();
        (output.status.success(), said)
    }

    fn refused(&self, args: &[&str], words: &str) {
        let (done, said) = self.velo(args);
        assert!(!done && said.contains(words), "velo {args:?}: {said}");
    }

    fn done(&self, args: &[&str]) -> String {
        let (done, said) = self.velo(args);
        assert!(done, "velo {args:?}: {said}");
        said
    }
}

#[test]
fn keys_in_the_keyring_are_there_while_it_is_open_and_their_lack_is_told_by_its_cause() {
    if let Some(missing) = NEEDS.iter().find(|program| !has_program(program)) {
        return skip::tell(&format!("`{missing}` is missing"));
    }
    let session = Session::start();
    let Some(keyring) = session.log_in() else {
        return skip::tell("GNOME Keyring does not open here");
    };
    session.done(&["init", "--name", "Anna"]);
    session.done(&["key", "move", "keyring"]);
    session.done(&["workspace", "create", "Workshop"]);
    assert!(session.done(&["key", "show"]).contains("in the system's keyring"));

    session.lock();
    for args in [&["status"][..], &["key", "show"], &["node", "--offline"]] {
        session.refused(args, "the system's keyring is locked");
    }
    drop(keyring);
    let keyring = session.log_in().unwrap();
    assert!(session.done(&["status"]).contains("Workshop"), "nothing was lost");

    // Another user's session, or another machine: a keyring, and not this one.
    drop(keyring);
    let folder = session.home.path().join(".local/share/keyrings");
    std::fs::rename(&folder, folder.with_extension("away")).unwrap();
    let keyring = session.log_in().unwrap();
    session.refused(&["status"], "no entry `device-");
    drop(keyring);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(folder.with_extension("away"), &folder).unwrap();

    let _keyring = session.log_in().unwrap();
    session.done(&["key", "move", "file"]);
    session.lock();
    assert!(session.done(&["status"]).contains("Workshop"), "no keyring is needed");
}
