//! A good history passes, and each invariant is caught when it alone is broken.

use super::*;
use crate::chaos::evidence::{
    ClientRecord, Gauge, Item, Kill, LedgerReport, Prompt, RoomLog, StoredText, StreamEnd,
};

const ROOM: &str = "room";
const BEGAN_AT: u64 = 1_790_000_000_000;

fn entry(seq: u64, kind: &str, message: &str) -> LogEntry {
    let core = u32::try_from(seq).unwrap() * 10;
    let (mut author, mut client_msg_id, mut content) = (String::new(), String::new(), None);
    if kind == "message" {
        (author, client_msg_id, content) = ("u0".to_owned(), format!("c-{message}"), Some(7));
    }
    let why = if kind == "ai_end" { "done" } else { "" };
    let generation = u64::from(kind.starts_with("ai_"));
    let (kind, message) = (kind.to_owned(), message.to_owned());
    let (why, timestamp) = (why.to_owned(), BEGAN_AT + 12);
    LogEntry { seq, kind, message, author, client_msg_id, generation, why, timestamp, core, content }
}

fn item(at: Millis, what: What) -> Item {
    Item { at, what }
}

fn joined(since: Option<u64>, head: u64) -> What {
    What::Joined { room: ROOM.to_owned(), since, head, reset: false }
}

fn applied(entry: LogEntry) -> What {
    What::Applied { room: ROOM.to_owned(), entry }
}

fn acked(message: &str, seq: u64) -> What {
    let client_msg_id = format!("c-{message}");
    What::Acked { room: ROOM.to_owned(), client_msg_id, message: message.to_owned(), seq }
}

fn ended() -> StreamEnd {
    let (room, message, why) = (ROOM.to_owned(), "r".to_owned(), "done".to_owned());
    StreamEnd { room, message, why, declared: (3, 99), before: (3, 99), after: (3, 99), recalled: false }
}

/// Two clients, a message that was recalled, a reply, an instance that died.
fn good() -> Evidence {
    let log = [
        entry(1, "message", "m"),
        entry(2, "ai_start", "r"),
        entry(3, "ai_end", "r"),
        entry(4, "recall", "m"),
    ];
    let text = StoredText { message: "r".to_owned(), status: "done".to_owned(), length: 3, crc32: 99 };
    let mut sender = vec![
        item(0, joined(None, 0)),
        item(1, What::Sent { room: ROOM.to_owned(), client_msg_id: "c-m".to_owned() }),
        item(2, acked("m", 1)),
        item(3, acked("m", 1)),
    ];
    let mut reader = vec![item(0, joined(None, 1)), item(5, joined(Some(1), 1))];
    for (at, entry) in (10..).zip(log.clone()) {
        sender.push(item(at, applied(entry.clone())));
        if entry.seq > 1 {
            reader.push(item(at + 1, applied(entry)));
        }
    }
    reader.push(item(15, What::Ended(ended())));
    sender.push(item(16, What::RecallAnswered { message: "m".to_owned(), marker: 5 }));
    reader.push(item(17, What::Served { asked_at: 15, markers: vec![5, 6] }));
    let client = |client: usize, items| ClientRecord {
        client,
        user: format!("u{client}"),
        items,
        last: vec![(ROOM.to_owned(), 4)],
    };
    Evidence {
        rooms: vec![RoomLog { room: ROOM.to_owned(), head: 4, entries: log.to_vec(), texts: vec![text] }],
        clients: vec![client(0, sender), client(1, reader)],
        began_at: BEGAN_AT,
        kills: vec![Kill { at: 1, curable_from: 2 }],
        prompts: vec![Prompt { at: 17, markers: vec![5] }],
        gauges: vec![Gauge { instance: 0, name: "ws_connections".to_owned(), value: Some(0) }],
        ledger: Some(LedgerReport { ok: true, open_holds: 0, imbalance: 0 }),
    }
}

/// The invariants that a changed history breaks.
fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = good();
    change(&mut evidence);
    let mut names: Vec<_> = check(&evidence).into_iter().map(|violation| violation.invariant).collect();
    names.dedup();
    names
}

#[test]
fn a_good_history_passes() {
    assert_eq!(check(&good()), []);
}

#[test]
fn i1_catches_an_acknowledged_message_that_is_not_in_the_log_or_elsewhere() {
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, acked("gone", 9)))), ["I1"]);
    let elsewhere = |e: &mut Evidence| {
        e.clients[0].items.retain(|item| !matches!(item.what, What::Acked { .. }));
        e.clients[0].items.push(item(20, acked("m", 2)));
    };
    assert_eq!(broken(elsewhere), ["I1"]);
}

#[test]
fn i1_catches_a_message_that_nobody_sent() {
    let unsent = |e: &mut Evidence| e.clients[0].items.retain(|item| !matches!(item.what, What::Sent { .. }));
    assert_eq!(broken(unsent), ["I1"]);
}

#[test]
fn i2_catches_a_hole_in_the_log_and_in_a_client() {
    let hole = |e: &mut Evidence| {
        e.rooms[0].entries.remove(3);
    };
    assert!(broken(hole).contains(&"I2"));
    let skipped = |e: &mut Evidence| {
        e.clients[1]
            .items
            .retain(|item| !matches!(&item.what, What::Applied { entry, .. } if entry.seq == 3));
    };
    assert_eq!(broken(skipped), ["I2"]);
}

