//! The contract suites: what every adapter of a port must do, one function per MUST.

pub mod books;
pub mod broadcaster;
pub mod conversation_store;
pub mod event_log;
pub mod event_log_reads;
pub mod generation_store;
pub mod identity_provider;
pub mod ledger;
pub mod ledger_reads;
pub mod login_log;
pub mod password_hasher;
pub mod people;
pub mod rate_limiter;
pub mod reply_model;
pub mod revocation_feed;
pub mod room_members;
pub mod room_reads;
pub mod room_store;
pub mod sealer;
pub mod session_store;
pub mod stored_chat;
pub mod stream_buffer;
pub mod text_index;
pub mod token_signer;
pub mod turn_store;
pub mod user_store;
