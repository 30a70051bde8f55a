//! What the sandbox's page shows and decides.

use kernel::{Fen, Timestamp};

use crate::order::TradeNo;

/// What is to be paid, as the page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxSlip {
    /// Which order.
    pub trade_no: TradeNo,
    /// How much.
    pub total: Fen,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What whoever has the page decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxChoice {
    /// The payment succeeds.
    Pay,
    /// It fails; it can be tried again.
    Fail,
}

/// A message that is signed as a provider signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNotice {
    /// Headers, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}
