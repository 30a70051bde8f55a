//! Judges the evidence of a run by the invariants I1 to I8 of the protocol.
//!
//! Pure: it sees the evidence and nothing else, so that each invariant is tried on a history made by hand in which
//! it is broken.

mod log;
mod streams;

use std::collections::BTreeMap;

use super::evidence::{Evidence, LogEntry, Marker, Millis, What};

/// An invariant that does not hold, and the first records that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `I1` to `I8`, or `ledger`.
    pub invariant: &'static str,
    /// What is wrong.
    pub text: String,
}

/// The lease of an instance: what it was doing may be ended by others after so long.
pub const LEASE_MS: Millis = 15_000;
/// Longest time from the end of a lease to the end of a reply.
const CURE_MS: Millis = 5_000;
/// What a busy machine may add.
const SLACK_MS: Millis = 3_000;
/// A prompt may have been built before the recall that it missed.
const PROMPT_GRACE_MS: Millis = 2_000;

/// All violations, the gravest invariants first.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let index = Index::of(evidence);
    let mut found = Vec::new();
    log::acknowledged(&index, &mut found);
    log::applied(&index, &mut found);
    log::retried(&index, &mut found);
    streams::texts(&index, &mut found);
    streams::ends(&index, &mut found);
    streams::stops(&index, &mut found);
    recalls(evidence, &mut found);
    leftovers(evidence, &mut found);
    found
}

/// The evidence and the places of the log by their numbers.
struct Index<'a> {
    evidence: &'a Evidence,
    by_seq: BTreeMap<(&'a str, u64), &'a LogEntry>,
    said: BTreeMap<(&'a str, &'a str), Vec<&'a LogEntry>>,
    head: BTreeMap<&'a str, u64>,
}

impl<'a> Index<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut index =
            Self { evidence, by_seq: BTreeMap::new(), said: BTreeMap::new(), head: BTreeMap::new() };
        for log in &evidence.rooms {
            index.head.insert(&log.room, log.head);
            for entry in &log.entries {
                index.by_seq.insert((&log.room, entry.seq), entry);
                if entry.kind == "message" {
                    index.said.entry((&log.room, &entry.message)).or_default().push(entry);
                }
            }
        }
        index
    }
}

fn violation(found: &mut Vec<Violation>, invariant: &'static str, text: String) {
    found.push(Violation { invariant, text });
}

/// I7: a recalled body is never served again, and leaves the model's context.
fn recalls(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut recalled: BTreeMap<Marker, (Millis, &str)> = BTreeMap::new();
    for item in evidence.clients.iter().flat_map(|client| &client.items) {
        if let What::RecallAnswered { message, marker } = &item.what {
            let first = recalled.entry(*marker).or_insert((item.at, message));
            first.0 = first.0.min(item.at);
        }
    }
    for client in &evidence.clients {
        for item in &client.items {
            let What::Served { asked_at, markers } = &item.what else { continue };
            for (marker, (at, message)) in markers.iter().filter_map(|m| Some((m, recalled.get(m)?))) {
                if asked_at > at {
                    let who = client.client;
                    let text = format!(
                        "client {who} asked at {asked_at} and was shown the body of {message} ({marker}), \
                         whose recall was answered at {at}"
                    );
                    violation(found, "I7", text);
                }
            }
        }
    }
    for prompt in &evidence.prompts {
        for (marker, (at, message)) in prompt.markers.iter().filter_map(|m| Some((m, recalled.get(m)?))) {
            if prompt.at > at + PROMPT_GRACE_MS {
                let asked = prompt.at;
                let text = format!("a prompt at {asked} holds {message} ({marker}), recalled at {at}");
                violation(found, "I7", text);
            }
        }
    }
}

/// I8: nothing is left of anybody once all have gone; and the ledger is whole.
fn leftovers(evidence: &Evidence, found: &mut Vec<Violation>) {
    for gauge in evidence.gauges.iter().filter(|gauge| gauge.value != Some(0)) {
        let text = format!("instance {}: {} is {:?} at the end", gauge.instance, gauge.name, gauge.value);
        violation(found, "I8", text);
    }
    if let Some(ledger) = evidence.ledger.as_ref()
        && (!ledger.ok || ledger.open_holds != 0 || ledger.imbalance != 0)
    {
        violation(found, "ledger", format!("{ledger:?}"));
    }
}

#[cfg(test)]
mod tests;
