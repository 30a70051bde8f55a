//! The shop: orders on the stores, the catalogue, the providers, and who pays.

use std::sync::Arc;

use anyhow::{Context, bail};
use auth::AuthService;
use billing::{Cashier, OrderPorts, OrderService, OrderSettings};
use kernel::{Clock, Ids};
use mbti_roles::{CharacterBook, CharacterService};
use tokio_util::sync::CancellationToken;

use super::{Bus, Foundation, Gateways, STATEMENT_OF_A_LOOK, Stores, payment, sign_in};
use crate::catalog;
use crate::config::Config;
use crate::payers::AuthPayers;
use crate::secrets::Secrets;
use crate::system::{OsEntropy, SystemClock, TrackedTasks};

const MINUTE_MS: i64 = 60_000;

/// What orders stand on.
pub(super) struct Parts<'a> {
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) ids: &'a Arc<Ids>,
    pub(super) stores: &'a Stores,
    pub(super) cashier: Arc<dyn Cashier>,
    pub(super) auth: &'a Arc<AuthService>,
    pub(super) gateways: Gateways,
}

/// Orders of the catalogue of this data directory; its coupons are put in place.
pub(super) async fn orders(
    config: &Config,
    characters: &CharacterService,
    parts: Parts<'_>,
) -> anyhow::Result<OrderService> {
    let (catalog, coupons) = catalog::load(&config.data.dir, characters).await?;
    let service = service(config, catalog, parts);
    for coupon in &coupons {
        service.put_coupon(coupon).await.with_context(|| format!("coupon {}", coupon.code.as_str()))?;
    }
    Ok(service)
}

fn service(config: &Config, catalog: billing::Catalog, parts: Parts<'_>) -> OrderService {
    let store = parts.stores.orders(parts.ids);
    let ports = OrderPorts {
        orders: Arc::<adapter_sql::SqlOrders>::clone(&store),
        refunds: store,
        rights: parts.stores.entitlements(),
        cashier: parts.cashier,
        gateways: parts.gateways,
        payers: Arc::new(AuthPayers::new(Arc::clone(parts.auth), config)),
    };
    let settings = OrderSettings { pay_ms: i64::from(config.payment.order_minutes) * MINUTE_MS };
    OrderService::new(ports, catalog, Arc::clone(parts.clock), Arc::clone(parts.ids), settings)
}

/// The orders, on the configured database and providers, for commands.
pub struct Shop {
    /// Orders.
    pub orders: OrderService,
    /// Time.
    pub clock: Arc<dyn Clock>,
    stores: Stores,
}

impl Shop {
    /// Connects, and refuses a schema of another version: to change it is up to `migrate`.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let tasks = TrackedTasks::on(tokio::runtime::Handle::current());
        let stopping = CancellationToken::new();
        let on = Foundation {
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(OsEntropy),
            lasting_tasks: tasks.lasting(stopping.clone()),
            tasks: Arc::new(tasks),
            stopping,
            metrics: Arc::new(String::new),
            gateways: None,
        };
        // First, so that a look where nothing is leaves nothing, no secret either.
        let stores = Stores::look(config, STATEMENT_OF_A_LOOK).await?;
        if !stores.is_current().await? {
            bail!("the database's schema is older than this program: run `jixia migrate` first");
        }
        let secrets = Secrets::load(config, on.entropy.as_ref())?;
        let ids = Arc::new(Ids::new(Arc::clone(&on.clock), Arc::clone(&on.entropy)));
        let payments = payment::open(config, &on, &secrets.refresh_secret)?;
        let auth = Arc::new(sign_in::service(config, &on, &ids, secrets, &stores, &Bus::open(config)?)?);
        let characters = CharacterService::new(CharacterBook::built_in().context("built-in characters")?);
        let (catalog, _coupons) = catalog::load(&config.data.dir, &characters).await?;
        let parts = Parts {
            clock: &on.clock,
            ids: &ids,
            cashier: stores.books(&ids).cashier,
            stores: &stores,
            auth: &auth,
            gateways: payments.gateways,
        };
        let orders = service(config, catalog, parts);
        Ok(Self { orders, clock: on.clock, stores })
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.stores.close().await;
    }
}
