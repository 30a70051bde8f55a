//! Where a feed is, and what each event and delta does to it. Pure: whoever holds it has locked it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::sync::Arc;

use kernel::{MessageId, Timestamp};

use super::{Audience, Batch, FeedItem, Growing, Position};
use crate::conversation::ConversationId;
use crate::event::{Event, EventBody, utf16_length, utf16_tail};
use crate::message::{EndReason, Message, MessageStatus};

/// Events kept beyond a hole; further ones are read from the log with the hole.
const AHEAD_MAX: usize = 1_000;
/// Replies remembered whose text came before their start.
const EARLY_MAX: usize = 32;

/// Whence an event came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// As it was announced: a reply that starts has no text yet.
    Bus,
    /// Read later: a reply that starts may have grown meanwhile.
    Log,
}

/// A feed's place, the text of growing replies, and who is told.
pub(super) struct State {
    conversation: ConversationId,
    position: u64,
    epoch: String,
    head: u64,
    growing: BTreeMap<MessageId, Text>,
    /// Replies whose text is longer than what is here.
    behind: BTreeSet<MessageId>,
    early: VecDeque<MessageId>,
    ahead: BTreeMap<u64, Event>,
    /// The highest seq that is known to be in the log.
    wanted: u64,
    hole_since: Option<Timestamp>,
    audiences: Vec<(u64, Arc<dyn Audience>)>,
    /// Whether the log is gone, and everybody was told.
    is_gone: bool,
}

struct Text {
    generation: u32,
    so_far: String,
    units: u32,
}

