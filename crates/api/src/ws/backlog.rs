//! The items of one outbox, and what becomes of them when they are too many.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::outgoing::{DeltaPlace, Kind, Packet, Texts, delta_frame};

/// Above this, what may be lost is left out, and growing replies are told in larger pieces.
const CROWDED_BYTES: usize = 64 * 1024;
/// Above this, the pieces of replies that wait already are put together too.
const FULL_BYTES: usize = 192 * 1024;
/// Above this, the client is too slow.
const BYTES_MAX: usize = 256 * 1024;
/// Replies that were asked for and are not fetched; more than any honest client has.
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One chunk holds about so much: what actix keeps of a write buffer stays small by it.
const CHUNK_BYTES: usize = 16 * 1024;
/// An empty queue keeps room for so many items.
const ITEMS_KEPT: usize = 32;
/// Rests whose end is still to come, at most; a room has one growing reply at a time.
const OWED_MAX: usize = 64;

/// Whether a client keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Crowding {
    /// It does, or has lost nothing that matters.
    Bearable,
    /// It does not.
    TooSlow,
}

enum Item {
    /// Shared with other clients.
    Push(Rc<Packet>),
    /// This client's own.
    Reply(Box<Bytes>),
    /// The rest of a growing reply, whatever it is when it is written.
    Rest(Box<Rest>),
}

struct Rest {
    texts: Arc<dyn Texts>,
    place: DeltaPlace,
    /// The packet that tells the reply's end, once it waits behind.
    end: Option<Rc<Packet>>,
}

impl Rest {
    /// Counted for an item whose size is not known before it is written.
    const BYTES: usize = 256;

    /// Whether the text is not to be had now: the reply has ended, and its end is on its way here.
    fn is_unknown(&self) -> bool {
        let DeltaPlace { message_id, generation, .. } = self.place;
        let growing = || self.texts.growing(message_id).filter(|growing| growing.generation == generation);
        self.end.is_none() && growing().is_none()
    }

    /// The text from where the client is, if there is any.
    fn frame(&self, room: &str) -> Option<Bytes> {
        let DeltaPlace { message_id, generation, offset } = self.place;
        let ended =
            self.end.as_ref().and_then(|end| end.final_text(message_id, generation).map(str::to_owned));
        let text = match ended {
            Some(text) => text,
            None => self.texts.growing(message_id).filter(|growing| growing.generation == generation)?.text,
        };
        let (offset, tail) = chat::event::utf16_tail(&text, offset);
        (!tail.is_empty()).then(|| delta_frame(room, DeltaPlace { offset, ..self.place }, tail))
    }
}

/// What waits, in order.
#[derive(Default)]
pub(crate) struct Backlog {
    items: VecDeque<Item>,
    /// Rests that were to be written when their text was gone from the feed and their end was not here yet.
    owed: VecDeque<Box<Rest>>,
    push_bytes: usize,
    reply_bytes: usize,
    rests: usize,
    is_packed: bool,
}

