//! Buying: a price, an order, and what the client needs to pay it.

use kernel::{Credits, Fen, UserId};
use sha2::{Digest, Sha256};
use tracing::instrument;

use super::{OrderError, OrderService, RECHARGE_FEN};
use crate::coupon::CouponCode;
use crate::entitlement::Subject;
use crate::order::{Order, OrderEvent, OrderState, next_query};
use crate::payment::{Channel, PaymentParameters, Prepay, PrepayOutcome};
use crate::ports::{CreateOrder, Move, NewOrder};
use crate::product::{Content, Offering, Product, ProductId, ProductKind, Purchase, Quote};

/// What is to be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A thing of the catalogue.
    Product {
        /// Which.
        id: ProductId,
        /// The shelf that it must stand on, if the client says.
        kind: Option<ProductKind>,
    },
    /// Credits for so much money.
    Amount(Fen),
}

/// A wish to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// Who buys.
    pub user: UserId,
    /// What.
    pub wanted: Wanted,
    /// How many.
    pub quantity: u32,
    /// With which coupon.
    pub coupon: Option<CouponCode>,
    /// How it is paid.
    pub channel: Channel,
    /// Where in the app it began, at most 64 characters.
    pub source: Option<String>,
    /// The client's key.
    pub key: Option<String>,
}

/// An order that can be paid, or was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub order: Order,
    /// What the client needs to let the person pay; `None` where nothing is to be paid any more.
    pub payment: Option<PaymentParameters>,
    /// Whether the key had made it before.
    pub replayed: bool,
}

/// The product of a recharge without one.
const CUSTOM: &str = "credits_custom";
/// Credits for a fen: a yuan is 1,000,000.
const CREDITS_PER_FEN: i64 = 10_000;

impl OrderRequest {
    /// Tells this from anything else that could be asked under the same key.
    fn body_hash(&self) -> String {
        let wanted = match &self.wanted {
            Wanted::Product { id, kind } => format!("{id}\n{:?}", kind.map(ProductKind::as_str)),
            Wanted::Amount(fen) => format!("fen {fen}"),
        };
        let coupon = self.coupon.as_ref().map(CouponCode::as_str);
        let all = format!("{wanted}\n{}\n{coupon:?}\n{}", self.quantity, self.channel.as_str());
        hex::encode(Sha256::digest(all))
    }
}

impl OrderService {
    /// Makes an order and shows it to its provider. The same key again answers the same order, and how to pay it now.
    #[instrument(skip_all, fields(user.id = %request.user))]
    pub async fn place(&self, request: &OrderRequest) -> Result<Placed, OrderError> {
        self.gateway(request.channel)?;
        let new = self.new_order(request).await?;
        let (order, replayed) = match self.ports.orders.create(&new).await? {
            CreateOrder::Created => (new.order, false),
            CreateOrder::Replayed(order) => (*order, true),
            CreateOrder::Conflict => return Err(OrderError::Conflict),
            CreateOrder::SoldOut => return Err(OrderError::SoldOut),
            CreateOrder::CouponUsed => return Err(OrderError::CouponUsed),
        };
        if !order.state.is_pending() || order.expires_at <= self.clock.now() {
            return Ok(Placed { order, payment: None, replayed });
        }
        let (order, payment) = self.offer(order).await?;
        Ok(Placed { order, payment, replayed })
    }

    /// What something would cost a person, without an order.
    pub async fn quote(&self, request: &OrderRequest) -> Result<(Product, Quote), OrderError> {
        let product = self.product(&request.wanted)?;
        let is_member = self.is_member(request.user).await?;
        let coupon = self.coupon(request.coupon.as_ref()).await?;
        let purchase = Purchase { quantity: request.quantity, is_member, at: self.clock.now() };
        let quote = product.quote(purchase, coupon.as_ref())?;
        Ok((product, quote))
    }

    fn product(&self, wanted: &Wanted) -> Result<Product, OrderError> {
        match wanted {
            Wanted::Product { id, kind } => {
                let product = self.catalog.get(id).ok_or(OrderError::NoProduct)?;
                if kind.is_some_and(|kind| kind != product.kind) {
                    return Err(OrderError::NoProduct);
                }
                Ok(product.clone())
            }
            Wanted::Amount(fen) => custom(*fen),
        }
    }

