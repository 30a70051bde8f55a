//! I4 to I6: the text of replies at each client, their ends, and silence after a stop.

use std::collections::BTreeMap;

use super::{CURE_MS, Index, LEASE_MS, Millis, SLACK_MS, Violation, violation};
use crate::chaos::evidence::{LogEntry, StoredText, StreamEnd, What};

/// I4: what a client put together is what is stored, by length and checksum.
pub(super) fn texts(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut stored: BTreeMap<&str, &StoredText> = BTreeMap::new();
    for log in &index.evidence.rooms {
        stored.extend(log.texts.iter().map(|text| (text.message.as_str(), text)));
    }
    for client in &index.evidence.clients {
        for item in &client.items {
            let What::Ended(end) = &item.what else { continue };
            let stored = stored.get(end.message.as_str()).copied();
            if let Some(wrong) = unlike(end, stored) {
                let who = client.client;
                let text = format!("client {who} at {} ms: {wrong}: {end:?}, stored {stored:?}", item.at);
                violation(found, "I4", text);
            }
        }
    }
}

/// What is wrong with a text, if something is. A text that is behind because pieces were lost on the way is lawful
/// until it was mended; one that is longer than the stored one, or other, is not.
fn unlike(end: &StreamEnd, stored: Option<&StoredText>) -> Option<&'static str> {
    let Some(stored) = stored else { return Some("no such text is stored") };
    if end.recalled || stored.status == "recalled" {
        return None;
    }
    if end.why == "done" && end.before.0 >= end.declared.0 && end.before != end.declared {
        return Some("the pieces are another text than its end says");
    }
    if end.after != end.declared {
        return Some("the text is another than its end says");
    }
    ((stored.length, stored.crc32) != end.declared).then_some("the end says another text than is stored")
}

/// I5: every start has one end, and what a dead instance left is ended in time.
pub(super) fn ends(index: &Index<'_>, found: &mut Vec<Violation>) {
    for log in &index.evidence.rooms {
        let mut replies: BTreeMap<&str, (Vec<&LogEntry>, Vec<&LogEntry>)> = BTreeMap::new();
        for entry in &log.entries {
            match entry.kind.as_str() {
                "ai_start" => replies.entry(&entry.message).or_default().0.push(entry),
                "ai_end" => replies.entry(&entry.message).or_default().1.push(entry),
                _ => {}
            }
        }
        for (message, (starts, ends)) in replies {
            let follows =
                |start: &LogEntry, end: &LogEntry| end.seq > start.seq && end.generation >= start.generation;
            if !matches!((&starts[..], &ends[..]), ([start], [end]) if follows(start, end)) {
                let text = format!("{message} of {}: starts {starts:?}, ends {ends:?}", log.room);
                violation(found, "I5", text);
            }
        }
    }
    late(index, found);
}

/// Ends by `lost` that came later than lease and sweep allow.
fn late(index: &Index<'_>, found: &mut Vec<Violation>) {
    for ((room, _), entry) in index.by_seq.iter().filter(|(_, entry)| entry.why == "lost") {
        // The server's clock is this machine's; a client may hear of the end much later, as its network wants.
        let at = entry.timestamp.saturating_sub(index.evidence.began_at);
        let kills = index.evidence.kills.iter().filter(|kill| kill.at <= at);
        let Some(kill) = kills.max_by_key(|kill| kill.at) else { continue };
        let deadline: Millis = (kill.at + LEASE_MS).max(kill.curable_from) + CURE_MS + SLACK_MS;
        if at > deadline {
            let text =
                format!("{} of {room} was ended at {at} ms, due by {deadline} ({kill:?})", entry.message);
            violation(found, "I5", text);
        }
    }
}

/// I6: after `stopped` no more text of that generation; and none of any reply after its end.
pub(super) fn stops(index: &Index<'_>, found: &mut Vec<Violation>) {
    for client in &index.evidence.clients {
        for item in &client.items {
            let text = match &item.what {
                What::DeltaAfterStop { message, generation } => {
                    format!("text of {message}, generation {generation}, came after `stopped`")
                }
                What::Stray { message, generation, ended: true } => {
                    format!("text of {message}, generation {generation}, came after its end")
                }
                _ => continue,
            };
            violation(found, "I6", format!("client {} at {} ms: {text}", client.client, item.at));
        }
    }
}
