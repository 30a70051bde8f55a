//! The WeChat server API: what a mini-program's code says about its user.
//!
//! Everything here speaks to one host of Tencent's, or to whatever the base URL names in tests. Replies are parsed
//! as bytes, since WeChat labels its JSON as text; every documented error becomes a word of the domain, and a code,
//! an openid or a session key never reaches a log.

mod code2session;
mod login;

pub use login::{WechatLogin, WechatSettings};