#[test]
fn i2_catches_an_event_twice_out_of_order_or_other() {
    let again = |e: &mut Evidence| e.clients[1].items.push(item(30, applied(entry(4, "recall", "m"))));
    assert_eq!(broken(again), ["I2"]);
    let swapped = |e: &mut Evidence| e.clients[1].items.swap(2, 3);
    assert_eq!(broken(swapped), ["I2"]);
    let other = |e: &mut Evidence| {
        let Some(What::Applied { entry, .. }) = e.clients[0].items.get_mut(4).map(|i| &mut i.what) else {
            panic!("an event")
        };
        entry.content = Some(8);
    };
    assert_eq!(broken(other), ["I2"]);
}

#[test]
fn i2_catches_faults_of_a_live_connection_resets_and_clients_left_behind() {
    let hole = What::Hole { room: ROOM.to_owned(), expected: 2, got: 3 };
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, hole))), ["I2"]);
    let twice = What::Repeated { room: ROOM.to_owned(), seq: 3 };
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, twice))), ["I2"]);
    let reset = What::Joined { room: ROOM.to_owned(), since: Some(4), head: 4, reset: true };
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, reset))), ["I2"]);
    assert_eq!(broken(|e| e.clients[0].last[0].1 = 3), ["I2"]);
}

#[test]
fn i3_catches_two_places_of_one_retried_message() {
    let twice = |e: &mut Evidence| {
        let mut second = entry(5, "message", "m2");
        second.client_msg_id = "c-m".to_owned();
        e.rooms[0].entries.push(second.clone());
        e.rooms[0].head = 5;
        for client in &mut e.clients {
            client.items.push(item(40, applied(second.clone())));
            client.last[0].1 = 5;
        }
        let client_msg_id = "c-m".to_owned();
        let ack = What::Acked { room: ROOM.to_owned(), client_msg_id, message: "m2".to_owned(), seq: 5 };
        e.clients[0].items.push(item(41, ack));
    };
    assert_eq!(broken(twice), ["I3"]);
}

#[test]
fn i4_catches_texts_that_differ_and_bears_what_was_mended() {
    let with = |change: fn(&mut StreamEnd)| {
        broken(move |e| {
            let mut end = ended();
            change(&mut end);
            e.clients[1].items.push(item(50, What::Ended(end)));
        })
    };
    assert!(with(|end| end.before = (1, 4)).is_empty(), "behind, and mended");
    assert_eq!(with(|end| end.before = (3, 98)), ["I4"]);
    assert_eq!(with(|end| end.before = (4, 98)), ["I4"]);
    assert_eq!(with(|end| end.after = (2, 9)), ["I4"]);
    assert_eq!(with(|end| (end.declared, end.before, end.after) = ((2, 9), (2, 9), (2, 9))), ["I4"]);
    assert_eq!(with(|end| "unknown".clone_into(&mut end.message)), ["I4"]);
}

#[test]
fn i5_catches_no_end_two_ends_and_a_late_end() {
    let no_end = |e: &mut Evidence| "m3".clone_into(&mut e.rooms[0].entries[2].message);
    assert!(broken(no_end).contains(&"I5"));
    let two = |e: &mut Evidence| {
        let mut second = entry(5, "ai_end", "r");
        second.generation = 2;
        e.rooms[0].entries.push(second.clone());
        e.rooms[0].head = 5;
        for client in &mut e.clients {
            client.items.push(item(40, applied(second.clone())));
            client.last[0].1 = 5;
        }
    };
    assert_eq!(broken(two), ["I5"]);
    let late = |e: &mut Evidence| {
        "lost".clone_into(&mut e.rooms[0].entries[2].why);
        e.rooms[0].entries[2].timestamp = BEGAN_AT + 60_000;
    };
    assert_eq!(broken(late), ["I5"]);
}

#[test]
fn i6_catches_text_after_a_stop_and_after_an_end() {
    let after = What::DeltaAfterStop { message: "r".to_owned(), generation: 1 };
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, after))), ["I6"]);
    let stray = What::Stray { message: "r".to_owned(), generation: 1, ended: true };
    assert_eq!(broken(|e| e.clients[0].items.push(item(20, stray))), ["I6"]);
}

#[test]
fn i7_catches_a_recalled_body_in_an_answer_and_in_a_prompt() {
    let served = What::Served { asked_at: 17, markers: vec![6, 5] };
    assert_eq!(broken(|e| e.clients[1].items.push(item(20, served))), ["I7"]);
    assert_eq!(broken(|e| e.prompts.push(Prompt { at: 9_000, markers: vec![5] })), ["I7"]);
}

#[test]
fn i8_catches_what_is_left_over_and_what_is_not_told() {
    assert_eq!(broken(|e| e.gauges[0].value = Some(1)), ["I8"]);
    assert_eq!(broken(|e| e.gauges[0].value = None), ["I8"]);
}

#[test]
fn an_open_hold_is_caught() {
    let ledger = LedgerReport { ok: true, open_holds: 1, imbalance: 0 };
    assert_eq!(broken(|e| e.ledger = Some(ledger)), ["ledger"]);
}
