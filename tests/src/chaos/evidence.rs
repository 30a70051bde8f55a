//! What a run leaves behind: who saw what and when, what the log holds at the end, and what was done to the servers.
//!
//! Plain data, so that the checker can be tried on histories made by hand.

/// Milliseconds since the run began. All clients live in one process, so that their times compare.
pub type Millis = u64;

/// The number that a message carries in its text, by which its body is known again wherever it turns up.
pub type Marker = u64;

/// Everything that is judged.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The conversations as they stand at the end.
    pub rooms: Vec<RoomLog>,
    /// What each client saw.
    pub clients: Vec<ClientRecord>,
    /// When the run began, in milliseconds since 1970.
    pub began_at: u64,
    /// Deaths of instances.
    pub kills: Vec<Kill>,
    /// What the model was asked.
    pub prompts: Vec<Prompt>,
    /// What the servers count once everybody has gone.
    pub gauges: Vec<Gauge>,
    /// What `ledger check` said.
    pub ledger: Option<LedgerReport>,
}

/// One conversation, read over HTTP at the end.
#[derive(Debug, Clone, Default)]
pub struct RoomLog {
    /// Its id.
    pub room: String,
    /// Its head.
    pub head: u64,
    /// Its events, as they were served.
    pub entries: Vec<LogEntry>,
    /// The texts of its replies as the history of messages shows them.
    pub texts: Vec<StoredText>,
}

/// An event, by what never changes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEntry {
    /// Its seq.
    pub seq: u64,
    /// `message`, `ai_start`, …
    pub kind: String,
    /// The message that it is about.
    pub message: String,
    /// For a person's message: who.
    pub author: String,
    /// For a person's message: the sender's id for it.
    pub client_msg_id: String,
    /// For `ai_start` and `ai_end`.
    pub generation: u64,
    /// For `ai_end`: why.
    pub why: String,
    /// For `ai_start` and `ai_end`: when, by the server's clock, in milliseconds since 1970.
    pub timestamp: u64,
    /// Of all that never changes.
    pub core: u32,
    /// Of the text, where it is shown.
    pub content: Option<u32>,
}

/// A reply's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredText {
    /// The reply.
    pub message: String,
    /// Its state: `done`, `recalled`, …
    pub status: String,
    /// In UTF-16 units.
    pub length: u64,
    /// IEEE CRC-32 of its UTF-8.
    pub crc32: u32,
}

/// What one client saw, in its order.
#[derive(Debug, Clone, Default)]
pub struct ClientRecord {
    /// Its number.
    pub client: usize,
    /// Who it is.
    pub user: String,
    /// What.
    pub items: Vec<Item>,
    /// Where it stood at the end: the last seq it applied, by conversation.
    pub last: Vec<(String, u64)>,
}

/// Something that a client saw or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
}

