//! The sweep: ends and settles replies whose owner died or gave up, and goes on with the turns of rooms.
//!
//! Every instance runs it every few seconds, without a leader. Each change is a conditional change of one row,
//! so that two sweeps, or a sweep and a slow owner, cannot both win.

use std::collections::BTreeMap;

use kernel::{MessageId, PortError};

use crate::error::ChatError;
use crate::generation::{Generation, GenerationState};
use crate::message::{EndReason, Failure};
use crate::reply::{Closing, Saga, close, settle};
use crate::service::ChatService;

impl ChatService {
    /// Closes and settles at most `limit` sagas that nobody is at work on, then adopts at most so many turns of rooms;
    /// returns how many of both.
    pub async fn sweep(&self, limit: u32) -> Result<u64, ChatError> {
        let mut swept = 0_u64;
        for saga in self.abandoned(limit).await?.into_values() {
            let message_id = saga.message_id;
            match self.finish(saga).await {
                Ok(()) => swept += 1,
                Err(error) => {
                    tracing::warn!(%error, message.id = %message_id, "a saga was not finished; next sweep");
                }
            }
        }
        // A dead owner's reply is closed by now, so that its turn's next step may begin.
        Ok(swept + self.resume_turns(limit).await?)
    }

    /// Sagas of dead instances, and those of this one that no task is at work on.
    async fn abandoned(&self, limit: u32) -> Result<BTreeMap<MessageId, Generation>, PortError> {
        let inner = &self.inner;
        let generations = &inner.ports.generations;
        let here = u32::try_from(inner.running.count()).unwrap_or(u32::MAX).saturating_add(limit);
        // Read before the registry is asked: a reply that begins in between is registered already.
        let own = generations.owned_by(inner.settings.instance, here).await?;
        let orphans =
            if self.trusts_leases() { generations.orphans(inner.now(), limit).await? } else { Vec::new() };
        let idle = own.into_iter().chain(orphans).filter(|saga| !inner.running.contains(saga.message_id));
        Ok(idle.map(|saga| (saga.message_id, saga)).collect())
    }

    async fn finish(&self, saga: Generation) -> Result<(), PortError> {
        match saga.state {
            GenerationState::Streaming => self.close_lost(saga).await,
            GenerationState::Ended => {
                // Who ended it may have died, or got no answer, before anybody was told.
                self.inner.bid_look(&saga.conversation_id).await;
                settle(&self.inner, &saga.conversation_id, saga.message_id, saga.charge).await
            }
            GenerationState::Settled => Ok(()),
        }
    }

    async fn close_lost(&self, saga: Generation) -> Result<(), PortError> {
        let content = self.text_of(&saga).await;
        let closing = Closing {
            why: EndReason::Lost,
            failure: Some(Failure::ServerLost),
            content,
            citations: Vec::new(),
            upstream: None,
            model: None,
            generation_after: saga.generation.saturating_add(1),
        };
        let known = Saga {
            message_id: saga.message_id,
            conversation_id: saga.conversation_id,
            generation: saga.generation,
            tariff: saga.tariff,
            held: saga.held,
            prompt_tokens_estimate: saga.prompt_tokens_estimate,
        };
        close(&self.inner, &known, closing).await
    }

    /// What watchers have seen: the buffer's text where it is still there, else the checkpoint.
    async fn text_of(&self, saga: &Generation) -> String {
        match self.inner.ports.buffer.snapshot(saga.message_id).await {
            Ok(Some(snapshot)) if snapshot.text.len() >= saga.checkpoint.len() => snapshot.text,
            Ok(_) => saga.checkpoint.clone(),
            Err(error) => {
                tracing::warn!(%error, "no snapshot of a lost reply; its checkpoint is used");
                saga.checkpoint.clone()
            }
        }
    }
}
