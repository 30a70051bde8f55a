//! The end of sessions, and the news of it.

use std::sync::{Arc, PoisonError};

use futures::future::{AbortHandle, abortable};
use futures::{FutureExt, StreamExt};
use kernel::{Clock, UserId};

use super::AuthService;
use super::attempt::{Attempt, Claimant};
use crate::caller::{Caller, CallerCache};
use crate::error::AuthError;
use crate::login_log::{LoginMethod, LoginOutcome, RequestOrigin};
use crate::ports::{RevocationFeed, RevocationSignal};
use crate::session::{EndReason, Session, SessionId};
use crate::user::Standing;

/// Sessions shown to their owner at most.
const SESSIONS_SHOWN_MAX: u32 = 100;
const RESUBSCRIBE_MS: i64 = 1_000;

impl AuthService {
    /// Ends the caller's session with all its tokens: here at once, elsewhere when the news arrives.
    pub async fn logout(&self, caller: &Caller, origin: &RequestOrigin) -> Result<(), AuthError> {
        if self.end_session(caller.session_id, EndReason::Logout).await? {
            let claimant = Claimant::Session(caller.user_id, caller.session_id);
            let attempt = Attempt { method: LoginMethod::Logout, claimant, origin };
            self.record(&attempt, LoginOutcome::Success).await?;
        }
        Ok(())
    }

    /// The user's live sessions, the newest first, at most 100.
    pub async fn own_sessions(&self, user: UserId) -> Result<Vec<Session>, AuthError> {
        let now = self.now();
        let mut sessions = self.parts.sessions.open(user, SESSIONS_SHOWN_MAX).await?;
        sessions.retain(|session| session.is_live(now));
        Ok(sessions)
    }

    /// Ends one of the caller's sessions; another person's is not found.
    pub async fn revoke_session(&self, caller: &Caller, session: SessionId) -> Result<(), AuthError> {
        let found = self.parts.sessions.get(session).await?;
        let now = self.now();
        let own = found.filter(|found| found.user_id == caller.user_id && found.is_live(now));
        if own.is_none() {
            return Err(AuthError::NotFound);
        }
        self.end_session(session, EndReason::Revoked).await?;
        Ok(())
    }

    /// Sets a user's role and ban. A ban ends every session; a changed role counts within a minute.
    pub async fn set_standing(&self, user: UserId, standing: Standing) -> Result<(), AuthError> {
        if !self.parts.users.set_standing(user, standing).await? {
            return Err(AuthError::NotFound);
        }
        if standing.disabled {
            self.end_all_sessions(user, None, EndReason::Disabled).await?;
        }
        Ok(())
    }

    /// Ends a session; `true` if it was this call that did.
    pub(super) async fn end_session(&self, session: SessionId, reason: EndReason) -> Result<bool, AuthError> {
        let ended = self.parts.sessions.end(session, reason, self.now()).await?;
        // Told even if another call was first: its news may have been lost.
        self.tell(&[session]).await;
        Ok(ended)
    }

    pub(super) async fn end_all_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
    ) -> Result<(), AuthError> {
        let ended = self.parts.sessions.end_all(user, except, reason, self.now()).await?;
        self.tell(&ended).await;
        Ok(())
    }

    /// Ends the tokens of ended sessions here, and tells the other instances. News that cannot be sent is no
    /// failure: each instance asks the store again within a minute.
    async fn tell(&self, sessions: &[SessionId]) {
        let now = self.now();
        for session in sessions {
            self.callers.end(*session, now);
        }
        if sessions.is_empty() {
            return;
        }
        if let Err(error) = self.parts.feed.announce(sessions).await {
            tracing::warn!(error = %error, "ended sessions were not announced");
        }
    }

    /// Starts listening for sessions that end on other instances, until [`AuthService::stop`] or the service's
    /// own end.
    pub fn start(&self) {
        let feed = Arc::clone(&self.parts.feed);
        let clock = Arc::clone(&self.parts.clock);
        let callers = Arc::clone(&self.callers);
        let (listening, handle) = abortable(listen(feed, clock, callers));
        self.replace_listener(Some(handle));
        self.parts.tasks.spawn(listening.map(drop).boxed());
    }

    /// Stops listening, so that no task of this service is left.
    pub fn stop(&self) {
        self.replace_listener(None);
    }

    fn replace_listener(&self, new: Option<AbortHandle>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *listener, new) {
            old.abort();
        }
    }
}

impl Drop for AuthService {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Follows the feed until it is aborted.
async fn listen(feed: Arc<dyn RevocationFeed>, clock: Arc<dyn Clock>, callers: Arc<CallerCache>) {
    loop {
        match feed.subscribe().await {
            Ok(mut signals) => {
                callers.drop_all();
                while let Some(signal) = signals.next().await {
                    match signal {
                        RevocationSignal::Ended(session) => callers.end(session, clock.now()),
                        RevocationSignal::Missed => callers.drop_all(),
                    }
                }
            }
            Err(error) => tracing::warn!(error = %error, "cannot listen for ended sessions; trying again"),
        }
        clock.sleep_until(clock.now().plus_millis(RESUBSCRIBE_MS)).await;
    }
}
