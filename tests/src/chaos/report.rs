//! The summary of a run: one line of JSON, a few lines for people, and the first records of what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::checker::{Violation, check};
use super::evidence::{ClientRecord, Evidence, LogEntry, Millis, What};
use super::plan::Plan;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Names and numbers, by name.
    pub figures: Value,
    /// What was violated.
    pub violations: Vec<Violation>,
    /// Streams that ran when an instance was killed, for each kill.
    pub streams_at_kill: Vec<usize>,
}

/// Violations that are printed.
const PRINTED: usize = 20;

/// What is counted over all clients.
#[derive(Default)]
struct Count {
    expected: u64,
    delivered: u64,
    replays: Vec<Millis>,
    longest_gap: Millis,
    acks: u64,
    acked: BTreeSet<String>,
    sends: u64,
    stops: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    notes: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Judges and counts.
    pub fn of(plan: &Plan, evidence: &Evidence, streams_at_kill: Vec<usize>) -> Self {
        let violations = check(evidence);
        let mut count = Count::default();
        for client in &evidence.clients {
            count.client(client);
            for (room, last) in first_heads(client) {
                let head = evidence.rooms.iter().find(|log| log.room == room).map_or(last, |log| log.head);
                count.expected += head.saturating_sub(last);
            }
        }
        count.replays.sort_unstable();
        let entries = || evidence.rooms.iter().flat_map(|log| &log.entries);
        let of_kind = |kind: &str| entries().filter(|entry| entry.kind == kind).count();
        let mut broken: BTreeMap<&str, u64> = BTreeMap::new();
        for violation in &violations {
            *broken.entry(violation.invariant).or_default() += 1;
        }
        let figures = json!({
            "seed": plan.seed,
            "topology": plan.topology.name(),
            "clients": evidence.clients.len(),
            "rooms": evidence.rooms.len(),
            "busySeconds": plan.busy_ms / 1_000,
            "events": entries().count(),
            "messages": of_kind("message"),
            "sends": count.sends,
            "acks": count.acks,
            "acked": count.acked.len(),
            "deliveredPercent": percent(count.delivered, count.expected),
            "delivered": count.delivered,
            "expected": count.expected,
            "reconnects": count.replays.len(),
            "replayP50Ms": quantile(&count.replays, 50),
            "replayP99Ms": quantile(&count.replays, 99),
            "longestGapMs": count.longest_gap,
            "streamsStarted": of_kind("ai_start"),
            "streamsEnded": of_kind("ai_end"),
            "endsByReason": why(entries()),
            "streamsAtKill": streams_at_kill,
            "recalls": of_kind("recall"),
            "stops": count.stops,
            "seen": count.notes,
            "connectionsLost": count.ends,
            "refused": count.refused,
            "violations": broken,
        });
        Self { figures, violations, streams_at_kill }
    }

    /// For people: the figures, and the first violations.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.figures.as_object().into_iter().flatten() {
            let _ = writeln!(text, "{name:>18}  {value}");
        }
        for violation in self.violations.iter().take(PRINTED) {
            let _ = writeln!(text, "{}: {}", violation.invariant, violation.text);
        }
        if self.violations.len() > PRINTED {
            let _ = writeln!(text, "… and {} more", self.violations.len() - PRINTED);
        }
        text
    }
}

impl Count {
    fn client(&mut self, client: &ClientRecord) {
        let (mut connected, mut lost) = (None, None);
        for item in &client.items {
            match &item.what {
                What::Connected => connected = Some(item.at),
                What::Lost(why) => {
                    *self.ends.entry(why.clone()).or_default() += 1;
                    lost = lost.or(Some(item.at));
                    connected = None;
                }
                What::CaughtUp => {
                    self.replays.extend(connected.take().map(|since| item.at - since));
                    if let Some(since) = lost.take() {
                        self.longest_gap = self.longest_gap.max(item.at - since);
                    }
                }
                What::Applied { .. } => self.delivered += 1,
                What::Sent { .. } => self.sends += 1,
                What::Acked { message, .. } => {
                    self.acks += 1;
                    self.acked.insert(message.clone());
                }
                What::StopAnswered { state, .. } => *self.stops.entry(state.clone()).or_default() += 1,
                What::Refused { op, error } => *self.refused.entry(format!("{op} {error}")).or_default() += 1,
                What::Bye(code, error) => {
                    *self.ends.entry(format!("bye {code} {error}")).or_default() += 1;
                }
                what => {
                    if let Some(name) = noted(what) {
                        *self.notes.entry(name).or_default() += 1;
                    }
                }
            }
        }
    }
}

fn noted(what: &What) -> Option<&'static str> {
    match what {
        What::Hole { .. } => Some("holes"),
        What::Repeated { .. } => Some("repeats"),
        What::Resynced { .. } => Some("textsMended"),
        What::Stray { ended: true, .. } => Some("textAfterEnd"),
        What::Stray { ended: false, .. } => Some("textWithoutStart"),
        What::Joined { reset: true, .. } => Some("resets"),
        What::RecallAnswered { .. } => Some("recallsAnswered"),
        _ => None,
    }
}

/// The head at a client's first join, by conversation.
fn first_heads(client: &ClientRecord) -> BTreeMap<&str, u64> {
    let mut heads = BTreeMap::new();
    for item in &client.items {
        if let What::Joined { room, since: None, head, .. } = &item.what {
            heads.entry(room.as_str()).or_insert(*head);
        }
    }
    heads
}

fn why<'a>(entries: impl Iterator<Item = &'a LogEntry>) -> BTreeMap<&'a str, u64> {
    let mut ends = BTreeMap::new();
    for entry in entries.filter(|entry| entry.kind == "ai_end") {
        *ends.entry(entry.why.as_str()).or_default() += 1;
    }
    ends
}

/// Of sorted numbers.
fn quantile(sorted: &[Millis], percent: usize) -> Millis {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

/// With three digits after the point, rounded down: 99.9996 is not everything.
fn percent(part: u64, whole: u64) -> String {
    let thousandths = (part * 100_000).checked_div(whole).unwrap_or(100_000);
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_percentages_are_not_flattering() {
        let all: Vec<Millis> = (1..=100).collect();
        assert_eq!((quantile(&all, 50), quantile(&all, 99), quantile(&[], 99)), (50, 99, 0));
        assert_eq!(percent(999_999, 1_000_000), "99.999");
        assert_eq!(percent(0, 0), "100.000");
    }
}