impl Backlog {
    pub(crate) fn bytes(&self) -> usize {
        self.push_bytes.saturating_add(self.reply_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn add_reply(&mut self, frame: Bytes) {
        self.reply_bytes = self.reply_bytes.saturating_add(frame.len());
        self.items.push_back(Item::Reply(Box::new(frame)));
    }

    pub(crate) fn add_push(&mut self, packet: &Rc<Packet>, texts: &Arc<dyn Texts>) -> Crowding {
        let before = self.push_bytes;
        if before <= CROWDED_BYTES && self.rests == 0 && self.owed.is_empty() {
            self.add(packet);
        } else {
            self.add_crowded(packet, texts);
        }
        if self.push_bytes > FULL_BYTES && !self.is_packed {
            self.pack(texts);
        }
        let is_too_slow = self.push_bytes > BYTES_MAX && before > 0 || self.reply_bytes > REPLY_BYTES_MAX;
        if is_too_slow { Crowding::TooSlow } else { Crowding::Bearable }
    }

    fn add(&mut self, packet: &Rc<Packet>) {
        self.push_bytes = self.push_bytes.saturating_add(packet.frame.len());
        self.items.push_back(Item::Push(Rc::clone(packet)));
    }

    fn add_rest(&mut self, rest: Box<Rest>) {
        self.push_bytes = self.push_bytes.saturating_add(Rest::BYTES);
        self.rests = self.rests.saturating_add(1);
        self.items.push_back(Item::Rest(rest));
    }

    fn add_crowded(&mut self, packet: &Rc<Packet>, texts: &Arc<dyn Texts>) {
        match packet.kind {
            Kind::Ephemeral if self.push_bytes > CROWDED_BYTES => {}
            Kind::Ephemeral => self.add(packet),
            Kind::Durable => {
                self.pay_owed(packet);
                if self.rests > 0 {
                    self.tell_rests_of(packet);
                }
                self.add(packet);
            }
            Kind::Delta(place) => {
                let is_owed = self.owed.iter().any(|rest| rest.place.is_same_text(place));
                if is_owed || self.rests > 0 && self.rest_of(place).is_some() {
                    // The rest is going to tell it.
                } else if self.push_bytes > CROWDED_BYTES {
                    self.add_rest(Box::new(Rest { texts: Arc::clone(texts), place, end: None }));
                } else {
                    self.add(packet);
                }
            }
        }
    }

    fn rest_of(&self, place: DeltaPlace) -> Option<&Rest> {
        let rests = self.items.iter().filter_map(|item| match item {
            Item::Rest(rest) => Some(rest.as_ref()),
            Item::Push(_) | Item::Reply(_) => None,
        });
        rests.into_iter().find(|rest| rest.end.is_none() && rest.place.is_same_text(place))
    }

    /// A reply's end takes its text away from the feed: rests that wait take it from the end instead.
    fn tell_rests_of(&mut self, packet: &Rc<Packet>) {
        for item in &mut self.items {
            if let Item::Rest(rest) = item
                && rest.end.is_none()
                && packet.ends_text(rest.place)
            {
                rest.end = Some(Rc::clone(packet));
            }
        }
    }

    /// Puts the rests that this packet ends before it.
    fn pay_owed(&mut self, packet: &Rc<Packet>) {
        for mut rest in mem::take(&mut self.owed) {
            if packet.ends_text(rest.place) {
                rest.end = Some(Rc::clone(packet));
                self.add_rest(rest);
            } else {
                self.owed.push_back(rest);
            }
        }
    }

    fn owe(&mut self, rest: Box<Rest>) {
        if self.owed.len() >= OWED_MAX {
            self.owed.pop_front();
        }
        self.owed.push_back(rest);
    }

    /// Replaces the pieces of each reply by one rest, where the first of them stands.
    fn pack(&mut self, texts: &Arc<dyn Texts>) {
        self.is_packed = true;
        let items = mem::take(&mut self.items);
        (self.push_bytes, self.rests) = (0, 0);
        for item in items {
            match item {
                Item::Push(packet) => match packet.kind {
                    Kind::Delta(place) if self.rest_of(place).is_some() => {}
                    Kind::Delta(place) => {
                        self.add_rest(Box::new(Rest { texts: Arc::clone(texts), place, end: None }));
                    }
                    Kind::Durable => {
                        self.tell_rests_of(&packet);
                        self.add(&packet);
                    }
                    Kind::Ephemeral => {}
                },
                Item::Rest(rest) => {
                    if self.rest_of(rest.place).is_none() {
                        self.add_rest(rest);
                    }
                }
                Item::Reply(_) => self.items.push_back(item),
            }
        }
    }

    /// The next frames, together about as large as a chunk is. A frame that is alone is not copied.
    pub(crate) fn take_chunk(&mut self) -> Option<Bytes> {
        let first = self.pop()?;
        if self.items.is_empty() || first.len() >= CHUNK_BYTES {
            self.rest_when_empty();
            return Some(first);
        }
        let wanted = self.bytes().saturating_add(first.len()).min(CHUNK_BYTES);
        let mut chunk = BytesMut::with_capacity(wanted.saturating_add(1_024));
        chunk.extend_from_slice(&first);
        while chunk.len() < CHUNK_BYTES
            && let Some(next) = self.front_frame()
        {
            chunk.extend_from_slice(&next);
        }
        self.rest_when_empty();
        Some(chunk.freeze())
    }

    /// The next frame, not larger than would make a chunk far too large.
    fn front_frame(&mut self) -> Option<Bytes> {
        let is_large = match self.items.front()? {
            Item::Push(packet) => packet.frame.len() >= CHUNK_BYTES,
            Item::Reply(frame) => frame.len() >= CHUNK_BYTES,
            Item::Rest(_) => true,
        };
        if is_large { None } else { self.pop() }
    }

    fn pop(&mut self) -> Option<Bytes> {
        loop {
            match self.items.pop_front()? {
                Item::Push(packet) => {
                    self.push_bytes = self.push_bytes.saturating_sub(packet.frame.len());
                    return Some(packet.frame.clone());
                }
                Item::Reply(frame) => {
                    self.reply_bytes = self.reply_bytes.saturating_sub(frame.len());
                    return Some(*frame);
                }
                Item::Rest(rest) => {
                    self.push_bytes = self.push_bytes.saturating_sub(Rest::BYTES);
                    self.rests = self.rests.saturating_sub(1);
                    if rest.is_unknown() {
                        self.owe(rest);
                    } else if let Some(frame) = rest.frame(rest.texts.room()) {
                        return Some(frame);
                    }
                }
            }
        }
    }

    fn rest_when_empty(&mut self) {
        if self.items.is_empty() {
            (self.push_bytes, self.reply_bytes, self.rests, self.is_packed) = (0, 0, 0, false);
            if self.items.capacity() > ITEMS_KEPT {
                self.items = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
