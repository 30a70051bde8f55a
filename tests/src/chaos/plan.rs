//! What a run is: its topology, how many take part, how long, and which faults strike when.

use super::dice::Dice;
use super::evidence::Millis;
use super::model::Pace;

/// What the servers stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One instance on SQLite, everything else in memory.
    Sqlite,
    /// One instance on Postgres and Redis.
    Postgres,
    /// Three instances on one Postgres and one Redis.
    PostgresThree,
}

/// Something that is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everybody asks at once; amid the answers an instance is killed, and started again two seconds later.
    KillAmidStreams,
    /// Redis forgets everything.
    FlushRedis,
    /// Redis stands still for five seconds.
    PauseRedis,
    /// Redis ends, and comes back empty three seconds later.
    RestartRedis,
    /// Postgres ends every session and comes back.
    RestartPostgres,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// All choices come from it.
    pub seed: u64,
    /// What the servers stand on.
    pub topology: Topology,
    /// Clients; one of twenty is a slow reader.
    pub clients: usize,
    /// Rooms that they share; each client is in one of them, and in a session of its own.
    pub rooms: usize,
    /// How long clients act and faults strike.
    pub busy_ms: Millis,
    /// Milliseconds between two acts of one client, at least and at most.
    pub act_ms: (u64, u64),
    /// How long a connection lives.
    pub life_ms: (u64, u64),
    /// Streams that must run when an instance is killed.
    pub streams_min: usize,
    /// How the model answers.
    pub pace: Pace,
    /// Faults and when they begin, in order.
    pub faults: Vec<(Millis, Fault)>,
}

impl Topology {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::PostgresThree => "postgres3",
        }
    }

    /// The topology of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sqlite, Self::Postgres, Self::PostgresThree].into_iter().find(|one| one.name() == name)
    }

    /// How many instances.
    pub const fn instances(self) -> usize {
        match self {
            Self::Sqlite | Self::Postgres => 1,
            Self::PostgresThree => 3,
        }
    }

    /// Faults that can strike it.
    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Sqlite => &[Fault::KillAmidStreams],
            Self::Postgres | Self::PostgresThree => &[
                Fault::KillAmidStreams,
                Fault::FlushRedis,
                Fault::PauseRedis,
                Fault::RestartRedis,
                Fault::RestartPostgres,
            ],
        }
    }
}

impl Plan {
    /// A run of about a minute, with each fault once.
    pub fn short(topology: Topology, seed: u64) -> Self {
        let faults = topology.faults();
        let begins = (0..).map(|n: u64| 4_000 + n * 7_000);
        let faults: Vec<_> = begins.zip(faults.iter().copied()).collect();
        let busy_ms = faults.last().map_or(0, |(at, _)| at + 8_000);
        let pace = Pace { token_ms: 250, tokens: (20, 50) };
        Self {
            seed,
            topology,
            clients: 120,
            rooms: 6,
            busy_ms,
            act_ms: (1_500, 4_500),
            life_ms: (3_000, 15_000),
            streams_min: 100,
            pace,
            faults,
        }
    }

    /// A run of so many seconds, with a drawn fault every twelve to twenty seconds.
    pub fn long(topology: Topology, seed: u64, clients: usize, seconds: u64) -> Self {
        let (dice, busy_ms) = (Dice::new(seed).of(0xFA17), seconds * 1_000);
        let mut faults = Vec::new();
        let mut at = 5_000;
        while at + 8_000 < busy_ms {
            faults.push((at, *dice.pick(topology.faults())));
            at += dice.between(12_000, 20_000);
        }
        let streams_min = 100.min(clients * 4 / 5);
        Self {
            clients,
            rooms: (clients / 20).max(1),
            busy_ms,
            streams_min,
            faults,
            ..Self::short(topology, seed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_has_every_fault_and_a_long_one_follows_its_seed() {
        let short = Plan::short(Topology::PostgresThree, 1);
        assert_eq!(short.faults.len(), 5);
        let long = |seed| Plan::long(Topology::Postgres, seed, 200, 120).faults;
        assert_eq!(long(5), long(5));
        assert_ne!(long(5), long(6));
        assert!(long(5).iter().all(|(at, _)| *at < 120_000));
    }

    #[test]
    fn a_topology_is_known_by_its_name() {
        for name in ["sqlite", "postgres", "postgres3"] {
            assert_eq!(Topology::named(name).map(Topology::name), Some(name));
        }
        assert_eq!(Topology::named("mysql"), None);
    }
}
