//! The WeChat server API: who a mini-program's code is, and how people pay.
//!
//! - `code2session`, `login`: what a login code says about its user;
//! - `pay_v3`: WeChat Pay, for web pages and official accounts;
//! - `virtual_pay`: virtual payment, which a mini-program must use for virtual goods, and `push`, the one address to
//!   which the platform sends events;
//! - `access_token`, `signature`, `der`, `moment`, `wire`: what they stand on.
//!
//! Everything here speaks to hosts of Tencent's, or to whatever the base URL names in tests. Replies are parsed
//! as bytes, since WeChat labels its JSON as text; every documented error becomes a word of the domain, and a code,
//! an openid, a session key, a token or a signature never reaches a log.

mod access_token;
mod code2session;
mod der;
mod login;
mod moment;
mod pay_v3;
mod push;
mod signature;
mod virtual_pay;
mod wire;

pub use access_token::{AccessTokens, TokenSettings};
pub use login::{WechatLogin, WechatSettings};
pub use pay_v3::{InvalidKeys, KeyTexts, MerchantKeys, MerchantSettings, WechatPayGateway};
pub use push::{InvalidPush, PushReceiver, PushSettings};
pub use virtual_pay::{Environment, VirtualSettings, WechatVirtualGateway};
pub use wire::Endpoint;
