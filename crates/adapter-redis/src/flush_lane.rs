//! Flushes of many replies, many to a round trip.
//!
//! Each growing reply flushes twenty times a second. Sent one by one, each would take a connection of its own to Redis
//! and two journeys through the kernel; one task sends what waits as one pipeline, and the next one gathers meanwhile.
//! A lone flush waits for nobody. Every script is still its own moment in Redis' order.

use kernel::PortError;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{mpsc, oneshot};

use crate::connection::{RedisConnection, SYSTEM, port_error};

/// Flushes of one pipeline.
const BATCH_MAX: usize = 128;
/// Flushes that wait for the next one; more are refused.
const WAITING_MAX: usize = 4_096;

struct Waiting {
    command: Cmd,
    answer: oneshot::Sender<Result<i64, PortError>>,
}

/// The way to the sending task, which ends after its last flush when all of these are dropped.
#[derive(Clone)]
pub(crate) struct FlushLane {
    queue: mpsc::Sender<Waiting>,
}

impl FlushLane {
    /// Starts the task on the current tokio runtime. Every command calls this script by its hash.
    pub(crate) fn start(connection: RedisConnection, script: &'static str) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        #[expect(clippy::disallowed_methods, reason = "this task is the lane's own and ends with it")]
        tokio::spawn(send_all(connection, script, waiting));
        Self { queue }
    }

    /// Queues a call of the script and waits for its answer. Whoever stops waiting takes nothing back.
    pub(crate) async fn call(&self, command: Cmd) -> Result<i64, PortError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { command, answer })
            .map_err(|refused| PortError::unavailable(SYSTEM, refused.to_string()))?;
        answered.await.map_err(|gone| PortError::unavailable(SYSTEM, gone))?
    }
}

async fn send_all(connection: RedisConnection, script: &'static str, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let unknown = send(&connection, std::mem::take(&mut waiting)).await;
        if unknown.is_empty() {
            continue;
        }
        // Redis was emptied or restarted: what it does not know it has not run.
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script);
        if let Err(error) = connection.query::<String>(&load).await {
            answer_all(unknown, &error);
            continue;
        }
        for again in send(&connection, unknown).await {
            let unknown = PortError::unavailable(SYSTEM, "a script is unknown right after it was loaded");
            reply(again.answer, Err(unknown));
        }
    }
}

/// Sends a batch and answers it, but for those whose script Redis does not know.
async fn send(connection: &RedisConnection, batch: Vec<Waiting>) -> Vec<Waiting> {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for Waiting { command, .. } in &batch {
        pipeline.add_command(command.clone());
    }
    let outcomes: Vec<RedisResult<i64>> = match connection.run_each(&pipeline).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            answer_all(batch, &error);
            return Vec::new();
        }
    };
    let mut unknown = Vec::new();
    for (waiting, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Err(error) if is_unknown_script(&error) => unknown.push(waiting),
            outcome => reply(waiting.answer, outcome.map_err(port_error)),
        }
    }
    unknown
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// One failure for all.
fn answer_all(batch: Vec<Waiting>, error: &PortError) {
    for Waiting { answer, .. } in batch {
        let cause = error.to_string();
        let shared = match error {
            PortError::Unavailable { system, .. } => PortError::unavailable(system, cause),
            PortError::Full { system, .. } => PortError::full(system, cause),
            PortError::Corrupt { system, .. } => PortError::corrupt(system, cause),
            PortError::Rejected { system, .. } => PortError::rejected(system, cause),
        };
        reply(answer, Err(shared));
    }
}

/// A caller that has gone needs no answer.
fn reply(answer: oneshot::Sender<Result<i64, PortError>>, outcome: Result<i64, PortError>) {
    let _caller_has_gone = answer.send(outcome);
}
