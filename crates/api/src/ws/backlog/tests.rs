//! What a slow client loses, and what it never does.

use std::sync::Mutex;

use chat::event::{Event, EventBody};
use chat::feed::{Batch, FeedItem, Growing};
use chat::{Author, EndReason, Message};
use kernel::{MessageId, Timestamp};
use serde_json::Value;

use super::*;
use crate::ws::outgoing::{Addressee, Outgoing};

/// A room with one reply that grows.
struct Room(Mutex<Option<Growing>>);

impl Texts for Room {
    fn room(&self) -> &'static str {
        "r"
    }

    fn growing(&self, message_id: MessageId) -> Option<Growing> {
        self.0.lock().unwrap().clone().filter(|growing| growing.message_id == message_id)
    }
}

fn reply() -> MessageId {
    "00000000-0000-7000-8000-000000000001".parse().unwrap()
}

fn room(text: &str) -> (Arc<Room>, Arc<dyn Texts>) {
    let growing = Growing { message_id: reply(), generation: 1, text: text.to_owned() };
    let room = Arc::new(Room(Mutex::new(Some(growing))));
    (Arc::clone(&room), room)
}

fn durable(size: usize) -> Rc<Packet> {
    Outgoing::of(1, vec![b'e'; size].into(), Addressee::All).packet()
}

fn ephemeral(size: usize) -> Rc<Packet> {
    Outgoing::of(1, vec![b't'; size].into(), Addressee::Others(None)).packet()
}

fn delta(offset: u32, text: &str) -> Rc<Packet> {
    let place = DeltaPlace { message_id: reply(), generation: 1, offset };
    Outgoing::of(1, delta_frame("r", place, text), Addressee::Watchers(place)).packet()
}

/// The packet of the reply's end, which has the whole text.
fn end(text: &str) -> Rc<Packet> {
    end_of(text, EndReason::Done, 1)
}

fn end_of(text: &str, why: EndReason, generation: u32) -> Rc<Packet> {
    let room = "r".parse().unwrap();
    let author = Author::Character("classics_kongzi".parse().unwrap());
    let at = Timestamp::from_millis(0);
    let message = Message { content: text.to_owned(), ..Message::blank(reply(), room, 1, author, at) };
    let (length, crc32) = (0, 0);
    let body = EventBody::AiEnd { message_id: reply(), generation, why, length, crc32 };
    let event = Event { seq: 2, body, created_at: at, message: Some(message), author: None };
    let batch = Arc::new(Batch { position: 2, item: FeedItem::Events(vec![event]) });
    Outgoing::ending(vec![b'e'; 100].into(), batch).packet()
}

/// Everything that is written, chunk by chunk, put together.
fn drain(backlog: &mut Backlog) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = backlog.take_chunk() {
        all.extend_from_slice(&chunk);
    }
    assert_eq!((backlog.bytes(), backlog.rests), (0, 0));
    all
}

