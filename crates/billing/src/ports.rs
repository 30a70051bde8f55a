//! What billing needs of the outside: the books, the store of orders, and providers of payment.

mod ledger;
mod orders;
mod payment;

pub use ledger::{
    Cashier, Ledger, OpenHolds, Opening, Renewal, ReserveOutcome, SettleOutcome, Settlement, VoidOutcome,
};
pub use orders::{
    BeginRefund, ClawBack, ClawBackOutcome, CreateOrder, Delivery, EndRefund, EntitlementGrant,
    EntitlementStore, Move, MoveOutcome, NewOrder, OrderFilter, OrderStore, PayOutcome, RefundEnd,
    RefundPosting, RefundStore, RefundWish,
};
pub use payment::{Payers, PaymentGateway, PushHandshake, SandboxDesk};
