//! A run from its first client to its report: clients act, faults strike by the plan, then all is quiet, everybody
//! catches up, and the evidence is gathered.

use std::path::Path;
use std::time::Duration;

use kernel::Clock;
use server::system::SystemClock;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep};

use super::checker::LEASE_MS;
use super::client::{Board, Client, Surroundings};
use super::dice::Dice;
use super::evidence::{ClientRecord, Evidence, Item, Kill, LedgerReport, Millis, What};
use super::fleet::Fleet;
use super::model::Model;
use super::plan::{Fault, Plan};
use super::proxy::Weather;
use super::report::Report;
use super::stage::Stage;
use super::truth::Reader;

/// The time of a run, the same for all who take part.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    start: Instant,
    began_at: u64,
}

impl RunClock {
    /// Begins now.
    pub fn start() -> Self {
        let now = SystemClock::default().now().as_millis();
        Self { start: Instant::now(), began_at: u64::try_from(now).expect("a time after 1970") }
    }

    /// When it began, in milliseconds since 1970.
    pub fn began_at(&self) -> u64 {
        self.began_at
    }

    /// Since the beginning.
    pub fn now(&self) -> Millis {
        u64::try_from(self.start.elapsed().as_millis()).expect("a run's length")
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everybody acts.
    Busy,
    /// The same, and everybody asks in their session once for each number.
    Storm(u64),
    /// Nobody begins anything; what was begun is ended.
    Quiet,
    /// Everybody goes.
    Over,
}

/// So many percent of cut connections are not reset but fall silent: either side notices after 35 s.
const SILENT_PERCENT: u64 = 2;
const QUIET_MAX: Duration = Duration::from_mins(2);
/// A connection that fell silent is noticed after 35 s.
const EMPTY_MAX: Duration = Duration::from_secs(75);
/// A hold expires after 120 s.
const HOLDS_MAX: Duration = Duration::from_secs(150);
const STORM_MAX: Duration = Duration::from_mins(1);

struct Run<'a> {
    plan: &'a Plan,
    dice: Dice,
    clock: RunClock,
    fleet: Fleet,
    model: Model,
    reader: Reader,
    phase: watch::Sender<Phase>,
    board: Board,
    kills: Vec<Kill>,
    storms: Vec<usize>,
}

/// Runs a plan with this server binary.
pub async fn run(plan: &Plan, binary: &Path) -> Report {
    let (dice, clock) = (Dice::new(plan.seed), RunClock::start());
    let model = Model::start(plan.pace, dice.of(1), clock).await;
    let fleet = Fleet::start(binary, plan, &model.url(), &dice.of(2)).await;
    let reader = Reader::new(fleet.bases());
    let stage = Stage::set(&reader, plan.clients, plan.rooms).await;
    let (phase, board) = (watch::Sender::new(Phase::Quiet), Board::default());
    let (kills, storms) = Default::default();
    let mut run = Run { plan, dice, clock, fleet, model, reader, phase, board, kills, storms };
    let clients = run.send_in(&stage);
    run.busy().await;
    run.quiet(&stage).await;
    run.gather(&stage, clients).await
}

