//! A thousand clients that vanish in the middle of a write: no connection of the database is left inside a
//! transaction, no later request meets one, and the books are right.

use std::time::Duration;

use kernel::{Entropy, SeededEntropy};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tests::backends;
use tests::process::{ServerProcess, ServerSettings};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const BINARY: &str = env!("CARGO_BIN_EXE_jixia_under_test");
const REQUESTS: u32 = 1_000;
/// Longer than most writes take, so that the cut falls before, in and after them.
const CUT_WITHIN_MICROS: u64 = 12_000;
const SEED: u64 = 20_261_122;

#[tokio::test]
async fn a_thousand_cut_requests_poison_nothing_on_sqlite() {
    let backend = backends::sqlite().await;
    storm(&backend.url).await;
}

#[tokio::test]
async fn a_thousand_cut_requests_poison_nothing_on_postgres() {
    let backend = backends::postgres().await;
    storm(&backend.url).await;
    let mut session = PgConnection::connect(&backend.url).await.expect("Postgres answers");
    let stuck: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut session)
    .await
    .expect("the sessions are listed");
    assert_eq!(stuck, 0);
}

async fn storm(store_url: &str) {
    println!("seed {SEED}");
    let folder = tempfile::tempdir().expect("a folder");
    let settings = ServerSettings::new(BINARY, folder.path()).set("JIXIA_STORE__URL", store_url);
    let server = settings.start().await;
    let person = json!({"email": "p@example.com", "password": "correct horse 稷下"});
    let registered = server.post("/api/auth/register", "", &person).await;
    let token = registered["token"].as_str().expect("a token").to_owned();
    let session = session(&server, &token).await;
    let random = SeededEntropy::new(SEED);
    for n in 0..REQUESTS {
        cut(&server, &request(n, &token, &session), below(&random, CUT_WITHIN_MICROS)).await;
    }
    until_idle(&server, &token).await;
    // Every pooled connection is lent in turn: none may carry what somebody left in it.
    for n in 0..60 {
        let path = format!("/api/sessions/{session}");
        let title = json!({"title": format!("t{n}")});
        let answer = server.client().patch(server.url(&path)).bearer_auth(&token).json(&title).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    drop(server);
    let (clean, report) = settings.ledger_check();
    assert!(clean, "{report}");
}

/// One of the writes, whole and well-formed.
fn request(n: u32, token: &str, session: &str) -> String {
    let (method, path, body) = match n % 4 {
        0 => ("POST", "/api/sessions".to_owned(), json!({"title": format!("s{n}")})),
        1 => ("PUT", "/api/user/profile".to_owned(), json!({"nickName": format!("n{n}")})),
        2 => ("PATCH", format!("/api/sessions/{session}"), json!({"title": format!("r{n}")})),
        _ => ("POST", format!("/api/sessions/{session}/messages"), json!({"content": format!("问{n}")})),
    };
    let body = body.to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: jixia\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn cut(server: &ServerProcess, request: &str, micros: u64) {
    let address = server.url("").replace("http://", "");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    tokio::time::sleep(Duration::from_micros(micros)).await;
    // Dropping the stream with its answer unread resets the connection.
}

async fn session(server: &ServerProcess, token: &str) -> String {
    let created = server.post("/api/sessions", token, &json!({})).await;
    created["session"]["sessionId"].as_str().expect("an id").to_owned()
}

/// Answers that were asked for go on without their readers; they all end.
async fn until_idle(server: &ServerProcess, token: &str) {
    for _ in 0..600 {
        let balance: Value = server.get("/api/user/balance", token).await;
        if balance["held"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("something is held for ever");
}

fn below(random: &SeededEntropy, limit: u64) -> u64 {
    let mut bytes = [0_u8; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes) % limit
}
