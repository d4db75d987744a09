//! Two devices behind two routers, which nobody can dial: they meet through a relay, and leave it for a
//! direct connection where the routers let it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::time::{Duration, Instant};
use velo_tests::{
    device::{Device, text_at, wait_equal},
    lan::Host,
    netns,
    router::{self, Ports},
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
        anna.start(Some(&anna_host), &["--no-mdns"])?;
        ben.start(Some(&ben_host), &["--no-mdns"])?;
        let relay_status = relay.velo(&["status"])?;
        let relay_address = text_at(&relay_status, "/addresses/0")?;
        anna.velo(&["peers", "add", relay_address])?;
        let start = Instant::now();
        anna.wait_for("a place at the relay", PATIENCE, |anna| {
            Ok(anna.velo(&["status"])?["addresses"].to_string().contains("p2p-circuit"))
        })?;
        println!("a place at the relay after {} ms", start.elapsed().as_millis());
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

/// Which way a device reaches the one other with which it shares a workspace.
fn path(device: &Device) -> anyhow::Result<Option<String>> {
    let peers = device.velo(&["peers", "list"])?;
    let sharing = peers.as_array().into_iter().flatten().find(|peer| peer["shares"] == true);
    Ok(sharing.and_then(|peer| peer["path"].as_str().map(str::to_owned)))
}

#[test]
fn behind_two_routers_they_meet_at_the_relay_and_pierce_their_way() -> anyhow::Result<()> {
    if let Some(why) = netns::laboratory_unavailable() {
        skip::tell(why);
        return Ok(());
    }
    let mut towns = Towns::new(Ports::Kept)?;
    let start = Instant::now();
    for device in [&towns.anna, &towns.ben] {
        device.wait_for("a direct connection", PATIENCE, |device| {
            Ok(path(device)?.as_deref() == Some("direct"))
        })?;
    }
    println!("direct {} ms after joining", start.elapsed().as_millis());
    towns.work("directly")?;
    // Nothing leads through the relay any more.
    towns.relay.stop()?;
    towns.work("without the relay")?;
    assert_eq!(path(&towns.anna)?.as_deref(), Some("direct"));
    Ok(())
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