/// Kinds of [`Item`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A socket is open and known.
    Connected,
    /// The socket is gone; why, as far as the client could tell.
    Lost(String),
    /// The server said goodbye.
    Bye(u64, String),
    /// All conversations are joined again and nothing is missing.
    CaughtUp,
    /// A conversation was joined: its head then, and whether the client had to start anew.
    Joined {
        /// Which.
        room: String,
        /// What the client had; `None` the first time.
        since: Option<u64>,
        /// The log's head at that time.
        head: u64,
        /// Whether the server could not go on from `since`.
        reset: bool,
    },
    /// An event followed the last one.
    Applied {
        /// Where.
        room: String,
        /// What.
        entry: LogEntry,
    },
    /// An event that the client has came again on a live connection.
    Repeated {
        /// Where.
        room: String,
        /// Which.
        seq: u64,
    },
    /// An event came on a live connection though one before it had not.
    Hole {
        /// Where.
        room: String,
        /// What should have come.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// A message goes out, for the first time or again.
    Sent {
        /// Where.
        room: String,
        /// The sender's id for it.
        client_msg_id: String,
    },
    /// The server has committed it.
    Acked {
        /// Where.
        room: String,
        /// The sender's id for it.
        client_msg_id: String,
        /// The server's id for it.
        message: String,
        /// Its place.
        seq: u64,
    },
    /// A request was refused.
    Refused {
        /// Which.
        op: String,
        /// With what.
        error: String,
    },
    /// Text came that is none of a running reply.
    Stray {
        /// Which reply.
        message: String,
        /// Of which generation.
        generation: u64,
        /// Whether the reply's end had been applied.
        ended: bool,
    },
    /// A reply's text was behind and was asked for.
    Resynced {
        /// Which.
        message: String,
    },
    /// A reply ended for this client.
    Ended(StreamEnd),
    /// A stop was answered.
    StopAnswered {
        /// Which reply.
        message: String,
        /// Which generation was to stop.
        generation: u64,
        /// How.
        state: String,
    },
    /// A text of this reply came, after a stop of it was asked on the same connection.
    DeltaAfterStop {
        /// Which reply.
        message: String,
        /// Of which generation.
        generation: u64,
    },
    /// A recall was answered.
    RecallAnswered {
        /// Which message.
        message: String,
        /// The number in its text.
        marker: Marker,
    },
    /// An answer to something asked at that time showed these bodies.
    Served {
        /// When it was asked.
        asked_at: Millis,
        /// The numbers in them.
        markers: Vec<Marker>,
    },
}

/// How a reply ended for a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamEnd {
    /// Where.
    pub room: String,
    /// Which.
    pub message: String,
    /// Why.
    pub why: String,
    /// What `ai_end` said of the text.
    pub declared: (u64, u32),
    /// What the client had when `ai_end` came, before any repair.
    pub before: (u64, u32),
    /// What the client has after `ai_end` and, where it was behind, `room.sync`.
    pub after: (u64, u32),
    /// Whether the text was recalled, so that there is nothing to compare.
    pub recalled: bool,
}

/// An instance that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// When.
    pub at: Millis,
    /// From when on somebody could end what it left: an instance was running and had its database.
    pub curable_from: Millis,
}

/// A request to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// When.
    pub at: Millis,
    /// The numbers in its texts.
    pub markers: Vec<Marker>,
}

/// Something that a server counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// Which server.
    pub instance: usize,
    /// What.
    pub name: String,
    /// How many; `None` if the server does not say.
    pub value: Option<u64>,
}

/// What `ledger check --json` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerReport {
    /// Whether all is well.
    pub ok: bool,
    /// Holds that nobody resolved.
    pub open_holds: i64,
    /// The sum of all balances.
    pub imbalance: i64,
}

/// Writes a marker as it stands in a text.
pub fn marked(marker: Marker) -> String {
    format!("〔{marker}〕")
}

/// The markers of a text, in their order.
pub fn markers_of(text: &str) -> Vec<Marker> {
    let inside = text.split('〔').skip(1).filter_map(|rest| rest.split_once('〕'));
    inside.filter_map(|(digits, _)| digits.parse().ok()).collect()
}

/// Length in UTF-16 units and CRC-32 of a text, as `ai_end` names them.
pub fn measure(text: &str) -> (u64, u32) {
    let units = text.chars().map(char::len_utf16).sum::<usize>();
    (u64::try_from(units).expect("a length"), crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_in_any_text() {
        let text = format!("{{\"a\":\"{}x\",\"b\":\"{} 〔no〕 〔9\"}}", marked(12), marked(4_000_000_007));
        assert_eq!(markers_of(&text), [12, 4_000_000_007]);
    }

    #[test]
    fn a_text_is_measured_as_the_protocol_says() {
        assert_eq!(measure("学𠀀a"), (4, crc32fast::hash("学𠀀a".as_bytes())));
        assert_eq!(measure("123456789").1, 0xCBF4_3926);
    }
}
