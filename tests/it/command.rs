//! The command line as a script meets it: exit codes, what is on stdout, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::fakes::old_redis::OldRedis;

const PROGRAM: &str = env!("CARGO_BIN_EXE_jixia_under_test");

/// The command with nothing of this process's environment, in a folder of its own.
fn jixia(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    jixia(folder.path(), arguments).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn the_configuration_is_printed_without_touching_the_disk() {
    let folder = folder();
    let output = run(&folder, &["config", "print", "--set", "model.api_key=sk-secret"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for key in ["http.listen = \"127.0.0.1:8000\"", "limits.message_chars = 1000", "model.api_key = \"***\""]
    {
        assert!(text.lines().any(|line| line == key), "{key} is missing in {text}");
    }
    assert_eq!(folder.path().read_dir().expect("the folder").count(), 0);
}

#[test]
fn an_unknown_setting_ends_with_2_and_is_named() {
    let mut command = jixia(folder().path(), &["config", "check"]);
    command.current_dir("/").env("JIXIA_HTTP__LISTENN", "x").env("JIXIA_HOME", "ignored");
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("JIXIA_HTTP__LISTENN"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_ends_with_2_and_help_with_0() {
    let folder = folder();
    assert_eq!(run(&folder, &["dance"]).status.code(), Some(2));
    assert_eq!(run(&folder, &["--set", "no-equals-sign"]).status.code(), Some(2));
    assert_eq!(run(&folder, &["--help"]).status.code(), Some(0));
    let version = run(&folder, &["--version"]);
    assert!(stdout(&version).starts_with(concat!("jixia ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_openapi_document_is_printed() {
    let output = run(&folder(), &["openapi"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert!(document["paths"]["/api/sessions"].is_object());
}

#[test]
fn a_fresh_ledger_adds_up() {
    let folder = folder();
    assert_eq!(run(&folder, &["migrate"]).status.code(), Some(0));
    let output = run(&folder, &["ledger", "check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON report");
    let expected =
        serde_json::json!({"ok": true, "accounts": 0, "transfers": 0, "openHolds": 0, "imbalance": 0});
    assert_eq!(report, expected);
    // The ledger needs no secret, so none was made.
    assert!(!folder.path().join("data/secrets").exists());
}

#[test]
fn a_fresh_shop_agrees_with_its_books() {
    let folder = folder();
    assert_eq!(run(&folder, &["migrate"]).status.code(), Some(0));
    let output = run(&folder, &["payment", "reconcile"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "orders, books and providers agree\n");
    let json = stdout(&run(&folder, &["payment", "reconcile", "--json"]));
    assert_eq!(json.trim(), r#"{"ok":true,"rows":[]}"#);
}

#[test]
fn a_look_where_nothing_is_leaves_nothing() {
    let folder = folder();
    assert_eq!(run(&folder, &["doctor"]).status.code(), Some(0));
    let output = run(&folder, &["ledger", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no database at"), "{}", stderr(&output));
    assert_eq!(run(&folder, &["payment", "reconcile"]).status.code(), Some(1));
    assert_eq!(folder.path().read_dir().expect("the folder").count(), 0);
}

#[test]
fn a_look_at_an_older_schema_does_not_change_it() {
    let folder = folder();
    let file = folder.path().join("data/jixia.db");
    std::fs::create_dir(folder.path().join("data")).expect("the data directory");
    std::fs::write(&file, b"").expect("an empty database");
    let output = run(&folder, &["ledger", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run `jixia migrate` first"), "{}", stderr(&output));
    let report = stdout(&run(&folder, &["doctor"]));
    assert!(report.contains("brings its schema up to date"), "{report}");
    assert!(!folder.path().join("data/index").exists());
    assert_eq!(run(&folder, &["migrate"]).status.code(), Some(0));
    assert_eq!(run(&folder, &["ledger", "check"]).status.code(), Some(0));
}

#[test]
fn an_account_is_made_promoted_and_disabled() {
    let folder = folder();
    let cheap = ["--set", "auth.bcrypt_cost=4"];
    let mut create = jixia(folder.path(), &[&cheap[..], &["user", "create", "a@example.com"]].concat());
    let mut child =
        create.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("its input").write_all(b"correct horse 1\n").expect("the password is read");
    let created = child.wait_with_output().expect("it ends");
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    let id = stdout(&created).trim().trim_start_matches("created ").to_owned();
    let promoted = run(&folder, &["user", "promote", "a@example.com"]);
    assert_eq!(stdout(&promoted).trim(), format!("promoted {id}"));
    let disabled = run(&folder, &["user", "disable", &id]);
    assert_eq!(stdout(&disabled).trim(), format!("disabled {id}"));
    // The bus is in memory, so no running server can be told.
    assert!(stderr(&disabled).contains("notices within a minute"), "{}", stderr(&disabled));
    assert_eq!(run(&folder, &["user", "disable", "b@example.com"]).status.code(), Some(1));
}

#[test]
fn the_doctor_names_the_part_that_is_unwell() {
    let folder = folder();
    assert_eq!(run(&folder, &["doctor"]).status.code(), Some(0));
    // Port 1 of loopback: nothing listens there.
    let output = run(&folder, &["doctor", "--set", "bus.url=redis://127.0.0.1:1/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).lines().any(|line| line == "FAIL bus: does not answer"), "{}", stdout(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_too_old_for_sharded_channels_is_refused_at_the_start() {
    let old = OldRedis::start().await;
    let bus = format!("bus.url={}", old.url());
    let folder = folder();
    let run = async |command: &'static str| {
        let arguments = [command, "--set", &bus, "--set", "bus.sharded=true"];
        tokio::task::block_in_place(|| run(&folder, &arguments))
    };
    let refused = run("serve").await;
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("bus.sharded needs a Redis that knows SPUBLISH"),
        "{}",
        stderr(&refused)
    );
    let looked = run("doctor").await;
    assert_eq!(looked.status.code(), Some(1));
    assert!(stdout(&looked).contains("FAIL bus: bus.sharded needs"), "{}", stdout(&looked));
    let sound = tokio::task::block_in_place(|| self::run(&folder, &["doctor", "--set", &bus]));
    assert_eq!(sound.status.code(), Some(0), "{}", stdout(&sound));
}

/// A running server, killed with its guard.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(folder: &TempDir) -> Self {
        let mut command = jixia(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its first line");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        Self { address: address.expect("an address").to_owned(), child }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// The exit code and how long it took.
    fn wait(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        (self.child.wait().expect("the server ends").code(), begun.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_is_ready_when_it_says_where_it_is_and_sigterm_ends_it_with_0() {
    let folder = folder();
    let mut server = Running::start(&folder);
    let healthy = run(&folder, &["healthcheck", "--listen", &server.address]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    server.signal("-TERM");
    assert_eq!(server.wait().0, Some(0));
    let gone = run(&folder, &["healthcheck", "--listen", &server.address]);
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn a_second_signal_does_not_wait_for_a_request_that_hangs() {
    let folder = folder();
    let mut server = Running::start(&folder);
    let mut hanging = TcpStream::connect(&server.address).expect("a connection");
    let head = "POST /api/auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        expect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    hanging.write_all(head.as_bytes()).expect("the head is sent");
    // The server has read the head when it asks for the body, which never comes.
    let mut asked = [0_u8; 12];
    hanging.read_exact(&mut asked).expect("an answer to the head");
    assert_eq!(&asked, b"HTTP/1.1 100");
    server.signal("-TERM");
    // It is stopping once it takes no more connections.
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    server.signal("-INT");
    let (code, took) = server.wait();
    assert_eq!(code, Some(1));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
