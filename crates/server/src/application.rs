//! The running server: built from a configuration, run until it is stopped.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use anyhow::Context;
use api::{ApiSettings, Gateway, Services, SocketSettings, TrustedProxies};
use chat::ChatService;
use kernel::{Clock, Entropy};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::compose::{self, Composition, Foundation, Gateways};
use crate::config::{Config, Profile};
use crate::system::{OsEntropy, SystemClock, TrackedTasks};
use crate::worker::Worker;
use crate::{secrets, telemetry};

/// A client that has not sent its head in this time is not served.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed after this; longer than a proxy's usual minute, so that the proxy closes first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// What a client's system does not take in for so long, its client never will.
const UNTAKEN_LONGEST: Duration = Duration::from_mins(1);
const BACKLOG: u32 = 2_048;
const METRICS_UPKEEP: Duration = Duration::from_secs(5);
const CLOCK_CHECK: Duration = Duration::from_mins(1);

/// What a test may put in the place of the system's own.
#[derive(Default)]
pub struct Hooks {
    /// Time.
    pub clock: Option<Arc<dyn Clock>>,
    /// Randomness.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// Providers of payment.
    pub gateways: Option<Gateways>,
    /// Leaves the worker to be driven step by step through [`Application::worker`].
    pub without_worker: bool,
}

/// A server that is bound to its port and ready to run.
pub struct Application {
    addr: SocketAddr,
    server: Server,
    composition: Composition,
    gateway: Arc<Gateway>,
    system_clock: Arc<SystemClock>,
    tasks: TrackedTasks,
    /// Cancelled when the server begins to stop.
    stopping: CancellationToken,
    stop_longest: Duration,
    runs_worker: bool,
}

impl Application {
    /// Builds everything that the configuration names, migrates, and binds the port.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        Self::build_with(config, Hooks::default()).await
    }

    /// The same with what a test puts in place.
    pub async fn build_with(config: Config, hooks: Hooks) -> anyhow::Result<Self> {
        config.check()?;
        let listener = listen(config.http.listen)?;
        let stopping = CancellationToken::new();
        let tasks = TrackedTasks::on(tokio::runtime::Handle::current());
        let system_clock = Arc::new(SystemClock::default());
        let runs_worker = !hooks.without_worker;
        let clock: Arc<dyn Clock> = match hooks.clock {
            Some(clock) => clock,
            None => Arc::<SystemClock>::clone(&system_clock),
        };
        let entropy = hooks.entropy.unwrap_or_else(|| Arc::new(OsEntropy));
        let mut foundation = foundation(&config, (clock, entropy), tasks.clone(), stopping.clone())?;
        foundation.gateways = hooks.gateways;
        let composition = compose::compose(&config, foundation).await?;
        let addr = listener.local_addr()?;
        let settings = settings(&config)?;
        let gateway = Gateway::new(&composition.services, &settings);
        let api = (composition.services.clone(), settings, Arc::clone(&gateway));
        let server = serve(&config, listener, api)?;
        let stop_longest = Duration::from_secs(u64::from(config.server.stop_seconds));
        composition.correct(&system_clock).await;
        composition.services.auth.start();
        composition.worker.renew_lease().await;
        Ok(Self {
            addr,
            server,
            composition,
            gateway,
            system_clock,
            tasks,
            stopping,
            stop_longest,
            runs_worker,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The services behind the API.
    pub fn services(&self) -> &Services {
        &self.composition.services
    }

    /// The sockets.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The background work, to be driven by a test.
    pub fn worker(&self) -> &Worker {
        &self.composition.worker
    }

    /// Serves until `stop` is cancelled; then accepts nothing more, waits for what is running, and gives up the
    /// lease, so that another instance may finish the rest at once.
    pub async fn run_until_stopped(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            server,
            composition,
            gateway,
            system_clock,
            tasks,
            stopping,
            stop_longest,
            runs_worker,
            ..
        } = self;
        // The lease is renewed until nothing runs any more; else others would take over what still does.
        let quiet = CancellationToken::new();
        let worker = composition.worker.clone();
        let background = async {
            if runs_worker {
                tokio::join!(
                    worker.run(quiet.clone()),
                    quiet.run_until_cancelled(keep_correct(&composition, &system_clock))
                );
            }
        };
        let serving = async {
            let chat = Arc::clone(&composition.services.chat);
            let parts = Parts { tasks, chat, gateway };
            let served = serve_until(server, &stop, &stopping, parts, stop_longest).await;
            quiet.cancel();
            served
        };
        let (served, ()) = tokio::join!(serving, background);
        composition.close().await;
        served.context("the HTTP server failed")
    }
}

/// A machine's clock is set now and then, and a correction that was right before is wrong after.
async fn keep_correct(composition: &Composition, clock: &SystemClock) {
    loop {
        tokio::time::sleep(CLOCK_CHECK).await;
        composition.correct(clock).await;
    }
}

/// Of the time to stop in, so much is kept to close what did not end by itself.
const CLOSING: Duration = Duration::from_secs(5);

/// What has to end with the server.
struct Parts {
    tasks: TrackedTasks,
    chat: Arc<ChatService>,
    gateway: Arc<Gateway>,
}

/// Sockets are sent away over a part of the time, so that their clients do not all come back at once.
fn drain_window(longest: Duration) -> Duration {
    (longest.saturating_sub(CLOSING) / 3).clamp(DRAIN_LEAST, DRAIN_MOST)
}

const DRAIN_LEAST: Duration = Duration::from_millis(200);
const DRAIN_MOST: Duration = Duration::from_secs(10);

/// Runs the server to its end, and after it what requests have left running. Replies that are not whole when the
/// time is nearly over are closed with the text they have.
async fn serve_until(
    server: Server,
    stop: &CancellationToken,
    stopping: &CancellationToken,
    Parts { tasks, chat, gateway }: Parts,
    longest: Duration,
) -> std::io::Result<()> {
    let handle = server.handle();
    let mut server = std::pin::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = stop.cancelled() => None,
    };
    stopping.cancel();
    gateway.drain(drain_window(longest));
    let deadline = tokio::time::Instant::now() + longest;
    let closing = async {
        tokio::time::sleep(longest.saturating_sub(CLOSING)).await;
        chat.hand_over();
        std::future::pending::<()>().await;
    };
    let ending = async {
        match ended {
            Some(ended) => ended,
            None => tokio::join!(handle.stop(true), server).1,
        }
    };
    let rest = async {
        let outcome = ending.await;
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        (outcome, tasks.finish(left).await)
    };
    let (outcome, finished) = tokio::select! {
        done = rest => done,
        () = closing => return Ok(()),
    };
    if !finished {
        let left = tasks.count();
        tracing::warn!(
            left,
            "stopping with {left} tasks at work; another instance or the next start finishes them"
        );
    }
    outcome
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen on {address}"))?;
    Ok(socket.listen(BACKLOG)?.into_std()?)
}

