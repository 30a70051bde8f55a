//! Money's commands, many to a commit.
//!
//! A commit waits for the disk, and a lock that is held meanwhile keeps others waiting: one by one, an account that
//! everybody spends from would serve a few hundred people a second. One task takes whatever waits, decides and writes
//! it in one transaction, and answers every caller. The next batch gathers meanwhile.

use std::ops::Range;
use std::sync::Arc;

use billing::journal::{Command, Outcome};
use kernel::{Ids, PortError};
use tokio::sync::{mpsc, oneshot};

use super::post::post;
use crate::detached::detached;
use crate::error::{port_error, unavailable};
use crate::group_commit::{is_of_one, shared};
use crate::store::SqlStore;

/// Commands of one transaction: enough to share its cost, few enough that its locks are short.
const BATCH_MAX: usize = 256;
/// Commands that wait for the next transaction; more are refused.
const WAITING_MAX: usize = 8_192;

type Answer = oneshot::Sender<Result<Outcome, PortError>>;

struct Waiting {
    command: Command,
    answer: Answer,
}

/// The way to the committing task, which ends after its last command when this is dropped.
pub(super) struct Queue {
    waiting: mpsc::Sender<Waiting>,
}

impl Queue {
    /// Starts the task on the current tokio runtime.
    pub(super) fn start(store: SqlStore, ids: Arc<Ids>) -> Self {
        let (waiting, queue) = mpsc::channel(WAITING_MAX);
        #[expect(
            clippy::disallowed_methods,
            reason = "this task is the adapter's own supervisor, and ends with it"
        )]
        tokio::spawn(commit_all(Committer { store, ids }, queue));
        Self { waiting }
    }

    /// Queues a command and waits for its commit. Whoever stops waiting takes nothing back.
    pub(super) async fn run(&self, command: Command) -> Result<Outcome, PortError> {
        let (answer, answered) = oneshot::channel();
        self.waiting
            .try_send(Waiting { command, answer })
            .map_err(|refused| unavailable(refused.to_string()))?;
        answered.await.map_err(unavailable)?
    }
}

#[derive(Clone)]
struct Committer {
    store: SqlStore,
    ids: Arc<Ids>,
}

async fn commit_all(committer: Committer, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let (commands, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|Waiting { command, answer }| (command, answer)).unzip();
        committer.commit(commands.into(), answers).await;
    }
}

impl Committer {
    /// Writes a batch, and halves what is refused until the culprit stands alone, which is tried once more: another
    /// process may have used its id or key at the same moment, and is seen then. Halves keep the order of arrival.
    async fn commit(&self, commands: Arc<[Command]>, answers: Vec<Answer>) {
        let mut answers = answers.into_iter();
        let mut parts = vec![(0..commands.len(), true)];
        while let Some((part, may_retry)) = parts.pop() {
            match self.commit_part(&commands, part.clone()).await {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.by_ref().take(part.len()).zip(outcomes) {
                        let _caller_has_gone = answer.send(Ok(outcome));
                    }
                }
                Err(error) if part.len() > 1 && is_of_one(&error) => {
                    let middle = part.start.midpoint(part.end);
                    parts.push((middle..part.end, true));
                    parts.push((part.start..middle, true));
                }
                Err(error) if may_retry && is_of_one(&error) => parts.push((part, false)),
                Err(error) => {
                    let error = Arc::new(error);
                    for answer in answers.by_ref().take(part.len()) {
                        let _caller_has_gone = answer.send(Err(shared(&error)));
                    }
                }
            }
        }
    }

    /// In a task of its own, so that a defect of one batch does not end the committer.
    async fn commit_part(
        &self,
        commands: &Arc<[Command]>,
        part: Range<usize>,
    ) -> Result<Vec<Outcome>, PortError> {
        let (this, commands) = (self.clone(), Arc::clone(commands));
        detached(async move {
            let tx = this.store.begin().await?;
            let outcomes = post(&tx, &this.ids, commands.get(part).unwrap_or_default()).await?;
            tx.commit().await.map_err(port_error)?;
            Ok(outcomes)
        })
        .await
    }
}
