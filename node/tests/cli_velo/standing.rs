//! What a device tells of others: who lacks what, why nothing moves, who is here.

use crate::device::{Device, Running};
use serde_json::{Value as Json, json};
use std::{
    io::{Cursor, Read},
    time::Duration,
};

/// Asks again and again, for as long as a busy machine may need.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}")
}

/// Anna's workshop, which Ben has joined, with both nodes running and connected.
fn two_nodes() -> (Device, Device, Running, Running) {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    ben.json(&["join", &ticket]);
    for device in [&anna, &ben] {
        assert_eq!(device.json(&["sync", "--wait", "20"])["synced"], true);
    }
    (anna, ben, annas, bens)
}

fn row_of(device: &Device, name: &str) -> Option<Json> {
    let rows = device.json(&["peers", "list"]);
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).cloned()
}

#[test]
fn peers_are_remembered_with_what_they_lack_without_a_running_node() {
    let (anna, ben, annas, bens) = two_nodes();
    until("Ben has everything", || row_of(&anna, "Ben").filter(|row| row["synced"] == true));
    assert!(bens.stop().success() && annas.stop().success());
    let row = row_of(&anna, "Ben").unwrap();
    assert_eq!((&row["connected"], &row["synced"], &row["lacks"]), (&json!(false), &json!(false), &json!(0)));
    assert!(row["last_seen"].is_string() && row["address"].is_string() && row["trouble"].is_null(), "{row}");
    for title in ["Order the paint", "Clean the brushes"] {
        anna.ok(&["task", "add", title]);
    }
    let row = row_of(&anna, "Ben").unwrap();
    let (lacks, own) = (row["lacks"].as_u64().unwrap(), row["lacks_own"].as_u64().unwrap());
    assert!(lacks >= own && own >= 2, "{row}");
    let told = anna.ok(&["peers", "list"]);
    assert!(told.contains("IT LACKS") && told.contains(&format!("({own} of yours)")), "{told}");
    assert!(anna.ok(&["status"]).contains(&format!("({own} of yours)")), "the same at a glance");
    // A node that starts knows it too, before it has met anybody.
    let annas = anna.start_node();
    assert_eq!(row_of(&anna, "Ben").unwrap()["lacks"], lacks);
    let bens = ben.start_node();
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(row_of(&anna, "Ben").unwrap()["lacks"], 0);
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn automatic_sync_is_switched_off_and_on_and_a_sync_comes_through() {
    let (anna, ben, annas, bens) = two_nodes();
    let told = anna.ok(&["workspace", "auto-sync", "off"]);
    assert!(told.contains("off") && told.contains("velo sync"), "{told}");
    assert_eq!(anna.json(&["workspace", "list"])[0]["auto_sync"], false);
    assert!(anna.ok(&["workspace", "list"]).contains("when asked"));
    ben.ok(&["task", "add", "Order the paint"]);
    let row = until("it says why", || row_of(&anna, "Ben").filter(|row| row["stalls"] != json!([])));
    assert!(row["stalls"][0].as_str().unwrap().contains("automatic sync is off"), "{row}");
    assert_eq!(row["workspaces"][0]["stall"], "sync_off");
    let told = anna.ok(&["peers", "list"]);
    assert!(told.contains("not moving"), "{told}");
    assert_eq!(anna.json(&["task", "list"]), json!([]));
    assert_eq!(anna.json(&["sync", "--wait", "30"])["synced"], true);
    assert_eq!(anna.json(&["task", "list"])[0]["title"], "Order the paint");
    assert!(anna.ok(&["workspace", "auto-sync", "on"]).contains("on"));
    assert_eq!(anna.json(&["workspace", "list"])[0]["auto_sync"], true);
    ben.ok(&["task", "add", "Clean the brushes"]);
    until("it comes by itself", || {
        (anna.json(&["task", "list"]).as_array().unwrap().len() == 2).then_some(())
    });
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn the_doctor_names_the_first_step_that_fails() {
    let (anna, ben, annas, bens) = two_nodes();
    let steps = |checkup: &Json| -> Vec<String> {
        let steps = checkup["steps"].as_array().unwrap().iter();
        steps.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["listening", "found", "dialled", "authenticated", "admitted", "equal"];
    let well = anna.json(&["doctor", "ben", "--wait", "20"]);
    assert_eq!(
        (steps(&well[0]), &well[0]["failed"]),
        (all.map(str::to_owned).to_vec(), &Json::Null),
        "{well}"
    );
    assert!(anna.ok(&["doctor", "Ben", "--wait", "20"]).contains("both hold the same"));
    let address = bens.addresses[0].as_str().unwrap().to_owned();
    assert_eq!(anna.json(&["doctor", &address, "--wait", "20"])[0]["failed"], Json::Null, "by address");

    assert!(bens.stop().success());
    let answer = until("Ben is away", || {
        let answer = anna.run(&["doctor", "Ben", "--wait", "1", "--json"]);
        let found: Json = serde_json::from_str(&answer.out).unwrap();
        (answer.code == 1 && found[0]["failed"] == "dialled").then_some(found)
    });
    let last = answer[0]["steps"].as_array().unwrap().last().unwrap();
    assert!(last["told"].as_str().unwrap().contains("refused") && last["advice"].is_string(), "{answer}");
    // At a glance, and with everybody.
    let glance = anna.ok(&["doctor"]);
    assert!(glance.contains("Ben (") && glance.contains("not dialled"), "{glance}");
    assert_eq!(anna.json(&["doctor"])["peers"][0]["failed"], "dialled");
    let nobody = anna.run(&["doctor", "/ip4/127.0.0.1/tcp/9", "--wait", "2", "--json"]);
    let found: Json = serde_json::from_str(&nobody.out).unwrap();
    assert_eq!((nobody.code, &found[0]["failed"]), (1, &json!("dialled")), "{found}");
    assert_eq!(anna.run(&["doctor", "Carla"]).code, 3, "nobody of that name is known");
    assert_eq!(anna.run(&["doctor", "192.168.1.7:4001"]).code, 3);

    let zoe = Device::with_project();
    let zoes = zoe.start_node();
    let address = zoes.addresses[0].as_str().unwrap();
    let stranger = until("Zoe is met", || {
        let answer = anna.run(&["doctor", address, "--wait", "1", "--json"]);
        let found: Json = serde_json::from_str(&answer.out).unwrap();
        (found[0]["failed"] == "admitted").then_some(found)
    });
    assert!(stranger[0]["steps"][4]["advice"].as_str().unwrap().contains("velo join"), "{stranger}");
    assert!(annas.stop().success());
    // Without a running node the first step is the one that fails for everybody.
    assert_eq!(anna.json(&["doctor"])["peers"][0]["failed"], "listening");
    drop((ben, zoes));
}

#[test]
fn who_is_here_is_seen_and_who_goes_is_gone_at_once() {
    let (anna, ben, annas, bens) = two_nodes();
    let row = until("Ben's node is seen", || {
        anna.json(&["who"]).as_array().unwrap().iter().find(|row| row["name"] == "Ben").cloned()
    });
    assert_eq!(row["doing"], "running");
    assert!(anna.ok(&["who"]).contains("node is running"));
    assert!(bens.stop().success());
    until("he has gone", || (anna.json(&["who"]) == json!([])).then_some(()));
    assert!(annas.stop().success());
    assert!(anna.ok(&["who"]).contains("Nobody else is here"));
    drop(ben);
}

/// What a secret may be written as: as it is, in hexadecimal, in base 64 and 32, and as a list of numbers. Base
/// 64 and 32 say something else at every place that the secret may stand at within what was encoded.
fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
    assert!(secret.len() >= 24, "too short to be told from chance");
    let numbers: Vec<_> = secret.iter().map(ToString::to_string).collect();
    let mut all = vec![
        secret.to_vec(),
        HEXLOWER.encode(secret).into_bytes(),
        HEXUPPER.encode(secret).into_bytes(),
        numbers.join(",").into_bytes(),
    ];
    for from in 0..3 {
        let part = &secret[from..from + 18];
        all.extend([BASE64_NOPAD.encode(part).into_bytes(), BASE64URL_NOPAD.encode(part).into_bytes()]);
    }
    for from in 0..5 {
        let text = BASE32_NOPAD.encode(&secret[from..from + 15]);
        all.extend([text.to_lowercase().into_bytes(), text.into_bytes()]);
    }
    all
}

/// Whether a secret is in a text, in any encoding and however its numbers are laid out.
fn holds(text: &str, secret: &[u8]) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_in = |text: &str, found: &[u8]| text.as_bytes().windows(found.len()).any(|part| part == found);
    encodings(secret).iter().any(|found| is_in(text, found) || is_in(&dense, found))
}

/// The secrets in a key file that is not sealed: behind its mark, how it is kept and whether the root is there
/// stand three of 32 bytes.
fn secrets_of_keys(file: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(&file[..10], b"VELOKEYS\x00\x01");
    file[10..106].chunks(32).map(<[u8]>::to_vec).collect()
}

/// Every file of a bundle, as one text.
fn read_all(path: &str) -> (Vec<String>, String) {
    let mut zip = zip::ZipArchive::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
    let (mut names, mut all) = (Vec::new(), String::new());
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        names.push(file.name().unwrap().into_owned());
        file.read_to_string(&mut all).unwrap();
    }
    (names, all)
}

