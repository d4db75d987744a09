//! Bundles: workspaces in files, between devices that never meet.

use crate::device::Device;
use std::fs;

#[test]
fn two_devices_that_never_meet_agree_by_files() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    anna.ok(&["task", "add", "Order the paint"]);
    let ticket =
        anna.json(&["invite", "--address", "/ip4/127.0.0.1/tcp/9"])["ticket"].as_str().unwrap().to_owned();
    let stick = tempfile::tempdir().unwrap();
    let file = |name: &str| stick.path().join(name).to_str().unwrap().to_owned();
    let (whole, back) = (file("whole.velo"), file("back.velo"));
    let made = anna.json(&["bundle", "export", &whole]);
    assert_eq!(made["workspace"], "Workshop");
    assert_eq!(made["bytes"].as_u64(), Some(fs::metadata(&whole).unwrap().len()));

    let refused = ben.run(&["bundle", "import", &whole]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("velo join TICKET"), "{}", refused.err);
    // Nobody is there, and that is said.
    assert_eq!(ben.run(&["join", &ticket, "--wait", "1"]).code, 4);
    let taken = ben.json(&["bundle", "import", &whole]);
    assert_eq!((&taken["workspace"], &taken["gaps"]), (&"Workshop".into(), &0.into()));
    assert_eq!(ben.json(&["task", "list"]).as_array().unwrap().len(), 1);
    assert!(ben.ok(&["bundle", "import", &whole]).contains("was here already"));

    ben.ok(&["task", "add", "Clean the brushes"]);
    ben.ok(&["bundle", "export", &back, "--since", "Anna"]);
    assert!(anna.ok(&["bundle", "import", &back]).contains("came into Workshop"));
    assert_eq!(anna.json(&["task", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(anna.state_hash(), ben.state_hash());

    // No title stands in the file.
    let bytes = fs::read(&whole).unwrap();
    assert!(!bytes.windows(5).any(|window| window == b"paint"));
}

#[test]
fn a_file_that_is_there_is_not_replaced_and_a_bad_one_is_told() {
    let anna = Device::with_project();
    let stick = tempfile::tempdir().unwrap();
    let path = stick.path().join("bundle.velo");
    let file = path.to_str().unwrap();
    fs::write(&path, "something else").unwrap();
    let refused = anna.run(&["bundle", "export", file]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--force"), "{}", refused.err);
    let other = anna.run(&["bundle", "import", file]);
    assert_eq!(other.code, 2);
    assert!(other.err.contains("not a bundle"), "{}", other.err);
    anna.ok(&["bundle", "export", file, "--force"]);
    let whole = fs::read(&path).unwrap();
    for length in [0, 15, 79, 80, 83, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let cut = anna.run(&["bundle", "import", file]);
        assert_eq!(cut.code, 2, "{length}: {}", cut.err);
        assert!(cut.err.contains("bundle") && !cut.err.contains("panicked"), "{length}: {}", cut.err);
    }
    let beside = stick.path().join("no such folder").join("bundle.velo");
    let nowhere = anna.run(&["bundle", "export", beside.to_str().unwrap()]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("writing"), "{}", nowhere.err);
    assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 1, "nothing was left behind");
}
