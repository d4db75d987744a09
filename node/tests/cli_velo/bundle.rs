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

#[test]
fn a_bundle_that_only_goes_on_from_what_is_not_here_says_so() {
    let (anna, ben, clara) = (Device::with_project(), Device::of("Ben"), Device::of("Clara"));
    let stick = tempfile::tempdir().unwrap();
    let file = |name: &str| stick.path().join(name).to_str().unwrap().to_owned();
    let (whole, back, next) = (file("whole.velo"), file("back.velo"), file("next.velo"));
    for device in [&ben, &clara] {
        let made = anna.json(&["invite", "--address", "/ip4/127.0.0.1/tcp/9"]);
        assert_eq!(device.run(&["join", made["ticket"].as_str().unwrap(), "--wait", "1"]).code, 4);
    }
    anna.ok(&["bundle", "export", &whole]);
    ben.ok(&["bundle", "import", &whole]);
    ben.ok(&["bundle", "export", &back]);
    anna.ok(&["bundle", "import", &back]);
    anna.ok(&["task", "add", "Order the paint"]);
    anna.ok(&["bundle", "export", &next, "--since", "Ben"]);
    let refused = clara.run(&["bundle", "import", &next]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("without --since"), "{}", refused.err);
    assert!(!refused.out.contains("done"), "{}", refused.out);
    clara.ok(&["bundle", "import", &whole]);
    let taken = clara.json(&["bundle", "import", &next]);
    assert_eq!(taken["gaps"], 0);
}

/// A file of so many bytes, none of which compress.
fn photo(device: &Device, name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    fs::write(device.path().join(name), &bytes).unwrap();
    bytes
}

fn attach(device: &Device, name: &str) -> String {
    let path = device.path().join(name);
    let rows = device.json(&["attach", "add", "HOUS-1", path.to_str().unwrap()]);
    rows[0]["short"].as_str().unwrap().to_owned()
}

/// Anna with a task and two attachments, and Ben, who holds a ticket and has met nobody.
struct Apart {
    anna: Device,
    ben: Device,
    stick: tempfile::TempDir,
    leak: (String, Vec<u8>),
    plan: (String, Vec<u8>),
}

impl Apart {
    fn new() -> Self {
        let (anna, ben) = (Device::with_project(), Device::of("Ben"));
        anna.ok(&["task", "add", "Fix the leak"]);
        let (leak, plan) = (photo(&anna, "leak.jpg", 1_500_000), photo(&anna, "plan.pdf", 300_000));
        let (leak, plan) = ((attach(&anna, "leak.jpg"), leak), (attach(&anna, "plan.pdf"), plan));
        let invited = anna.json(&["invite", "--address", "/ip4/127.0.0.1/tcp/9"]);
        assert_eq!(ben.run(&["join", invited["ticket"].as_str().unwrap(), "--wait", "1"]).code, 4);
        Self { anna, ben, stick: tempfile::tempdir().unwrap(), leak, plan }
    }

    fn file(&self, name: &str) -> String {
        self.stick.path().join(name).to_str().unwrap().to_owned()
    }

    /// Whether Ben has all of an attachment, as Anna attached it. Nobody could bring him the rest.
    fn ben_has(&self, (short, bytes): &(String, Vec<u8>)) -> bool {
        let out = self.file("out");
        let saved = self.ben.run(&["attach", "save", short, &out, "--wait", "0"]);
        let same = saved.code == 0 && fs::read(&out).unwrap() == *bytes;
        // It is there only if it was saved.
        let _ = fs::remove_file(&out);
        same
    }
}

/// Where the parts of a bundle begin.
fn parts(bundle: &[u8]) -> Vec<usize> {
    let (mut at, mut starts) = (80, Vec::new());
    while let Some(length) = bundle.get(at..at + 4) {
        starts.push(at);
        at += 4 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
    }
    starts
}

#[test]
fn attachments_are_carried_and_come_out_as_they_were() {
    let apart = Apart::new();
    let (file, without) = (apart.file("whole.velo"), apart.file("without.velo"));
    let made = apart.anna.json(&["bundle", "export", &without, "--without-attachments"]);
    assert_eq!((&made["attachments"], &made["missing"]), (&0.into(), &0.into()));
    assert!(made["bytes"].as_u64().unwrap() < 100_000, "{made}");
    let told = apart.anna.ok(&["bundle", "export", &file]);
    assert!(told.starts_with("About 1.") && told.contains("and 2 attachments of Workshop"), "{told}");
    let size = fs::metadata(&file).unwrap().len();
    assert!((1_800_000..1_900_000).contains(&size), "{size}");

    apart.ben.ok(&["bundle", "import", &without]);
    assert!(!apart.ben_has(&apart.leak) && !apart.ben_has(&apart.plan));
    let taken = apart.ben.json(&["bundle", "import", &file]);
    let attachments = &taken["attachments"];
    assert_eq!((&attachments["whole"], &attachments["partial"]), (&2.into(), &0.into()), "{taken}");
    assert!(attachments["bytes"].as_u64().unwrap() > 1_800_000, "{taken}");
    assert!(apart.ben_has(&apart.leak) && apart.ben_has(&apart.plan));
    let again = apart.ben.json(&["bundle", "import", &file]);
    assert_eq!((&again["changes"], &again["attachments"]["bytes"]), (&0.into(), &0.into()), "{again}");

    // What he is known to know of does not travel again, what is new does.
    apart.ben.ok(&["task", "add", "Clean the brushes"]);
    let back = apart.file("back.velo");
    apart.ben.ok(&["bundle", "export", &back]);
    apart.anna.ok(&["bundle", "import", &back]);
    let valve = photo(&apart.anna, "valve.jpg", 400_000);
    let valve = (attach(&apart.anna, "valve.jpg"), valve);
    let rest = apart.file("rest.velo");
    let made = apart.anna.json(&["bundle", "export", &rest, "--since", "Ben"]);
    assert_eq!(made["attachments"], 1, "{made}");
    apart.ben.ok(&["bundle", "import", &rest]);
    assert!(apart.ben_has(&valve));

    // Beside a running node, and to one, as well.
    let node = apart.anna.start_node();
    let beside = apart.file("beside.velo");
    assert_eq!(apart.anna.json(&["bundle", "export", &beside])["attachments"], 3);
    assert!(apart.anna.ok(&["bundle", "import", &beside]).contains("was here already"));
    assert!(node.stop().success());
}