fn foundation(
    config: &Config,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    tasks: TrackedTasks,
    stopping: CancellationToken,
) -> anyhow::Result<Foundation> {
    secrets::create_private_dir(&config.data.dir)
        .with_context(|| format!("cannot create {}", config.data.dir.display()))?;
    let metrics = telemetry::metrics()?;
    keep_metrics_small(&metrics, &stopping);
    Ok(Foundation {
        clock,
        entropy,
        lasting_tasks: tasks.lasting(stopping.clone()),
        tasks: Arc::new(tasks),
        stopping,
        metrics: Arc::new(move || metrics.render()),
        gateways: None,
    })
}

/// Moves the histograms' samples into their buckets now and then, also when nobody reads the metrics.
fn keep_metrics_small(metrics: &metrics_exporter_prometheus::PrometheusHandle, stopping: &CancellationToken) {
    let (metrics, stopping) = (metrics.clone(), stopping.clone());
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the server and holds nothing that must be finished"
    )]
    tokio::spawn(async move {
        while tokio::time::timeout(METRICS_UPKEEP, stopping.cancelled()).await.is_err() {
            metrics.run_upkeep();
        }
    });
}

fn serve(
    config: &Config,
    listener: TcpListener,
    (services, settings, gateway): (Services, ApiSettings, Arc<Gateway>),
) -> anyhow::Result<Server> {
    let http = HttpServer::new(move || api::app(&services, &settings, &gateway))
        .workers(workers(config.http.workers))
        .tcp_nodelay(true)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .on_connect(|connection, _extensions| give_up_on_the_deaf(connection))
        .shutdown_timeout(u64::from(config.server.stop_seconds).saturating_sub(CLOSING.as_secs()).max(1))
        .disable_signals()
        .listen(listener)?;
    Ok(http.run())
}

/// A client that takes in nothing for so long is cut off by the system: a response that cannot be written is not
/// asked for more, so nobody else would notice.
fn give_up_on_the_deaf(connection: &dyn Any) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>()
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(UNTAKEN_LONGEST))
    {
        tracing::debug!(%error, "a connection has no limit of its own for what is not taken in");
    }
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    }
}

fn settings(config: &Config) -> anyhow::Result<ApiSettings> {
    let networks: Result<Vec<_>, _> = config.http.trusted_proxies.iter().map(|text| text.parse()).collect();
    Ok(ApiSettings {
        body_bytes_max: config.limits.body_bytes,
        page_size_max: config.limits.page_size,
        history_page_max: config.limits.history_size,
        requests_per_minute: config.limits.requests_per_minute,
        event_streams_per_user: config.limits.connections_per_user,
        allowed_origins: config.http.cors_origins.clone(),
        trusted_proxies: TrustedProxies::new(networks.context("http.trusted_proxies")?),
        aigc_producer: config.compliance.producer.clone(),
        version: crate::cli::version().to_owned(),
        socket: SocketSettings {
            frame_bytes: config.limits.frame_bytes,
            connections_per_user: config.limits.connections_per_user,
            connections_per_ip: config.limits.connections_per_ip,
            rooms_per_connection: config.limits.rooms_per_connection,
            frames_per_second: config.limits.frames_per_second,
            frames_burst: config.limits.frames_burst,
            events_size: config.limits.events_size,
            checks_origin: config.server.profile == Profile::Production,
        },
    })
}