impl State {
    pub(super) fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            position: 0,
            epoch: String::new(),
            head: 0,
            growing: BTreeMap::new(),
            behind: BTreeSet::new(),
            early: VecDeque::new(),
            ahead: BTreeMap::new(),
            wanted: 0,
            hole_since: None,
            audiences: Vec::new(),
            is_gone: false,
        }
    }

    /// Begins (again) at a place of a log.
    pub(super) fn place_at(&mut self, epoch: String, head: u64, growing: Vec<Growing>) {
        self.epoch = epoch;
        self.head = head;
        self.wanted = head;
        self.hole_since = None;
        self.is_gone = false;
        self.ahead.clear();
        self.behind.clear();
        let texts = growing.into_iter().map(|reply| {
            let units = utf16_length(&reply.text);
            (reply.message_id, Text { generation: reply.generation, so_far: reply.text, units })
        });
        self.growing = texts.collect();
    }

    pub(super) fn add(&mut self, id: u64, audience: Arc<dyn Audience>) {
        self.audiences.push((id, audience));
    }

    /// Takes an audience out; it is the caller's to drop.
    pub(super) fn remove(&mut self, id: u64) -> Option<Arc<dyn Audience>> {
        let place = self.audiences.iter().position(|(known, _)| *known == id)?;
        Some(self.audiences.remove(place).1)
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) fn position(&self) -> Position {
        let streams = self.growing.iter().map(|(id, text)| text.shown(*id)).collect();
        Position { position: self.position, epoch: self.epoch.clone(), head: self.head, streams }
    }

    pub(super) fn growing(&self, message_id: MessageId) -> Option<Growing> {
        self.growing.get(&message_id).map(|text| text.shown(message_id))
    }

    pub(super) fn growing_ids(&self) -> Vec<MessageId> {
        self.growing.keys().copied().collect()
    }

    /// Replies whose text has to be read.
    pub(super) fn take_behind(&mut self) -> BTreeSet<MessageId> {
        mem::take(&mut self.behind)
    }

    pub(super) fn hole_since(&self) -> Option<Timestamp> {
        self.hole_since
    }

    /// The highest seq that is known to be in the log.
    pub(super) fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Hands an item to everybody.
    pub(super) fn deliver(&mut self, item: FeedItem) {
        self.position += 1;
        let batch = Arc::new(Batch { position: self.position, item });
        for (_, audience) in &self.audiences {
            audience.deliver(&self.conversation, &batch);
        }
    }

    /// Tells everybody to join again, once for a log that is gone.
    pub(super) fn reset(&mut self, is_gone: bool) {
        if !mem::replace(&mut self.is_gone, is_gone) || !is_gone {
            self.deliver(FeedItem::Reset);
        }
    }

    /// Takes events, ascending: what follows the last is delivered, what lies beyond a hole is kept.
    pub(super) fn apply(&mut self, events: Vec<Event>, source: Source, now: Timestamp) {
        let mut ready = Vec::with_capacity(events.len());
        for event in events {
            self.wanted = self.wanted.max(event.seq);
            // An announcer that could not read the message leaves it to us.
            let is_whole = source == Source::Log || event.message.is_some() || !event.body.shows_message();
            if event.seq == self.head + 1 && is_whole {
                self.accept(event, source, &mut ready);
            } else if event.seq > self.head && is_whole {
                self.keep(event);
            }
        }
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.head + 1 {
                break;
            }
            let event = entry.remove();
            if event.seq == self.head + 1 {
                self.accept(event, Source::Bus, &mut ready);
            }
        }
        self.hand_out(&mut ready);
        self.hole_since = (self.wanted > self.head).then(|| self.hole_since.unwrap_or(now));
    }

    /// After a read of the log that began when `wanted` was known: what it did not have is not there. Whether
    /// something was missing.
    pub(super) fn settle_hole(&mut self, wanted: u64, now: Timestamp) -> bool {
        if self.head >= wanted {
            // Another hole may have come meanwhile; it is as young as that.
            self.hole_since = self.hole_since.map(|_| now);
            return false;
        }
        self.ahead.retain(|seq, _| *seq > wanted);
        self.wanted = self.ahead.last_key_value().map_or(self.head, |(seq, _)| *seq);
        self.hole_since = (self.wanted > self.head).then_some(now);
        true
    }

    /// Takes new text of a reply.
    pub(super) fn delta(&mut self, message_id: MessageId, generation: u32, offset: u32, text: &str) {
        let Some(held) = self.growing.get_mut(&message_id) else {
            self.note_early(message_id);
            return;
        };
        if held.generation != generation {
            return;
        }
        let Some(known) = held.units.checked_sub(offset) else {
            self.behind.insert(message_id);
            return;
        };
        let (skipped, tail) = utf16_tail(text, known);
        if skipped == known && !tail.is_empty() {
            let delta = held.grow(message_id, tail);
            self.deliver(delta);
        }
    }

    /// Takes a reply's whole text so far, as it was read.
    pub(super) fn text_read(&mut self, message_id: MessageId, generation: u32, text: &str) {
        let Some(held) = self.growing.get_mut(&message_id) else { return };
        if held.generation != generation {
            return;
        }
        if let Some(delta) = held.grow_to(message_id, text) {
            self.deliver(delta);
        }
    }

    fn note_early(&mut self, message_id: MessageId) {
        if self.early.contains(&message_id) {
            return;
        }
        if self.early.len() >= EARLY_MAX {
            self.early.pop_front();
        }
        self.early.push_back(message_id);
    }

    fn keep(&mut self, event: Event) {
        self.ahead.insert(event.seq, event);
        if self.ahead.len() > AHEAD_MAX {
            self.ahead.pop_last();
        }
    }

    fn hand_out(&mut self, ready: &mut Vec<Event>) {
        if !ready.is_empty() {
            self.deliver(FeedItem::Events(mem::take(ready)));
        }
    }

    fn accept(&mut self, event: Event, source: Source, ready: &mut Vec<Event>) {
        self.head = event.seq;
        match &event.body {
            EventBody::AiStart { message_id, generation } => {
                self.start(*message_id, *generation, event, source, ready);
            }
            EventBody::AiEnd { message_id, why, .. } => {
                let tail = self.end(*message_id, *why, event.message.as_ref());
                if let Some(tail) = tail {
                    self.hand_out(ready);
                    self.deliver(tail);
                }
                ready.push(event);
            }
            EventBody::Recall { message_id } => {
                // A text that was taken back is shown to nobody who comes later.
                self.growing.remove(message_id);
                ready.push(event);
            }
            EventBody::Message { .. } | EventBody::Member { .. } | EventBody::Like { .. } => {
                ready.push(event);
            }
        }
    }

    fn start(
        &mut self,
        message_id: MessageId,
        generation: u32,
        event: Event,
        source: Source,
        ready: &mut Vec<Event>,
    ) {
        let shown = event.message.as_ref();
        let grows = shown.filter(|message| message.status == MessageStatus::Streaming);
        let (is_growing, content) =
            (grows.is_some(), grows.map(|message| message.content.clone()).unwrap_or_default());
        let is_recalled = shown.is_some_and(|message| message.status == MessageStatus::Recalled);
        ready.push(event);
        if is_recalled {
            return;
        }
        let mut text = Text { generation, so_far: String::new(), units: 0 };
        let delta = text.grow_to(message_id, &content);
        self.growing.insert(message_id, text);
        let was_early = self.early.contains(&message_id);
        self.early.retain(|known| *known != message_id);
        if was_early || (source == Source::Log && is_growing) {
            self.behind.insert(message_id);
        }
        if let Some(delta) = delta {
            self.hand_out(ready);
            self.deliver(delta);
        }
    }

    /// The part of a whole reply's text that nobody has heard: its last frames may be lost.
    fn end(&mut self, message_id: MessageId, why: EndReason, message: Option<&Message>) -> Option<FeedItem> {
        self.behind.remove(&message_id);
        self.early.retain(|known| *known != message_id);
        let mut held = self.growing.remove(&message_id)?;
        let message = message.filter(|message| message.status != MessageStatus::Recalled)?;
        match why {
            EndReason::Done | EndReason::Length => held.grow_to(message_id, &message.content),
            // Such an end carries the text itself, and after a stop nothing more is said.
            EndReason::Stopped | EndReason::Error | EndReason::Blocked | EndReason::Lost => None,
        }
    }
}

impl Text {
    fn shown(&self, message_id: MessageId) -> Growing {
        Growing { message_id, generation: self.generation, text: self.so_far.clone() }
    }

    fn grow(&mut self, message_id: MessageId, tail: &str) -> FeedItem {
        let offset = self.units;
        self.so_far.push_str(tail);
        self.units = self.units.saturating_add(utf16_length(tail));
        FeedItem::Delta { message_id, generation: self.generation, offset, text: tail.to_owned() }
    }

    /// Nothing where the whole text is no longer than what is here, or another one.
    fn grow_to(&mut self, message_id: MessageId, whole: &str) -> Option<FeedItem> {
        let tail = whole.strip_prefix(self.so_far.as_str()).filter(|tail| !tail.is_empty())?;
        Some(self.grow(message_id, tail))
    }
}
