//! HTTP: every route, the envelope and the error registry.
//!
//! Handlers translate and hold no rule: they read a request, call one service, and write the answer. What all of
//! them share is around them (`frame`), before them ([`extract`]) and after them ([`envelope`], [`problem`]).
//! Nothing here knows an adapter; [`Services`] carries the contexts' services in.

pub mod context;
pub mod detached;
pub mod envelope;
mod event_stream;
pub mod event_view;
mod event_watch;
pub mod extract;
mod frame;
pub mod health;
pub mod home;
mod joined_rooms;
pub mod language;
mod message_view;
mod meters;
pub mod openapi;
mod order_view;
mod pages;
mod people;
pub mod problem;
mod product_view;
pub mod proxy;
mod refusal;
pub mod room_message_view;
mod room_view;
pub mod route_table;
mod routes;
mod rule;
pub mod settings;
mod squad_line;
pub mod sse;
pub mod ws;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, Condition};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest};
use kernel::{Clock, Ids, Tasks};
use utoipa_actix_web::service_config::ServiceConfig;

pub use event_watch::Stopping;
pub use health::{Dependency, Health, Readiness};
pub use home::{FrontPage, Home};
pub use openapi::openapi_json;
pub use proxy::{InvalidNetwork, Network, TrustedProxies};
pub use routes::admin_ledger::Auditor;
pub use routes::payment::{Handshake, Till};
pub use settings::{ApiSettings, SocketSettings};
pub use ws::Gateway;

use crate::event_watch::Watches;
use crate::extract::RequestLimit;
use crate::frame::Frame;
use crate::joined_rooms::JoinedRooms;
use crate::message_view::Producer;
use crate::problem::{Problem, Slug};
use crate::room_message_view::Cast;
use crate::routes::user::FreeCharacters;
use crate::routes::{
    admin_ledger, admin_orders, admin_rooms, billing, blocks, characters, events, gateway,
    home as front_page, knowledge, message_marks, messages, operations, orders, payment, reports, room_bans,
    room_members, room_messages, room_pool, rooms, sessions, sign_in, sign_ins, spending, squads, user,
};
use crate::ws::Shard;

/// Writes all metrics as text.
pub type MetricsRenderer = Arc<dyn Fn() -> String + Send + Sync>;

/// What the workers of this process know together.
#[derive(Clone)]
pub struct Together {
    joined_rooms: Arc<JoinedRooms>,
    watches: Arc<Watches>,
}

impl Together {
    /// Nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { joined_rooms: Arc::new(JoinedRooms::new(clock)), watches: Arc::default() }
    }
}

/// Doors for payments that are open where they are set up.
#[derive(Clone)]
pub struct PaymentDoors {
    /// The proof of WeChat's push address.
    pub handshake: Handshake,
    /// The sandbox's page.
    pub till: Till,
}

/// What the handlers call.
#[derive(Clone)]
pub struct Services {
    /// Who is calling.
    pub auth: Arc<auth::AuthService>,
    /// Counts a person's requests. It is asked at every request: one that counts in this process is meant.
    pub requests: Arc<dyn auth::ports::RateLimiter>,
    /// What is paid for.
    pub billing: Arc<::billing::BillingService>,
    /// What is bought.
    pub orders: Arc<::billing::OrderService>,
    /// What only some deployments have, for payments.
    pub payment: PaymentDoors,
    /// What operators did.
    pub auditor: Auditor,
    /// What is said.
    pub chat: Arc<chat::ChatService>,
    /// Who there is to talk to.
    pub characters: Arc<mbti_roles::CharacterService>,
    /// What can be cited.
    pub library: Arc<rag::LibraryService>,
    /// What the front page shows.
    pub front_page: Arc<dyn FrontPage>,
    /// What the workers know together.
    pub together: Together,
    /// Ends when the server begins to stop.
    pub stopping: Stopping,
    /// The systems behind.
    pub health: Arc<dyn Health>,
    /// Metrics as text.
    pub metrics: MetricsRenderer,
    /// Writes that outlive their connection.
    pub tasks: Arc<dyn Tasks>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The maker of request ids.
    pub ids: Arc<Ids>,
}

