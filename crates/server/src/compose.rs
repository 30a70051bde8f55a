//! From configuration to services: each URL chooses an adapter, here and nowhere else.
//!
//! The slow parts of a start (the database, the library and its index) are prepared at the same time, so that
//! the start takes as long as the slowest of them.

mod bus;
mod console;
mod examine;
mod library;
mod model;
mod payment;
mod prices;
mod request_ids;
mod shop;
mod sign_in;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adapter_memory::MemoryRateLimiter;
use anyhow::Context;
use api::{Auditor, Handshake, MetricsRenderer, PaymentDoors, Services, Stopping, Till, Together};
use auth::{AuthService, RateRule};
use billing::{BillingPorts, BillingService, BillingSettings, Channel, OrderService, PaymentGateway};
use chat::ports::Personas;
use chat::{
    ChatPorts, ChatRuntime, ChatService, ChatSettings, DEFAULT_ALIAS, InstanceId, ModelCatalog, ModelLimits,
};
use futures::FutureExt;
use kernel::{Clock, Credits, Entropy, Id, Ids, Tasks};
use mbti_roles::{CharacterBook, CharacterService};
use tokio_util::sync::CancellationToken;

use crate::bridge::{
    AuthPeople, AuthThrottle, BillingMeter, CharacterPersonas, FirstLevel, LibraryKnowledge,
};
use crate::config::{Alias, Config};
use crate::front_page::{self, HomeFile};
use crate::health::Checks;
use crate::rooms::public_rooms;
use crate::secrets::Secrets;
use crate::system::SystemClock;
use crate::worker::Worker;

pub use console::{Books, Console};
pub use examine::{Finding, examine};
pub use payment::Payments;
pub use shop::Shop;

use bus::Bus;
use stores::Stores;

/// Passages retrieved for a question.
const PASSAGES: u32 = 6;
/// What a commit wrote comes to be told of within a millisecond or two.
const GATHER_MS: u32 = 2;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const SECOND_MS: i64 = 1_000;
/// People whose requests are counted at a time.
const COUNTED_PEOPLE: usize = 50_000;
/// A command that adds a whole ledger up may take longer than a request.
const STATEMENT_OF_A_LOOK: Duration = Duration::from_mins(10);

/// Providers of payment, by channel.
pub type Gateways = BTreeMap<Channel, Arc<dyn PaymentGateway>>;

/// What every part stands on.
pub struct Foundation {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background work that a stopping server waits for.
    pub tasks: Arc<dyn Tasks>,
    /// Background work that has no end of its own.
    pub lasting_tasks: Arc<dyn Tasks>,
    /// Cancelled when the server begins to stop.
    pub stopping: CancellationToken,
    /// Metrics as text.
    pub metrics: MetricsRenderer,
    /// Providers of payment that a test puts in the place of the configured ones.
    pub gateways: Option<Gateways>,
}

/// The whole server but its HTTP side.
pub struct Composition {
    /// What the handlers call.
    pub services: Services,
    /// The background work.
    pub worker: Worker,
    stores: Stores,
}

impl Composition {
    /// Corrects this machine's clock by the database's, so that all instances agree on leases.
    pub async fn correct(&self, clock: &SystemClock) {
        if let Some(time) = self.stores.server_time().await {
            clock.correct(time);
        }
    }

    /// Gives up the lease and closes the database.
    pub async fn close(&self) {
        if let Err(error) = self.services.chat.release_lease().await {
            tracing::warn!(%error, "the lease was not given up; it runs out by itself");
        }
        self.stores.close().await;
    }
}

/// Brings the database's schema up to date.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    Stores::open(config).await?.close().await;
    Ok(())
}

/// Builds every adapter and service that the configuration names, and migrates the database.
pub async fn compose(config: &Config, on: Foundation) -> anyhow::Result<Composition> {
    let secrets = Secrets::load(config, on.entropy.as_ref())?;
    let ids = Arc::new(Ids::new(Arc::clone(&on.clock), Arc::clone(&on.entropy)));
    let instance: Id<chat::generation::Instance> = ids.next();
    let (stores, library) = tokio::try_join!(Stores::open(config), library::open(config))?;
    let bus = Bus::open(config)?;
    Box::pin(bus.refuse_unfit()).await?;
    let live = bus.live(&on, instance);
    let model = model::open(config, &on.clock)?;
    let checks = [stores.check(), model::check(Arc::clone(&model))].into_iter().chain(bus.check()).collect();
    let health = Checks::new(checks, on.stopping.clone(), Arc::clone(&on.clock));

    let payments = payment::open(config, &on, &secrets.refresh_secret)?;
    let auth = Arc::new(sign_in::service(config, &on, &ids, secrets, &stores, &bus)?);
    let books = stores.books(&ids);
    let billing = Arc::new(billing_service(config, &on.clock, &ids, instance, books.clone())?);
    let characters =
        Arc::new(CharacterService::new(CharacterBook::built_in().context("built-in characters")?));
    let (cashier, gateways) = (books.cashier, payments.gateways);
    let parts = shop::Parts { clock: &on.clock, ids: &ids, stores: &stores, cashier, auth: &auth, gateways };
    let orders = Arc::new(shop::orders(config, &characters, parts).await?);
    let library = Arc::new(library);
    let personas: Arc<dyn Personas> = Arc::new(CharacterPersonas(Arc::clone(&characters)));
    let rooms =
        public_rooms(&config.data.dir, personas.as_ref(), on.entropy.as_ref(), on.clock.now()).await?;
    let home = HomeFile::new(config.data.dir.join(front_page::FILE), Arc::clone(&on.clock))?;
    let ports = ChatPorts {
        conversations: stores.conversations(),
        log: stores.event_log(),
        generations: stores.generations(),
        broadcaster: live.broadcaster,
        buffer: live.buffer,
        model,
        personas,
        knowledge: Arc::new(LibraryKnowledge(Arc::clone(&library))),
        meter: Arc::new(BillingMeter(Arc::clone(&billing))),
        throttle: Arc::new(throttle(config, &auth)),
        rooms: stores.rooms(),
        turns: stores.turns(),
        presence: live.presence,
        people: Arc::new(AuthPeople(Arc::clone(&auth))),
        bans: stores.bans(),
        blocks: stores.blocks(),
        reports: stores.reports(),
        levels: Arc::new(FirstLevel),
    };
    let chat = Arc::new(ChatService::new(ports, runtime(&on, &ids), chat_settings(config, instance)));
    chat.ensure_rooms(&rooms).await.context("the public rooms")?;
    let worker = worker(config, &on.clock, &chat, (&billing, &orders), &auth);
    let request_ids = request_ids::maker(&on.clock, &on.entropy);
    let services = Services {
        auth,
        requests: Arc::new(MemoryRateLimiter::new(COUNTED_PEOPLE)),
        billing,
        orders,
        payment: PaymentDoors { handshake: Handshake(payments.handshake), till: Till(payments.desk) },
        auditor: Auditor { log: stores.audit_log(), ids, clock: Arc::clone(&on.clock) },
        chat,
        characters,
        library,
        front_page: Arc::new(home),
        together: Together::new(Arc::clone(&on.clock)),
        stopping: end_of(on.stopping),
        health: Arc::new(health),
        metrics: on.metrics,
        tasks: on.tasks,
        clock: on.clock,
        ids: request_ids,
    };
    Ok(Composition { services, worker, stores })
}

