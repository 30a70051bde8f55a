//! A client's copy of one conversation: the published rules for events, deltas and ends, and nothing else.
//!
//! Pure: it is given what the server sent, and says what to note and what to ask the server for.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::entry::entry_of;
use super::evidence::{StreamEnd, What, measure};
pub use text::Growing;

/// What a client knows of a conversation.
#[derive(Debug, Default)]
pub struct Replica {
    room: String,
    epoch: Option<String>,
    last: Option<u64>,
    growing: BTreeMap<String, Growing>,
    /// Ends that were applied though the text was behind; it has been asked for.
    mending: BTreeMap<String, (Growing, StreamEnd)>,
    ended: BTreeSet<String>,
    /// Pushes that wait for what comes before them; `None` while nothing is missing.
    held: Option<BTreeMap<u64, Value>>,
    /// Up to where pages told it all on another way than the socket, where the same may still be under way.
    paged_to: u64,
}

/// What came of something that the server sent.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To be noted, in this order.
    pub notes: Vec<What>,
    /// To be asked for.
    pub wants: Vec<Want>,
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Events of a hole.
    Events {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// All events from here to the head, over HTTP.
    Pages,
    /// A reply's text.
    Text {
        /// Which.
        message: String,
        /// Of which generation.
        generation: u64,
        /// From where.
        offset: u64,
    },
}

impl Replica {
    /// A conversation of which nothing is known yet.
    pub fn new(room: &str) -> Self {
        Self { room: room.to_owned(), ..Self::default() }
    }

    /// The last seq that was applied.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// A reply that grows now, with its generation.
    pub fn any_growing(&self) -> Option<(&str, u64)> {
        self.growing.iter().next().map(|(message, growing)| (message.as_str(), growing.generation))
    }

    /// Whether an answer is being waited for.
    pub fn is_behind(&self) -> bool {
        self.held.is_some() || !self.mending.is_empty()
    }

    /// The texts that ended replies still lack, to be asked for once more.
    pub fn mending_wants(&self) -> Vec<Want> {
        self.mending.iter().map(|(message, (growing, _))| growing.want(message)).collect()
    }

    /// The data of `room.join`.
    pub fn place(&self) -> Value {
        let mut place = json!({ "roomId": self.room });
        if let (Some(last), Some(epoch)) = (self.last, &self.epoch) {
            place["since"] = json!(last);
            place["epoch"] = json!(epoch);
            let live = self
                .growing
                .iter()
                .map(|(message, growing)| (message.clone(), json!([growing.generation, growing.length])));
            place["live"] = Value::Object(live.collect::<Map<_, _>>());
        }
        place
    }

    /// Takes the result of `room.join`.
    pub fn joined(&mut self, result: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        let head = result["head"].as_u64().unwrap_or(0);
        let reset = result["reset"] == true;
        let since = self.last;
        outcome.notes.push(What::Joined { room: self.room.clone(), since, head, reset });
        self.epoch = result["epoch"].as_str().map(str::to_owned);
        self.held = None;
        self.paged_to = 0;
        // What a cut connection was asked for is asked for again.
        outcome.wants.extend(self.mending_wants());
        if since.is_none() || reset {
            self.growing.clear();
            self.last = Some(head);
        }
        for event in list(&result["events"]) {
            self.apply(event, &mut outcome);
        }
        for stream in list(&result["streams"]) {
            self.splice(stream, &mut outcome);
        }
        if result["more"] == true {
            self.held = Some(BTreeMap::new());
            outcome.wants.push(Want::Pages);
        } else if self.last.is_some_and(|last| last < head) {
            self.gap(head + 1, &mut outcome);
        }
        outcome
    }

    /// Takes a durable event that was pushed.
    pub fn pushed(&mut self, event: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        let (Some(seq), Some(last)) = (event["seq"].as_u64(), self.last) else { return outcome };
        if let Some(held) = &mut self.held {
            held.insert(seq, event.clone());
        } else if seq <= last && seq <= self.paged_to {
            // The page was faster than the push.
        } else if seq <= last {
            outcome.notes.push(What::Repeated { room: self.room.clone(), seq });
        } else if seq == last + 1 {
            self.apply(event, &mut outcome);
        } else {
            self.gap(seq, &mut outcome);
            self.held = Some(BTreeMap::from([(seq, event.clone())]));
        }
        outcome
    }

    /// The pages of a join that left something out were read to their end.
    pub fn paged(&mut self) {
        self.paged_to = self.last.unwrap_or(0);
    }

