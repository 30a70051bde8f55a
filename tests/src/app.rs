//! The whole server for a test, on a port of its own, and people who call it over HTTP.
//!
//! Two profiles: embedded is SQLite, in-process bus and the offline model; production is Postgres, Redis and an
//! OpenAI-compatible endpoint, which a test can script. What a profile does not need is not started.

mod events;
mod index;
mod person;
mod socket;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use api::Gateway;
use auth::{Role, Standing};
use billing::Channel;
use kernel::{Clock, ManualClock};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use server::application::{Application, Hooks};
use server::compose::{Console, Gateways};
use server::config::{Config, Sources};
use server::worker::Worker;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::backends::{self, Backend};
use crate::fakes::openai::FakeOpenAi;
use crate::fakes::provider::FakeProvider;
use crate::fakes::wechat::{self, FakeWechat};

pub use events::{Event, Events, text_of};
pub use person::Person;
pub use socket::Socket;

/// What the server stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// SQLite, memory, offline model.
    Embedded,
    /// Postgres, Redis, a model endpoint.
    Production,
}

/// A running server.
pub struct TestApp {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub base: String,
    /// The model endpoint, where the server has one.
    pub model: Option<FakeOpenAi>,
    client: Client,
    config: Config,
    server: Served,
    clock: Option<Arc<dyn Clock>>,
    gateways: Option<Gateways>,
    _guards: Guards,
}

/// What a server stands on; it must live as long as the server.
struct Place {
    config: Config,
    model: Option<FakeOpenAi>,
    guards: Guards,
}

struct Guards {
    _folder: TempDir,
    _database: Option<Backend>,
    _wechat: Option<FakeWechat>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The JSON body; `Null` if it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Secrets of the production profile in tests.
const SECRETS: [(&str, &str); 4] = [
    ("JIXIA_AUTH__SIGNING_KEY", "TSaKsRR6/lqjhCNEqKlihjWRkGpaWp8rct3ePkM44JI="),
    ("JIXIA_AUTH__REFRESH_SECRET", "V/vqRcHBxuobq6rAhy9REn4VB1DJr3djPXqJmCzYlK8="),
    ("JIXIA_AUTH__PASSWORD_PEPPER", "8d5B1khbAQCsyteGHNFaxRdN5RTZStyO8mKW/Q/138A="),
    ("JIXIA_AUTH__ENCRYPTION_KEY", "Sdubsa2Vdv31cSSqWXxP8pH6smJgTRSBD60ZafcovLs="),
];

impl TestApp {
    /// A server of this profile, with limits that no test meets by chance.
    pub async fn start(profile: Profile) -> Self {
        Self::with(profile, |_| ()).await
    }

    /// The same, with a change to its configuration.
    pub async fn with(profile: Profile, change: impl FnOnce(&mut Config)) -> Self {
        Place::of(profile, None).await.start(change, None, None).await
    }

    /// A server of this profile on a clock that the test drives; its own waiting stands still with it.
    pub async fn on_clock(profile: Profile, clock: Arc<ManualClock>) -> Self {
        let clock: Arc<dyn Clock> = clock;
        Place::of(profile, None).await.start(|_| (), Some(clock), None).await
    }

    /// A server of this profile on a clock that the test drives, with a scripted model in any case.
    pub async fn on_clock_with_model(profile: Profile, clock: Arc<ManualClock>) -> Self {
        let (clock, model): (Arc<dyn Clock>, _) = (clock, FakeOpenAi::start().await);
        Place::of(profile, Some(model)).await.start(|_| (), Some(clock), None).await
    }

    /// A server of this profile that has a scripted model in any case.
    pub async fn with_model(profile: Profile, change: impl FnOnce(&mut Config)) -> Self {
        let model = Some(FakeOpenAi::start().await);
        Place::of(profile, model).await.start(change, None, None).await
    }