#[test]
fn a_bundle_that_is_cut_off_or_damaged_gives_what_is_whole() {
    let apart = Apart::new();
    let file = apart.file("whole.velo");
    apart.anna.ok(&["bundle", "export", &file]);
    let whole = fs::read(&file).unwrap();
    // Entries, the plan in a list and two parts, the photo in a list and six, the end.
    let starts = parts(&whole);
    assert_eq!(starts.len(), 12, "{starts:?}");
    let import = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        apart.ben.run(&["bundle", "import", &file])
    };
    // Cut off within the photo's third part: the plan, which is newer, came whole.
    let cut = import(&whole[..starts[7] + 1_000]);
    assert_eq!(cut.code, 2, "{}", cut.err);
    assert!(
        cut.err.contains("ends early") && cut.err.contains("attachments came into Workshop"),
        "{}",
        cut.err
    );
    assert!(apart.ben_has(&apart.plan) && !apart.ben_has(&apart.leak));
    // Cut off right behind a part, which is kept like those before it.
    let cut = import(&whole[..starts[8]]);
    assert!(cut.err.contains("ends early"), "{}", cut.err);
    let before = apart.ben.json(&["attach", "list", "HOUS-1"]);
    let photo = before.as_array().unwrap().iter().find(|row| row["name"] == "leak.jpg").unwrap();
    assert_eq!(photo["content"]["have"], 3, "{photo}");
    // One part is damaged, and those behind it are taken all the same.
    let mut damaged = whole.clone();
    damaged[starts[9] + 100] ^= 1;
    let told = import(&damaged);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("1 part is damaged"), "{}", told.err);
    assert!(!apart.ben_has(&apart.leak));
    let rest = import(&whole);
    assert_eq!(rest.code, 0, "{}", rest.err);
    assert!(rest.out.contains("of 2 attachments came into Workshop"), "{}", rest.out);
    assert!(apart.ben_has(&apart.leak));
    // A length that is damaged hides where the next part begins.
    let mut damaged = whole;
    damaged[starts[3] + 3] = 0xff;
    let told = import(&damaged);
    assert!(told.code == 2 && told.err.contains("from here on"), "{}", told.err);
}

#[test]
fn content_that_nothing_shows_is_not_taken() {
    let apart = Apart::new();
    let (file, without) = (apart.file("whole.velo"), apart.file("without.velo"));
    apart.anna.ok(&["bundle", "export", &file]);
    apart.anna.ok(&["attach", "remove", &apart.leak.0]);
    apart.anna.ok(&["bundle", "export", &without, "--without-attachments"]);
    apart.ben.ok(&["bundle", "import", &without]);
    let taken = apart.ben.run(&["bundle", "import", &file]);
    assert_eq!(taken.code, 0, "{}", taken.err);
    assert!(taken.err.contains("nothing here shows"), "{}", taken.err);
    assert!(apart.ben_has(&apart.plan));
    let storage = apart.ben.json(&["storage"]);
    assert_eq!(storage["workspaces"][0]["unshown"]["blobs"], 0, "{storage}");
}

/// An import that is killed goes on where it stopped: what it had taken is not written again.
#[cfg(unix)]
#[test]
fn an_import_that_was_killed_goes_on() {
    let apart = Apart::new();
    let walk = photo(&apart.anna, "walk.mp4", 40_000_000);
    let walk = (attach(&apart.anna, "walk.mp4"), walk);
    let file = apart.file("whole.velo");
    apart.anna.ok(&["bundle", "export", &file]);
    let mut import = apart.ben.spawn(&["bundle", "import", &file]);
    let blobs = apart.ben.data_dir();
    let kept = || {
        let folders = fs::read_dir(blobs.join("workspaces")).into_iter().flatten().flatten();
        let blobs =
            folders.flat_map(|folder| fs::read_dir(folder.path().join("blobs")).into_iter().flatten());
        blobs.flatten().filter(|blob| blob.file_name().len() == 64).count()
    };
    let start = std::time::Instant::now();
    while kept() < 5 {
        assert!(start.elapsed() < std::time::Duration::from_mins(2), "nothing came");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let before = kept();
    let taken = apart.ben.json(&["bundle", "import", &file]);
    let new = taken["attachments"]["bytes"].as_u64().unwrap();
    assert!(new < 42_000_000 - 4 * 256 * 1024, "{before} parts were there, and {new} bytes came again");
    assert!(apart.ben_has(&walk) && apart.ben_has(&apart.leak));
}
