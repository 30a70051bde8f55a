//! The gateway: one WebSocket for everything that happens while somebody looks.
//!
//! `/ws` and `/service/ws` are the same. A connection belongs to one worker thread (`shard`) and is the body of its
//! upgrade's response (`socket`); what a room says is encoded once for all (`hub`, `outgoing`); what a client asks
//! runs apart from its connection (`lane`, `calls`).

mod backlog;
mod bucket;
mod bye;
mod calls;
mod connection;
mod envelope;
mod frame;
mod gateway;
mod handshake;
mod hub;
mod identity;
mod inbound;
mod lane;
mod mailbox;
mod outbox;
mod outgoing;
mod room_ops;
mod session;
mod shard;
mod shard_rooms;
mod socket;

pub use frame::{binary, close, text};
pub use gateway::{Gateway, Holdings};
pub use handshake::upgrade;
pub use inbound::Violation;
pub use outbox::Outbox;
pub use socket::{Handler, Socket};

pub(crate) use handshake::routes;
pub(crate) use shard::Shard;
