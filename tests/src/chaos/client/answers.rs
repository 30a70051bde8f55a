//! What a client makes of what the server sends.

use serde_json::Value;

use super::wire::Object;
use super::{Asked, Client, Question, Said, remember};
use crate::chaos::evidence::{Millis, What, markers_of};
use crate::chaos::replica::Replica;

/// How long a client waits where the server does not say.
const RETRY_MS: Millis = 800;

impl Client {
    pub(super) fn take(&mut self, object: &Object) {
        let value = &object.value;
        if let Some(asked) = value["reqId"].as_str().and_then(|id| self.asked.remove(id)) {
            let markers = markers_of(&object.text);
            if !markers.is_empty() {
                self.note(What::Served { asked_at: asked.at, markers });
            }
            self.answered(asked, value);
            return;
        }
        match value["op"].as_str().unwrap_or_default() {
            "room.event" => self.event(value),
            "room.delta" => self.delta(value),
            "ping" => self.out.push_back(serde_json::json!({"op": "pong"})),
            "bye" => {
                let error = value["error"].as_str().unwrap_or_default().to_owned();
                self.note(What::Bye(value["code"].as_u64().unwrap_or(0), error));
            }
            _ if value["event"] == "error" => {
                let (op, error) = (text(value, "op"), text(value, "error"));
                self.note(What::Refused { op, error });
            }
            // Typing, presence, read marks: told for people.
            _ => {}
        }
    }

    fn event(&mut self, event: &Value) {
        let room = text(event, "roomId");
        self.notice_own_reply(event);
        let outcome = self.copies.get_mut(&room).map(|copy| copy.pushed(event));
        self.follow(&room, outcome.unwrap_or_default());
    }

    fn delta(&mut self, push: &Value) {
        let (room, message) = (text(push, "roomId"), text(push, "messageId"));
        let generation = push["gen"].as_u64().unwrap_or(0);
        if self.stopped.contains(&(message.clone(), generation)) {
            self.note(What::DeltaAfterStop { message, generation });
        }
        let outcome = self.copies.get_mut(&room).map(|copy| copy.delta(push));
        self.follow(&room, outcome.unwrap_or_default());
    }

    fn notice_own_reply(&mut self, event: &Value) {
        if event["event"] == "ai_start" {
            let own = self.said.iter_mut().find(|said| event["replyTo"] == said.message.as_str());
            if let Some(said) = own {
                said.reply = Some((text(event, "messageId"), event["gen"].as_u64().unwrap_or(0)));
            }
        }
    }

    fn answered(&mut self, asked: Asked, answer: &Value) {
        if answer["event"] == "error" {
            let retry_after = answer["retryAfterMs"].as_u64().unwrap_or(0);
            self.failed(asked.what, &text(answer, "error"), retry_after);
            return;
        }
        match asked.what {
            Question::Join(room) => {
                let events = answer["events"].as_array().cloned().unwrap_or_default();
                for event in &events {
                    self.notice_own_reply(event);
                }
                let outcome = self.copies.get_mut(&room).map(|copy| copy.joined(answer));
                self.follow(&room, outcome.unwrap_or_default());
            }
            Question::Leave(room) => {
                let now = self.now();
                self.is_caught_up = false;
                self.to_join.insert(room, now);
            }
            Question::Send(client_msg_id) => self.acknowledged(&client_msg_id, answer),
            Question::Stop(message, generation) => {
                let state = text(answer, "state");
                if state == "stopped" {
                    self.stopped.push((message.clone(), generation));
                } else if state == "stopping" {
                    self.stop_once_more.push((message.clone(), generation));
                }
                self.note(What::StopAnswered { message, generation, state });
            }
            Question::Recall(message, marker) => self.note(What::RecallAnswered { message, marker }),
            Question::Events(room) => {
                let events = answer["events"].as_array().cloned().unwrap_or_default();
                let outcome = self.copies.get_mut(&room).map(|copy| copy.page(&events, true));
                self.follow(&room, outcome.unwrap_or_default());
            }
            Question::Text(room) => {
                let outcome = self.copies.get_mut(&room).map(|copy| copy.snapshot(answer));
                self.follow(&room, outcome.unwrap_or_default());
            }
            Question::Other(_) => {}
        }
    }

    fn acknowledged(&mut self, client_msg_id: &str, answer: &Value) {
        let message = text(answer, "messageId");
        let pending = self.pending.remove(client_msg_id);
        let known = self.said.iter().find(|said| said.client_msg_id == client_msg_id);
        let room = pending.as_ref().map(|pending| pending.room.clone());
        let Some(room) = room.or_else(|| known.map(|said| said.room.clone())) else { return };
        let seq = answer["seq"].as_u64().unwrap_or(0);
        let (acked_as, at) = (client_msg_id.to_owned(), self.now());
        self.note(What::Acked { room: room.clone(), client_msg_id: acked_as, message: message.clone(), seq });
        if let Some(pending) = pending {
            let marker = pending.marker;
            remember(
                &mut self.said,
                Said { room, message, client_msg_id: client_msg_id.to_owned(), marker, at, reply: None },
            );
            // A client that crashed before it noted the ack sends once more.
            if self.dice.percent(5) {
                self.send(client_msg_id, &pending);
            }
        }
    }

    /// A request that was refused, or never answered on this connection.
    pub(super) fn failed(&mut self, what: Question, error: &str, retry_after: Millis) {
        let retry_at = self.now() + retry_after.max(RETRY_MS);
        let op = match what {
            Question::Join(room) => {
                self.to_join.insert(room, retry_at);
                "room.join"
            }
            Question::Leave(_) => "room.leave",
            Question::Send(client_msg_id) => {
                let is_passing = [
                    "unavailable",
                    "rate_limited",
                    "unanswered",
                    "model_unavailable",
                    "idempotency_in_progress",
                ]
                .contains(&error);
                if let Some(pending) = self.pending.get_mut(&client_msg_id).filter(|_| is_passing) {
                    pending.retry_at = retry_at;
                } else {
                    self.pending.remove(&client_msg_id);
                }
                "room.send"
            }
            Question::Stop(..) => "room.stop",
            Question::Recall(..) => "room.recall",
            Question::Events(room) => {
                // The hole is still there: joining anew fills it.
                let now = self.now();
                self.to_join.insert(room, now);
                "room.sync"
            }
            Question::Text(room) => {
                let wants = self.copies.get(&room).map(Replica::mending_wants).unwrap_or_default();
                let outcome = crate::chaos::replica::Outcome { notes: Vec::new(), wants };
                self.follow(&room, outcome);
                "room.sync"
            }
            Question::Other(op) => op,
        };
        self.note(What::Refused { op: op.to_owned(), error: error.to_owned() });
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
