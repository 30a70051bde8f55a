//! What every [`auth::ports::SessionStore`] must do.

use auth::ports::{Rotation, SessionStore, SessionSweep};
use auth::{EndReason, LoginMethod, Session, SessionId};
use futures::future::join_all;
use kernel::{Ids, UserId};

use super::people::{START, ids, session};

async fn stored(sessions: &dyn SessionStore, ids: &Ids, user: UserId) -> Session {
    let session = session(ids, user);
    sessions.create(&session).await.unwrap();
    session
}

fn step(session_id: SessionId, from: u32) -> Rotation {
    let at = START.plus_seconds(60);
    Rotation { session_id, from, to: from + 1, at, idle_until: at.plus_seconds(3_000) }
}

/// MUST return it unchanged.
pub async fn a_created_session_comes_back_unchanged(sessions: &dyn SessionStore) {
    let ids = ids();
    let first = stored(sessions, &ids, ids.next()).await;
    assert_eq!(sessions.get(first.id).await.unwrap(), Some(first));
    let mut second = session(&ids, ids.next());
    second.method = LoginMethod::Wechat;
    second.counter = u32::MAX;
    second.ip = "2001:db8::1".parse().unwrap();
    second.user_agent = None;
    second.ended = Some((START, EndReason::TokenReused));
    sessions.create(&second).await.unwrap();
    assert_eq!(sessions.get(second.id).await.unwrap(), Some(second));
}

/// Absence is no error.
pub async fn an_unknown_session_is_absent(sessions: &dyn SessionStore) {
    let ids = ids();
    let id = ids.next();
    assert_eq!(sessions.get(id).await.unwrap(), None);
    assert!(!sessions.rotate(&step(id, 0)).await.unwrap());
    assert!(!sessions.end(id, EndReason::Logout, START).await.unwrap());
    assert_eq!(sessions.open(ids.next(), 10).await.unwrap(), []);
    assert_eq!(sessions.end_all(ids.next(), None, EndReason::Disabled, START).await.unwrap(), []);
}

/// A rotation moves number and times and nothing else.
pub async fn a_rotation_moves_the_number_and_the_times(sessions: &dyn SessionStore) {
    let ids = ids();
    let before = stored(sessions, &ids, ids.next()).await;
    let rotation = step(before.id, 0);
    assert!(sessions.rotate(&rotation).await.unwrap());
    let wanted = Session { counter: 1, rotated_at: rotation.at, idle_until: rotation.idle_until, ..before };
    assert_eq!(sessions.get(wanted.id).await.unwrap(), Some(wanted));
}

/// MUST write only while the number is the one named; of several at once one wins.
pub async fn of_many_rotations_at_once_one_wins(sessions: &dyn SessionStore) {
    let ids = ids();
    let session = stored(sessions, &ids, ids.next()).await;
    let rotation = step(session.id, 0);
    let outcomes = join_all((0..20).map(|_| sessions.rotate(&rotation))).await;
    assert_eq!(outcomes.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    assert!(!sessions.rotate(&step(session.id, 7)).await.unwrap());
    assert_eq!(sessions.get(session.id).await.unwrap().unwrap().counter, 1);
}

/// MUST write only while the session is not ended.
pub async fn an_ended_session_does_not_rotate(sessions: &dyn SessionStore) {
    let ids = ids();
    let session = stored(sessions, &ids, ids.next()).await;
    assert!(sessions.end(session.id, EndReason::Logout, START).await.unwrap());
    assert!(!sessions.rotate(&step(session.id, 0)).await.unwrap());
    assert_eq!(sessions.get(session.id).await.unwrap().unwrap().counter, 0);
}

/// `true` for the call that ended it; the first reason stays.
pub async fn a_session_ends_once(sessions: &dyn SessionStore) {
    let ids = ids();
    let session = stored(sessions, &ids, ids.next()).await;
    let at = START.plus_seconds(9);
    let ends = join_all((0..8).map(|_| sessions.end(session.id, EndReason::Revoked, at))).await;
    assert_eq!(ends.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    assert!(!sessions.end(session.id, EndReason::Logout, at.plus_seconds(1)).await.unwrap());
    let ended = sessions.get(session.id).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some((at, EndReason::Revoked)));
}

/// All of a user's sessions end but the one that is kept; other people's stay.
pub async fn all_sessions_but_one_end_together(sessions: &dyn SessionStore) {
    let ids = ids();
    let (user, other): (UserId, UserId) = (ids.next(), ids.next());
    let kept = stored(sessions, &ids, user).await;
    let gone = [stored(sessions, &ids, user).await.id, stored(sessions, &ids, user).await.id];
    let before = stored(sessions, &ids, user).await;
    sessions.end(before.id, EndReason::Logout, START).await.unwrap();
    let foreign = stored(sessions, &ids, other).await;
    let mut ended = sessions.end_all(user, Some(kept.id), EndReason::PasswordChanged, START).await.unwrap();
    ended.sort_unstable();
    assert_eq!(ended, gone);
    assert_eq!(sessions.get(before.id).await.unwrap().unwrap().ended, Some((START, EndReason::Logout)));
    for alive in [kept.id, foreign.id] {
        assert_eq!(sessions.get(alive).await.unwrap().unwrap().ended, None);
    }
    assert_eq!(sessions.end_all(user, None, EndReason::Disabled, START).await.unwrap(), [kept.id]);
}

/// The newest first, ended ones left out, at most `limit`.
pub async fn open_sessions_are_listed_newest_first(sessions: &dyn SessionStore) {
    let ids = ids();
    let user = ids.next();
    let mut made = Vec::new();
    for n in 0..4 {
        let session = Session { created_at: START.plus_seconds(n), ..session(&ids, user) };
        sessions.create(&session).await.unwrap();
        made.push(session);
    }
    stored(sessions, &ids, ids.next()).await;
    sessions.end(made[2].id, EndReason::Logout, START).await.unwrap();
    let open: Vec<_> = sessions.open(user, 2).await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(open, [made[3].id, made[1].id]);
    assert_eq!(sessions.open(user, 10).await.unwrap().len(), 3);
}

/// Sessions that are over go, at most `limit` at a time; others stay.
pub async fn sessions_that_are_over_are_swept(sessions: &dyn SessionStore) {
    let ids = ids();
    let user = ids.next();
    let now = START.plus_seconds(10);
    let live = stored(sessions, &ids, user).await;
    let mut over = Vec::new();
    for n in 0..3 {
        let session = Session { idle_until: START.plus_seconds(n), ..session(&ids, user) };
        sessions.create(&session).await.unwrap();
        over.push(session.id);
    }
    let ended_long_ago = stored(sessions, &ids, user).await;
    sessions.end(ended_long_ago.id, EndReason::Logout, START).await.unwrap();
    let ended_lately = stored(sessions, &ids, user).await;
    sessions.end(ended_lately.id, EndReason::Logout, now).await.unwrap();
    let sweep = SessionSweep { expired_by: now, ended_by: START, limit: 3 };
    assert_eq!(sessions.sweep(&sweep).await.unwrap(), 3);
    assert_eq!(sessions.sweep(&sweep).await.unwrap(), 1);
    assert_eq!(sessions.sweep(&sweep).await.unwrap(), 0);
    for id in [live.id, ended_lately.id] {
        assert!(sessions.get(id).await.unwrap().is_some());
    }
    for id in over {
        assert!(sessions.get(id).await.unwrap().is_none());
    }
}
