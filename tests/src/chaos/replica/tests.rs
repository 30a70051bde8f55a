//! The client's rules on what a server may send, in order and out of it.

use serde_json::{Value, json};

use super::*;

fn like(seq: u64) -> Value {
    json!({"event": "like", "seq": seq, "messageId": "m", "userId": "u", "liked": true, "totalLikes": 1})
}

fn start(seq: u64, generation: u64) -> Value {
    json!({"event": "ai_start", "seq": seq, "messageId": "r", "gen": generation})
}

fn end(seq: u64, text: &str) -> Value {
    let (length, crc32) = measure(text);
    json!({"event": "ai_end", "seq": seq, "messageId": "r", "gen": 1, "why": "done", "length": length,
        "crc32": crc32})
}

fn delta(offset: u64, text: &str) -> Value {
    json!({"messageId": "r", "gen": 1, "offset": offset, "text": text})
}

fn at(head: u64) -> Replica {
    let mut replica = Replica::new("room");
    replica.joined(&json!({"epoch": "e", "head": head, "events": [], "streams": []}));
    replica
}

fn applied(outcome: &Outcome) -> Vec<u64> {
    let seqs = outcome.notes.iter().map(|note| match note {
        What::Applied { entry, .. } => Some(entry.seq),
        _ => None,
    });
    seqs.flatten().collect()
}

#[test]
fn events_are_applied_in_order_and_repeats_are_noted() {
    let mut replica = at(3);
    assert_eq!(applied(&replica.pushed(&like(4))), [4]);
    assert_eq!(replica.pushed(&like(4)).notes, [What::Repeated { room: "room".to_owned(), seq: 4 }]);
    assert_eq!(replica.last(), Some(4));
}

#[test]
fn what_a_page_told_already_is_no_repeat_and_what_follows_is_judged_again() {
    let mut replica = at(3);
    let join = json!({"epoch": "e", "head": 5, "events": [], "streams": [], "more": true});
    assert_eq!(replica.joined(&join).wants, [Want::Pages]);
    assert_eq!(applied(&replica.page(&[like(4), like(5)], true)), [4, 5]);
    replica.paged();
    assert!(replica.pushed(&like(5)).notes.is_empty());
    assert_eq!(applied(&replica.pushed(&like(6))), [6]);
    assert_eq!(replica.pushed(&like(6)).notes, [What::Repeated { room: "room".to_owned(), seq: 6 }]);
}

#[test]
fn a_hole_is_noted_once_and_filled_before_what_came_after_it() {
    let mut replica = at(3);
    let outcome = replica.pushed(&like(6));
    assert_eq!(outcome.wants, [Want::Events { from: 4, to: 5 }]);
    assert!(replica.pushed(&like(7)).notes.is_empty());
    assert_eq!(applied(&replica.page(&[like(4), like(5)], true)), [4, 5, 6, 7]);
    assert!(!replica.is_behind());
}

#[test]
fn a_join_that_leaves_something_out_is_a_hole() {
    let mut replica = at(3);
    let outcome = replica.joined(&json!({"epoch": "e", "head": 6, "events": [like(4)], "streams": []}));
    assert!(outcome.notes.contains(&What::Hole { room: "room".to_owned(), expected: 5, got: 7 }));
}

#[test]
fn pushes_wait_while_pages_are_read() {
    let mut replica = at(1);
    let outcome = replica.joined(&json!({"epoch": "e", "head": 4, "events": [like(2)], "more": true}));
    assert_eq!(outcome.wants, [Want::Pages]);
    replica.pushed(&like(5));
    assert_eq!(applied(&replica.page(&[like(3)], false)), [3]);
    assert_eq!(applied(&replica.page(&[like(4), like(5)], true)), [4, 5]);
}

#[test]
fn the_place_names_what_a_server_needs_to_go_on() {
    let mut replica = Replica::new("room");
    assert_eq!(replica.place(), json!({"roomId": "room"}));
    replica.joined(&json!({"epoch": "e", "head": 7, "events": [], "streams": []}));
    replica.pushed(&start(8, 1));
    replica.delta(&delta(0, "𠀀好"));
    assert_eq!(replica.place(), json!({"roomId": "room", "since": 8, "epoch": "e", "live": {"r": [1, 3]}}));
}

#[test]
fn deltas_are_appended_trimmed_or_asked_for() {
    let mut replica = at(0);
    replica.pushed(&start(1, 1));
    replica.delta(&delta(0, "𠀀学"));
    replica.delta(&delta(2, "学而"));
    assert!(replica.delta(&json!({"messageId": "r", "gen": 2, "offset": 0, "text": "no"})).wants.is_empty());
    let want = Want::Text { message: "r".to_owned(), generation: 1, offset: 4 };
    assert_eq!(replica.delta(&delta(9, "x")).wants, std::slice::from_ref(&want));
    assert!(replica.delta(&delta(10, "y")).wants.is_empty(), "asked once");
    replica.snapshot(&json!({"messageId": "r", "gen": 1, "offset": 4, "text": "时习", "done": false}));
    let Some(What::Ended(end)) = replica.pushed(&end(2, "𠀀学而时习")).notes.pop() else {
        panic!("an end")
    };
    assert_eq!((end.before, end.after), (end.declared, end.declared));
}

#[test]
fn a_text_that_is_behind_at_the_end_is_mended() {
    let mut replica = at(0);
    replica.pushed(&start(1, 1));
    replica.delta(&delta(0, "学"));
    let outcome = replica.pushed(&end(2, "学而"));
    assert_eq!(outcome.wants, [Want::Text { message: "r".to_owned(), generation: 1, offset: 1 }]);
    assert!(replica.is_behind());
    let outcome =
        replica.snapshot(&json!({"messageId": "r", "gen": 1, "offset": 1, "text": "而", "done": true}));
    let Some(What::Ended(end)) = outcome.notes.last() else { panic!("an end") };
    assert_eq!((end.before, end.after), (measure("学"), measure("学而")));
}

#[test]
fn a_text_that_comes_with_the_end_replaces_what_was_there() {
    let mut replica = at(0);
    replica.pushed(&start(1, 1));
    replica.delta(&delta(0, "学而时习"));
    let mut lost = end(2, "学而");
    lost["text"] = json!("学而");
    lost["gen"] = json!(2);
    let Some(What::Ended(end)) = replica.pushed(&lost).notes.pop() else { panic!("an end") };
    assert_eq!(end.after, end.declared);
}

#[test]
fn text_after_the_end_is_noted() {
    let mut replica = at(0);
    replica.pushed(&start(1, 1));
    replica.pushed(&end(2, ""));
    let stray = What::Stray { message: "r".to_owned(), generation: 1, ended: true };
    assert_eq!(replica.delta(&delta(0, "x")).notes, [stray]);
}

#[test]
fn a_stream_of_another_generation_begins_anew() {
    let mut replica = at(0);
    replica.pushed(&start(1, 1));
    replica.delta(&delta(0, "old"));
    let stream = json!({"messageId": "r", "gen": 2, "offset": 0, "text": "new"});
    replica.joined(&json!({"epoch": "e", "head": 1, "events": [], "streams": [stream]}));
    assert_eq!(replica.place()["live"], json!({"r": [2, 3]}));
}
