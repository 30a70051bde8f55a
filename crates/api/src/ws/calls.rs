//! Operations that wait for something: each is a future that ends in one answer, whatever becomes of the connection.

mod ai;
mod join;
mod messages;
mod sync;

use std::sync::Arc;

use auth::Caller;
use bytes::Bytes;
use futures::future::BoxFuture;
use kernel::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::envelope::{Request, Tag};
use super::gateway::Gateway;
use super::identity::Identity;
use super::mailbox::{Key, Mail, Mailbox};
use crate::language::Language;
use crate::problem::{Problem, Slug};

pub(super) use ai::{chat, stream};
pub(super) use join::join;
pub(super) use messages::{like, recall, send, stop};
pub(super) use sync::sync;

/// For whom an operation works, and where its answer goes.
pub(super) struct Call {
    pub(super) gateway: Arc<Gateway>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) key: Key,
    pub(super) name: Uuid,
    pub(super) caller: Option<Caller>,
    pub(super) tag: Tag,
    pub(super) language: Language,
}

/// What an operation ends in: its answer, or that it has given it.
pub(super) type Answer = Result<Option<Bytes>, Problem>;
/// An operation that was read and is not begun.
pub(super) type Work = Box<dyn FnOnce(Arc<Call>) -> BoxFuture<'static, Answer> + Send>;

impl Call {
    /// Who asks.
    pub(super) fn user(&self) -> Result<UserId, Problem> {
        self.caller().map(|caller| caller.user_id)
    }

    pub(super) fn caller(&self) -> Result<Caller, Problem> {
        self.caller.ok_or_else(|| Problem::new(Slug::Unauthorized))
    }

    /// Says something of several things.
    pub(super) fn say(&self, event: &'static str, data: &impl Serialize) {
        let frame = Some(self.tag.reply(event, data));
        self.mailbox.send(Mail::Reply { key: self.key, frame, is_last: false });
    }

    /// The answer.
    pub(super) fn answer(&self, event: &'static str, data: &impl Serialize) -> Bytes {
        self.tag.reply(event, data)
    }
}

/// An operation that takes this closure's work.
pub(super) fn work<F>(begin: impl FnOnce(Arc<Call>) -> F + Send + 'static) -> Work
where
    F: Future<Output = Answer> + Send + 'static,
{
    Box::new(move |call| Box::pin(begin(call)))
}

/// Sees to it that an operation is answered, also where it dies.
struct Owed(Arc<Call>, bool);

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.1 {
            let Call { mailbox, key, tag, language, .. } = &*self.0;
            let frame = Some(tag.error(&Problem::internal("an operation died"), *language));
            mailbox.send(Mail::Reply { key: *key, frame, is_last: true });
        }
    }
}

/// Runs an operation to its answer.
pub(super) async fn run(call: Call, work: Work) {
    let call = Arc::new(call);
    let mut owed = Owed(Arc::clone(&call), false);
    let frame = match work(Arc::clone(&call)).await {
        Ok(frame) => frame,
        Err(problem) => Some(call.tag.error(&problem, call.language)),
    };
    owed.1 = true;
    call.mailbox.send(Mail::Reply { key: call.key, frame, is_last: true });
}

#[derive(Deserialize)]
struct AuthData {
    token: SecretString,
}

/// What a client is told when it is known who is there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Welcome {
    conn_id: Uuid,
    user_id: UserId,
    ping_seconds: u32,
    now: i64,
    limits: Limits,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    frame_bytes: usize,
    frames_per_second: u32,
    frames_burst: u32,
    rooms_per_connection: u32,
    connections_per_user: u32,
}

const PING_SECONDS: u32 = 25;

impl Welcome {
    pub(super) fn new(gateway: &Gateway, name: Uuid, user_id: UserId) -> Self {
        let settings = &gateway.settings;
        Self {
            conn_id: name,
            user_id,
            ping_seconds: PING_SECONDS,
            now: gateway.clock.now().as_millis(),
            limits: Limits {
                frame_bytes: settings.frame_bytes,
                frames_per_second: settings.frames_per_second,
                frames_burst: settings.frames_burst,
                rooms_per_connection: settings.rooms_per_connection,
                connections_per_user: settings.connections_per_user,
            },
        }
    }
}

/// Finds out who is there, or renews what is known.
pub(super) fn authenticate(request: &Request) -> Result<Work, Problem> {
    let AuthData { token } = request.data()?;
    Ok(work(async move |call| {
        // What waits behind is read on, whatever comes of this.
        let _waiting = Waiting(Arc::clone(&call));
        let caller = call.gateway.auth.authenticate(token.expose_secret()).await?;
        if call.caller.is_some_and(|known| known.user_id != caller.user_id) {
            // Another person needs another connection: what this one listens to is not theirs.
            return Err(Problem::new(Slug::Forbidden));
        }
        let identity = Identity { caller, token: token.expose_secret().into() };
        call.mailbox.send(Mail::Identified { key: call.key, identity });
        Ok(Some(call.answer("result", &Welcome::new(&call.gateway, call.name, caller.user_id))))
    }))
}

struct Waiting(Arc<Call>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.mailbox.send(Mail::Unidentified { key: self.0.key });
    }
}