    async fn new_order(&self, request: &OrderRequest) -> Result<NewOrder, OrderError> {
        let (product, quote) = self.quote(request).await?;
        let is_fixed = matches!(request.channel, Channel::WechatVirtual);
        if is_fixed && (quote.discount.is_positive() || matches!(request.wanted, Wanted::Amount(_))) {
            return Err(OrderError::FixedPrice);
        }
        self.check_unowned(request.user, &product).await?;
        let coupon_uses_max = self.coupon(request.coupon.as_ref()).await?.and_then(|coupon| coupon.uses_max);
        let (stock, now) = (product.offering.stock, self.clock.now());
        let expires_at = now.plus_millis(self.settings.pay_ms);
        let order = Order {
            id: self.ids.next(),
            user: request.user,
            kind: product.kind,
            virtual_id: product.virtual_id.unwrap_or_else(|| product.id.to_string()),
            product: product.id,
            product_name: product.name,
            quantity: request.quantity,
            unit_price: quote.unit_price,
            discount: quote.discount,
            total: quote.total,
            contents: product.contents,
            coupon: request.coupon.clone(),
            channel: request.channel,
            source: request.source.clone(),
            state: OrderState::Created,
            refunded: Fen::ZERO,
            provider_txn_id: None,
            created_at: now,
            expires_at,
            paid_at: None,
            queries: 0,
            query_at: Some(next_query(now, expires_at, 0, now)),
        };
        Ok(NewOrder {
            order,
            key: request.key.clone(),
            body_hash: request.body_hash(),
            stock,
            coupon_uses_max,
        })
    }

    /// Nobody pays twice for what is theirs for ever; a bundle that has anything new in it may be bought.
    async fn check_unowned(&self, user: UserId, product: &Product) -> Result<(), OrderError> {
        let subjects: Option<Vec<Subject>> = product.contents.iter().map(lasting).collect();
        let Some(subjects) = subjects else { return Ok(()) };
        let rights = self.rights(user).await?;
        let owns =
            |subject: &Subject| rights.iter().any(|right| right.subject == *subject && right.until.is_none());
        if subjects.iter().all(owns) { Err(OrderError::AlreadyOwned) } else { Ok(()) }
    }

    async fn offer(&self, order: Order) -> Result<(Order, Option<PaymentParameters>), OrderError> {
        let at = self.clock.now();
        let payer = self.ports.payers.wechat(order.user, at).await?;
        let prepay = Prepay { order: order.clone(), payer, at };
        match self.gateway(order.channel)?.prepay(&prepay).await? {
            PrepayOutcome::Ready(parameters) => {
                let (queries, query_at) = (order.queries, order.query_at);
                let event = Some(OrderEvent::Offered);
                let order = self.advance(&Move { order_id: order.id, event, queries, query_at, at }).await?;
                Ok((order, Some(parameters)))
            }
            PrepayOutcome::AlreadyPaid => Ok((self.ask(&order, at).await?, None)),
            PrepayOutcome::Closed => Ok((self.end_unpaid(&order, OrderEvent::Abandoned, at).await?, None)),
            PrepayOutcome::LoginNeeded => {
                self.end_unpaid(&order, OrderEvent::Abandoned, at).await?;
                Err(OrderError::LoginNeeded)
            }
            PrepayOutcome::Refused { code } => {
                tracing::error!(payment.code = code, "a provider does not take an order");
                self.end_unpaid(&order, OrderEvent::Abandoned, at).await?;
                Err(OrderError::ProviderRefuses(code))
            }
        }
    }
}

/// What a content gives for ever, if it does.
fn lasting(content: &Content) -> Option<Subject> {
    match content {
        Content::Character { id } => Some(Subject::Character(id.clone())),
        Content::Skill { character_id, skill_id } => {
            Some(Subject::Skill { character_id: character_id.clone(), skill_id: skill_id.clone() })
        }
        Content::Credits { .. } | Content::Vip { .. } => None,
    }
}

fn custom(fen: Fen) -> Result<Product, OrderError> {
    if !RECHARGE_FEN.contains(&fen.get()) {
        return Err(OrderError::Amount);
    }
    let credits = fen.get().checked_mul(CREDITS_PER_FEN).ok_or(OrderError::Amount)?;
    Ok(Product {
        id: CUSTOM.parse().map_err(|_invalid| OrderError::NoProduct)?,
        kind: ProductKind::Credits,
        name: "充值".to_owned(),
        price: fen,
        contents: vec![Content::Credits { amount: Credits::new(credits), bonus: Credits::ZERO, days: None }],
        quantity_max: 1,
        offering: Offering::default(),
        members_only: false,
        virtual_id: None,
    })
}
