//! People's messages, many to a commit.
//!
//! A commit waits for the disk; appended one by one, a busy room would wait for it with each message. One task
//! takes whatever waits, writes it in one transaction and answers every caller. The next batch gathers meanwhile,
//! so batches grow with the load and a lone message waits for nobody.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chat::ports::{AppendOutcome, NewMessage};
use kernel::PortError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::append_message::append_batch;
use crate::detached::detached;
use crate::error::unavailable;
use crate::store::SqlStore;

/// Messages of one transaction: enough to share its cost, few enough that its locks are short.
const BATCH_MAX: usize = 256;
/// Messages that wait for the next transaction; more are refused.
const WAITING_MAX: usize = 4_096;

/// Messages that come in such short order are not the only ones: a commit less than this ago means that the next
/// ones will not be long.
const BUSY_WITHIN: Duration = Duration::from_millis(20);
/// Then a batch begins at least so long after the one before. A lone message waits for nobody.
const GATHER: Duration = Duration::from_millis(10);

type Answer = oneshot::Sender<Result<AppendOutcome, PortError>>;

struct Waiting {
    message: NewMessage,
    answer: Answer,
}

/// The way to the committing task, which ends after its last message when this is dropped.
pub(crate) struct GroupCommit {
    queue: mpsc::Sender<Waiting>,
}

impl GroupCommit {
    /// Starts the task on the current tokio runtime.
    pub(crate) fn start(store: SqlStore) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        #[expect(
            clippy::disallowed_methods,
            reason = "this task is the adapter's own supervisor, and ends with it"
        )]
        tokio::spawn(commit_all(store, waiting));
        Self { queue }
    }

    /// Queues a message and waits for its commit. Whoever stops waiting takes nothing back.
    pub(crate) async fn append(&self, message: NewMessage) -> Result<AppendOutcome, PortError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { message, answer })
            .map_err(|refused| unavailable(refused.to_string()))?;
        answered.await.map_err(unavailable)?
    }
}

async fn commit_all(store: SqlStore, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let mut began: Option<Instant> = None;
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        if let Some(began) = began.filter(|began| began.elapsed() < BUSY_WITHIN) {
            gather(&mut queue, &mut waiting, began + GATHER).await;
        }
        began = Some(Instant::now());
        let (messages, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|Waiting { message, answer }| (message, answer)).unzip();
        commit(&store, messages.into(), answers).await;
    }
}

/// Lets a batch grow until then, or until it is full.
async fn gather(queue: &mut mpsc::Receiver<Waiting>, waiting: &mut Vec<Waiting>, until: Instant) {
    while waiting.len() < BATCH_MAX {
        let more = queue.recv_many(waiting, BATCH_MAX - waiting.len());
        match timeout_at(until, more).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Writes a batch, and halves what the database refuses until the culprit stands alone: a text that cannot be
/// stored refuses nobody else. Halves keep the order of arrival.
async fn commit(store: &SqlStore, messages: Arc<[NewMessage]>, answers: Vec<Answer>) {
    let mut answers = answers.into_iter();
    let whole = 0..messages.len();
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        match commit_part(store, &messages, part.clone()).await {
            Ok(outcomes) => {
                for (answer, outcome) in answers.by_ref().take(part.len()).zip(outcomes) {
                    reply(answer, Ok(outcome));
                }
            }
            Err(error) if part.len() > 1 && is_of_one(&error) => {
                let middle = part.start.midpoint(part.end);
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers.by_ref().take(part.len()) {
                    reply(answer, Err(shared(&error)));
                }
            }
        }
    }
}

/// In a task of its own, so that a defect of one batch does not end the committer.
async fn commit_part(
    store: &SqlStore,
    messages: &Arc<[NewMessage]>,
    part: Range<usize>,
) -> Result<Vec<AppendOutcome>, PortError> {
    let (store, messages) = (store.clone(), Arc::clone(messages));
    detached(async move { append_batch(&store, messages.get(part).unwrap_or_default()).await }).await
}

/// A caller that has gone needs no answer.
fn reply(answer: Answer, outcome: Result<AppendOutcome, PortError>) {
    let _caller_has_gone = answer.send(outcome);
}

/// Whether the failure may be one message's alone. An outage or a full disk is everybody's.
pub(crate) const fn is_of_one(error: &PortError) -> bool {
    match error {
        PortError::Corrupt { .. } | PortError::Rejected { .. } => true,
        PortError::Unavailable { .. } | PortError::Full { .. } => false,
    }
}

/// One failure for many callers.
pub(crate) fn shared(error: &Arc<PortError>) -> PortError {
    let cause = Arc::clone(error);
    match **error {
        PortError::Unavailable { system, .. } => PortError::unavailable(system, cause),
        PortError::Full { system, .. } => PortError::full(system, cause),
        PortError::Corrupt { system, .. } => PortError::corrupt(system, cause),
        PortError::Rejected { system, .. } => PortError::rejected(system, cause),
    }
}
