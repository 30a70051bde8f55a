//! Who may look into a conversation, and who keeps order there: asked anew each time, never remembered.

use kernel::UserId;

use crate::conversation::{ConversationId, ConversationKind};
use crate::error::{ChatError, Forbidden};
use crate::event::{Event, EventBody};
use crate::ports::{Join, JoinOutcome};
use crate::room::{Member, MemberAction, MemberState, Room, Standing};
use crate::service::{ChatService, Inner};

/// Who acts on a room: a person, who may be an operator. Operators keep order in public rooms, which are nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub user_id: UserId,
    /// Whether they run the house.
    pub is_operator: bool,
}

impl From<UserId> for Actor {
    fn from(user_id: UserId) -> Self {
        Self { user_id, is_operator: false }
    }
}

impl Actor {
    /// Whether they may what a room's owner may.
    pub(super) fn owns(self, room: &Room) -> bool {
        room.owner == Some(self.user_id) || (self.is_operator && room.is_public)
    }
}

impl ChatService {
    /// What is known of a conversation that the person may read now.
    ///
    /// What one may not see is not found; of a room that takes everybody it is said that membership is needed.
    pub async fn readable(&self, user: UserId, id: &ConversationId) -> Result<Standing, ChatError> {
        let standing = self.inner.standing(user, id).await?;
        if standing.may_read(user) { Ok(standing) } else { Err(refusal(&standing)) }
    }

    /// What a socket's `room.join` asks first: the person may read the conversation now. On a public room that
    /// allows it the person becomes a member, once.
    pub async fn enter(&self, user: UserId, id: &ConversationId) -> Result<Standing, ChatError> {
        let standing = self.inner.standing(user, id).await?;
        if standing.may_read(user) {
            return Ok(standing);
        }
        if !standing.room.as_ref().is_some_and(|room| admits_guests(room)) || is_banned(&standing) {
            return Err(refusal(&standing));
        }
        let at = self.inner.now();
        let level = self.inner.ports.levels.level(user).await?;
        let join = Join { conversation_id: id.clone(), user_id: user, invite_code: None, level, at };
        let (member, head) = match self.inner.ports.rooms.join(&join).await? {
            JoinOutcome::Joined { seq, member } => {
                self.inner.announce_member(id, user, MemberAction::Joined, seq, at);
                (member, standing.head.max(seq))
            }
            JoinOutcome::Already { member } => (member, standing.head),
            JoinOutcome::Full => return Err(ChatError::Forbidden(Forbidden::MembersFull)),
            JoinOutcome::Banned => return Err(ChatError::Forbidden(Forbidden::Banned)),
            JoinOutcome::LevelRequired { level } => {
                return Err(ChatError::Forbidden(Forbidden::LevelRequired { level }));
            }
            JoinOutcome::NotInvited | JoinOutcome::NoRoom => return Err(ChatError::NotFound),
        };
        Ok(Standing { head, member: Some(member), ..standing })
    }

    /// A room or squad in which they keep order, and what they are there.
    pub(super) async fn managed(
        &self,
        actor: impl Into<Actor>,
        id: &str,
    ) -> Result<(Room, Standing), ChatError> {
        let actor = actor.into();
        let (room, standing) = self.visible(actor.user_id, id).await?;
        if standing.may_manage(actor.user_id) || actor.owns(&room) {
            Ok((room, standing))
        } else {
            Err(ChatError::Forbidden(Forbidden::NotManager))
        }
    }

    /// A room or squad of which the person may know.
    pub(in crate::service) async fn visible(
        &self,
        user: UserId,
        id: &str,
    ) -> Result<(Room, Standing), ChatError> {
        let id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        let standing = self.inner.standing(user, &id).await?;
        match &standing.room {
            Some(room) if standing.may_see(user) => Ok((Room::clone(room), standing)),
            Some(_) | None => Err(ChatError::NotFound),
        }
    }
}