impl Run<'_> {
    fn send_in(&self, stage: &Stage) -> JoinSet<ClientRecord> {
        let mut clients = JoinSet::new();
        for (number, who) in stage.people.iter().enumerate() {
            let is_slow = number % 20 == 19;
            let surroundings = Surroundings {
                doors: self.fleet.doors(is_slow),
                reader: self.reader.clone(),
                clock: self.clock,
                phase: self.phase.subscribe(),
                board: self.board.clone(),
                act_ms: self.plan.act_ms,
            };
            let dice = self.dice.of(1_000 + u64::try_from(number).expect("a number"));
            clients.spawn(Client::new(number, who.clone(), surroundings, dice).live());
        }
        clients
    }

    /// Everybody acts, connections break, and faults strike at their times.
    async fn busy(&mut self) {
        // The first joins are part of what is looked at, but nobody says anything before they are done.
        self.wait(Duration::from_secs(30), |run| run.board.all().len() == run.plan.clients).await;
        let begun = self.clock.now();
        self.phase.send_replace(Phase::Busy);
        let weather =
            Weather { life_ms: Some(self.plan.life_ms), silent_percent: SILENT_PERCENT, ..Weather::CALM };
        self.fleet.set_weather(weather);
        for (at, fault) in &self.plan.faults {
            self.sleep_until(begun + at).await;
            self.strike(*fault).await;
        }
        self.sleep_until(begun + self.plan.busy_ms).await;
    }

    async fn strike(&mut self, fault: Fault) {
        println!("{:>7} ms  {fault:?}", self.clock.now());
        match fault {
            Fault::KillAmidStreams => self.kill_amid_streams().await,
            Fault::FlushRedis => {
                if let Some(redis) = &self.fleet.redis {
                    block_in_place(|| redis.flush());
                }
            }
            Fault::PauseRedis => {
                if let Some(redis) = &self.fleet.redis {
                    redis.pause();
                    sleep(Duration::from_secs(5)).await;
                    redis.resume();
                }
            }
            Fault::RestartRedis => {
                if let Some(redis) = &mut self.fleet.redis {
                    redis.stop();
                    sleep(Duration::from_secs(3)).await;
                    block_in_place(|| redis.restart());
                }
            }
            Fault::RestartPostgres => self.restart_postgres(),
        }
    }

    async fn kill_amid_streams(&mut self) {
        let storm = u64::try_from(self.storms.len()).expect("a number") + 1;
        self.phase.send_replace(Phase::Storm(storm));
        self.model.hold(true);
        self.wait(STORM_MAX, |run| run.model.speaking() >= run.plan.streams_min).await;
        let count = u64::try_from(self.fleet.count()).expect("a number");
        let victim = usize::try_from(self.dice.of(3 + storm).below(count)).expect("an index");
        self.storms.push(self.model.speaking());
        let at = self.clock.now();
        block_in_place(|| self.fleet.kill(victim));
        println!("{at:>7} ms  killed {victim} amid {:?} streams", self.storms.last());
        self.model.hold(false);
        self.phase.send_replace(Phase::Busy);
        sleep(Duration::from_secs(2)).await;
        self.fleet.revive(victim).await;
        let curable_from = if count > 1 { at } else { self.clock.now() };
        self.kills.push(Kill { at, curable_from });
    }

    fn restart_postgres(&mut self) {
        let Some(postgres) = &self.fleet.postgres else { return };
        let begun = self.clock.now();
        block_in_place(|| {
            postgres.stop();
            postgres.begin();
        });
        // Nobody could renew a lease meanwhile, so that nobody's silence is taken for death before another lease.
        let curable_from = self.clock.now() + LEASE_MS;
        for kill in self.kills.iter_mut().filter(|kill| kill.at + 2 * LEASE_MS > begun) {
            kill.curable_from = kill.curable_from.max(curable_from);
        }
    }

    /// Nobody begins anything more, and everybody gets what they lack, on the connections that they have.
    async fn quiet(&mut self, stage: &Stage) {
        self.phase.send_replace(Phase::Quiet);
        self.fleet.calm();
        let until = Instant::now() + QUIET_MAX;
        while Instant::now() < until {
            let heads = self.heads(stage).await;
            let is_whole = self.model.speaking() == 0
                && self.board.all().values().all(|standing| {
                    standing.waiting == 0
                        && standing.last.iter().all(|(room, last)| heads.get(room) == Some(last))
                });
            if is_whole && heads == self.heads(stage).await {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        println!("{:>7} ms  quiet", self.clock.now());
    }

    async fn heads(&self, stage: &Stage) -> std::collections::BTreeMap<String, u64> {
        let mut heads = std::collections::BTreeMap::new();
        for person in &stage.people {
            for room in [&person.room, &person.session] {
                if !heads.contains_key(room) {
                    let page = self.reader.page(room, u64::from(u32::MAX), &person.token).await;
                    heads.insert(room.clone(), page.head);
                }
            }
        }
        heads
    }

    async fn gather(mut self, stage: &Stage, clients: JoinSet<ClientRecord>) -> Report {
        let mut evidence = Evidence::default();
        let mut observer = ClientRecord { client: stage.people.len(), ..ClientRecord::default() };
        for person in &stage.people {
            for (room, is_session) in [(&person.room, false), (&person.session, true)] {
                if evidence.rooms.iter().all(|log| log.room != *room) {
                    let asked_at = self.clock.now();
                    let (log, markers) = self.reader.log(room, is_session, &person.token).await;
                    let what = What::Served { asked_at, markers };
                    observer.items.push(Item { at: self.clock.now(), what });
                    evidence.rooms.push(log);
                }
            }
        }
        self.phase.send_replace(Phase::Over);
        evidence.clients = clients.join_all().await;
        evidence.clients.sort_by_key(|client| client.client);
        evidence.clients.push(observer);
        evidence.prompts = self.model.prompts();
        evidence.gauges = self.gauges_at_rest().await;
        evidence.ledger = Some(self.ledger().await);
        evidence.began_at = self.clock.began_at();
        evidence.kills = std::mem::take(&mut self.kills);
        Report::of(self.plan, &evidence, self.storms)
    }

    async fn gauges_at_rest(&self) -> Vec<super::evidence::Gauge> {
        let until = Instant::now() + EMPTY_MAX;
        loop {
            let gauges = self.reader.gauges().await;
            if gauges.iter().all(|gauge| gauge.value == Some(0)) || Instant::now() > until {
                return gauges;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// A hold whose instance died before it had a reply is freed when it expires.
    async fn ledger(&self) -> LedgerReport {
        let until = Instant::now() + HOLDS_MAX;
        loop {
            let (ok, report) = block_in_place(|| self.fleet.ledger_check());
            let number = |name: &str| report[name].as_i64().unwrap_or(-1);
            let report = LedgerReport { ok, open_holds: number("openHolds"), imbalance: number("imbalance") };
            if report.open_holds == 0 || Instant::now() > until {
                return report;
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    async fn sleep_until(&self, at: Millis) {
        sleep(Duration::from_millis(at.saturating_sub(self.clock.now()))).await;
    }

    async fn wait(&self, at_most: Duration, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + at_most;
        while Instant::now() < until && !is_so(self) {
            sleep(Duration::from_millis(50)).await;
        }
    }
}