fn runtime(on: &Foundation, ids: &Arc<Ids>) -> ChatRuntime {
    ChatRuntime {
        clock: Arc::clone(&on.clock),
        ids: Arc::clone(ids),
        entropy: Arc::clone(&on.entropy),
        tasks: Arc::clone(&on.tasks),
    }
}

/// A token's end as a future that anybody may wait for.
fn end_of(token: CancellationToken) -> Stopping {
    let end: futures::future::BoxFuture<'static, ()> = Box::pin(token.cancelled_owned());
    end.shared()
}

fn throttle(config: &Config, auth: &Arc<AuthService>) -> AuthThrottle {
    AuthThrottle {
        auth: Arc::clone(auth),
        messages: RateRule::new("messages", config.limits.messages_per_minute, MINUTE_MS),
        room: RateRule::new("room_sends", config.limits.room_sends_per_second, SECOND_MS),
        likes: RateRule::new("likes", config.limits.likes_per_minute, MINUTE_MS),
        reports: RateRule::new("reports", config.limits.reports_per_hour, HOUR_MS),
    }
}

fn worker(
    config: &Config,
    clock: &Arc<dyn Clock>,
    chat: &Arc<ChatService>,
    (billing, orders): (&Arc<BillingService>, &Arc<OrderService>),
    auth: &Arc<AuthService>,
) -> Worker {
    Worker {
        chat: Arc::clone(chat),
        billing: Arc::clone(billing),
        orders: Arc::clone(orders),
        auth: Arc::clone(auth),
        clock: Arc::clone(clock),
        sweep_ms: i64::from(config.limits.sweep_seconds) * 1_000,
        sweep_rows: config.limits.sweep_rows,
    }
}

fn billing_service(
    config: &Config,
    clock: &Arc<dyn Clock>,
    ids: &Arc<Ids>,
    instance: InstanceId,
    books: BillingPorts,
) -> anyhow::Result<BillingService> {
    let prices = prices::table(config)?;
    // Chat and billing name the same process, each in its own words.
    let instance = Id::from_uuid(instance.as_uuid());
    let day_max = config.billing.daily_spend_max;
    let settings = BillingSettings {
        daily_credits: Credits::new(config.billing.daily_credits),
        day_max: (day_max > 0).then(|| Credits::new(day_max)),
        ..BillingSettings::new(Credits::new(config.billing.welcome_credits), instance)
    };
    Ok(BillingService::new(books, prices, Arc::clone(clock), Arc::clone(ids), settings))
}

fn chat_settings(config: &Config, instance: InstanceId) -> ChatSettings {
    let models = aliases(config).map(|(name, alias)| {
        let limits = ModelLimits {
            output_tokens_max: alias.output_tokens_max,
            context_tokens_max: alias.context_tokens,
        };
        (name.to_owned(), limits)
    });
    ChatSettings {
        instance,
        models: ModelCatalog::new(models),
        message_chars: config.limits.message_chars,
        reply_bytes: u32::try_from(config.limits.reply_bytes).unwrap_or(u32::MAX),
        streams_per_user: config.limits.streams_per_user,
        passages: PASSAGES,
        recall_seconds: config.limits.recall_seconds,
        room_online: config.limits.room_online,
        events_size: config.limits.events_size,
        gather_ms: GATHER_MS,
    }
}

/// Every alias, and `default` unless an alias has that name itself.
fn aliases(config: &Config) -> impl Iterator<Item = (&str, &Alias)> {
    let configured = &config.model.aliases;
    let default =
        configured.get(&config.model.default_alias).filter(|_| !configured.contains_key(DEFAULT_ALIAS));
    let named = configured.iter().map(|(name, alias)| (name.as_str(), alias));
    named.chain(default.map(|alias| (DEFAULT_ALIAS, alias)))
}
