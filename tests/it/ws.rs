//! The gateway over real sockets: every scenario on both profiles.

mod auth;
mod envelope;
mod life;
mod limits;
mod rooms;
mod slow;
mod streams;
