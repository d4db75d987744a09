//! Requests with the real `curl`.

use serde_json::Value;
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// A request.
#[derive(Debug, Clone)]
pub struct Curl {
    args: Vec<String>,
    body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub text: String,
}

impl Curl {
    pub fn get(url: &str) -> Self {
        Self { args: vec![url.to_owned()], body: None }
    }

    pub fn post(url: &str, body: &Value) -> Self {
        Self::post_bytes(url, body.to_string().into_bytes())
    }

    pub fn post_bytes(url: &str, body: Vec<u8>) -> Self {
        let args = [url, "-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", "@-"];
        Self { args: args.map(str::to_owned).to_vec(), body: Some(body) }
    }

    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.arg("-H").arg(&format!("Authorization: Bearer {token}"))
    }

    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub fn send(self) -> Answer {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--globoff", "--path-as-is", "--noproxy", "*", "--max-time", "90"]);
        command.args(&self.args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut curl = command.spawn().expect("curl is installed");
        let mut stdin = curl.stdin.take().unwrap();
        let body = self.body.unwrap_or_default();
        // A server that has answered reads no further.
        let sending = std::thread::spawn(move || drop(stdin.write_all(&body)));
        let output = curl.wait_with_output().unwrap();
        sending.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (head, text) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{:?}: {said}", self.args));
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.unwrap(), head: head.to_lowercase(), text: text.to_owned() }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer, which has to be a good one.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// Asserts that it is a problem with this status and code.
    pub fn problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let told = self.json();
        assert_eq!((&told["code"], &told["status"]), (&code.into(), &status.into()), "{self:?}");
        assert!(!told["detail"].as_str().unwrap().is_empty());
    }
}
