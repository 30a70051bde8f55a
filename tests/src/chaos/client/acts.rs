//! What a client does by itself: it says, asks, repeats itself, likes, recalls, stops, leaves and comes back.

use serde_json::json;

use super::{Client, Pending, Question};
use crate::chaos::evidence::{Millis, What, marked};
use crate::chaos::run::Phase;

/// Who is asked in a shared room. Nobody speaks there unnamed.
const SPEAKER: &str = "classics_kongzi";
/// Own messages are recalled while they are younger than this: the server allows two minutes.
const RECALL_MS: Millis = 60_000;
/// Markers of one client, more than any run needs.
const MARKERS_EACH: u64 = 1_000_000;

impl Client {
    /// Does what the phase wants, if it is time.
    pub(super) fn act(&mut self, now: Millis) {
        let phase = self.phase();
        if let Phase::Storm(storm) = phase
            && self.stormed < storm
            && !self.is_answered_in_session()
        {
            self.stormed = storm;
            self.ask_in_session();
        }
        let is_busy = matches!(phase, Phase::Busy | Phase::Storm(_));
        if is_busy && self.acts_at <= now {
            let (least, most) = self.surroundings.act_ms;
            self.acts_at = now + self.dice.between(least, most);
            self.act_once(now);
        }
    }

    fn act_once(&mut self, now: Millis) {
        match self.dice.below(100) {
            0..50 => self.say_in_room(),
            50..66 => {
                if !self.is_answered_in_session() {
                    self.ask_in_session();
                }
            }
            66..76 => self.like(),
            76..82 => self.recall(now),
            82..90 => self.stop(),
            90..94 => {
                let data = json!({"roomId": self.who.room});
                self.ask("room.typing", &data, Question::Other("room.typing"));
            }
            94..97 => self.read(),
            _ => {
                let room = self.who.room.clone();
                self.ask("room.leave", &json!({"roomId": room}), Question::Leave(room));
            }
        }
    }

    fn say_in_room(&mut self) {
        let room = self.who.room.clone();
        let is_quiet = self.copies.get(&room).is_some_and(|copy| copy.any_growing().is_none());
        let mentions = if is_quiet && self.dice.percent(8) { vec![SPEAKER] } else { Vec::new() };
        self.say(room, mentions);
    }

    fn is_answered_in_session(&self) -> bool {
        let session = &self.who.session;
        self.copies.get(session).is_some_and(|copy| copy.any_growing().is_some())
            || self.pending.values().any(|pending| pending.room == *session)
    }

    fn ask_in_session(&mut self) {
        let session = self.who.session.clone();
        self.say(session, Vec::new());
    }

    fn say(&mut self, room: String, mentions: Vec<&'static str>) {
        let number = u64::try_from(self.number).expect("a number");
        self.markers += 1;
        let marker = number * MARKERS_EACH + self.markers;
        let filler =
            "学而时习之 \"x\" \\ 😀\n".repeat(usize::try_from(self.dice.below(6)).expect("a number"));
        let content = format!("{}{filler}", marked(marker));
        let client_msg_id = format!("c-{marker}");
        let pending =
            Pending { room, content: content.trim().to_owned(), mentions, marker, retry_at: Millis::MAX };
        self.send(&client_msg_id, &pending);
        // Some buttons are pressed twice.
        if self.dice.percent(10) {
            self.send(&client_msg_id, &pending);
        }
        self.pending.insert(client_msg_id, pending);
    }

    /// Sends again what was not acknowledged.
    pub(super) fn send_due(&mut self, now: Millis) {
        let due = self.pending.iter().filter(|(_, pending)| pending.retry_at <= now);
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            if let Some(mut pending) = self.pending.remove(&id) {
                pending.retry_at = Millis::MAX;
                self.send(&id, &pending);
                self.pending.insert(id, pending);
            }
        }
    }

    pub(super) fn send(&mut self, client_msg_id: &str, pending: &Pending) {
        let data = json!({"roomId": pending.room, "clientMsgId": client_msg_id, "content": pending.content,
            "mentions": pending.mentions});
        let (room, client_msg_id) = (pending.room.clone(), client_msg_id.to_owned());
        self.note(What::Sent { room, client_msg_id: client_msg_id.clone() });
        self.ask("room.send", &data, Question::Send(client_msg_id));
    }

    fn like(&mut self) {
        if let Some((room, message)) = self.recent.back().cloned() {
            let liked = self.dice.percent(75);
            let data = json!({"roomId": room, "messageId": message, "liked": liked});
            self.ask("room.like", &data, Question::Other("room.like"));
        }
    }

    fn recall(&mut self, now: Millis) {
        let own = self.said.iter().rev().find(|said| said.at + RECALL_MS > now);
        if let Some((room, message, marker)) =
            own.map(|said| (said.room.clone(), said.message.clone(), said.marker))
        {
            let data = json!({"roomId": room, "messageId": message});
            self.ask("room.recall", &data, Question::Recall(message, marker));
        }
    }

    /// Stops an own reply that grows, by its id or by that of the question.
    fn stop(&mut self) {
        let growing = |said: &&super::Said| {
            let copy = self.copies.get(&said.room);
            said.reply.as_ref().is_some_and(|(message, _)| {
                copy.is_some_and(|copy| copy.any_growing().is_some_and(|(id, _)| id == message))
            })
        };
        let Some(said) = self.said.iter().rev().find(growing) else { return };
        let Some((message, generation)) = said.reply.clone() else { return };
        let data = if self.dice.percent(70) {
            json!({"roomId": said.room, "messageId": message, "gen": generation})
        } else {
            json!({"roomId": said.room, "clientMsgId": said.client_msg_id})
        };
        self.ask("room.stop", &data, Question::Stop(message, generation));
    }

    /// Asks whether a reply that was stopping has stopped.
    pub(super) fn stop_again(&mut self) {
        for (message, generation) in std::mem::take(&mut self.stop_once_more) {
            let said =
                self.said.iter().find(|said| said.reply.as_ref().is_some_and(|(id, _)| *id == message));
            let Some(room) = said.map(|said| said.room.clone()) else { continue };
            let data = json!({"roomId": room, "messageId": message, "gen": generation});
            self.ask("room.stop", &data, Question::Stop(message, generation));
        }
    }

    fn read(&mut self) {
        let seq = self.copies.get(&self.who.room).and_then(crate::chaos::replica::Replica::last);
        // It has no answer.
        self.out.push_back(json!({"op": "room.read", "data": {"roomId": self.who.room, "seq": seq}}));
    }
}
