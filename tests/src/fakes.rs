//! Stand-ins for vendors: small servers on loopback, and a model that says what the test says.

pub mod lossy_bus;
pub mod openai;
pub mod provider;
pub mod recorder;
pub mod scripted_model;
pub mod society;
pub mod wechat;
