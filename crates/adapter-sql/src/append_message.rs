//! A batch of people's messages, one transaction. Who may speak is judged inside it: nothing is cached.
//!
//! The heads of all conversations involved are locked first, in the order of their ids. What is judged after that
//! takes in every append before, of other instances too.

use std::collections::HashMap;

use chat::conversation::{ConversationId, ConversationKind};
use chat::ports::{AppendOutcome, NewMessage};
use chat::room::MemberState;
use kernel::{Id, MessageId, PortError, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::batch_sql::{Head, HeadRow, MessageRow, SpeakerRow, Standing, TurnRow};
use crate::batch_sql::{lock_heads, read_standings, write};
use crate::error::{corrupt, port_error};
use crate::message_row::find_messages;
use crate::store::{SqlStore, Write};
use crate::turns::turn_row;
use crate::words::{json, read_count};

/// Outcomes in the order of the messages.
pub(crate) async fn append_batch(
    store: &SqlStore,
    messages: &[NewMessage],
) -> Result<Vec<AppendOutcome>, PortError> {
    let tx = store.begin().await?;
    let mut batch = Batch::new(lock_heads(&tx, messages).await?);
    let standings = read_standings(&tx, messages).await?;
    let verdicts = batch.judge_all(messages, &standings)?;
    let wrote = batch.write(&tx).await?;
    let outcomes = outcomes(&tx, verdicts).await?;
    // An explicit rollback frees the locks now, not when the connection is back in its pool.
    if wrote { tx.commit().await } else { tx.rollback().await }.map_err(port_error)?;
    Ok(outcomes)
}

enum Verdict {
    Of(AppendOutcome),
    Repeated(MessageId),
}

/// A sender's own id: conversation, sender, id.
type OwnId<'a> = (&'a ConversationId, UserId, &'a str);

/// What the accepted messages write.
struct Batch<'a> {
    heads: HashMap<String, Head>,
    own_ids: HashMap<OwnId<'a>, MessageId>,
    spoken: HashMap<(&'a ConversationId, UserId), i64>,
    messages: Vec<MessageRow<'a>>,
    turns: Vec<TurnRow>,
}

impl<'a> Batch<'a> {
    fn new(heads: HashMap<String, Head>) -> Self {
        let (own_ids, spoken) = (HashMap::new(), HashMap::new());
        Self { heads, own_ids, spoken, messages: Vec::new(), turns: Vec::new() }
    }

    /// In order of arrival, which the seqs follow.
    fn judge_all(
        &mut self,
        messages: &'a [NewMessage],
        standings: &[Standing],
    ) -> Result<Vec<Verdict>, PortError> {
        if messages.len() != standings.len() {
            return Err(corrupt("members"));
        }
        messages.iter().zip(standings).map(|(message, standing)| self.judge(message, standing)).collect()
    }

    fn judge(&mut self, message: &'a NewMessage, standing: &Standing) -> Result<Verdict, PortError> {
        let Some(head) = self.heads.get(message.conversation_id.as_str()) else {
            return Ok(Verdict::Of(AppendOutcome::NoConversation));
        };
        if head.kind == ConversationKind::Session || !standing.is_open {
            return Ok(Verdict::Of(AppendOutcome::NoConversation));
        }
        let own_id =
            message.client_msg_id.as_deref().map(|id| (&message.conversation_id, message.author, id));
        let within = own_id.and_then(|own_id| self.own_ids.get(&own_id).copied());
        if let Some(id) = standing.repeated.map(Id::from_uuid).or(within) {
            return Ok(Verdict::Repeated(id));
        }
        if let Some(refusal) = refusal(message, head, standing) {
            return Ok(Verdict::Of(refusal));
        }
        if let Some(own_id) = own_id {
            self.own_ids.insert(own_id, message.id);
        }
        self.accept(message).map(Verdict::Of)
    }

    fn accept(&mut self, message: &'a NewMessage) -> Result<AppendOutcome, PortError> {
        let Some(head) = self.heads.get_mut(message.conversation_id.as_str()) else {
            return Ok(AppendOutcome::NoConversation);
        };
        head.seq += 1;
        head.appended += 1;
        head.last_active_at = head.last_active_at.max(message.at.as_millis());
        self.messages.push(MessageRow::of(message, head.seq));
        self.turns.extend(message.turn.as_ref().map(|turn| TurnRow::from(turn_row(turn))));
        *self.spoken.entry((&message.conversation_id, message.author)).or_default() += 1;
        Ok(AppendOutcome::Appended { seq: read_count(head.seq, "conversations.head")? })
    }

    /// `false` where nothing was accepted.
    async fn write(&self, tx: &Write) -> Result<bool, PortError> {
        if self.messages.is_empty() {
            return Ok(false);
        }
        let moved = self.heads.iter().filter(|(_, head)| head.appended > 0);
        let heads: Vec<_> = moved.map(|(id, head)| HeadRow::of(id, head)).collect();
        let spoken = self.spoken.iter();
        let speakers: Vec<_> =
            spoken.map(|((room, user), messages)| SpeakerRow::of(room, *user, *messages)).collect();
        write(tx, &self.messages, &heads, &speakers, &self.turns).await?;
        Ok(true)
    }
}

/// Why the author may not speak there now.
fn refusal(message: &NewMessage, head: &Head, standing: &Standing) -> Option<AppendOutcome> {
    let is_member = match head.kind {
        ConversationKind::Session => false,
        ConversationKind::Squad => head.owner == Some(message.author.as_uuid()),
        ConversationKind::Room => standing.state == Some(MemberState::Joined),
    };
    if !is_member {
        return Some(AppendOutcome::NotMember);
    }
    let until = standing.muted_until.map(Timestamp::from_millis)?;
    (until > message.at).then_some(AppendOutcome::Muted { until })
}

/// Repeated messages are read inside the transaction: some were written in it.
async fn outcomes(tx: &Write, verdicts: Vec<Verdict>) -> Result<Vec<AppendOutcome>, PortError> {
    let repeated = |verdict: &Verdict| match verdict {
        Verdict::Repeated(id) => Some(id.as_uuid()),
        Verdict::Of(_) => None,
    };
    let ids: Vec<_> = verdicts.iter().filter_map(repeated).collect();
    let mut known = HashMap::new();
    if !ids.is_empty() {
        let condition = match tx.get_database_backend() {
            DbBackend::Postgres => "m.id IN (SELECT json_array_elements_text($1::json)::uuid)",
            _ => "m.id IN (SELECT unhex(value, '-') FROM json_each($1))",
        };
        let found = find_messages(tx, condition, [json(&ids).into()]).await?;
        known.extend(found.into_iter().map(|message| (message.id, message)));
    }
    let outcome = |verdict| match verdict {
        Verdict::Of(outcome) => Ok(outcome),
        Verdict::Repeated(id) => known
            .get(&id)
            .map(|message| AppendOutcome::Repeated { message: Box::new(message.clone()) })
            .ok_or_else(|| corrupt("messages.client_msg_id")),
    };
    verdicts.into_iter().map(outcome).collect()
}
