//! Networks as they are: frames are lost and late, a firewall swallows everything, a device sleeps or
//! moves to another network, a link is narrow and long.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use anyhow::Context;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};
use velo_tests::{
    device::{Device, text_at, wait_equal},
    lan::{Host, Lan},
    netns, skip,
    switch::{Switch, Weather},
};

const PATIENCE: Duration = Duration::from_mins(2);

/// Anna's device with a workspace and Ben's, who joined it, each with a node on its host.
fn two_members(hosts: &[&Host; 2]) -> anyhow::Result<(Device, Device)> {
    let (mut anna, mut ben) = (Device::new("Anna")?, Device::new("Ben")?);
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.start(Some(hosts[0]), &[])?;
    ben.start(Some(hosts[1]), &[])?;
    let invite = anna.velo(&["invite"])?;
    ben.velo(&["join", text_at(&invite, "/ticket")?, "--wait", "60"])?;
    wait_equal(&[&anna, &ben], PATIENCE)?;
    Ok((anna, ben))
}

/// Whether a session with a device that shares the workspace is open.
fn is_connected(device: &Device) -> anyhow::Result<bool> {
    let peers = device.ask(&json!({ "network": "list" }))?;
    Ok(peers.as_array().is_some_and(|peers| peers.iter().any(|peer| peer["connected"] == true)))
}

fn add_task(device: &Device, title: &str) -> anyhow::Result<Value> {
    device.velo(&["task", "add", title])
}

#[test]
fn ten_devices_agree_over_a_network_that_loses_and_delays() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let ms = Duration::from_millis;
    let bad = Weather { loss: 0.05, delay: ms(50), jitter: ms(30), overtaking: 0.05, rate: None };
    let mut switch = Switch::new(10);
    let hosts: Vec<_> =
        (1..=10).map(|n| switch.host(&format!("10.77.0.{n}/24"), bad)).collect::<Result<_, _>>()?;
    let mut devices: Vec<_> =
        (0..10).map(|n| Device::new(&format!("Person {n}"))).collect::<Result<_, _>>()?;
    devices[0].velo(&["workspace", "create", "Workshop"])?;
    devices[0].velo(&["project", "add", "House"])?;
    add_task(&devices[0], "Fix pump")?;
    for (device, host) in devices.iter_mut().zip(&hosts) {
        device.start(Some(host), &[])?;
    }
    let invite = devices[0].velo(&["invite"])?;
    let start = Instant::now();
    for device in &devices[1..] {
        device.velo(&["join", text_at(&invite, "/ticket")?, "--wait", "60"])?;
    }
    println!("nine joined in {} ms", start.elapsed().as_millis());
    let all: Vec<_> = devices.iter().collect();
    wait_equal(&all, PATIENCE)?;
    for (n, device) in all.iter().enumerate() {
        device.velo(&["task", "edit", "Fix pump", "--description", &format!("It leaks, says {n}")])?;
        add_task(device, &format!("Task of {n}"))?;
    }
    let took = wait_equal(&all, PATIENCE)?;
    println!("ten devices equal {} ms after the last edit", took.as_millis());
    for device in &all {
        let tasks = device.velo(&["task", "list"])?.to_string();
        assert_eq!(tasks.matches("Task of ").count(), 10, "{tasks}");
    }
    Ok(())
}

#[test]
fn a_firewall_that_swallows_everything_is_noticed_within_20_s() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let lan = Lan::new(2)?;
    let (anna, ben) = two_members(&[&lan.hosts()[0], &lan.hosts()[1]])?;
    lan.hosts()[1].silence()?;
    let start = Instant::now();
    for device in [&anna, &ben] {
        device.wait_for("notice", PATIENCE, |device| Ok(!is_connected(device)?))?;
        let noticed = start.elapsed();
        println!("noticed after {} ms", noticed.as_millis());
        assert!(noticed < Duration::from_secs(20), "{noticed:?}");
    }
    add_task(&anna, "Order a gasket")?;
    add_task(&ben, "Sweep the yard")?;
    lan.hosts()[1].unsilence()?;
    let took = wait_equal(&[&anna, &ben], PATIENCE)?;
    println!("equal {} ms after it was lifted", took.as_millis());
    Ok(())
}

#[test]
fn a_device_that_slept_catches_up_when_it_wakes() -> anyhow::Result<()> {
    if let Some(why) = netns::unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let lan = Lan::new(2)?;
    let (anna, ben) = two_members(&[&lan.hosts()[0], &lan.hosts()[1]])?;
    ben.signal("STOP")?;
    // Until Anna has given the connection up: then there is nothing left that could just go on.
    anna.wait_for("notice", PATIENCE, |anna| Ok(!is_connected(anna)?))?;
    add_task(&anna, "Order a gasket")?;
    std::thread::sleep(Duration::from_secs(8));
    let state = anna.state_hash()?;
    let woken = SystemTime::now();
    ben.signal("CONT")?;
    println!("caught up {:?} after waking", ben.reached(&state, PATIENCE)?.duration_since(woken)?);
    Ok(())
}

