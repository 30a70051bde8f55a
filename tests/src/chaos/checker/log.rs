//! I1 to I3: what was acknowledged, what was applied, and what was sent again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Index, Violation, violation};
use crate::chaos::evidence::{ClientRecord, Item, LogEntry, What};

/// I1: every acknowledged message is in the log exactly once, and nothing is there that nobody sent.
pub(super) fn acknowledged(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut sent = BTreeSet::new();
    for client in &index.evidence.clients {
        for item in &client.items {
            match &item.what {
                What::Sent { room, client_msg_id } => {
                    sent.insert((room.as_str(), client.user.as_str(), client_msg_id.as_str()));
                }
                What::Acked { room, message, seq, .. } => {
                    let places = index.said.get(&(room.as_str(), message.as_str()));
                    let places: Vec<u64> = places.into_iter().flatten().map(|entry| entry.seq).collect();
                    if places != [*seq] {
                        let who = client.client;
                        let text = format!(
                            "client {who}: {message} of {room} was acknowledged at seq {seq} (at {} ms), and \
                             is in the log at {places:?}",
                            item.at
                        );
                        violation(found, "I1", text);
                    }
                }
                _ => {}
            }
        }
    }
    let users: BTreeSet<&str> = index.evidence.clients.iter().map(|client| client.user.as_str()).collect();
    for ((room, message), entries) in &index.said {
        for entry in entries {
            let key = (*room, entry.author.as_str(), entry.client_msg_id.as_str());
            if users.contains(entry.author.as_str()) && !sent.contains(&key) {
                let text = format!("{message} of {room}, seq {}, was never sent", entry.seq);
                violation(found, "I1", text);
            }
        }
    }
}

/// I2: each client applied all events in the log's order, none twice, and the log itself has no hole.
pub(super) fn applied(index: &Index<'_>, found: &mut Vec<Violation>) {
    for log in &index.evidence.rooms {
        let seqs = log.entries.iter().map(|entry| entry.seq);
        if !seqs.eq(1..=log.head) {
            let text = format!("the log of {} has {} events up to {}", log.room, log.entries.len(), log.head);
            violation(found, "I2", text);
        }
    }
    for client in &index.evidence.clients {
        let mut last = BTreeMap::new();
        for item in &client.items {
            follow(index, client, item, &mut last, found);
        }
        for (room, seq) in &client.last {
            let head = index.head.get(room.as_str()).copied().unwrap_or(0);
            if *seq != head {
                let text = format!(
                    "client {} ended {room} at {seq}, its head is {head}; its last notes: {:?}",
                    client.client,
                    last_notes(client)
                );
                violation(found, "I2", text);
            }
        }
    }
}

/// What a client went through at last, but for what it applied.
fn last_notes(client: &ClientRecord) -> Vec<&Item> {
    const SHOWN: usize = 12;
    let told = client.items.iter().rev().filter(|item| !matches!(item.what, What::Applied { .. }));
    told.take(SHOWN).collect()
}

fn follow<'a>(
    index: &Index<'_>,
    client: &ClientRecord,
    item: &'a Item,
    last: &mut BTreeMap<&'a str, u64>,
    found: &mut Vec<Violation>,
) {
    let mut wrong = |text: String| {
        violation(found, "I2", format!("client {} at {} ms: {text}", client.client, item.at));
    };
    match &item.what {
        What::Joined { room, since: None, head, .. } => {
            last.insert(room, *head);
        }
        What::Joined { room, since, head, reset: true } => {
            last.insert(room, *head);
            wrong(format!("{room} could not go on from {since:?} though its log was never lost"));
        }
        What::Hole { room, expected, got } => wrong(format!("{room}: {got} came where {expected} should")),
        What::Repeated { room, seq } => wrong(format!("{room}: {seq} came twice")),
        What::Applied { room, entry } => {
            let before = last.insert(room, entry.seq).unwrap_or(0);
            if entry.seq != before + 1 {
                wrong(format!("{room}: {} was applied after {before}", entry.seq));
            }
            match index.by_seq.get(&(room.as_str(), entry.seq)) {
                Some(stored) if is_same(stored, entry) => {}
                stored => wrong(format!("{room}: applied {entry:?}, the log has {stored:?}")),
            }
        }
        _ => {}
    }
}

/// The text of a recalled message is shown to nobody any more, so that it cannot be compared.
fn is_same(stored: &LogEntry, applied: &LogEntry) -> bool {
    let texts = stored.content.zip(applied.content);
    stored.core == applied.core && texts.is_none_or(|(one, other)| one == other)
}

/// I3: a client's id for a message stands for one place in the log, however often it was sent.
pub(super) fn retried(index: &Index<'_>, found: &mut Vec<Violation>) {
    for client in &index.evidence.clients {
        let mut answers: BTreeMap<(&str, &str), (&str, u64)> = BTreeMap::new();
        for item in &client.items {
            let What::Acked { room, client_msg_id, message, seq } = &item.what else { continue };
            let answer = (message.as_str(), *seq);
            let first = *answers.entry((room, client_msg_id)).or_insert(answer);
            if first != answer {
                let text = format!("{client_msg_id} of {room} was acknowledged as {first:?} and {answer:?}");
                violation(found, "I3", format!("client {}: {text}", client.client));
            }
        }
    }
    for log in &index.evidence.rooms {
        let mut places: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for entry in log.entries.iter().filter(|entry| !entry.client_msg_id.is_empty()) {
            let first = places.insert((&entry.author, &entry.client_msg_id), entry.seq);
            if let Some(first) = first {
                let id = &entry.client_msg_id;
                let text = format!("{id} is in the log of {} at {first} and {}", log.room, entry.seq);
                violation(found, "I3", text);
            }
        }
    }
}
