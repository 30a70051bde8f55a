//! Stand-ins for vendors: small servers on loopback, and a model that says what the test says. The keys below
//! `wechat_keys` belong to nobody and open nothing.

pub mod forgetful_log;
pub mod lossy_bus;
pub mod old_redis;
pub mod openai;
pub mod provider;
pub mod recorder;
pub mod scripted_model;
pub mod sent;
pub mod society;
pub mod wechat;
pub mod wechat_pay;
