//! Stores of orders under test, with makers of orders, payments and refunds.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::sync::Arc;

use adapter_sql::{SqlEntitlements, SqlLedger, SqlOrders, SqlStore};
use billing::payment::{RefundBy, RefundStatus};
use billing::ports::{
    CreateOrder, Delivery, EntitlementGrant, NewOrder, PayOutcome, RefundEnd, RefundPosting,
};
use billing::posting::{GiveBack, HouseTransfer, TakeBack};
use billing::{
    Cashier, Channel, Content, Credit, EntitlementStore, Ledger, LotSource, Order, OrderState, OrderStore,
    Owner, Payment, ProductKind, Refund, RefundStore, Subject, SystemAccount, TransferKind,
};
use kernel::{Credits, Fen, Id, Ids, ManualClock, SeededEntropy, Timestamp, UserId};

use super::books::START;

/// Stores under test, on one database.
pub struct Shop {
    /// Orders.
    pub orders: Arc<dyn OrderStore>,
    /// Refunds.
    pub refunds: Arc<dyn RefundStore>,
    /// Rights.
    pub rights: Arc<dyn EntitlementStore>,
    /// Books.
    pub ledger: Arc<dyn Ledger>,
    /// Lots.
    pub cashier: Arc<dyn Cashier>,
    ids: Arc<Ids>,
}