    /// A server of this profile whose people pay by WeChat Pay, which the test drives; on a clock that it drives too.
    pub async fn with_provider(profile: Profile, clock: Arc<ManualClock>) -> (Self, FakeProvider) {
        let provider = FakeProvider::new(Channel::WechatPay);
        let gateway: Arc<dyn billing::PaymentGateway> = Arc::new(provider.clone());
        let (gateways, clock): (_, Arc<dyn Clock>) = ([(Channel::WechatPay, gateway)].into(), clock);
        let place = Place::of(profile, None).await;
        (
            place.start(|config| config.limits.requests_per_minute = 0, Some(clock), Some(gateways)).await,
            provider,
        )
    }

    /// The same on its own time, with files that its operator has put into the data directory.
    pub async fn with_files(profile: Profile, files: &[(&str, &str)], provider: FakeProvider) -> Self {
        let gateway: Arc<dyn billing::PaymentGateway> = Arc::new(provider);
        let gateways = [(Channel::WechatPay, gateway)].into();
        let place = Place::of(profile, None).await;
        std::fs::create_dir_all(&place.config.data.dir).expect("a data directory");
        for (name, text) in files {
            std::fs::write(place.config.data.dir.join(name), text).expect("a file");
        }
        place.start(|_| (), None, Some(gateways)).await
    }

    /// Stops the server as SIGTERM does and starts another on the same data.
    pub async fn restart(&mut self) {
        self.server.stop.cancel();
        if let Some(running) = self.server.running.take() {
            let ended = tokio::task::spawn_blocking(|| running.join()).await.expect("a thread to wait");
            ended.expect("the server does not panic").expect("the server stops in order");
        }
        self.server = serve(self.config.clone(), self.clock.clone(), self.gateways.clone()).await;
        self.base.clone_from(&self.server.base);
    }

    /// The server's sockets.
    pub fn gateway(&self) -> &Gateway {
        &self.server.gateway
    }

    /// One round of the server's background work, in the test's time.
    pub async fn sweep(&self) {
        self.server.worker.sweep().await;
    }

    /// The model endpoint.
    pub fn endpoint(&self) -> &FakeOpenAi {
        self.model.as_ref().expect("this server has a model endpoint")
    }

    /// A request that nobody has signed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A GET that nobody has signed.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// A POST that nobody has signed.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// A person who has just registered.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "nickName": name });
        let registered = self.post("/api/auth/register", &body).await;
        assert_eq!(registered.status, 200, "{}", registered.text);
        self.signed_in(&registered)
    }

    /// A person who may administer the server.
    pub async fn operator(&self, name: &str) -> Person {
        let person = self.person(name).await;
        let console = Console::open(&self.config).await.expect("a console");
        let promoted = console.set_standing(&person.id, |old| Standing { role: Role::Admin, ..old }).await;
        promoted.expect("an account");
        console.close().await;
        // The role is part of the token.
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        self.signed_in(&self.post("/api/auth/email-login", &body).await)
    }

    /// Bans a person in the database, as a program does whose news the server cannot hear.
    pub async fn ban_unheard(&self, person: &Person) {
        let mut config = self.config.clone();
        "memory:".clone_into(&mut config.bus.url);
        let console = Console::open(&config).await.expect("a console");
        let banned = console.set_standing(&person.id, |old| Standing { disabled: true, ..old }).await;
        banned.expect("an account");
        console.close().await;
    }

    /// The folder of the server's data.
    pub fn data_dir(&self) -> &Path {
        &self.config.data.dir
    }

    /// The person of an answer that carries tokens.
    pub fn signed_in(&self, answer: &Answer) -> Person {
        Person::new(self.client.clone(), self.base.clone(), &answer.body["data"])
    }
}

impl Place {
    async fn of(profile: Profile, model: Option<FakeOpenAi>) -> Self {
        match profile {
            Profile::Embedded => Self::embedded(model),
            Profile::Production => Self::production(model).await,
        }
    }

    fn embedded(model: Option<FakeOpenAi>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = load(&[]);
        config.data.dir = folder.path().join("data");
        if let Some(model) = &model {
            config.model.url = model.url();
        }
        Self { config, model, guards: Guards { _folder: folder, _database: None, _wechat: None } }
    }

