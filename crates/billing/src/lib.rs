//! Accounts, holds, transfers and prices: what is paid for and by whom.
//!
//! Nothing upstream is called without a hold of the worst case, and a hold is resolved once: settled, voided or
//! expired. Money moves by immutable double-entry transfers only, so that every balance is a sum that anybody
//! can check. The words:
//!
//! - **account**: a person's, or one of the house ([`SystemAccount`]); its balance is what reached it less what
//!   left it. House balances are never stored, only summed, since a row that everybody changes is a queue.
//! - **transfer**: an amount that left one account and reached another, for ever.
//! - **wallet**: a person's balance, as available + held. The one row that is locked.
//! - **hold**: the part of a wallet that is set aside for one reply, and after it that reply's usage record.
//! - **loss**: what a reply cost beyond its hold; the house pays it and no wallet ever becomes negative.
//!
//! Invariants, which `check` verifies and the tests hammer: all balances sum to zero; available + held is the
//! fold of a person's transfers and their newest `balance_after`; held is the sum of the open holds; nothing is
//! negative; a hold has at most one settlement; a person's transfers are numbered without a gap.

pub mod account;
pub mod calendar;
pub mod coupon;
pub mod discrepancy;
pub mod entitlement;
pub mod error;
pub mod hold;
pub mod journal;
pub mod lot;
pub mod order;
pub mod order_service;
pub mod payment;
pub mod ports;
pub mod posting;
pub mod price;
pub mod product;
pub mod refund;
pub mod report;
pub mod service;
pub mod trade_no;
pub mod transfer;

pub use account::{AccountId, Book, InvalidAccount, Owner, PoolId, SystemAccount, Wallet};
pub use calendar::{Calendar, Day, Tier};
pub use coupon::{Coupon, CouponCode, CouponRefusal, Discount};
pub use discrepancy::{Discrepancy, DiscrepancyKind};
pub use entitlement::{Entitlement, EntitlementId, EntitlementSource, Subject};
pub use error::BillingError;
pub use hold::{Charge, Hold, HoldOutcome, HoldRequest, HoldState, Instance, InstanceId, Offer, Split};
pub use lot::{Lot, LotId, LotSource};
pub use order::{Order, OrderEvent, OrderId, OrderState, Step, TradeNo};
pub use order_service::{
    NoticeAnswer, NoticeResult, OrderError, OrderPorts, OrderRequest, OrderService, OrderSettings, Placed,
    RefundAsk, Refunded, Wanted,
};
pub use payment::{
    Channel, Payment, PaymentNotice, PaymentParameters, PaymentStatus, Refund, RefundId, RefundStatus,
};
pub use ports::{
    Cashier, EntitlementStore, Ledger, Opening, OrderStore, Payers, PaymentGateway, RefundStore, Renewal,
    ReserveOutcome, SettleOutcome, Settlement, VoidOutcome,
};
pub use posting::{Credit, CreditOutcome, Debit, DebitOutcome, Posted, Standing, StandingChange};
pub use price::{Price, PriceError, PriceTable};
pub use product::{Catalog, Content, Product, ProductId, ProductKind, Purchase, Quote, QuoteRefusal};
pub use report::{Check, Finding, LedgerReport};
pub use service::{Balance, BillingPorts, BillingService, BillingSettings, Spending};
pub use transfer::{Transaction, TransactionKind, Transfer, TransferId, TransferKind, UnknownKind};
