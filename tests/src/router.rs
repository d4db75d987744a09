//! A home behind a router that translates addresses: the host inside reaches the outside, and nobody
//! outside reaches the host but in answer.

use crate::{
    lan::{self, Cable, Host},
    netns::Namespace,
    switch::{Switch, Weather},
};
use std::{path::Path, sync::Arc};

/// How a router chooses the port that stands for a connection outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// The one that the host uses, where it is free: as most routers at home do.
    Kept,
    /// Any other, for each connection anew. Nobody can foresee it.
    Random,
}

/// A host behind a router whose outer address is `outside`, such as 203.0.113.2/24. Inside all homes
/// look alike but for `number`: the host is 192.168.number.2.
///
/// # Errors
/// If it cannot be made.
pub fn home(internet: &mut Switch, outside: &str, number: u8, ports: Ports) -> anyhow::Result<(Host, Host)> {
    let router = internet.host(outside, Weather::default())?;
    let inside = Namespace::new("inside")?;
    let router_space = router.namespace();
    lan::connect(router_space, "lan0", &inside)?;
    router_space.ip(&["addr", "add", &format!("192.168.{number}.1/24"), "dev", "lan0"])?;
    inside.bring_up("eth0", &format!("192.168.{number}.2/24"))?;
    inside.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")])?;
    router_space.filter(&rules(ports))?;
    let mut forward = router_space.command(Path::new("sh"));
    let forwards = forward.args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]).status()?;
    anyhow::ensure!(forwards.success(), "the router does not forward: {forwards}");
    Ok((Host::new(inside, Cable::Router(Arc::clone(router.namespace()))), router))
}

/// What comes from outside unasked is dropped, not refused: a refusal would end the attempt of the other
/// side before ours opens the way for it.
fn rules(ports: Ports) -> String {
    let random = if ports == Ports::Random { " fully-random" } else { "" };
    format!(
        "table ip router {{
           chain out {{
             type nat hook postrouting priority srcnat; policy accept;
             oifname \"eth0\" masquerade{random}
           }}
           chain in {{
             type filter hook input priority filter; policy accept;
             iifname \"eth0\" ct state != established drop
           }}
           chain through {{
             type filter hook forward priority filter; policy drop;
             iifname \"lan0\" accept
             ct state established,related accept
           }}
         }}
         "
    )
}