impl Inner {
    pub(crate) async fn standing(&self, user: UserId, id: &ConversationId) -> Result<Standing, ChatError> {
        self.ports.rooms.standing(id, user).await?.ok_or(ChatError::NotFound)
    }

    /// Tells of a change of a membership that was committed.
    pub(super) fn announce_member(
        &self,
        id: &ConversationId,
        user_id: UserId,
        action: MemberAction,
        seq: u64,
        at: kernel::Timestamp,
    ) {
        let body = EventBody::Member { user_id, action };
        let event = Event { seq, body, created_at: at, message: None, author: None };
        self.announce(id, vec![event]);
    }
}

/// Why a person may not read a conversation, without telling them of what they may not know.
fn refusal(standing: &Standing) -> ChatError {
    if standing.kind != ConversationKind::Room {
        return ChatError::NotFound;
    }
    if is_banned(standing) {
        return ChatError::Forbidden(Forbidden::Banned);
    }
    match &standing.room {
        Some(room) if room.takes_guests() && room.closed_at.is_none() => ChatError::MembershipRequired,
        Some(_) | None => ChatError::NotFound,
    }
}

fn is_banned(standing: &Standing) -> bool {
    standing.member.as_ref().is_some_and(|member: &Member| member.state == MemberState::Banned)
}

fn admits_guests(room: &Room) -> bool {
    room.kind == ConversationKind::Room && room.closed_at.is_none() && room.settings.allow_guest_join
}

#[cfg(test)]
pub(in crate::service) mod tests {
    use kernel::{Id, Timestamp};

    use super::*;
    use crate::room::{Role, RoomProfile, RoomSettings, RoomStatistics};

    pub(in crate::service) fn id<K>(n: u32) -> Id<K> {
        format!("00000000-0000-7000-8000-{n:012}").parse().unwrap()
    }

    pub(in crate::service) fn room(is_public: bool) -> Room {
        Room {
            id: "r".parse().unwrap(),
            kind: ConversationKind::Room,
            owner: None,
            is_public,
            profile: RoomProfile::default(),
            settings: RoomSettings::default(),
            characters: Vec::new(),
            epoch: "e".to_owned(),
            head: 0,
            created_at: Timestamp::from_millis(0),
            last_active_at: Timestamp::from_millis(0),
            closed_at: None,
            statistics: RoomStatistics::default(),
        }
    }

    fn standing(room: Room, state: Option<MemberState>) -> Standing {
        let member = |state| Member {
            user_id: id(1),
            role: Role::Member,
            state,
            joined_at: Timestamp::from_millis(0),
            muted_until: None,
            read_seq: 0,
            message_count: 0,
            likes_given: 0,
        };
        Standing {
            kind: room.kind,
            owner: room.owner,
            epoch: room.epoch.clone(),
            head: 0,
            room: Some(Box::new(room)),
            member: state.map(member),
        }
    }

    #[test]
    fn a_refusal_tells_of_rooms_that_need_no_invitation_only() {
        let refused = |room, state| refusal(&standing(room, state));
        assert!(matches!(refused(room(true), None), ChatError::MembershipRequired));
        assert!(matches!(refused(room(true), Some(MemberState::Left)), ChatError::MembershipRequired));
        assert!(matches!(refused(room(false), Some(MemberState::Left)), ChatError::NotFound));
        let squad = Room { kind: ConversationKind::Squad, ..room(false) };
        assert!(matches!(refused(squad, None), ChatError::NotFound));
        let closed = Room { closed_at: Some(Timestamp::from_millis(1)), ..room(true) };
        assert!(matches!(refused(closed, None), ChatError::NotFound));
    }

    #[test]
    fn who_was_shown_out_for_good_is_told_so() {
        let refused = refusal(&standing(room(true), Some(MemberState::Banned)));
        assert!(matches!(refused, ChatError::Forbidden(Forbidden::Banned)));
    }
}
