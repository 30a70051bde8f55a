//! The instances of a run, each behind a proxy for hasty connections and one for slow readers, which keep their
//! addresses when an instance dies and comes back on another port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tempfile::TempDir;

use super::dice::Dice;
use super::plan::{Plan, Topology};
use super::proxy::{Proxy, Weather};
use super::services::{PrivatePostgres, PrivateRedis};
use crate::process::{ServerProcess, ServerSettings};

/// The instances and what they stand on.
pub struct Fleet {
    settings: ServerSettings,
    instances: Vec<Place>,
    bases: Bases,
    /// Redis, where the topology has one.
    pub redis: Option<PrivateRedis>,
    /// Postgres, where the topology has one.
    pub postgres: Option<PrivatePostgres>,
    _folder: TempDir,
}

struct Place {
    server: Option<ServerProcess>,
    brisk: Proxy,
    slow: Proxy,
}

/// Base URLs of the instances; `None` while one is down.
#[derive(Clone, Default)]
pub struct Bases(Arc<RwLock<Vec<Option<String>>>>);

/// What a slow reader takes.
const SLOW_BYTES_PER_SECOND: usize = 1 << 10;

impl Bases {
    /// The instances that run now.
    pub fn running(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().flatten().cloned().collect()
    }

    fn set(&self, instance: usize, base: Option<String>) {
        let mut bases = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if bases.len() <= instance {
            bases.resize(instance + 1, None);
        }
        bases[instance] = base;
    }
}

impl Fleet {
    /// Starts everything that a plan's topology has.
    pub async fn start(binary: &Path, plan: &Plan, model: &str, dice: &Dice) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (redis, postgres) = match plan.topology {
            Topology::Sqlite => (None, None),
            Topology::Postgres | Topology::PostgresThree => {
                (Some(PrivateRedis::start()), Some(PrivatePostgres::start()))
            }
        };
        let count = plan.topology.instances();
        let binary = binary.to_str().expect("a path in UTF-8");
        let mut settings = lifted(ServerSettings::new(binary, folder.path()))
            .set("JIXIA_SERVER__REPLICAS", &count.to_string())
            .set("JIXIA_MODEL__URL", model);
        if let (Some(redis), Some(postgres)) = (&redis, &postgres) {
            settings = settings.set("JIXIA_STORE__URL", &postgres.url()).set("JIXIA_BUS__URL", &redis.url());
        }
        let bases = Bases::default();
        let mut fleet = Self { settings, instances: Vec::new(), bases, redis, postgres, _folder: folder };
        for instance in 0..count {
            let server = fleet.settings.start().await;
            let (address, place) = (address_of(&server), u64::try_from(instance).expect("a number"));
            let brisk = Proxy::start(address, Weather::CALM, dice.of(2 * place)).await.expect("a proxy");
            let trickle = Weather { bytes_per_second: Some(SLOW_BYTES_PER_SECOND), ..Weather::CALM };
            let slow = Proxy::start(address, trickle, dice.of(2 * place + 1)).await.expect("a proxy");
            fleet.bases.set(instance, Some(server.url("")));
            fleet.instances.push(Place { server: Some(server), brisk, slow });
        }
        fleet
    }

    /// Where the instances are, also later.
    pub fn bases(&self) -> Bases {
        self.bases.clone()
    }

    /// Where sockets connect: each instance's proxy.
    pub fn doors(&self, is_slow: bool) -> Vec<SocketAddr> {
        let door = |place: &Place| if is_slow { place.slow.address() } else { place.brisk.address() };
        self.instances.iter().map(door).collect()
    }

    /// How many instances there are.
    pub fn count(&self) -> usize {
        self.instances.len()
    }

    /// Lets the network be bad for all but slow readers, who have their trickle.
    pub fn set_weather(&self, weather: Weather) {
        self.instances.iter().for_each(|place| place.brisk.set_weather(weather));
    }

    /// Ends all trouble of the network, for slow readers too.
    pub fn calm(&self) {
        for place in &self.instances {
            place.brisk.set_weather(Weather::CALM);
            place.slow.set_weather(Weather::CALM);
        }
    }

    /// Ends an instance as a power cut would.
    pub fn kill(&mut self, instance: usize) {
        self.bases.set(instance, None);
        if let Some(server) = self.instances[instance].server.take() {
            server.kill();
        }
    }

    /// Starts a killed instance again.
    pub async fn revive(&mut self, instance: usize) {
        let server = self.settings.start().await;
        let address = address_of(&server);
        let place = &mut self.instances[instance];
        place.brisk.retarget(address);
        place.slow.retarget(address);
        self.bases.set(instance, Some(server.url("")));
        place.server = Some(server);
    }

    /// What `jixia ledger check --json` prints.
    pub fn ledger_check(&self) -> (bool, serde_json::Value) {
        self.settings.ledger_check()
    }
}

/// Rates of people would only slow the run down; sizes and times stay as they are.
fn lifted(settings: ServerSettings) -> ServerSettings {
    let unlimited = [
        "LIKES_PER_MINUTE",
        "CONNECTIONS_PER_USER",
        "CONNECTIONS_PER_IP",
        "FRAMES_PER_SECOND",
        "ROOM_ONLINE",
        "ROOM_SENDS_PER_SECOND",
    ];
    let settings = settings
        .set("JIXIA_AUTH__ACCESS_SECONDS", "86400")
        .set("JIXIA_BILLING__WELCOME_CREDITS", "1000000000000")
        .set("JIXIA_LOG__FILTER", "error");
    unlimited.iter().fold(settings, |settings, name| settings.set(&format!("JIXIA_LIMITS__{name}"), "0"))
}

fn address_of(server: &ServerProcess) -> SocketAddr {
    let url = server.url("");
    url.trim_start_matches("http://").parse().expect("a server's address")
}
