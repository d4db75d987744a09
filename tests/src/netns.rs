//! A network namespace: the network of a host that is not there. Named after this process, and removed
//! when it is dropped.

use crate::device::has_program;
use anyhow::bail;
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// See the module.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// Why namespaces cannot be made here, if so: said by a test that is skipped.
pub fn unavailable() -> Option<&'static str> {
    if !has_program("ip") {
        return Some("`ip` (package iproute2) is missing");
    }
    Namespace::new("probe").err().map(|_| "network namespaces need root")
}

/// Why the userspace switch and routers with address translation cannot be made here, if so.
pub fn laboratory_unavailable() -> Option<&'static str> {
    if let Some(why) = unavailable() {
        return Some(why);
    }
    if !has_program("nft") {
        return Some("`nft` (package nftables) is missing");
    }
    (!Path::new("/dev/net/tun").exists()).then_some("/dev/net/tun is missing")
}

impl Namespace {
    /// A namespace with its loopback up; `role` stands in its name.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(role: &str) -> anyhow::Result<Self> {
        // Others make some at the same time, in this process and beside it.
        let name = format!("velo-{}x{}-{role}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in it.
    ///
    /// # Errors
    /// If it fails.
    pub fn ip(&self, args: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", self.name()], args].concat())
    }

    /// Gives the interface an address and brings it up; multicasts leave by it.
    ///
    /// # Errors
    /// If it fails.
    pub fn bring_up(&self, interface: &str, address: &str) -> anyhow::Result<()> {
        self.ip(&["addr", "add", address, "dev", interface])?;
        self.ip(&["link", "set", interface, "up"])?;
        self.ip(&["route", "add", "224.0.0.0/4", "dev", interface])
    }

    /// Runs many commands of `ip` in it, one a line.
    ///
    /// # Errors
    /// If one fails.
    pub fn ip_batch(&self, lines: &str) -> anyhow::Result<()> {
        fed(self.command(Path::new("ip")).args(["-batch", "-"]), lines)
    }

    /// Makes a packet filter of these rules.
    ///
    /// # Errors
    /// If `nft` refuses them.
    pub fn filter(&self, rules: &str) -> anyhow::Result<()> {
        fed(self.command(Path::new("nft")).args(["-f", "-"]), rules)
    }

    /// A command that runs in it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// Runs a command that reads `input`.
fn fed(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut standard_input) = child.stdin.take() {
        standard_input.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(args).output()?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