    /// Takes events that were asked for; after the last page, what was held meanwhile goes on.
    pub fn page(&mut self, events: &[Value], is_last: bool) -> Outcome {
        let mut outcome = Outcome::default();
        for event in events {
            self.apply_if_next(event, &mut outcome);
        }
        if is_last {
            for event in self.held.take().unwrap_or_default().values() {
                self.apply_if_next(event, &mut outcome);
            }
        }
        outcome
    }

    /// Takes a piece of a reply's text.
    pub fn delta(&mut self, push: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        let (message, generation) = (id(push), push["gen"].as_u64().unwrap_or(0));
        let offset = push["offset"].as_u64().unwrap_or(0);
        let Some(growing) = self.growing.get_mut(&message) else {
            // While events are held, the start may be among them.
            let is_paged = self.last.is_some_and(|last| last <= self.paged_to);
            if self.held.is_none() && !is_paged {
                let ended = self.ended.contains(&message);
                outcome.notes.push(What::Stray { message, generation, ended });
            }
            return outcome;
        };
        if growing.generation != generation {
            return outcome;
        }
        if !growing.append(offset, push["text"].as_str().unwrap_or_default()) && !growing.asked {
            growing.asked = true;
            outcome.wants.push(growing.want(&message));
        }
        outcome
    }

    /// Takes the snapshot that `room.sync` of a reply answers.
    pub fn snapshot(&mut self, result: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        let message = id(result);
        outcome.notes.push(What::Resynced { message: message.clone() });
        let Some((mut growing, mut end)) = self.mending.remove(&message) else {
            self.splice(result, &mut outcome);
            return outcome;
        };
        growing.splice(result);
        end.after = measure(&growing.text);
        end.recalled = growing.text.is_empty() && end.declared.0 > 0;
        outcome.notes.push(What::Ended(end));
        outcome
    }

    fn splice(&mut self, stream: &Value, outcome: &mut Outcome) {
        let message = id(stream);
        if self.ended.contains(&message) || stream["done"] == true {
            return;
        }
        let growing = self.growing.entry(message.clone()).or_default();
        growing.asked = false;
        if !growing.splice(stream) {
            growing.asked = true;
            outcome.wants.push(growing.want(&message));
        }
    }

    fn gap(&self, got: u64, outcome: &mut Outcome) {
        let expected = self.last.unwrap_or(0) + 1;
        outcome.notes.push(What::Hole { room: self.room.clone(), expected, got });
        outcome.wants.push(Want::Events { from: expected, to: got - 1 });
    }

    fn apply_if_next(&mut self, event: &Value, outcome: &mut Outcome) {
        let next = self.last.unwrap_or(0) + 1;
        match event["seq"].as_u64() {
            // It was in a page as well as pushed.
            Some(seq) if seq < next => {}
            Some(seq) if seq > next => {
                outcome.notes.push(What::Hole { room: self.room.clone(), expected: next, got: seq });
            }
            _ => self.apply(event, outcome),
        }
    }

    /// Applies what follows; whatever does not follow is noted as it comes, for the checker to judge.
    fn apply(&mut self, event: &Value, outcome: &mut Outcome) {
        let Some(entry) = entry_of(event) else { return };
        self.last = Some(entry.seq);
        let (kind, message) = (entry.kind.clone(), entry.message.clone());
        let generation = entry.generation;
        outcome.notes.push(What::Applied { room: self.room.clone(), entry });
        match kind.as_str() {
            "ai_start" => {
                self.growing.insert(message, Growing { generation, ..Growing::default() });
            }
            "ai_end" => self.end(message, event, outcome),
            _ => {}
        }
    }

    fn end(&mut self, message: String, event: &Value, outcome: &mut Outcome) {
        let mut growing = self.growing.remove(&message).unwrap_or_default();
        growing.generation = event["gen"].as_u64().unwrap_or(0);
        self.ended.insert(message.clone());
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        let declared = (number("length"), u32::try_from(number("crc32")).unwrap_or(0));
        let before = measure(&growing.text);
        let after = event["text"].as_str().map_or(before, measure);
        let why = event["why"].as_str().unwrap_or_default().to_owned();
        let recalled = event["status"] == "recalled";
        let room = self.room.clone();
        let end = StreamEnd { room, message: message.clone(), why, declared, before, after, recalled };
        if after == declared || event["text"].is_string() {
            outcome.notes.push(What::Ended(end));
            return;
        }
        if growing.length >= declared.0 {
            growing = Growing { generation: growing.generation, ..Growing::default() };
        }
        outcome.wants.push(growing.want(&message));
        self.mending.insert(message, (growing, end));
    }
}

fn id(value: &Value) -> String {
    value["messageId"].as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
