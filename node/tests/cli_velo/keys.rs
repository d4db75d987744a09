//! The phrase and the keeping of keys, from the outside.

use super::device::{Answer, Device};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use velo_protocol::root::Root;

const PASSPHRASE_VAR: &str = "VELO_PASSPHRASE_FILE";

/// The phrase of a device, by the door that the app uses: no command prints it into a pipe.
fn phrase(device: &Device) -> String {
    device.open_node().phrase().unwrap().unwrap().to_string()
}

/// Whether a file below `folder` holds `secret`.
fn holds(folder: &Path, secret: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, secret);
        }
        // A socket cannot be read.
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret)
    })
}

fn secret_file(device: &Device, name: &str, content: &str) -> String {
    let path = device.file(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn refused(answer: &Answer, code: i32, said: &str) {
    assert_eq!(answer.code, code, "{}{}", answer.out, answer.err);
    assert!(answer.err.contains(said), "{}", answer.err);
}

#[test]
fn the_phrase_is_not_shown_into_a_pipe() {
    let device = Device::of("Anna");
    let phrase = phrase(&device);
    for args in [&["key", "phrase"][..], &["key", "phrase", "--json"]] {
        let answer = device.run(args);
        assert_eq!(answer.code, 1);
        let said = answer.out + &answer.err;
        assert!(said.contains("in a terminal"), "{said}");
        assert!(!phrase.split(' ').all(|word| said.contains(word)), "{said}");
    }
    assert!(device.ok(&["status"]).contains("not confirmed yet"));
    assert!(device.ok(&["key", "show"]).contains("not confirmed yet"));
    assert_eq!(device.json(&["key", "show"])["phrase_confirmed"], false);
}

#[test]
fn a_wrong_word_is_named_and_the_right_phrase_wipes_the_root() {
    let device = Device::with_project();
    let phrase = phrase(&device);
    let seed = *Root::from_phrase(&phrase).unwrap().seed();
    assert!(holds(&device.data_dir(), &seed));
    let words: Vec<&str> = phrase.split(' ').collect();
    let mut wrong = words.clone();
    wrong[6] = "velo";
    refused(&device.run_with_input(&["key", "confirm"], &wrong.join(" ")), 2, "word 7, \"velo\"");
    wrong[6] = if words[6] == "zoo" { "zebra" } else { "zoo" };
    refused(&device.run_with_input(&["key", "confirm"], &wrong.join(" ")), 2, "word 7 is not that of your");
    refused(&device.run_with_input(&["key", "confirm"], "zoo"), 2, "24 words, and this has 1");
    assert!(holds(&device.data_dir(), &seed));

    // A node beside it changes nothing.
    let mut node = device.spawn(&["node", "--offline"]);
    let numbered: Vec<String> = (1..).zip(&words).map(|(n, word)| format!("{n}. {word}")).collect();
    let answer = device.run_with_input(&["key", "confirm"], &numbered.join("\n"));
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("no longer on this device"), "{}", answer.out);
    assert!(!holds(&device.data_dir(), &seed));
    assert!(!device.ok(&["status"]).contains("not confirmed"));
    node.kill().unwrap();
    node.wait().unwrap();
    assert!(!holds(&device.data_dir(), &seed));

    refused(&device.run(&["key", "phrase"]), 1, "no longer on this device");
    assert!(device.ok(&["key", "show"]).contains("confirmed, and no longer"));
    device.ok(&["task", "add", "Order the paint"]);
}

#[test]
fn keys_under_a_passphrase_open_with_it_only() {
    let device = Device::of("Anna");
    let seed = *Root::from_phrase(&phrase(&device)).unwrap().seed();
    let right = secret_file(&device, "right.txt", "correct horse\n");
    let wrong = secret_file(&device, "wrong.txt", "battery staple\n");
    device.ok(&["key", "passphrase", "--new-file", &right]);
    assert!(!holds(&device.data_dir(), &seed));

    let answer = device.run(&["node", "--offline"]);
    refused(&answer, 1, "start Velo in a terminal or with its window");
    assert!(answer.err.contains(PASSPHRASE_VAR), "{}", answer.err);
    refused(&device.run_with_env(&["status"], &[(PASSPHRASE_VAR, &wrong)]), 1, "the passphrase is wrong");
    let status = device.run_with_env(&["status"], &[(PASSPHRASE_VAR, &right)]);
    assert_eq!(status.code, 0, "{}", status.err);
    let shown = device.json(&["key", "show"]);
    assert_eq!((&shown["passphrase"], &shown["person"]), (&true.into(), &serde_json::Value::Null));

    fs::set_permissions(&right, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&device.run_with_env(&["status"], &[(PASSPHRASE_VAR, &right)]), 1, "chmod 600");
    fs::set_permissions(&right, fs::Permissions::from_mode(0o600)).unwrap();
    let gone = device.run_with_env(&["status"], &[(PASSPHRASE_VAR, "/nowhere/at-all")]);
    refused(&gone, 1, "no passphrase can be read from /nowhere/at-all");

    let removed = device.run_with_env(&["key", "passphrase", "--remove"], &[(PASSPHRASE_VAR, &right)]);
    assert_eq!(removed.code, 0, "{}", removed.err);
    device.ok(&["status"]);
}

#[test]
fn a_new_passphrase_is_neither_short_nor_invented() {
    let device = Device::of("Anna");
    let short = secret_file(&device, "short.txt", "short\n");
    refused(&device.run(&["key", "passphrase", "--new-file", &short]), 2, "8 letters at least");
    refused(&device.run(&["key", "passphrase"]), 1, "--new-file");
    device.ok(&["status"]);
}

#[test]
fn a_key_file_that_others_can_read_is_not_used() {
    let device = Device::of("Anna");
    let path = device.data_dir().join("keys/device.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    for args in [&["status"][..], &["key", "show"], &["key", "confirm"]] {
        refused(&device.run(args), 1, "chmod 600");
    }
}

#[test]
fn a_keyring_that_is_not_there_is_said_and_nothing_is_moved() {
    let device = Device::of("Anna");
    let before = fs::read(device.data_dir().join("keys/device.key")).unwrap();
    // Not that of whoever runs the tests.
    let no_bus = [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/at-all")];
    refused(&device.run_with_env(&["key", "move", "keyring"], &no_bus), 1, "no keyring that can be reached");
    assert_eq!(fs::read(device.data_dir().join("keys/device.key")).unwrap(), before);
    device.ok(&["key", "move", "file"]);
    device.ok(&["status"]);
}

#[test]
fn without_keys_there_is_somebody_to_introduce() {
    refused(&Device::new().run(&["key", "show"]), 5, "velo init");
}
