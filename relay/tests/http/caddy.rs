//! The relay as programs elsewhere meet it: through a real Caddy that runs `deploy/Caddyfile` as it is shipped.
//!
//! Nothing of the file is changed. It is imported behind options that a test needs: ports and a loopback address
//! instead of 80 and 443, and certificates of Caddy's own authority instead of a public one.

use super::{
    curl::{Answer, Curl},
    scene::{PATIENCE, Scene, free_port, sign, wish},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_tests::{device::has_program, skip};

/// A name that leads nowhere: curl is told where it is.
const DOMAIN: &str = "relay.example.org";

/// A relay behind Caddy.
struct Behind {
    scene: Scene,
    caddy: Caddy,
}

struct Caddy {
    folder: TempDir,
    http: u16,
    https: u16,
    process: Child,
}

impl Drop for Caddy {
    fn drop(&mut self) {
        // Whatever became of it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Caddy {
    /// `None` where it is not installed: that is told as a skip.
    fn before(relay: &str) -> Option<Self> {
        if let Some(missing) = ["caddy", "curl"].into_iter().find(|program| !has_program(program)) {
            skip::tell(&format!("`{missing}` is not installed (apt-get install {missing})"));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("velo-caddy-").tempdir().unwrap();
        let (http, https) = (free_port(), free_port());
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/Caddyfile");
        let options = format!(
            "{{\nadmin off\nhttp_port {http}\nhttps_port {https}\ndefault_bind 127.0.0.1\nlocal_certs\n\
             skip_install_trust\n}}\nimport {}\n",
            shipped.canonicalize().unwrap().display()
        );
        let config = folder.path().join("Caddyfile");
        fs::write(&config, options).unwrap();
        let process = Command::new("caddy")
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&config)
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path().join("share"))
            .env("XDG_CONFIG_HOME", folder.path().join("config"))
            .env("VELO_DOMAIN", DOMAIN)
            .env("VELO_HTTP", relay)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut caddy = Self { folder, http, https, process };
        caddy.wait_ready();
        Some(caddy)
    }

    fn wait_ready(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut asked = Command::new("curl");
            asked.args(["--silent", "--output", "/dev/null", "--max-time", "5"]).args(self.way());
            if asked.arg(self.at("/healthz")).status().unwrap().success() {
                return;
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.process.try_wait().unwrap().is_none(), "Caddy ended: {}", log());
            assert!(Instant::now() < until, "Caddy does not answer: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("share/caddy/pki/authorities/local/root.crt")
    }

    /// What curl has to be told to get here.
    fn way(&self) -> Vec<String> {
        let leads = |port| ["--resolve".to_owned(), format!("{DOMAIN}:{port}:127.0.0.1")];
        let mut way = [leads(self.https), leads(self.http)].concat();
        way.extend(["--noproxy", "*", "--cacert"].map(str::to_owned));
        way.push(self.root().display().to_string());
        way
    }

    fn at(&self, path: &str) -> String {
        format!("https://{DOMAIN}:{}{path}", self.https)
    }
}

impl Behind {
    fn new() -> Option<Self> {
        let scene = Scene::new("viewer")?;
        let caddy = Caddy::before(scene.url.strip_prefix("http://").unwrap())?;
        Some(Self { scene, caddy })
    }

    fn through(&self, curl: Curl) -> Curl {
        self.caddy.way().iter().fold(curl, |curl, arg| curl.arg(arg))
    }

    fn get(&self, path: &str) -> Curl {
        self.through(Curl::get(&self.caddy.at(path)))
    }

    fn post(&self, path: &str, body: &Value) -> Curl {
        self.through(Curl::post(&self.caddy.at(path), body))
    }

    /// An address in the workspace.
    fn of(&self, path: &str) -> String {
        format!("/v1/workspaces/{}{path}", self.scene.workspace)
    }

    fn token(&self) -> String {
        let Scene { anna, workspace, .. } = &self.scene;
        let challenge = self.post("/v1/auth/challenge", &wish(anna)).send().good();
        let answer = self.post("/v1/auth/token", &sign(anna, workspace, &challenge)).send().good();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// The cursor behind everything: acknowledgements may still be on their way.
    fn end(&self, token: &str) -> String {
        let mut query = "?limit=1000".to_owned();
        loop {
            let page = self.get(&self.of(&format!("/changes{query}"))).token(token).send().good();
            let cursor = page["nextCursor"].as_str().unwrap();
            if page["changes"].as_array().unwrap().is_empty() {
                return cursor.to_owned();
            }
            query = format!("?wait=2&cursor={cursor}");
        }
    }

    /// The status codes of many requests that come from an address of this machine, one after another.
    fn codes(&self, from: &str, count: usize, forged: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}\\n",
            "--interface",
            from,
        ]);
        curl.args(["--data", "{}", "--header", "Content-Type: application/json"]).args(self.caddy.way());
        let output = curl.args(forged).arg(self.caddy.at(&format!("/v1/auth/token?[1-{count}]"))).output();
        let told = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(told.lines().count(), count, "{told}");
        told
    }
}

/// What a browser is told with every answer.
fn is_guarded(answer: &Answer) {
    for line in ["strict-transport-security: max-age=31536000", "x-content-type-options: nosniff"] {
        assert!(answer.head.contains(line), "{line}: {answer:?}");
    }
    assert!(!answer.head.contains("\nserver:"), "{answer:?}");
}