    async fn production(model: Option<FakeOpenAi>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (database, redis) = (backends::postgres().await, backends::redis());
        let wechat = FakeWechat::start();
        let model = match model {
            Some(model) => model,
            None => FakeOpenAi::start().await,
        };
        let mut config = load(&SECRETS);
        config.server.profile = server::config::Profile::Production;
        config.data.dir = folder.path().join("data");
        config.store.url.clone_from(&database.url);
        (config.store.postgres_readers, config.store.postgres_writers) = (3, 6);
        (config.bus.url, config.bus.prefix) = (redis.url, redis.prefix);
        config.model.url = model.url();
        config.payment.url.clear();
        wechat::APP_ID.clone_into(&mut config.wechat.app_id);
        config.wechat.app_secret = Some(wechat::APP_SECRET.to_owned().into());
        wechat.url().clone_into(&mut config.wechat.base_url);
        let guards = Guards { _folder: folder, _database: Some(database), _wechat: Some(wechat) };
        Self { config, model: Some(model), guards }
    }

    async fn start(
        self,
        change: impl FnOnce(&mut Config),
        clock: Option<Arc<dyn Clock>>,
        gateways: Option<Gateways>,
    ) -> TestApp {
        let Self { mut config, model, guards } = self;
        change(&mut config);
        let client = Client::builder().no_proxy().timeout(CALL_TIMEOUT).build().expect("an HTTP client");
        index::lend(&config.data.dir);
        let server = serve(config.clone(), clock.clone(), gateways.clone()).await;
        let base = server.base.clone();
        index::keep(&config.data.dir);
        TestApp { base, model, client, config, server, clock, gateways, _guards: guards }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.stop.cancel();
    }
}

/// A server that runs.
struct Served {
    base: String,
    stop: CancellationToken,
    gateway: Arc<Gateway>,
    worker: Worker,
    running: Option<Running>,
}

/// The password of every test person.
pub const PASSWORD: &str = "有朋自远方来不亦乐乎";

fn load(variables: &[(&str, &str)]) -> Config {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut config = Sources { variables, ..Sources::default() }.load().expect("the defaults are sound");
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.http.workers = 1;
    config.server.stop_seconds = 5;
    config.auth.bcrypt_cost = 4;
    config.limits.registrations_per_hour = 0;
    // What things cost must not depend on when a test runs.
    config.billing.peak_hours.clear();
    config
}

type Running = JoinHandle<anyhow::Result<()>>;

/// A server on a thread of its own, since its future cannot move between threads; its tasks run on the test's runtime.
async fn serve(config: Config, clock: Option<Arc<dyn Clock>>, gateways: Option<Gateways>) -> Served {
    let hooks = Hooks { clock, gateways, ..Hooks::default() };
    let application = Application::build_with(config, hooks).await.expect("the server starts");
    let base = format!("http://{}", application.addr());
    let stop = CancellationToken::new();
    let (gateway, worker) = (Arc::clone(application.gateway()), application.worker().clone());
    let (runtime, stopped) = (Handle::current(), stop.clone());
    let running = std::thread::spawn(move || runtime.block_on(application.run_until_stopped(stopped)));
    Served { base, stop, gateway, worker, running: Some(running) }
}

/// Sends a request and reads the answer whole.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    read(response).await
}

async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a whole body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

impl Answer {
    /// The envelope's content; anything but a success fails the test.
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.body["code"], 200, "{}", self.text);
        &self.body["data"]
    }

    /// Status and slug of an error, in its envelope.
    pub fn error(&self) -> (u16, &str) {
        assert_eq!(self.body["code"], self.status, "{}", self.text);
        assert_eq!(self.body["requestId"].as_str(), self.header("x-request-id"), "{}", self.text);
        assert!(self.body["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", self.text);
        (self.status, self.body["error"].as_str().unwrap_or_else(|| panic!("no error in {}", self.text)))
    }

    /// Field and rule of a validation error with one field.
    pub fn invalid(&self) -> (&str, &str) {
        assert_eq!(self.error(), (422, "validation_failed"), "{}", self.text);
        let field = &self.body["data"]["fields"][0];
        (field["field"].as_str().unwrap_or_default(), field["rule"].as_str().unwrap_or_default())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