/// Offset and text of the deltas in what was written.
fn deltas(written: &[u8]) -> Vec<(u64, String)> {
    let text = String::from_utf8_lossy(written);
    let parts = text.split(r#"{"op":"room.delta""#).skip(1);
    let values = parts.map(|part| {
        let object = format!(r#"{{"op":"room.delta"{part}"#);
        let mut stream = serde_json::Deserializer::from_str(&object).into_iter::<Value>();
        stream.next().unwrap().unwrap()
    });
    values
        .map(|delta| (delta["offset"].as_u64().unwrap(), delta["text"].as_str().unwrap().to_owned()))
        .collect()
}

fn fill(backlog: &mut Backlog, texts: &Arc<dyn Texts>, bytes: usize) {
    for _ in 0..bytes / 1_024 {
        assert_eq!(backlog.add_push(&durable(1_024), texts), Crowding::Bearable);
    }
}

#[test]
fn one_frame_is_not_copied_and_many_are_one_chunk() {
    let (_, texts) = room("");
    let mut backlog = Backlog::default();
    let packet = durable(100);
    let _ = backlog.add_push(&packet, &texts);
    assert_eq!(backlog.take_chunk().unwrap().as_ptr(), packet.frame.as_ptr());
    for _ in 0..200 {
        let _ = backlog.add_push(&durable(100), &texts);
    }
    assert_eq!(backlog.take_chunk().unwrap().len(), 16_400);
    assert_eq!(drain(&mut backlog).len(), 3_600);
    assert!(backlog.items.capacity() <= ITEMS_KEPT);
}

#[test]
fn a_crowded_client_loses_what_may_be_lost_and_nothing_else() {
    let (_, texts) = room("");
    let mut backlog = Backlog::default();
    let _ = backlog.add_push(&ephemeral(10), &texts);
    fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
    let before = backlog.bytes();
    let _ = backlog.add_push(&ephemeral(10), &texts);
    assert_eq!(backlog.bytes(), before);
    fill(&mut backlog, &texts, 1_024);
    assert_eq!(drain(&mut backlog).len(), before + 1_024);
}

#[test]
fn deltas_that_wait_are_told_together_from_where_the_client_is() {
    let (_, texts) = room("学而时习之，不亦说乎");
    let mut backlog = Backlog::default();
    let _ = backlog.add_push(&delta(0, "学而"), &texts);
    fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
    for (offset, text) in [(2, "时习"), (4, "之，"), (6, "不亦")] {
        let _ = backlog.add_push(&delta(offset, text), &texts);
    }
    let told = deltas(&drain(&mut backlog));
    assert_eq!(told, [(0, "学而".to_owned()), (2, "时习之，不亦说乎".to_owned())]);
}

#[test]
fn a_full_queue_tells_each_reply_once() {
    let (_, texts) = room("学而时习之");
    let mut backlog = Backlog::default();
    for (offset, text) in [(0, "学"), (1, "而"), (2, "时")] {
        let _ = backlog.add_push(&delta(offset, text), &texts);
    }
    fill(&mut backlog, &texts, FULL_BYTES);
    assert_eq!(deltas(&drain(&mut backlog)), [(0, "学而时习之".to_owned())]);
}

#[test]
fn the_end_of_a_reply_leaves_no_gap_before_it() {
    let (feed, texts) = room("学而");
    let mut backlog = Backlog::default();
    let _ = backlog.add_push(&delta(0, "学"), &texts);
    fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
    let _ = backlog.add_push(&delta(1, "而"), &texts);
    // The reply ends, and the feed knows its text no longer.
    *feed.0.lock().unwrap() = None;
    let _ = backlog.add_push(&end("学而时习之"), &texts);
    assert_eq!(deltas(&drain(&mut backlog)), [(0, "学".to_owned()), (1, "而时习之".to_owned())]);
}

#[test]
fn a_rest_that_is_written_between_end_and_its_news_is_told_with_the_news() {
    let (feed, texts) = room("学而");
    let mut backlog = Backlog::default();
    let _ = backlog.add_push(&delta(0, "学"), &texts);
    fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
    let _ = backlog.add_push(&delta(1, "而"), &texts);
    *feed.0.lock().unwrap() = None;
    assert_eq!(deltas(&drain(&mut backlog)), [(0, "学".to_owned())]);
    // A later piece would leave a gap; the end tells it.
    let _ = backlog.add_push(&delta(2, "时"), &texts);
    let _ = backlog.add_push(&durable(10), &texts);
    let _ = backlog.add_push(&end("学而时习之"), &texts);
    assert_eq!(deltas(&drain(&mut backlog)), [(1, "而时习之".to_owned())]);
    assert!(backlog.owed.is_empty());
}

#[test]
fn who_does_not_read_is_too_slow_but_one_large_push_is_not() {
    let (_, texts) = room("");
    let mut backlog = Backlog::default();
    assert_eq!(backlog.add_push(&durable(BYTES_MAX + 1), &texts), Crowding::Bearable);
    assert_eq!(backlog.add_push(&durable(1), &texts), Crowding::TooSlow);
    let mut backlog = Backlog::default();
    backlog.add_reply(vec![0; BYTES_MAX + 1].into());
    assert_eq!(backlog.add_push(&durable(1), &texts), Crowding::Bearable);
}

#[test]
fn the_answer_to_a_stop_overtakes_no_text_of_a_crowded_client() {
    // Whether the rest is written before its end is known, or after.
    for is_written_early in [true, false] {
        let (feed, texts) = room("学而");
        let mut backlog = Backlog::default();
        let _ = backlog.add_push(&delta(0, "学"), &texts);
        fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
        let _ = backlog.add_push(&delta(1, "而"), &texts);
        *feed.0.lock().unwrap() = None;
        let mut written = if is_written_early { drain(&mut backlog) } else { Vec::new() };
        // The end is delivered before a stop is answered.
        let _ = backlog.add_push(&end_of("学而时习之", EndReason::Stopped, 1), &texts);
        backlog.add_reply(r#"{"state":"stopped"}"#.into());
        written.extend(drain(&mut backlog));
        assert!(written.ends_with(br#"{"state":"stopped"}"#));
        assert_eq!(deltas(&written).len(), 2);
    }
}

#[test]
fn a_reply_that_was_lost_is_not_waited_for() {
    for is_written_early in [true, false] {
        let (feed, texts) = room("学而");
        let mut backlog = Backlog::default();
        fill(&mut backlog, &texts, CROWDED_BYTES + 1_024);
        let _ = backlog.add_push(&delta(0, "学而"), &texts);
        *feed.0.lock().unwrap() = None;
        if is_written_early {
            assert_eq!(deltas(&drain(&mut backlog)), []);
        }
        // Another instance ended it, one generation higher, and its end tells the text.
        let _ = backlog.add_push(&end_of("学", EndReason::Lost, 2), &texts);
        assert_eq!(deltas(&drain(&mut backlog)), []);
        assert!(backlog.owed.is_empty());
    }
}