#[test]
fn the_diagnostics_hold_what_helps_and_nothing_of_people_and_no_secrets() {
    let anna = Device::of("Annabella Quill");
    anna.ok(&["workspace", "create", "Geheimwerkstatt"]);
    anna.ok(&["project", "add", "Luftschiff"]);
    anna.ok(&["task", "add", "Zanzibar streichen", "--description", "Der Pinsel heisst Quetzal"]);
    anna.ok(&["comment", "add", "LUFT-1", "Xylophon"]);
    anna.ok(&["label", "add", "Narwal"]);
    let attached = anna.file("Okapi.txt", "Yggdrasil");
    anna.ok(&["attach", "add", "LUFT-1", &attached]);
    let ben = Device::of("Benvolio Stern");
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    ben.json(&["join", &ticket]);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    // Something to complain of, with a path in it.
    anna.run(&["doctor", "--verify"]);
    let path = anna.path().join("to send.zip");
    let path = path.to_str().unwrap();
    let told = anna.ok(&["diagnostics", path]);
    assert!(
        told.contains(path) && told.contains("log/velo.log") && told.contains("look through it"),
        "{told}"
    );
    let (names, all) = read_all(path);
    for name in ["README.txt", "versions.json", "status.json", "peers.json", "doctor.json", "sizes.json"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    for part in
        ["node started", "session open", "authenticated", "\"entries\"", "\"velo\"", "\"lacks\"", "/blobs\""]
    {
        assert!(all.contains(part), "{part} is missing");
    }
    let record = std::fs::read_to_string(anna.workspace_folders()[0].join("record.json")).unwrap();
    // A checksum follows.
    let record = serde_json::Deserializer::from_str(&record).into_iter::<Json>().next().unwrap().unwrap();
    let secret: Vec<u8> = serde_json::from_value(record["secret"].clone()).unwrap();
    let mut secrets = secrets_of_keys(&std::fs::read(anna.data_dir().join("keys/device.key")).unwrap());
    secrets.extend([secret, ticket.clone().into_bytes()]);
    for secret in &secrets {
        let listed = serde_json::to_string_pretty(&json!({ "key": secret })).unwrap();
        let packed = data_encoding::BASE64.encode(&[b"xx", secret.as_slice()].concat());
        assert!(holds(&listed, secret) && holds(&packed, secret), "the search finds nothing");
        assert!(!holds(&all, secret), "a secret is in it");
    }
    let texts =
        ["Annabella", "Quill", "Benvolio", "Stern", "Geheimwerkstatt", "Luftschiff", "Zanzibar", "Quetzal"];
    let texts = texts
        .iter()
        .chain(&["Xylophon", "Narwal", "LUFT", "Okapi", "Yggdrasil"])
        .map(|text| (*text).to_owned());
    let home = anna.path().to_str().unwrap().to_owned();
    for planted in texts.chain([home]) {
        assert!(!all.contains(&planted), "{planted} is in it");
    }
    let again = anna.run(&["diagnostics", path]);
    assert_eq!(again.code, 1, "what is there is not written over");
    assert!(again.err.contains("Name another file"), "{}", again.err);
    assert!(annas.stop().success() && bens.stop().success());
    // Alone as well.
    let answer = anna.json(&["diagnostics", &format!("{path}.2")]);
    assert!(answer["parts"].as_array().unwrap().len() > 5, "{answer}");
}