#[test]
fn a_device_that_moves_to_another_network_is_found_there() -> anyhow::Result<()> {
    if let Some(why) = netns::unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let lan = Lan::new(2)?;
    let (anna, ben) = two_members(&[&lan.hosts()[0], &lan.hosts()[1]])?;
    let network = lan.hosts()[1].namespace();
    network.ip(&["addr", "del", "10.77.0.2/24", "dev", "eth0"])?;
    ben.wait_for("notice", PATIENCE, |ben| Ok(!is_connected(ben)?))?;
    add_task(&anna, "Order a gasket")?;
    add_task(&ben, "Sweep the yard")?;
    network.ip(&["addr", "add", "10.77.0.12/24", "dev", "eth0"])?;
    network.ip(&["route", "replace", "224.0.0.0/4", "dev", "eth0"])?;
    let took = wait_equal(&[&anna, &ben], PATIENCE)?;
    println!("equal {} ms after the new address", took.as_millis());
    Ok(())
}

/// Two members on a link of 64 kbit/s and 600 ms to and fro.
fn far_apart(switch: &mut Switch) -> anyhow::Result<([Host; 2], Device, Device)> {
    let far = Weather { delay: Duration::from_millis(300), rate: Some(64_000), ..Weather::default() };
    let hosts = [switch.host("10.77.0.1/24", far)?, switch.host("10.77.0.2/24", far)?];
    let (anna, ben) = two_members(&[&hosts[0], &hosts[1]])?;
    Ok((hosts, anna, ben))
}

/// Has Anna make a hundred edits offline. Returns how long after her return the other has them.
fn edit_offline(anna: &mut Device, host: &Host, ben: &Device) -> anyhow::Result<Duration> {
    anna.stop()?;
    anna.start(None, &["--offline"])?;
    for n in 0..100 {
        anna.velo(&["task", "add", &format!("Check valve {n}")])?;
    }
    let state = anna.state_hash()?;
    anna.stop()?;
    let start = SystemTime::now();
    anna.start(Some(host), &[])?;
    Ok(ben.reached(&state, PATIENCE)?.duration_since(start)?)
}

#[test]
fn a_hundred_edits_arrive_within_15_s_over_a_narrow_and_long_link() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let mut switch = Switch::new(64);
    let (hosts, mut anna, ben) = far_apart(&mut switch)?;
    let took = edit_offline(&mut anna, &hosts[0], &ben)?;
    println!("a hundred edits arrived {took:?} after the start");
    assert!(took < Duration::from_secs(15), "{took:?}");
    Ok(())
}

/// A photo of 5 MB in 20 parts, each of which takes half a minute on a narrow link: attached by one, and
/// asked for by the other, who has just begun to receive it.
fn send_photo(anna: &Device, ben: &Device) -> anyhow::Result<()> {
    let file = anna.data_dir().join("leak.jpg");
    let mut bytes = vec![0; 5_000_000];
    fastrand::Rng::with_seed(5).fill(&mut bytes);
    std::fs::write(&file, bytes)?;
    add_task(anna, "Look at the leak")?;
    let added = anna.velo(&["attach", "add", "Look at the leak", &file.to_string_lossy()])?;
    wait_equal(&[anna, ben], PATIENCE)?;
    ben.ask(&json!({ "attach": { "fetch": { "attachment": text_at(&added, "/0/short")?, "wait": 60 } } }))?;
    ben.wait_for("photo", PATIENCE, |ben| Ok(parts_of_photo(ben)?["of"] == 20))
}

/// How many parts of how many are on a device.
fn parts_of_photo(device: &Device) -> anyhow::Result<Value> {
    let list = device.ask(&json!({ "attach": { "list": { "task": "Look at the leak" } } }))?;
    Ok(list.pointer("/0/content").context("no content")?.clone())
}

#[test]
fn a_photo_on_its_way_does_not_hold_up_edits_on_a_narrow_and_long_link() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let mut switch = Switch::new(65);
    let (hosts, mut anna, ben) = far_apart(&mut switch)?;
    send_photo(&anna, &ben)?;
    for n in 0..5 {
        add_task(&anna, &format!("Order gasket {n}"))?;
        let (state, start) = (anna.state_hash()?, SystemTime::now());
        let took = ben.reached(&state, PATIENCE)?.duration_since(start)?;
        println!("an edit arrived after {took:?} beside the photo");
        std::thread::sleep(Duration::from_secs(3));
    }
    let took = edit_offline(&mut anna, &hosts[0], &ben)?;
    let before = parts_of_photo(&ben)?;
    println!(
        "a hundred edits arrived {took:?} after the start, beside the photo, of which was here {before}"
    );
    assert!(took < Duration::from_secs(15), "{took:?}");
    // It was being fetched, and goes on.
    ben.wait_for("more of the photo", PATIENCE, |ben| Ok(parts_of_photo(ben)? != before))
}
