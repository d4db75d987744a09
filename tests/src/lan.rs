//! Hosts on one LAN, made of network namespaces: a bridge in a namespace of its own, and one
//! namespace with a cable to it for every host. Nothing outside can be reached from there, and
//! everything is removed when the [`Lan`] is dropped.

use crate::device::has_program;
use anyhow::bail;
use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A bridge and the hosts on it.
pub struct Lan {
    hub: String,
    hosts: Vec<Host>,
}

/// One host.
pub struct Host {
    namespace: String,
    port: String,
    hub: String,
}

/// Why namespaces cannot be made here, if so: said by a test that is skipped.
pub fn unavailable() -> Option<&'static str> {
    if !has_program("ip") {
        return Some("`ip` (package iproute2) is missing");
    }
    let probe = format!("velo-probe-{}", tag());
    if ip(&["netns", "add", &probe]).is_err() {
        return Some("network namespaces need root");
    }
    let _ = ip(&["netns", "del", &probe]);
    None
}

/// Names what one test makes: others run at the same time, in this process and beside it.
fn tag() -> String {
    format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(args).output()?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Lan {
    /// A LAN of `count` hosts, 10.77.0.1 and up.
    ///
    /// # Errors
    /// If a namespace or cable cannot be made.
    pub fn new(count: u8) -> anyhow::Result<Self> {
        let tag = tag();
        let hub = format!("velo-{tag}-hub");
        ip(&["netns", "add", &hub])?;
        let mut lan = Self { hub: hub.clone(), hosts: Vec::new() };
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        for number in 1..=count {
            let namespace = format!("velo-{tag}-{number}");
            ip(&["netns", "add", &namespace])?;
            lan.hosts.push(Host {
                namespace: namespace.clone(),
                port: format!("port{number}"),
                hub: hub.clone(),
            });
            lan.plug_in(&namespace, number)?;
        }
        Ok(lan)
    }

    fn plug_in(&self, namespace: &str, number: u8) -> anyhow::Result<()> {
        let (hub, port, address) = (&self.hub, format!("port{number}"), format!("10.77.0.{number}/24"));
        ip(&["-n", hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", namespace])?;
        ip(&["-n", hub, "link", "set", &port, "master", "br0"])?;
        ip(&["-n", hub, "link", "set", &port, "up"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", namespace, "addr", "add", &address, "dev", "eth0"])?;
        ip(&["-n", namespace, "link", "set", "eth0", "up"])?;
        ip(&["-n", namespace, "route", "add", "224.0.0.0/4", "dev", "eth0"])
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl Host {
    /// A command that runs on this host.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Pulls the cable, at the bridge, so that the host itself notices nothing.
    ///
    /// # Errors
    /// If the port cannot be changed.
    pub fn cut(&self) -> anyhow::Result<()> {
        ip(&["-n", &self.hub, "link", "set", &self.port, "nomaster"])
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// If the port cannot be changed.
    pub fn mend(&self) -> anyhow::Result<()> {
        ip(&["-n", &self.hub, "link", "set", &self.port, "master", "br0"])
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = ip(&["netns", "del", &host.namespace]);
        }
        let _ = ip(&["netns", "del", &self.hub]);
    }
}
