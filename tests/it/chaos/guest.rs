//! Somebody on a socket in a room, and a room in which one misbehaves while another looks on.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{Person, TestApp, answer};
use tests::chaos::client::wire::{Introduction, Wire};
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(15);

/// Somebody on a socket.
pub(super) struct Guest {
    pub(super) person: Person,
    pub(super) wire: Wire,
    pushes: Vec<Value>,
    requests: u64,
}

/// A room with somebody who will misbehave and somebody who must not notice.
pub(super) struct Scene {
    pub(super) app: TestApp,
    pub(super) room: String,
    pub(super) rogue: Guest,
    pub(super) witness: Guest,
    said: u64,
}

impl Guest {
    pub(super) async fn open(app: &TestApp, person: Person) -> Self {
        let address = app.base.trim_start_matches("http://").parse().expect("an address");
        let opened = Wire::introduce(address, "/ws", &person.token, Introduction::Frame).await;
        Self { person, wire: opened.expect("a socket"), pushes: Vec::new(), requests: 0 }
    }

    /// Asks and waits for the one answer; what is pushed meanwhile is kept.
    pub(super) async fn ask(&mut self, op: &str, data: &Value) -> Value {
        self.requests += 1;
        let id = format!("q-{}", self.requests);
        let sent = self.wire.send(&json!({"op": op, "reqId": id, "data": data})).await;
        sent.expect("the socket takes a frame");
        self.answer(&id).await
    }

    /// Waits for the answer to a request.
    pub(super) async fn answer(&mut self, id: &str) -> Value {
        let answer = self.next_that(|value| value["reqId"] == id).await;
        answer.unwrap_or_else(|why| panic!("{id}: {why}"))
    }

    /// The slug of the error that a request is answered with.
    pub(super) async fn refused(&mut self, op: &str, data: &Value) -> String {
        let answer = self.ask(op, data).await;
        assert_eq!(answer["event"], "error", "{op} {data}: {answer}");
        assert!(answer["code"].is_u64() && answer["detail"].is_string(), "{answer}");
        answer["error"].as_str().expect("a slug").to_owned()
    }

    /// The next error that answers no request.
    pub(super) async fn complaint(&mut self) -> Value {
        let found = self.next_that(|value| value["event"] == "error" && value["reqId"].is_null()).await;
        found.expect("an error")
    }

    /// The next durable event.
    pub(super) async fn event(&mut self) -> Value {
        if let Some(at) = self.pushes.iter().position(|push| push["op"] == "room.event") {
            return self.pushes.remove(at);
        }
        self.next_that(|value| value["op"] == "room.event").await.expect("an event")
    }

    /// Reads to the end of the socket: the last bye, and how the socket ended.
    pub(super) async fn until_closed(&mut self) -> (Option<Value>, String) {
        let mut bye = None;
        loop {
            match timeout(WAIT, self.wire.next()).await.expect("the socket ends in time") {
                Ok(objects) => {
                    let farewell =
                        objects.into_iter().map(|object| object.value).find(|one| one["op"] == "bye");
                    bye = farewell.or(bye);
                }
                Err(why) => return (bye, why),
            }
        }
    }

    async fn next_that(&mut self, is_it: impl Fn(&Value) -> bool) -> Result<Value, String> {
        loop {
            let objects =
                timeout(WAIT, self.wire.next()).await.map_err(|_late| "nothing came".to_owned())??;
            let mut found = None;
            for object in objects {
                if found.is_none() && is_it(&object.value) {
                    found = Some(object.value);
                } else {
                    self.pushes.push(object.value);
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }
}

impl Scene {
    /// A room of two, both joined.
    pub(super) async fn set(app: TestApp) -> Self {
        let (rogue, witness) = (app.person("rogue").await, app.person("witness").await);
        let room = private_room(&witness).await;
        invite(&room, &witness, &rogue).await;
        let mut guests = [Guest::open(&app, rogue).await, Guest::open(&app, witness).await];
        for guest in &mut guests {
            let joined = guest.ask("room.join", &json!({ "roomId": room })).await;
            assert_eq!(joined["event"], "result", "{joined}");
        }
        let [rogue, witness] = guests;
        Self { app, room, rogue, witness, said: 0 }
    }

    /// The witness says something, has its ack, and sees it as the next event.
    pub(super) async fn witness_is_well(&mut self) {
        self.said += 1;
        let (id, content) = (format!("w-{}", self.said), format!("目击 {}", self.said));
        let data = json!({"roomId": self.room, "clientMsgId": id, "content": content});
        let ack = self.witness.ask("room.send", &data).await;
        assert_eq!(ack["event"], "ack", "{ack}");
        loop {
            let event = self.witness.event().await;
            if event["seq"] == ack["seq"] {
                assert_eq!(event["message"]["content"], content.as_str(), "{event}");
                return;
            }
            assert!(event["seq"].as_u64() < ack["seq"].as_u64(), "{event} after {ack}");
        }
    }
}

/// A room in which nobody speaks unnamed.
pub(super) async fn private_room(owner: &Person) -> String {
    let room = json!({"name": "书斋", "settings": {"turnStrategy": "manual"}});
    let made = owner.post("/api/rooms", &room).await;
    made.data()["room"]["roomId"].as_str().expect("a room's id").to_owned()
}

/// Lets somebody into a room.
pub(super) async fn invite(room: &str, owner: &Person, guest: &Person) {
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = invited.data()["inviteCode"].clone();
    let path = format!("/api/rooms/{room}/join");
    let joined = answer(guest.request(Method::POST, &path).json(&json!({ "inviteCode": code }))).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
}
