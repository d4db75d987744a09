#![cfg(unix)]

use super::*;
use std::os::unix::net::UnixStream;

/// Answers with what was asked, and never to "sleep".
async fn echo(request: Value) -> Value {
    if request == json!("sleep") {
        std::future::pending::<()>().await;
    }
    json!({ "echo": request })
}

struct Served {
    runtime: tokio::runtime::Runtime,
    server: Option<ControlServer>,
    home: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        let server = {
            let _inside = runtime.enter();
            serve(home.path(), echo).unwrap()
        };
        Self { runtime, server: Some(server), home }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(endpoint::path(self.home.path())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn call(&self, request: &Value) -> Value {
        call(self.home.path(), request).unwrap().unwrap()
    }
}

fn tell(stream: &mut UnixStream, line: &[u8]) -> Value {
    stream.write_all(line).unwrap();
    stream.write_all(b"\n").unwrap();
    let mut answer = Vec::new();
    // One answer for one line: nothing of a later one can be lost in the buffer.
    io::BufReader::new(stream).read_until(b'\n', &mut answer).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn garbage_is_answered_and_the_connection_lives_on() {
    let served = Served::start();
    let mut stream = served.connect();
    let deep = vec![b'['; 100_000];
    for garbage in [&b""[..], b"{", b"\xff\xfe\x00", b"{} {}", b"nul", &deep] {
        let answer = tell(&mut stream, garbage);
        assert_eq!(answer["error"]["code"], "malformed", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("not JSON"), "{answer}");
    }
    assert_eq!(tell(&mut stream, b"[1]"), json!({ "echo": [1] }));
}

#[test]
fn bad_clients_stop_nobody_else() {
    let served = Served::start();
    let mut silent = served.connect();
    silent.write_all(b"{\"half\":").unwrap();
    let mut slow = served.connect();
    slow.write_all(b"\"sleep\"\n").unwrap();
    let mut gone = served.connect();
    gone.write_all(b"\"never read\"\n").unwrap();
    drop(gone);
    for n in 0..3 * limits::CONTROL_CLIENTS {
        assert_eq!(served.call(&json!(n)), json!({ "echo": n }));
    }
}

/// Commands that were interrupted must not take the places of those to come.
#[test]
fn clients_that_left_while_they_waited_give_their_place_back() {
    let served = Served::start();
    for _ in 0..2 * limits::CONTROL_CLIENTS {
        let mut waiting = served.connect();
        waiting.write_all(b"\"sleep\"\n").unwrap();
    }
    assert_eq!(served.call(&json!(1)), json!({ "echo": 1 }));
}

#[tokio::test]
async fn a_silent_client_gives_its_place_back() {
    let (_ours, theirs) = tokio::io::duplex(100);
    let places = Arc::new(Semaphore::new(1));
    let place = places.clone().acquire_owned().await.unwrap();
    client(theirs, Arc::new(echo), place, Duration::from_millis(20)).await;
    assert_eq!(places.available_permits(), 1);
}

#[test]
fn who_listens_and_does_not_answer_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(endpoint::path(home.path())).unwrap();
    assert!(is_served(home.path()));
    assert!(matches!(answers(home.path()), Err(ControlError::Broken(_))));
}

#[test]
fn the_socket_is_private_and_a_stale_one_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let mut served = Served::start();
    let path = endpoint::path(served.home.path());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    served.server = None;
    assert_eq!(call(served.home.path(), &json!(1)).unwrap(), None, "closed");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert_eq!(call(served.home.path(), &json!(1)).unwrap(), None, "left behind");
    let _inside = served.runtime.enter();
    let _server = serve(served.home.path(), echo).unwrap();
    assert_eq!(served.call(&json!(2)), json!({ "echo": 2 }));
}

#[test]
fn a_long_path_is_served_too() {
    let home = tempfile::tempdir().unwrap();
    let deep = home.path().join("x".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let _server = serve(&deep, echo).unwrap();
    assert_eq!(call(&deep, &json!(1)).unwrap(), Some(json!({ "echo": 1 })));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_skipped_to_its_end() {
    let mut reader = BufReader::with_capacity(3, &b"0123456789\nabcd\nabcde\nend"[..]);
    assert_eq!(read_line(&mut reader, 4).await.unwrap(), Some(Line::TooLong));
    assert_eq!(read_line(&mut reader, 4).await.unwrap(), Some(Line::Whole(b"abcd".to_vec())));
    assert_eq!(read_line(&mut reader, 4).await.unwrap(), Some(Line::TooLong));
    assert_eq!(read_line(&mut reader, 4).await.unwrap(), None, "a client that is gone");
}