#[test]
fn a_device_gets_its_token_syncs_and_reads_changes_through_caddy() {
    let Some(behind) = Behind::new() else { return };
    let mut control = behind.scene.anna.control().unwrap();
    for number in 0..20 {
        control.add_task(&format!("Errand {number}"), None).unwrap();
    }
    behind.scene.settle();
    let token = behind.token();
    let direct = Curl::get(&behind.scene.of("/changes?limit=10")).token(&token).send().good();
    let page = behind.get(&behind.of("/changes?limit=10")).token(&token).send();
    is_guarded(&page);
    assert_eq!(page.good()["changes"], direct["changes"]);
    // Packed on the way, where whoever asks can unpack it.
    let packed = behind.get(&behind.of("/changes?limit=10")).token(&token).arg("--compressed").send();
    assert!(packed.head.contains("content-encoding: "), "{packed:?}");
    assert_eq!(packed.good()["changes"], direct["changes"]);

    let heads = behind.get(&behind.of("/logs")).token(&token).send().good();
    let log = heads["logs"][0]["log"].as_str().unwrap();
    let range = behind.get(&behind.of(&format!("/logs/{log}/entries?from=1"))).token(&token).send().good();
    let (mut ops, mut seals) = (range["runs"].as_array().unwrap().clone(), Vec::new());
    for op in &mut ops {
        seals.push(op.as_object_mut().unwrap().remove("seal").unwrap());
    }
    let runs = json!({ "workspace": behind.scene.workspace, "ops": ops, "seals": seals });
    let answer = behind.post("/v1/sync", &runs).token(&token).send().good();
    assert!(!answer["ack"].as_array().unwrap().is_empty() && answer["rejected"] == json!([]), "{answer}");
    // Refusals come through as the relay words them.
    behind.get(&behind.of("/changes")).send().problem(401, "token_missing");
}

#[test]
fn who_waits_behind_caddy_is_woken_by_what_comes() {
    let Some(behind) = Behind::new() else { return };
    let token = behind.token();
    let cursor = behind.end(&token);
    // It waits for longer than it has: an answer that Caddy held back would not come in time.
    let query = behind.of(&format!("/changes?wait=60&cursor={cursor}"));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--verbose", "--fail", "--max-time", "40"])
        .args(behind.caddy.way());
    curl.args(["--header", &format!("Authorization: Bearer {token}")]).arg(behind.caddy.at(&query));
    let mut waiting = curl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let asks = said.find(|line| line.as_ref().unwrap().starts_with("> GET "));
    assert!(asks.is_some(), "curl asked nothing");
    let rest = thread::spawn(move || said.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    behind.scene.anna.control().unwrap().add_task("Come soon", None).unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, rest.join().unwrap());
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!page["changes"].as_array().unwrap().is_empty(), "{page}");
}

#[test]
fn what_is_private_stays_inside_and_what_is_too_large_outside() {
    let Some(behind) = Behind::new() else { return };
    for path in ["/metrics", "/readyz"] {
        assert_eq!(Curl::get(&behind.scene.at(path)).send().status, 200, "{path} is open inside");
    }
    for path in ["/metrics", "/readyz", "/", "/v1/../metrics", "//metrics", "/%6detrics", "/v1/%2e%2e/readyz"]
    {
        let answer = behind.get(path).send();
        assert!(answer.status == 404 && answer.text.is_empty(), "{path}: {answer:?}");
        is_guarded(&answer);
    }
    let health = behind.get("/healthz").send();
    assert_eq!(health.good()["status"], "ok");
    is_guarded(&health);
    assert_eq!(behind.get("/openapi.json").send().good()["openapi"], "3.1.0");
    let large = |path: &str, bytes: usize, token: &str| {
        let sent = Curl::post_bytes(&behind.caddy.at(path), vec![b' '; bytes]).token(token);
        let answer = behind.through(sent).send();
        is_guarded(&answer);
        answer
    };
    let token = behind.token();
    large("/v1/auth/token", 4 * 1024 + 1, "").problem(413, "too_large");
    large("/v1/sync", 4 * 1024 * 1024 + 1, &token).problem(413, "too_large");
    // Nobody speaks to it without TLS.
    let plain = behind.through(Curl::get(&format!("http://{DOMAIN}:{}/healthz", behind.caddy.http))).send();
    assert_eq!(plain.status, 308, "{plain:?}");
    assert!(plain.head.contains(&format!("location: https://{DOMAIN}/healthz")), "{plain:?}");
}

#[test]
fn behind_caddy_each_address_is_counted_for_itself_whatever_it_claims_to_be() {
    let Some(behind) = Behind::new() else { return };
    let forged = ["--header", "X-Forwarded-For: 203.0.113.7"];
    let told = behind.codes("127.0.0.2", 200, &[]);
    assert!(told.contains("429"), "{told}");
    // Who claims to be somebody else is counted all the same, and not as them.
    let told = behind.codes("127.0.0.3", 200, &forged);
    assert!(told.contains("429"), "{told}");
    for from in ["127.0.0.4", "127.0.0.5"] {
        let told = behind.codes(from, 10, &forged);
        assert!(!told.contains("429"), "{from}: {told}");
    }
}
