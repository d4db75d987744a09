//! Hosts on one LAN, made of network namespaces: a bridge in a namespace of its own, and one
//! namespace with a cable to it for every host. Nothing outside can be reached from there, and
//! everything is removed when the [`Lan`] is dropped.
//!
//! A bridge forwards at the speed of the kernel and loses nothing. For bad networks see
//! [`switch`](crate::switch).

pub use crate::netns::unavailable;

use crate::{netns::Namespace, switch::Port};
use std::{path::Path, process::Command, sync::Arc};

/// More hosts than so many do not find each other's hardware addresses by asking: one table of the kernel,
/// of 1,024 places, holds what was found in all namespaces, and those in it that nobody found are not counted.
const ASKING: u8 = 16;

/// A bridge and the hosts on it.
pub struct Lan {
    hosts: Vec<Host>,
}

/// One host.
pub struct Host {
    namespace: Arc<Namespace>,
    cable: Cable,
}

/// What connects a host with the others.
pub(crate) enum Cable {
    /// A port of a bridge in this namespace.
    Bridge(Arc<Namespace>, String),
    /// A port of a switch.
    Switch(Arc<Port>),
    /// The inner port of a router in this namespace.
    Router(Arc<Namespace>),
}

impl Lan {
    /// A LAN of `count` hosts, 10.77.0.1 and up.
    ///
    /// # Errors
    /// If a namespace or cable cannot be made.
    pub fn new(count: u8) -> anyhow::Result<Self> {
        let hub = Arc::new(Namespace::new("hub")?);
        hub.ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        hub.ip(&["link", "set", "br0", "up"])?;
        let hosts = (1..=count).map(|number| plug_in(&hub, number)).collect::<Result<_, _>>()?;
        let lan = Self { hosts };
        if count > ASKING {
            lan.introduce(count)?;
        }
        Ok(lan)
    }

    /// Tells every host the hardware address of every other one.
    fn introduce(&self, count: u8) -> anyhow::Result<()> {
        for (own, host) in (1..).zip(&self.hosts) {
            let others = (1..=count).filter(|number| *number != own);
            let lines = others.map(|number| {
                let (address, hardware) = (address(number), hardware(number));
                format!("neigh replace {address} lladdr {hardware} dev eth0 nud permanent\n")
            });
            host.namespace.ip_batch(&lines.collect::<String>())?;
        }
        Ok(())
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

fn plug_in(hub: &Arc<Namespace>, number: u8) -> anyhow::Result<Host> {
    let namespace = Namespace::new(&number.to_string())?;
    let port = format!("port{number}");
    connect(hub, &port, &namespace)?;
    hub.ip(&["link", "set", &port, "master", "br0"])?;
    namespace.ip(&["link", "set", "eth0", "address", &hardware(number)])?;
    namespace.bring_up("eth0", &format!("{}/24", address(number)))?;
    Ok(Host::new(namespace, Cable::Bridge(Arc::clone(hub), port)))
}

fn address(number: u8) -> String {
    format!("10.77.0.{number}")
}

/// Of nobody's make: the second bit says so.
fn hardware(number: u8) -> String {
    format!("02:76:65:6c:6f:{number:02x}")
}

/// A cable from `port` of a hub to `eth0` of a host.
pub(crate) fn connect(hub: &Namespace, port: &str, host: &Namespace) -> anyhow::Result<()> {
    let host = ["peer", "name", "eth0", "netns", host.name()];
    hub.ip(&[&["link", "add", port, "type", "veth"], &host[..]].concat())?;
    hub.ip(&["link", "set", port, "up"])
}

impl Host {
    pub(crate) fn new(namespace: Namespace, cable: Cable) -> Self {
        Self { namespace: Arc::new(namespace), cable }
    }

    /// Its network.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// A command that runs on this host.
    pub fn command(&self, program: &Path) -> Command {
        self.namespace.command(program)
    }

    /// Pulls the cable, at the other end, so that the host itself notices nothing.
    ///
    /// # Errors
    /// If the port cannot be changed.
    pub fn cut(&self) -> anyhow::Result<()> {
        match &self.cable {
            Cable::Bridge(hub, port) => hub.ip(&["link", "set", port, "nomaster"]),
            Cable::Router(router) => router.ip(&["link", "set", "lan0", "down"]),
            Cable::Switch(port) => {
                port.plug(false);
                Ok(())
            }
        }
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// If the port cannot be changed.
    pub fn mend(&self) -> anyhow::Result<()> {
        match &self.cable {
            Cable::Bridge(hub, port) => hub.ip(&["link", "set", port, "master", "br0"]),
            Cable::Router(router) => router.ip(&["link", "set", "lan0", "up"]),
            Cable::Switch(port) => {
                port.plug(true);
                Ok(())
            }
        }
    }

    /// Swallows, on this host, all that others send it and all that it sends: nobody is told, and every
    /// connection stays open in vain.
    ///
    /// # Errors
    /// If the packet filter cannot be changed.
    pub fn silence(&self) -> anyhow::Result<()> {
        self.namespace.filter(
            "table ip silence {
               chain in {
                 type filter hook input priority filter; policy accept;
                 iifname \"eth0\" drop
               }
               chain out {
                 type filter hook output priority filter; policy accept;
                 oifname \"eth0\" drop
               }
             }
             ",
        )
    }

    /// Lets everything pass again.
    ///
    /// # Errors
    /// If the packet filter cannot be changed.
    pub fn unsilence(&self) -> anyhow::Result<()> {
        self.namespace.filter("delete table ip silence\n")
    }
}
