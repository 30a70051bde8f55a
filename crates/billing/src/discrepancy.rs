//! Where orders, books and providers do not tell the same story.

use crate::order::TradeNo;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiscrepancyKind {
    /// The credits that the order delivered.
    Credits,
    /// The yuan that it brought.
    Cash,
    /// The yuan that went back.
    Refunds,
    /// The rights that it delivered.
    Rights,
    /// Whether it is paid, as the provider says.
    Payment,
    /// How a refund ended, as the provider says.
    RefundStatus,
}

impl DiscrepancyKind {
    /// Its name, as a table shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::Cash => "cash",
            Self::Refunds => "refunds",
            Self::Rights => "rights",
            Self::Payment => "payment",
            Self::RefundStatus => "refund_status",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Of which order.
    pub trade_no: TradeNo,
    /// What.
    pub kind: DiscrepancyKind,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}
