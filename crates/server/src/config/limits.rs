//! How much of everything: every rate, count and size of the protocols is a key here.

use serde::Deserialize;

/// `[limits]`: 0 is "no limit" for rates and counts and is refused for sizes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Unicode scalar values.
    pub message_chars: u32,
    /// Bytes.
    pub body_bytes: usize,
    /// Bytes.
    pub frame_bytes: usize,
    /// Bytes.
    pub reply_bytes: usize,
    /// Items on a page.
    pub page_size: u32,
    /// Messages in one answer.
    pub history_size: u32,
    /// Events in one answer.
    pub events_size: u32,
    /// By person.
    pub messages_per_minute: u32,
    /// By person.
    pub likes_per_minute: u32,
    /// By person.
    pub reports_per_hour: u32,
    /// By person.
    pub requests_per_minute: u32,
    /// By address.
    pub registrations_per_hour: u32,
    /// By account and address.
    pub login_failures_per_five_minutes: u32,
    /// By address.
    pub login_failures_per_ip: u32,
    /// By person.
    pub streams_per_user: u32,
    /// Sockets.
    pub connections_per_user: u32,
    /// Sockets.
    pub connections_per_ip: u32,
    /// Rooms.
    pub rooms_per_connection: u32,
    /// By socket.
    pub frames_per_second: u32,
    /// By socket.
    pub frames_burst: u32,
    /// People.
    pub room_online: u32,
    /// By room.
    pub room_sends_per_second: u32,
    /// Seconds; 0 switches recall off.
    pub recall_seconds: u32,
    /// Seconds.
    pub sweep_seconds: u32,
    /// Rows.
    pub sweep_rows: u32,
}
