//! Every verdict of the executable reference, on its own random worlds.

use crate::{
    random::{self, Chance},
    world::{Key, Kind, Op, World, check_changes},
};
use serde_json::Value;
use std::{fs::OpenOptions, io::Write, process::Command};
use velo_protocol::access::Role;

const WORLDS: usize = 2000;
const SIZE: usize = 60;

#[test]
fn the_rule_is_that_of_the_reference_in_every_order() {
    let Some(lines) = vectors() else { return };
    let mut worlds = 0;
    for line in lines.lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let (seed, world) = (json["seed"].as_u64().unwrap(), world(&json));
        let expected: Vec<_> = list(&json["ops"]).iter().map(|op| op["effective"] == true).collect();
        assert_eq!(world.verdicts(&world.access()), expected, "world {seed}");
        let mut chance = Chance::new(seed);
        for _ in 0..2 {
            let order = random::order(&world, &mut chance);
            let access = world.judged(order.iter().copied());
            assert_eq!(world.verdicts(&access), expected, "world {seed} in the order {order:?}");
        }
        check_changes(&world, &random::order(&world, &mut chance), seed);
        worlds += 1;
    }
    assert_eq!(worlds, WORLDS);
}

/// What `model.py` prints; `None`, and a reason in the file that `VELO_SKIPS` names, without Python.
fn vectors() -> Option<String> {
    let model = format!("{}/tests/access/model.py", env!("CARGO_MANIFEST_DIR"));
    let output =
        Command::new("python3").args([&model, "vectors", &WORLDS.to_string(), &SIZE.to_string()]).output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            let line = format!("access::vectors: `python3` cannot be run: {error}\n");
            print!("SKIPPED: {line}");
            if let Some(file) = std::env::var_os("VELO_SKIPS") {
                let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
                file.write_all(line.as_bytes()).unwrap();
            }
            None
        }
    }
}

fn list(json: &Value) -> &[Value] {
    json.as_array().unwrap()
}

fn number(json: &Value) -> Option<usize> {
    json.as_u64().map(|number| number as usize)
}

fn world(json: &Value) -> World {
    let keys = list(&json["keys"]).iter().map(|key| Key {
        person: number(&key["person"]).unwrap(),
        parent: number(&key["parent"]),
        linked_by: number(&key["linked_by"]),
    });
    let mut world = World { ops: Vec::new(), keys: keys.collect() };
    for json in list(&json["ops"]) {
        let past = world.past(list(&json["deps"]).iter().map(|dep| number(dep).unwrap()));
        world.ops.push(Op {
            key: number(&json["key"]).unwrap(),
            kind: kind(json["kind"].as_str().unwrap()),
            past,
            auth: number(&json["auth"]),
            subject: number(&json["subject"]),
            role: number(&json["role"]).and_then(role),
            target: number(&json["target"]),
        });
    }
    world
}

fn kind(name: &str) -> Kind {
    match name {
        "genesis" => Kind::Genesis,
        "grant" => Kind::Grant,
        "cap" => Kind::Cap,
        "invite" => Kind::Invite,
        "join" => Kind::Join,
        "revoke" => Kind::Revoke,
        "link" => Kind::Link,
        "unlink" => Kind::Unlink,
        "data" => Kind::Data,
        "note" => Kind::Note,
        other => panic!("the reference knows {other}"),
    }
}

fn role(number: usize) -> Option<Role> {
    [None, Some(Role::Viewer), Some(Role::Member), Some(Role::Admin), Some(Role::Owner)][number]
}