/// The application of one worker: give it to `HttpServer::new(move || api::app(&services, &settings, &gateway))`.
pub fn app(
    services: &Services,
    settings: &ApiSettings,
    gateway: &Arc<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    // Made now, so that no request waits for it.
    openapi::document();
    metrics::gauge!("build_info", "version" => settings.version.clone()).set(1.0);
    let frame = Frame { ids: Arc::clone(&services.ids), proxies: settings.trusted_proxies.clone() };
    let (counter, clock) = (Arc::clone(&services.requests), Arc::clone(&services.clock));
    let request_limit = RequestLimit::new(settings.requests_per_minute, counter, clock);
    let producer = Producer(settings.aigc_producer.as_str().into());
    let cast = Cast::new(Arc::clone(&services.characters), producer.clone());
    App::new()
        .app_data(Shard::new(Arc::clone(gateway)))
        .app_data(Data::new(settings.clone()))
        .app_data(Data::new(producer))
        .app_data(Data::new(cast))
        .app_data(Data::new(request_limit))
        .app_data(Data::new(FreeCharacters(services.characters.free().len())))
        .app_data(Data::from(Arc::clone(&services.auth)))
        .app_data(Data::from(Arc::clone(&services.billing)))
        .app_data(Data::from(Arc::clone(&services.orders)))
        .app_data(Data::new(services.payment.handshake.clone()))
        .app_data(Data::new(services.payment.till.clone()))
        .app_data(Data::new(services.auditor.clone()))
        .app_data(Data::from(Arc::clone(&services.chat)))
        .app_data(Data::from(Arc::clone(&services.characters)))
        .app_data(Data::from(Arc::clone(&services.library)))
        .app_data(Data::from(Arc::clone(&services.front_page)))
        .app_data(Data::from(Arc::clone(&services.together.joined_rooms)))
        .app_data(Data::from(Arc::clone(&services.together.watches)))
        .app_data(Data::new(services.stopping.clone()))
        .app_data(Data::from(Arc::clone(&services.clock)))
        .app_data(Data::from(Arc::clone(&services.health)))
        .app_data(Data::new(Arc::clone(&services.metrics)))
        .app_data(Data::new(Arc::clone(&services.tasks)))
        .configure(|config| routes(&mut ServiceConfig::new(config)))
        .configure(operations::heads)
        .configure(ws::routes)
        .configure(pages::pages)
        .default_service(web::to(nowhere))
        .wrap(Condition::new(!settings.allowed_origins.is_empty(), cors(settings)))
        .wrap(frame)
        .wrap(Compress::default())
}

/// Every route of the API. The busiest come first, since actix asks them in this order.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(user::get_profile)
        .service(messages::list_messages)
        .service(messages::send_message)
        .service(messages::stream_message)
        .service(messages::stop_message)
        .service(user::update_profile)
        .service(user::get_balance);
    room_routes(config);
    money_routes(config);
    config
        .service(sessions::create_session)
        .service(sessions::list_sessions)
        .service(sessions::get_session)
        .service(sessions::rename_session)
        .service(sessions::delete_session)
        .service(sign_in::register)
        .service(sign_in::email_login)
        .service(sign_in::wechat_login)
        .service(sign_in::wxlogin)
        .service(sign_in::verify)
        .service(sign_in::refresh)
        .service(sign_in::logout)
        .service(sign_in::change_password)
        .service(sign_ins::list_login_logs)
        .service(sign_ins::list_sign_ins)
        .service(sign_ins::revoke_sign_in)
        .service(characters::list_characters)
        .service(characters::get_character)
        .service(knowledge::search)
        .service(knowledge::list_works)
        .service(knowledge::get_passage)
        .service(operations::livez)
        .service(operations::healthz)
        .service(operations::readyz)
        .service(operations::render_metrics)
        .service(operations::openapi_document);
}

