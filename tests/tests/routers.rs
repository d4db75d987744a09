//! Two devices behind two routers, which nobody can dial: they meet through a relay, and leave it for a
//! direct connection where the routers let it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::time::{Duration, Instant};
use velo_tests::{
    device::{Device, text_at, wait_equal},
    lan::Host,
    netns,
    router::{self, LISTENING, Ports},
    skip,
    switch::{Switch, Weather},
};

const PATIENCE: Duration = Duration::from_mins(1);
/// A connection between two towns.
const WAY: Weather = Weather {
    loss: 0.0,
    delay: Duration::from_millis(15),
    jitter: Duration::ZERO,
    overtaking: 0.0,
    rate: None,
};

/// A relay and two homes, with a device each. The hosts go last, after what runs on them.
struct Towns {
    anna: Device,
    ben: Device,
    relay: Device,
    _hosts: [Host; 5],
    _internet: Switch,
}

impl Towns {
    /// Anna was told of the relay, and Ben was invited by her.
    fn new(ports: Ports) -> anyhow::Result<Self> {
        let mut internet = Switch::new(26);
        let server = internet.host("203.0.113.1/24", WAY)?;
        let (anna_host, anna_router) = router::home(&mut internet, "203.0.113.2/24", 2, ports)?;
        let (ben_host, ben_router) = router::home(&mut internet, "203.0.113.3/24", 3, ports)?;
        let (mut relay, mut anna, mut ben) =
            (Device::new("Relay")?, Device::new("Anna")?, Device::new("Ben")?);
        relay.start(Some(&server), &["--relay", "--listen", "/ip4/0.0.0.0/tcp/4001"])?;
        anna.velo(&["workspace", "create", "Workshop"])?;
        anna.velo(&["project", "add", "House"])?;
        let listen = format!("/ip4/0.0.0.0/tcp/{LISTENING}");
        let online = ["--no-mdns", "--listen", &listen];
        anna.start(Some(&anna_host), &online)?;
        ben.start(Some(&ben_host), &online)?;
        let relay_status = relay.velo(&["status"])?;
        let relay_address = text_at(&relay_status, "/addresses/0")?;
        anna.velo(&["peers", "add", relay_address])?;
        let start = Instant::now();
        has_place(&anna)?;
        println!("a place at the relay after {} ms", start.elapsed().as_millis());
        if ports == Ports::Mapped {
            // Only a device that knows a relay for one dials it from the port at which it listens.
            anna.stop()?;
            anna.start(Some(&anna_host), &online)?;
            has_place(&anna)?;
        }
        let invite = anna.velo(&["invite"])?;
        let start = Instant::now();
        ben.velo(&["join", text_at(&invite, "/ticket")?])?;
        println!("joined through the relay in {} ms", start.elapsed().as_millis());
        let hosts = [server, anna_host, anna_router, ben_host, ben_router];
        Ok(Self { anna, ben, relay, _hosts: hosts, _internet: internet })
    }

    /// Both write at the same time, and get what the other wrote.
    fn work(&self, what: &str) -> anyhow::Result<()> {
        self.anna.velo(&["task", "add", &format!("{what}, says Anna")])?;
        self.ben.velo(&["task", "add", &format!("{what}, says Ben")])?;
        let took = wait_equal(&[&self.anna, &self.ben], PATIENCE)?;
        println!("{what}: equal after {} ms", took.as_millis());
        for device in [&self.anna, &self.ben] {
            let tasks = device.velo(&["task", "list"])?.to_string();
            anyhow::ensure!(tasks.matches(what).count() == 2, "{tasks}");
        }
        Ok(())
    }
}

fn has_place(device: &Device) -> anyhow::Result<()> {
    device.wait_for("a place at the relay", PATIENCE, |device| {
        Ok(device.velo(&["status"])?["addresses"].to_string().contains("p2p-circuit"))
    })
}

/// Which way a device reaches the one other with which it shares a workspace.
fn path(device: &Device) -> anyhow::Result<Option<String>> {
    let peers = device.velo(&["peers", "list"])?;
    let sharing = peers.as_array().into_iter().flatten().find(|peer| peer["shares"] == true);
    Ok(sharing.and_then(|peer| peer["path"].as_str().map(str::to_owned)))
}

fn meet_and_pierce(ports: Ports) -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let mut towns = Towns::new(ports)?;
    let start = Instant::now();
    towns.work("while they move")?;
    for device in [&towns.anna, &towns.ben] {
        let is_direct = |device: &Device| Ok(path(device)?.as_deref() == Some("direct"));
        device.wait_for("a direct connection", PATIENCE, is_direct)?;
    }
    println!("direct at most {} ms after joining", start.elapsed().as_millis());
    towns.work("directly")?;
    // Nothing leads through the relay any more.
    towns.relay.stop()?;
    towns.work("without the relay")?;
    assert_eq!(path(&towns.anna)?.as_deref(), Some("direct"));
    Ok(())
}

#[test]
fn behind_two_routers_they_meet_at_the_relay_and_pierce_their_way() -> anyhow::Result<()> {
    meet_and_pierce(Ports::Kept)
}

#[test]
fn routers_that_give_another_port_are_pierced_as_well() -> anyhow::Result<()> {
    meet_and_pierce(Ports::Mapped)
}

#[test]
fn where_the_routers_cannot_be_pierced_they_stay_on_the_relay() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let towns = Towns::new(Ports::Random)?;
    towns.work("at first")?;
    // Three attempts to pierce have failed by then.
    std::thread::sleep(Duration::from_secs(15));
    for device in [&towns.anna, &towns.ben] {
        assert_eq!(path(device)?.as_deref(), Some("relay"));
    }
    towns.work("still through the relay")
}
