//! A client of a feed, by the protocol's rules: it applies what it is told, and complains of what it must never be
//! told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chat::ConversationId;
use chat::event::{Event, EventBody, utf16_length};
use chat::feed::{Audience, Batch, FeedItem, Growing, Recovery};
use kernel::MessageId;

/// What a client knows.
#[derive(Default)]
pub struct Recorder {
    notes: Mutex<Notes>,
}

/// What it has noted.
#[derive(Default)]
pub struct Notes {
    /// Batches that came before the client had joined.
    early: Vec<Arc<Batch>>,
    position: Option<u64>,
    /// Events, ascending.
    pub events: Vec<Event>,
    /// Items that are not events, deltas or resets.
    pub others: Vec<FeedItem>,
    /// How often it was told to join again.
    pub resets: usize,
    /// Texts of replies, growing and ended.
    pub texts: HashMap<MessageId, String>,
}

impl Recorder {
    /// A client that has not joined.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Joins at a place: what came before it is in the recovery, the rest is applied.
    pub fn join(&self, recovery: &Recovery) {
        let mut notes = self.notes();
        notes.position = Some(recovery.position);
        notes.take_events(&recovery.events);
        for Growing { message_id, text, .. } in &recovery.streams {
            notes.texts.insert(*message_id, text.clone());
        }
        for batch in std::mem::take(&mut notes.early) {
            if batch.position > recovery.position {
                notes.apply(&batch);
            }
        }
    }

    /// What it has noted.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("no panic while noting")
    }

    /// Seqs of the events.
    pub fn seqs(&self) -> Vec<u64> {
        self.notes().events.iter().map(|event| event.seq).collect()
    }

    /// The text of a reply.
    pub fn text(&self, reply: MessageId) -> String {
        self.notes().texts.get(&reply).cloned().unwrap_or_default()
    }
}

impl Notes {
    fn take_events(&mut self, events: &[Event]) {
        for event in events {
            if let Some(last) = self.events.last() {
                assert_eq!(event.seq, last.seq + 1, "no hole and no repetition");
            }
            if let EventBody::AiStart { message_id, .. } = &event.body {
                self.texts.insert(*message_id, String::new());
            }
            if let EventBody::AiEnd { message_id, why, .. } = &event.body
                && *why != chat::EndReason::Done
                && let Some(message) = &event.message
            {
                self.texts.insert(*message_id, message.content.clone());
            }
            self.events.push(event.clone());
        }
    }

    fn apply(&mut self, batch: &Batch) {
        let position = self.position.get_or_insert(batch.position - 1);
        assert_eq!(batch.position, *position + 1, "batches come in order");
        *position = batch.position;
        match &batch.item {
            FeedItem::Events(events) => self.take_events(events),
            FeedItem::Delta { message_id, offset, text, .. } => {
                let held = self.texts.get_mut(message_id).expect("a delta of a reply that grows");
                assert_eq!(*offset, utf16_length(held), "a delta goes on where the text ends");
                held.push_str(text);
            }
            FeedItem::Reset => self.resets += 1,
            other @ (FeedItem::Typing { .. }
            | FeedItem::Read { .. }
            | FeedItem::Presence { .. }
            | FeedItem::TurnOver { .. }
            | FeedItem::Notice { .. }
            | FeedItem::Expelled { .. }) => self.others.push(other.clone()),
        }
    }
}

impl Audience for Recorder {
    fn deliver(&self, _: &ConversationId, batch: &Arc<Batch>) {
        let mut notes = self.notes();
        if notes.position.is_some() { notes.apply(batch) } else { notes.early.push(batch.clone()) }
    }
}