fn money_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(spending::consume)
        .service(spending::set_day_limit)
        .service(spending::estimate)
        .service(spending::statement)
        .service(billing::list_transactions)
        .service(billing::list_models)
        .service(orders::recharge)
        .service(orders::list_products)
        .service(orders::create_order)
        .service(orders::list_orders)
        .service(orders::get_order)
        .service(orders::cancel_order)
        .service(orders::request_refund)
        .service(payment::payment_callback)
        .service(payment::wechat_handshake)
        .service(payment::wechat_push)
        .service(payment::sandbox_page)
        .service(payment::sandbox_pay)
        .service(admin_orders::refund_order)
        .service(admin_orders::list_all_orders)
        .service(admin_orders::list_refund_requests)
        .service(admin_orders::put_coupon)
        .service(admin_ledger::adjust_ledger)
        .service(admin_ledger::freeze_account)
        .service(admin_ledger::unfreeze_account)
        .service(admin_ledger::list_audit);
}

fn room_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(room_messages::list_room_messages)
        .service(room_messages::say_in_room)
        .service(events::list_events)
        .service(events::list_room_events)
        .service(room_messages::mark_read)
        .service(message_marks::like_message)
        .service(message_marks::unlike_message)
        .service(message_marks::recall_message)
        .service(rooms::list_rooms)
        .service(rooms::get_room)
        .service(rooms::create_room)
        .service(rooms::edit_room)
        .service(rooms::edit_room_settings)
        .service(rooms::close_room)
        .service(room_members::join_room)
        .service(room_members::leave_room)
        .service(room_members::invite_to_room)
        .service(room_pool::show_pool)
        .service(room_pool::fund_pool)
        .service(room_members::list_members)
        .service(room_members::remove_member)
        .service(room_members::mute_member)
        .service(room_members::change_member)
        .service(room_members::get_invitation)
        .service(room_bans::list_bans)
        .service(room_bans::lift_ban)
        .service(squads::ask_squad)
        .service(squads::list_squad_characters)
        .service(squads::list_squad_topics)
        .service(squads::create_squad)
        .service(squads::list_squads)
        .service(squads::get_squad)
        .service(gateway::complete_chat)
        .service(gateway::stream_chat)
        .service(front_page::list_cards)
        .service(front_page::list_swipers)
        .service(admin_rooms::list_turns)
        .service(admin_rooms::announce_in_room);
    people_routes(config);
}

fn people_routes(config: &mut ServiceConfig<'_>) {
    config
        .service(blocks::list_blocks)
        .service(blocks::block_user)
        .service(blocks::unblock_user)
        .service(reports::report_message)
        .service(reports::report_user)
        .service(reports::list_reports)
        .service(reports::conclude_report);
}

/// Scripts of other sites may call us only where the operator named their origin.
fn cors(settings: &ApiSettings) -> actix_cors::Cors {
    let cors = actix_cors::Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(EXPOSED_HEADERS)
        .max_age(CORS_SECONDS);
    settings.allowed_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// What scripts of other sites may read of an answer's head.
const EXPOSED_HEADERS: [&str; 6] = [
    context::REQUEST_ID,
    "retry-after",
    "idempotent-replayed",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
];

const CORS_SECONDS: usize = 600;

/// A page or a file was asked for by another method than it takes.
pub(crate) async fn wrong_method() -> Result<&'static str, Problem> {
    Err(Problem::new(Slug::MethodNotAllowed).with_allow("GET, HEAD".to_owned()))
}

/// Whatever no route answers: a wrong method where another is right, else nothing there.
async fn nowhere(request: HttpRequest) -> Result<&'static str, Problem> {
    match openapi::route_table().allow(request.path()) {
        Some(methods) => Err(Problem::new(Slug::MethodNotAllowed).with_allow(methods)),
        None => Err(Problem::not_found()),
    }
}
