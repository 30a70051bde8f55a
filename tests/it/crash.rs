//! A server that is killed amid fifty answers, and started again: every answer ends once, every hold is
//! resolved, and the ledger sums to zero. With Redis, no text that somebody had seen is lost either; in one
//! process, at most what came after the last checkpoint.

use std::time::Duration;

use adapter_sql::{SqlEventLog, SqlStore};
use chat::ConversationId;
use chat::event::EventBody;
use chat::ports::EventLog;
use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};
use tests::backends;
use tests::fakes::openai::FakeOpenAi;
use tests::process::{ServerProcess, ServerSettings};

const BINARY: &str = env!("CARGO_BIN_EXE_jixia_under_test");
const STREAMS: usize = 50;
/// Milliseconds between two pieces of an answer: slow enough to be killed in the middle of all of them.
const PACE_MS: u64 = 100;

/// Where the growing text is, and whether it outlives the server.
enum Bus {
    Memory,
    Redis,
}

/// An answer that somebody was watching when the server died.
struct Watched {
    token: String,
    session: String,
    reply: String,
    seen: String,
}

#[tokio::test]
async fn kill_9_amid_fifty_streams_on_sqlite() {
    let backend = backends::sqlite().await;
    scenario(&backend.url, &backend.store, Bus::Memory).await;
}

#[tokio::test]
async fn kill_9_amid_fifty_streams_on_postgres() {
    let backend = backends::postgres().await;
    scenario(&backend.url, &backend.store, Bus::Redis).await;
}

async fn scenario(store_url: &str, store: &SqlStore, bus: Bus) {
    let upstream = FakeOpenAi::listen(0, PACE_MS).await.expect("a fake endpoint");
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = ServerSettings::new(BINARY, folder.path())
        .set("JIXIA_STORE__URL", store_url)
        .set("JIXIA_MODEL__URL", &upstream.url());
    if matches!(bus, Bus::Redis) {
        let redis = backends::redis();
        let prefix = redis.prefix.trim_end_matches(':');
        settings = settings.set("JIXIA_BUS__URL", &redis.url).set("JIXIA_BUS__PREFIX", prefix);
    }

    let server = settings.start().await;
    // One after the other: more at once than the queue of the password hasher takes are refused.
    let mut tokens = Vec::new();
    for n in 0..STREAMS {
        tokens.push(register(&server, n).await);
    }
    let watched = join_all(tokens.into_iter().map(|token| watch(&server, token))).await;
    server.kill();

    let server = settings.start().await;
    until_all_ended(&server, &watched).await;
    let log = SqlEventLog::new(store.clone());
    for one in &watched {
        assert_ended_once(&server, &log, one, &bus).await;
    }
    let (clean, report) = settings.ledger_check();
    assert!(clean, "{report}");
    assert_eq!((&report["openHolds"], &report["imbalance"]), (&json!(0), &json!(0)), "{report}");
}

async fn register(server: &ServerProcess, n: usize) -> String {
    let person = json!({"email": format!("p{n}@example.com"), "password": "correct horse 稷下"});
    text(&server.post("/api/auth/register", "", &person).await["token"])
}

/// Asks, and reads until some text has come.
async fn watch(server: &ServerProcess, token: String) -> Watched {
    let session = text(&server.post("/api/sessions", &token, &json!({})).await["session"]["sessionId"]);
    let answer = server
        .client()
        .post(server.url(&format!("/api/sessions/{session}/messages")))
        .bearer_auth(&token)
        .header("accept", "text/event-stream")
        .json(&json!({"content": "学而时习之是什么意思？"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let mut watched = Watched { token, session, reply: String::new(), seen: String::new() };
    let mut bytes = answer.bytes_stream();
    let mut raw = Vec::new();
    while watched.seen.is_empty() {
        raw.extend(bytes.next().await.expect("more of the stream").expect("bytes"));
        read_events(&raw, &mut watched);
    }
    watched
}

/// Reads whole `data:` lines; a line that is cut by the chunk is read with the next one.
fn read_events(raw: &[u8], watched: &mut Watched) {
    watched.seen.clear();
    let whole = raw.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = std::str::from_utf8(&raw[..whole]).expect("UTF-8 up to a line's end");
    for data in lines.lines().filter_map(|line| line.strip_prefix("data:")) {
        let event: Value = serde_json::from_str(data).expect("JSON in data");
        if let Some(id) = event["messageId"].as_str() {
            id.clone_into(&mut watched.reply);
        }
        if let Some(piece) = event["text"].as_str().filter(|_| event["offset"].is_u64()) {
            watched.seen.push_str(piece);
        }
    }
}

async fn until_all_ended(server: &ServerProcess, watched: &[Watched]) {
    // The dead owner's lease lives 15 s, and sweeps come every 5 s.
    for _ in 0..400 {
        let statuses = join_all(watched.iter().map(|one| reply_of(server, one))).await;
        if statuses.iter().all(|reply| reply["status"] != "streaming") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("some answers never ended");
}

async fn reply_of(server: &ServerProcess, one: &Watched) -> Value {
    let path = format!("/api/sessions/{}/messages?limit=2", one.session);
    let history = server.get(&path, &one.token).await;
    let messages = history["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 2, "the question was kept: {history}");
    messages[1].clone()
}

async fn assert_ended_once(server: &ServerProcess, log: &SqlEventLog, one: &Watched, bus: &Bus) {
    let reply = reply_of(server, one).await;
    assert_eq!(reply["messageId"], one.reply.as_str());
    assert_eq!(reply["status"], "failed");
    let kept = reply["content"].as_str().expect("text");
    match bus {
        Bus::Redis => assert!(kept.starts_with(&one.seen), "seen {:?}, kept {kept:?}", one.seen),
        Bus::Memory => assert!(kept.starts_with(&one.seen) || one.seen.starts_with(kept)),
    }
    let conversation: ConversationId = one.session.parse().expect("a name");
    let events = log.events(&conversation, 0, 300).await.expect("events");
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3], "question, start, end, and no hole");
    assert!(matches!(events[2].body, EventBody::AiEnd { .. }));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}
