//! A person with a token, who calls the server.

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Answer, Events, answer};

/// A person who is signed in.
#[derive(Clone)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// Their access token.
    pub token: String,
    /// Their refresh token.
    pub refresh_token: String,
    client: Client,
    base: String,
}

impl Person {
    pub(super) fn new(client: Client, base: String, data: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            id: text(&data["user"]["userId"]),
            token: text(&data["token"]),
            refresh_token: text(&data["refreshToken"]),
            client,
            base,
        }
    }

    /// A request of this person.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(body)).await
    }

    /// A new session with 孔子; its id.
    pub async fn session(&self) -> String {
        let created = self.post("/api/sessions", &json!({})).await;
        created.data()["session"]["sessionId"].as_str().expect("a session's id").to_owned()
    }

    /// A room of their own with these characters; its id.
    pub async fn room(&self, characters: &[&str]) -> String {
        let body = json!({ "name": "读书会", "characterIds": characters });
        let created = self.post("/api/rooms", &body).await;
        created.data()["room"]["roomId"].as_str().expect("a room's id").to_owned()
    }

    /// Says something in a room; what the server answers.
    pub async fn say(&self, room: &str, content: &str) -> Value {
        let path = format!("/api/rooms/{room}/messages");
        self.post(&path, &json!({ "content": content })).await.data().clone()
    }

    /// Polls a conversation until an event of this kind comes after a seq; all events until then, it last.
    pub async fn events_until(&self, id: &str, since: u64, kind: &str) -> Vec<Value> {
        let (mut since, mut seen) = (since, Vec::new());
        loop {
            let path = format!("/api/conversations/{id}/events?since={since}&wait=25");
            let page = self.get(&path).await;
            let events = page.data()["events"].as_array().expect("events").clone();
            assert!(!events.is_empty(), "nothing happened after {since}, and {kind} was to come");
            for event in events {
                assert_eq!(event["seq"], since + 1, "{event}");
                since += 1;
                let is_it = event["event"] == kind;
                seen.push(event);
                if is_it {
                    return seen;
                }
            }
        }
    }

    /// Asks and waits for the whole reply.
    pub async fn ask(&self, session: &str, body: &Value) -> Answer {
        self.post(&format!("/api/sessions/{session}/messages"), body).await
    }

    /// Asks and follows the reply.
    pub async fn stream(&self, session: &str, content: &str) -> Events {
        let request = self.request(Method::POST, &format!("/api/sessions/{session}/messages"));
        let body = json!({ "content": content });
        Events::of(self.events(request.json(&body)).await)
    }

    /// Follows a reply from an offset.
    pub async fn follow(&self, message: &str, query: &str) -> Events {
        let request = self.request(Method::GET, &format!("/api/messages/{message}/stream{query}"));
        Events::of(self.events(request).await)
    }

    /// Sends a request that wants events.
    pub async fn events(&self, request: RequestBuilder) -> Response {
        request.header("accept", "text/event-stream").send().await.expect("the server answers")
    }

    /// What they can spend, and what is held.
    pub async fn balance(&self) -> (i64, i64) {
        let balance = self.get("/api/user/balance").await;
        let number = |name: &str| balance.data()[name].as_i64().expect("a number");
        (number("available"), number("held"))
    }

    /// The sum of their transactions, which must be what they have.
    pub async fn transactions_sum(&self) -> i64 {
        let list = self.get("/api/billing/transactions?pageSize=100").await;
        let all = list.data()["transactions"].as_array().expect("a list").clone();
        all.iter().filter_map(|transaction| transaction["amount"].as_i64()).sum()
    }
}
