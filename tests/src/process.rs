//! A server in a process of its own, which a test may kill like a power cut would.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// A running server.
pub struct ServerProcess {
    child: Child,
    base: String,
    client: Client,
}

/// How a server is started: the same settings start it again after it was killed.
#[derive(Clone)]
pub struct ServerSettings {
    binary: PathBuf,
    variables: Vec<(String, String)>,
}

impl ServerSettings {
    /// A server of this binary on a data folder, with limits and costs that fit a test.
    pub fn new(binary: &str, data: &Path) -> Self {
        let settings = Self { binary: binary.into(), variables: Vec::new() };
        settings
            .set("JIXIA_DATA__DIR", &data.display().to_string())
            .set("JIXIA_AUTH__BCRYPT_COST", "4")
            .set("JIXIA_LIMITS__REGISTRATIONS_PER_HOUR", "0")
            .set("JIXIA_LIMITS__REQUESTS_PER_MINUTE", "0")
            .set("JIXIA_LIMITS__MESSAGES_PER_MINUTE", "0")
            .set("JIXIA_LIMITS__STREAMS_PER_USER", "0")
            .set("JIXIA_LOG__FILTER", "warn")
    }

    /// The same with one more variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts a server on a port of its own and waits until it is ready.
    pub async fn start(&self) -> ServerProcess {
        let port = free_port();
        let mut command = self.command();
        command.env("JIXIA_HTTP__LISTEN", format!("127.0.0.1:{port}"));
        let child = command.stdout(Stdio::null()).spawn().expect("the server starts");
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut server = ServerProcess { child, base: format!("http://127.0.0.1:{port}"), client };
        server.until_ready().await;
        server
    }

    /// What `jixia ledger check --json` prints, and whether it succeeded.
    pub fn ledger_check(&self) -> (bool, Value) {
        let output = self.command().args(["ledger", "check", "--json"]).output().expect("the check runs");
        let report = serde_json::from_slice(&output.stdout).expect("the check prints JSON");
        (output.status.success(), report)
    }

    /// What `jixia payment reconcile --json` prints, and whether it succeeded.
    pub fn payment_reconcile(&self) -> (bool, Value) {
        let output = self.command().args(["payment", "reconcile", "--json"]).output().expect("it runs");
        let report = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        (output.status.success(), report)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.stdin(Stdio::null()).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl ServerProcess {
    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// An HTTP client that knows no proxy.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The data of a GET, by a person.
    pub async fn get(&self, path: &str, token: &str) -> Value {
        let answer = self.client.get(self.url(path)).bearer_auth(token).send().await.expect("an answer");
        data_of(answer).await
    }

    /// The data of a POST, by a person (or nobody, with an empty token).
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Value {
        let mut request = self.client.post(self.url(path)).json(body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        data_of(request.send().await.expect("an answer")).await
    }

    /// Ends it as a power cut would: no signal that it could hear.
    pub fn kill(mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server has ended");
    }

    /// The process's id, to send it signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    async fn until_ready(&mut self) {
        for _ in 0..1_500 {
            if let Some(status) = self.child.try_wait().expect("the server can be asked") {
                panic!("the server ended before it was ready: {status}");
            }
            let answer = self.client.get(self.url("/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server was not ready in time");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already dead after `kill`; a test that failed leaves no server behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn data_of(answer: reqwest::Response) -> Value {
    let status = answer.status();
    let mut envelope: Value = answer.json().await.expect("an envelope");
    assert!(status.is_success(), "{status}: {envelope}");
    envelope["data"].take()
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("an address").port()
}
