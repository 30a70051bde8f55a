//! What the servers say over HTTP: pages of events for clients that are far behind, and at the end the log, the
//! history, the gauges.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::entry::entry_of;
use super::evidence::{Gauge, Marker, RoomLog, StoredText, markers_of, measure};
use super::fleet::Bases;

/// Reads over HTTP from any instance that runs.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    bases: Bases,
}

/// A page of events.
#[derive(Debug, Default)]
pub struct Page {
    /// Ascending.
    pub events: Vec<Value>,
    /// Whether there are more.
    pub more: bool,
    /// The log's head.
    pub head: u64,
    /// The bodies that it shows.
    pub markers: Vec<Marker>,
}

/// What the servers count of sockets, rooms and replies; 0 when nobody is there.
pub const GAUGES: [&str; 4] = ["ws_connections", "ws_rooms", "chat_feeds", "chat_replies_running"];
const TRIES: usize = 240;
const TRY_MS: u64 = 250;

impl Reader {
    /// A reader of these instances.
    pub fn new(bases: Bases) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { client, bases }
    }

    /// Calls an instance until one answers with success; the data, and the text that it was read from.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> (Value, String) {
        let mut said = String::new();
        for attempt in 0..TRIES {
            let running = self.bases.running();
            let base = running.get(attempt % running.len().max(1)).cloned().unwrap_or_default();
            let mut request = self.client.request(method.clone(), format!("{base}{path}"));
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Ok(answer) = request.send().await {
                let status = answer.status();
                said = answer.text().await.unwrap_or_default();
                if status.is_success() {
                    let mut envelope: Value = serde_json::from_str(&said).unwrap_or_default();
                    return (envelope["data"].take(), said);
                }
                let is_passing = status.is_server_error() || status.as_u16() == 429;
                assert!(is_passing, "{method} {path}: {status}: {said}");
            }
            sleep(Duration::from_millis(TRY_MS)).await;
        }
        panic!("{method} {path}: no instance answers: {said}");
    }

    /// A page of a conversation's events.
    pub async fn page(&self, room: &str, since: u64, token: &str) -> Page {
        let path = format!("/api/conversations/{room}/events?since={since}");
        let (mut data, text) = self.call(Method::GET, &path, token, None).await;
        let events = match data["events"].take() {
            Value::Array(events) => events,
            _ => Vec::new(),
        };
        let (more, head) = (data["more"] == true, data["head"].as_u64().unwrap_or(0));
        Page { events, more, head, markers: markers_of(&text) }
    }

    /// The log and the texts of a conversation, and the bodies that were shown.
    pub async fn log(&self, room: &str, is_session: bool, token: &str) -> (RoomLog, Vec<Marker>) {
        let mut log = RoomLog { room: room.to_owned(), ..RoomLog::default() };
        let mut markers = Vec::new();
        loop {
            let since = log.entries.last().map_or(0, |entry| entry.seq);
            let page = self.page(room, since, token).await;
            log.head = page.head;
            log.entries.extend(page.events.iter().filter_map(entry_of));
            markers.extend(page.markers);
            if !page.more || page.events.is_empty() {
                break;
            }
        }
        let kind = if is_session { "sessions" } else { "rooms" };
        let mut before = String::new();
        loop {
            let path = format!("/api/{kind}/{room}/messages?limit=50{before}");
            let (data, text) = self.call(Method::GET, &path, token, None).await;
            markers.extend(markers_of(&text));
            let messages = data["messages"].as_array().map_or(&[][..], Vec::as_slice);
            log.texts.extend(messages.iter().filter(|message| is_reply(message)).map(stored));
            let Some(oldest) = data["nextCursor"].as_str().filter(|_| data["hasMore"] == true) else { break };
            before = format!("&before={oldest}");
        }
        (log, markers)
    }

    /// The gauges of every instance that runs.
    pub async fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = Vec::new();
        for (instance, base) in self.bases.running().into_iter().enumerate() {
            let answer = self.client.get(format!("{base}/metrics")).send().await;
            let text = match answer {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            gauges.extend(GAUGES.map(|name| Gauge {
                instance,
                name: name.to_owned(),
                value: gauge(&text, name),
            }));
        }
        gauges
    }

    /// Registers somebody; their id and token.
    pub async fn register(&self, name: &str) -> (String, String) {
        let person = json!({"email": format!("{name}@example.com"), "password": "correct horse 稷下"});
        let (data, _) = self.call(Method::POST, "/api/auth/register", "", Some(&person)).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&data["user"]["userId"]), text(&data["token"]))
    }
}

fn is_reply(message: &Value) -> bool {
    message["fromType"] == "ai" || message["role"] == "assistant"
}

fn stored(message: &Value) -> StoredText {
    let text = |field: &str| message[field].as_str().unwrap_or_default();
    let (length, crc32) = measure(text("content"));
    StoredText { message: text("messageId").to_owned(), status: text("status").to_owned(), length, crc32 }
}

/// The sum of a gauge over its labels; `None` if it is not there.
fn gauge(metrics: &str, name: &str) -> Option<u64> {
    let lines = metrics.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']))
    });
    let values = lines.map(|line| line.rsplit(' ').next().and_then(|number| number.parse::<i64>().ok()));
    let sum = values.reduce(|sum, value| Some(sum? + value?))??;
    // A gauge below zero is as wrong as one above.
    Some(sum.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_summed_over_its_labels_and_missed_where_it_is_not() {
        let text =
            "# TYPE ws_rooms gauge\nws_rooms{worker=\"0\"} 2\nws_rooms{worker=\"1\"} 3\nws_rooms_max 9\n";
        assert_eq!(gauge(text, "ws_rooms"), Some(5));
        assert_eq!(gauge("ws_connections 0\n", "ws_connections"), Some(0));
        assert_eq!(gauge(text, "chat_feeds"), None);
        assert_eq!(gauge("x -1\n", "x"), Some(1));
    }
}
