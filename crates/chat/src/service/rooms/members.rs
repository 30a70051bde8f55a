//! Memberships: coming, going, and being shown out.

use kernel::{Page, PageRequest, UserId};

use super::{Actor, Joined};
use crate::conversation::{ConversationId, ConversationKind};
use crate::error::{ChatError, Forbidden};
use crate::event::Frame;
use crate::ports::{Join, JoinOutcome, MemberChange};
use crate::room::{Member, MemberAction, Role, Room, Standing};
use crate::service::ChatService;

const INVITE_CODE_CHARS_MAX: usize = 64;

impl ChatService {
    /// Makes the person a member. Public rooms take everybody, others those who have the code.
    pub async fn join_room(
        &self,
        user: UserId,
        id: &str,
        invite_code: Option<String>,
    ) -> Result<Joined, ChatError> {
        let id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        let at = self.inner.now();
        let invite_code = invite_code.filter(|code| is_code(code));
        let level = self.inner.ports.levels.level(user).await?;
        let join = Join { conversation_id: id.clone(), user_id: user, invite_code, level, at };
        match self.inner.ports.rooms.join(&join).await? {
            JoinOutcome::Joined { seq, member } => {
                self.inner.announce_member(&id, user, MemberAction::Joined, seq, at);
                Ok(Joined { member, seq: Some(seq) })
            }
            JoinOutcome::Already { member } => Ok(Joined { member, seq: None }),
            JoinOutcome::Full => Err(ChatError::Forbidden(Forbidden::MembersFull)),
            JoinOutcome::Banned => Err(ChatError::Forbidden(Forbidden::Banned)),
            JoinOutcome::LevelRequired { level } => {
                Err(ChatError::Forbidden(Forbidden::LevelRequired { level }))
            }
            JoinOutcome::NotInvited | JoinOutcome::NoRoom => Err(ChatError::NotFound),
        }
    }

    /// Ends the person's own membership; without one nothing happens. The owner stays.
    pub async fn leave_room(&self, user: UserId, id: &str) -> Result<(), ChatError> {
        let (room, standing) = self.visible(user, id).await?;
        if room.kind != ConversationKind::Room {
            return Err(ChatError::NotFound);
        }
        if standing.owner == Some(user) {
            return Err(ChatError::Forbidden(Forbidden::OwnerStays));
        }
        // A ban outlasts a wish to leave.
        if !standing.member.as_ref().is_some_and(Member::is_joined) {
            return Ok(());
        }
        self.end_membership(&room.id, user, MemberAction::Left).await
    }

    /// Members of a room that the person may read.
    pub async fn members(
        &self,
        user: UserId,
        id: &str,
        page: PageRequest,
    ) -> Result<Page<Member>, ChatError> {
        let (room, _) = self.visible(user, id).await?;
        self.readable(user, &room.id).await?;
        Ok(self.inner.ports.rooms.members(&room.id, page).await?)
    }

    /// Shows a member out, for good if `ban`. Who keeps order is shown out by the owner only, the owner by nobody.
    pub async fn remove_member(
        &self,
        actor: impl Into<Actor>,
        id: &str,
        member: UserId,
        ban: bool,
    ) -> Result<(), ChatError> {
        let (room, theirs) = self.below(actor.into(), id, member).await?;
        let is_joined = theirs.member.as_ref().is_some_and(Member::is_joined);
        match (ban, is_joined) {
            (true, _) => self.end_membership(&room.id, member, MemberAction::Banned).await,
            (false, true) => self.end_membership(&room.id, member, MemberAction::Removed).await,
            (false, false) => Ok(()),
        }
    }

    /// Silences a member for so many seconds; 0 ends it.
    pub async fn mute_member(
        &self,
        actor: impl Into<Actor>,
        id: &str,
        member: UserId,
        seconds: u32,
    ) -> Result<(), ChatError> {
        let (room, _) = self.below(actor.into(), id, member).await?;
        let muted_until = Some(self.inner.now().plus_seconds(i64::from(seconds)));
        let change = MemberChange { role: None, muted_until };
        if self.inner.ports.rooms.change_member(&room.id, member, change).await? {
            Ok(())
        } else {
            Err(ChatError::NotFound)
        }
    }

    /// Makes a member an admin, or an ordinary member again; by the owner only. The room itself is not given away.
    pub async fn set_role(
        &self,
        actor: impl Into<Actor>,
        id: &str,
        member: UserId,
        role: Role,
    ) -> Result<Member, ChatError> {
        let actor = actor.into();
        let (room, theirs) = self.below(actor, id, member).await?;
        if role == Role::Owner || !actor.owns(&room) {
            return Err(ChatError::Forbidden(Forbidden::NotManager));
        }
        let theirs = theirs.member.filter(Member::is_joined).ok_or(ChatError::NotFound)?;
        let change = MemberChange { role: Some(role), muted_until: None };
        if self.inner.ports.rooms.change_member(&room.id, member, change).await? {
            Ok(Member { role, ..theirs })
        } else {
            Err(ChatError::NotFound)
        }
    }

    /// Who may not come back; for those who keep order.
    pub async fn banned(
        &self,
        actor: impl Into<Actor>,
        id: &str,
        page: PageRequest,
    ) -> Result<Page<Member>, ChatError> {
        let (room, _) = self.managed(actor, id).await?;
        Ok(self.inner.ports.bans.banned(&room.id, page).await?)
    }

    /// Lets a banned person come back if they wish; for those who keep order. Who is not banned is not changed.
    pub async fn lift_ban(&self, actor: impl Into<Actor>, id: &str, member: UserId) -> Result<(), ChatError> {
        let (room, _) = self.managed(actor, id).await?;
        self.inner.ports.bans.lift(&room.id, member).await?;
        Ok(())
    }

    /// The room, and the standing there of somebody over whom they have a say.
    async fn below(&self, actor: Actor, id: &str, member: UserId) -> Result<(Room, Standing), ChatError> {
        let (room, _) = self.managed(actor, id).await?;
        if room.kind != ConversationKind::Room {
            return Err(ChatError::NotFound);
        }
        let theirs = self.inner.standing(member, &room.id).await?;
        let is_owner = actor.owns(&room);
        let keeps_order =
            theirs.member.as_ref().is_some_and(|member| member.is_joined() && member.role >= Role::Admin);
        if theirs.owner == Some(member) || (keeps_order && !is_owner) {
            return Err(ChatError::Forbidden(Forbidden::NotManager));
        }
        Ok((room, theirs))
    }

    async fn end_membership(
        &self,
        id: &ConversationId,
        member: UserId,
        action: MemberAction,
    ) -> Result<(), ChatError> {
        let at = self.inner.now();
        let seq = self.inner.ports.rooms.end_membership(id, member, action, at).await?;
        if let Some(seq) = seq {
            self.inner.announce_member(id, member, action, seq, at);
        }
        // Also without an event: an earlier try may have been cut off before its connections heard of it.
        self.inner.publish(id, Frame::Expelled { user_id: member }).await;
        Ok(())
    }
}

fn is_code(code: &str) -> bool {
    code.len() <= INVITE_CODE_CHARS_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