impl Shop {
    /// On this database.
    pub fn on(store: &SqlStore) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let ids = Arc::new(Ids::new(clock, Arc::new(SeededEntropy::new(7))));
        let orders = Arc::new(SqlOrders::new(store.clone(), Arc::clone(&ids)));
        let ledger = Arc::new(SqlLedger::new(store.clone(), Arc::clone(&ids)));
        Self {
            orders: Arc::<SqlOrders>::clone(&orders),
            refunds: orders,
            rights: Arc::new(SqlEntitlements::new(store.clone())),
            ledger: Arc::<SqlLedger>::clone(&ledger),
            cashier: ledger,
            ids,
        }
    }

    /// A fresh id.
    pub fn id<K>(&self) -> Id<K> {
        self.ids.next()
    }

    /// An order for 10 yuan of credits and a bonus.
    pub fn order(&self, user: UserId) -> Order {
        Order {
            id: self.ids.next(),
            user,
            kind: ProductKind::Credits,
            product: "credits_10".parse().unwrap(),
            product_name: "十元点数包".to_owned(),
            virtual_id: "virtual_10".to_owned(),
            quantity: 1,
            unit_price: Fen::new(1_000),
            discount: Fen::ZERO,
            total: Fen::new(1_000),
            contents: vec![Content::Credits {
                amount: Credits::new(10_000_000),
                bonus: Credits::new(500_000),
                days: None,
            }],
            coupon: None,
            channel: Channel::WechatPay,
            source: Some("首页".to_owned()),
            state: OrderState::Created,
            refunded: Fen::ZERO,
            provider_txn_id: None,
            created_at: START,
            expires_at: START.plus_seconds(1_800),
            paid_at: None,
            queries: 0,
            query_at: Some(START.plus_seconds(10)),
        }
    }

    /// An order of so many months of membership.
    pub fn membership(&self, user: UserId, months: u32) -> Order {
        let (kind, contents) = (ProductKind::Vip, vec![Content::Vip { months }]);
        Order { kind, contents, product: "vip".parse().unwrap(), ..self.order(user) }
    }

    /// What stores an order without key, stock and coupon.
    pub fn new_order(&self, order: &Order) -> NewOrder {
        NewOrder {
            order: order.clone(),
            key: None,
            body_hash: "a body".to_owned(),
            stock: None,
            coupon_uses_max: None,
        }
    }

    /// Stores an order.
    pub async fn placed(&self, order: Order) -> Order {
        assert_eq!(self.orders.create(&self.new_order(&order)).await.unwrap(), CreateOrder::Created);
        order
    }

    /// What pays an order, with ids of its own each time.
    pub fn delivery(&self, order: &Order) -> Delivery {
        let at = START.plus_seconds(60);
        let (bought, bonus) = order.credits().unwrap();
        let trade_no = order.trade_no();
        let lot = |amount: Credits, source, from, kind, word: &str| Credit {
            owner: Owner::User(order.user),
            amount,
            source,
            from,
            kind,
            expires_at: None,
            key: format!("{word}:{}:{trade_no}", order.channel.as_str()),
            ref_id: Some(order.id.to_string()),
            lot_id: self.ids.next(),
            transfer_id: self.ids.next(),
            at,
        };
        let credits = [
            lot(bought, LotSource::Purchase, SystemAccount::Issued, TransferKind::Recharge, "recharge"),
            lot(bonus, LotSource::Promo, SystemAccount::Promo, TransferKind::Grant, "bonus"),
        ];
        Delivery {
            order_id: order.id,
            notice_id: Some(format!("paid-{trade_no}")),
            payment: Payment {
                trade_no,
                provider_txn_id: "txn".to_owned(),
                total: order.total,
                openid: None,
                goods: None,
                paid_at: at,
            },
            credits: credits.into_iter().filter(|credit| credit.amount.is_positive()).collect(),
            grants: order
                .contents
                .iter()
                .enumerate()
                .filter_map(|(n, one)| self.grant(order, n, one))
                .collect(),
            cash: self.house(SystemAccount::Sales, order.channel.cash(), order.total.get(), &{
                format!("cash:{}:{trade_no}", order.channel.as_str())
            }),
            at,
        }
    }

    fn grant(&self, order: &Order, place: usize, content: &Content) -> Option<EntitlementGrant> {
        let (subject, months) = match content {
            Content::Credits { .. } => return None,
            Content::Character { id } => (Subject::Character(id.clone()), None),
            Content::Skill { character_id, skill_id } => {
                let (character_id, skill_id) = (character_id.clone(), skill_id.clone());
                (Subject::Skill { character_id, skill_id }, None)
            }
            Content::Vip { months } => (Subject::Vip, Some(*months)),
        };
        Some(EntitlementGrant {
            id: self.ids.next(),
            subject,
            months,
            key: format!("order:{}:{place}", order.id),
        })
    }

    /// Stores an order and pays it.
    pub async fn paid(&self, order: Order) -> Order {
        let order = self.placed(order).await;
        match self.orders.deliver(&self.delivery(&order)).await.unwrap() {
            PayOutcome::Delivered { order, .. } => order,
            other => panic!("{other:?}"),
        }
    }

    /// A transfer between accounts of the house.
    pub fn house(
        &self,
        debit: SystemAccount,
        credit: SystemAccount,
        amount: i64,
        key: &str,
    ) -> HouseTransfer {
        HouseTransfer {
            id: self.ids.next(),
            debit,
            credit,
            amount,
            kind: TransferKind::Recharge,
            key: key.to_owned(),
            ref_id: None,
            at: START,
        }
    }

    /// What begins a refund.
    pub fn refund(&self, order: &Order, fen: i64) -> RefundPosting {
        let refund = Refund {
            id: self.ids.next(),
            order_id: order.id,
            amount: Fen::new(fen),
            reason: "买错了".to_owned(),
            by: RefundBy::Admin(self.ids.next()),
            status: RefundStatus::Pending,
            created_at: START.plus_seconds(120),
            ended_at: None,
        };
        let credits = order.credits_for(refund.amount).unwrap();
        let take_back = credits.is_positive().then(|| {
            self.take_back(
                order,
                credits,
                SystemAccount::RefundClearing,
                &format!("refund:{}", refund.number()),
            )
        });
        RefundPosting { take_back, refund, key: None, revokes: Fen::new(fen) == order.total }
    }

    /// What takes credits of an order back.
    pub fn take_back(&self, order: &Order, amount: Credits, to: SystemAccount, key: &str) -> TakeBack {
        TakeBack {
            owner: Owner::User(order.user),
            ref_id: order.id.to_string(),
            amount,
            is_forced: to == SystemAccount::Issued,
            to,
            key: key.to_owned(),
            transfer_ids: (self.ids.next(), self.ids.next()),
            at: START.plus_seconds(120),
        }
    }

    /// What ends a refund so.
    pub fn refund_end(&self, order: &Order, posting: &RefundPosting, status: RefundStatus) -> RefundEnd {
        let number = posting.refund.number();
        let credits = order.credits_for(posting.refund.amount).unwrap();
        let at = START.plus_seconds(180);
        let cash = self.house(
            order.channel.cash(),
            SystemAccount::Sales,
            posting.refund.amount.get(),
            &format!("refund-cash:{number}"),
        );
        let done = credits.is_positive().then(|| {
            let (clearing, issued) = (SystemAccount::RefundClearing, SystemAccount::Issued);
            self.house(clearing, issued, credits.get(), &format!("refund-done:{number}"))
        });
        RefundEnd {
            refund_id: posting.refund.id,
            notice_id: Some(format!("refunded-{number}")),
            status,
            settled: [cash].into_iter().chain(done).collect(),
            give_back: credits.is_positive().then(|| GiveBack {
                owner: Owner::User(order.user),
                ref_id: order.id.to_string(),
                amount: credits,
                key: format!("refund-closed:{number}"),
                transfer_id: self.ids.next(),
                at,
            }),
            at,
        }
    }

    /// What a person has to spend.
    pub async fn available(&self, user: UserId) -> i64 {
        let lots = self.cashier.lots(&Owner::User(user)).await.unwrap();
        lots.iter().map(|lot| lot.free().get()).sum()
    }

    /// Rights at this moment and later.
    pub async fn rights_at(&self, user: UserId, at: Timestamp) -> usize {
        self.rights.of_user(user, at).await.unwrap().len()
    }

    /// The books add up, and orders tell the same story as they do.
    pub async fn assert_sound(&self) {
        let report = self.ledger.report().await.unwrap();
        assert!(report.ok, "{report:?}");
        assert_eq!(self.orders.discrepancies(100).await.unwrap(), []);
    }
}
