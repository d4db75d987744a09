//! What `relay/README.md` shows is what happens.

use super::scene::{PATIENCE, Scene};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use velo_tests::binary;

/// A program as the README calls it, for the device of a test.
fn shim(folder: &Path, name: &str, data: &Path, home: &Path) {
    let (program, data, home) = (binary(name), data.display(), home.display());
    let options = if name == "velo" { format!("--data-dir '{data}' ") } else { String::new() };
    let script = format!(
        "#!/bin/sh\nHOME='{home}' VELO_STATE_DIR='{home}' exec '{}' {options}\"$@\"\n",
        program.display()
    );
    let path = folder.join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let Some(scene) = Scene::new("member") else { return };
    scene.anna.control().unwrap().add_task("Order the paint", None).unwrap();
    scene.settle();
    let folder = tempfile::tempdir().unwrap();
    for (name, device) in [("velo", &scene.anna), ("velo-relay", &scene.relay)] {
        shim(folder.path(), name, &device.data_dir(), &device.state_dir());
    }
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let script = blocks.collect::<String>().replace("http://127.0.0.1:8080", &scene.url);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .env("PATH", path)
        .env("DATABASE_URL", scene.postgres.url())
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{said}");
    let lines: Vec<&str> = told.lines().collect();
    let wanted = ["2", "restarted: false", "rejected: 0", "Order the paint", "House", "applied: 2"];
    assert_eq!(lines[..wanted.len()], wanted, "{told}\n{said}");
    assert!(lines.contains(&"ok") && lines.contains(&"ready") && lines.contains(&"Velo relay"), "{told}");
    let has = |anna: &velo_tests::device::Device| Ok(anna.titles()?.contains("Build 77 failed"));
    scene.anna.wait_for("the bot's task", PATIENCE, has).unwrap();
}
