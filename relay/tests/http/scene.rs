//! A workspace of Anna's, and a relay in it that is asked over HTTP.

use super::curl::Curl;
use serde_json::{Value, json};
use std::{net::TcpListener, time::Duration};
use velo_tests::{
    device::{Device, LOOPBACK, RELAY, text_at, wait_equal},
    postgres::Postgres,
};

pub const PATIENCE: Duration = Duration::from_mins(1);
/// Known to tests that make tokens themselves.
pub const SECRET: &str = "a secret of tests, long enough for HMAC-SHA-256";

pub struct Scene {
    pub postgres: Postgres,
    pub relay: Device,
    pub anna: Device,
    pub url: String,
    pub workspace: String,
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn ticket(device: &Device, role: &str) -> String {
    text_at(&device.velo(&["invite", "--role", role]).unwrap(), "/ticket").unwrap().to_owned()
}

/// A relay that serves HTTP, and where.
pub fn relay(database: Option<String>) -> (Device, String) {
    let listen = format!("127.0.0.1:{}", free_port());
    let relay = Device::relay(database).unwrap().with("VELO_HTTP", &listen).with("JWT_SECRET", SECRET);
    (relay, format!("http://{listen}"))
}

impl Scene {
    /// `None` where there is no `PostgreSQL`. `role`: what the relay's own person may do.
    pub fn new(role: &str) -> Option<Self> {
        let postgres = Postgres::start()?;
        let (mut relay, url) = relay(Some(postgres.url()));
        let mut anna = Device::new("Anna").unwrap();
        anna.velo(&["workspace", "create", "Workshop"]).unwrap();
        anna.velo(&["project", "add", "House"]).unwrap();
        anna.start(None, &LOOPBACK).unwrap();
        relay.start(None, &RELAY).unwrap();
        relay.velo(&["join", &ticket(&anna, role)]).unwrap();
        let workspace = id(&anna);
        let scene = Self { postgres, relay, anna, url, workspace };
        scene.settle();
        Some(scene)
    }

    /// Waits until the relay has what Anna has.
    pub fn settle(&self) {
        wait_equal(&[&self.anna, &self.relay], PATIENCE).unwrap();
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// An address in the workspace.
    pub fn of(&self, path: &str) -> String {
        format!("{}/v1/workspaces/{}{path}", self.url, self.workspace)
    }

    pub fn token(&self) -> String {
        token(&self.url, &self.anna, &self.workspace)
    }
}

/// The id of a device's workspace.
pub fn id(device: &Device) -> String {
    let status = device.velo(&["status"]).unwrap();
    text_at(&status, "/current/id").unwrap().to_owned()
}

pub fn device_id(device: &Device) -> String {
    text_at(&device.velo(&["status"]).unwrap(), "/device").unwrap().to_owned()
}

/// What a device asks first.
pub fn wish(device: &Device) -> Value {
    json!({ "device": device_id(device) })
}

/// A challenge that a device has signed.
pub fn signed(url: &str, device: &Device, workspace: &str) -> Value {
    let challenge = Curl::post(&format!("{url}/v1/auth/challenge"), &wish(device)).send().good();
    sign(device, workspace, &challenge)
}

/// Has a device sign what it was asked to.
pub fn sign(device: &Device, workspace: &str, challenge: &Value) -> Value {
    let (relay, nonce) = (challenge["relay"].as_str().unwrap(), challenge["nonce"].as_str().unwrap());
    device
        .velo(&["device", "sign-challenge", "--workspace", workspace, "--relay", relay, "--", nonce])
        .unwrap()
}

pub fn token(url: &str, device: &Device, workspace: &str) -> String {
    let answer = Curl::post(&format!("{url}/v1/auth/token"), &signed(url, device, workspace)).send().good();
    answer["token"].as_str().unwrap().to_owned()
}
