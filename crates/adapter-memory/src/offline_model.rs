//! A reply model without a key and without a network: it answers from the passages and the character's own
//! lines, so that the whole way from question to bill can be walked on a machine that knows nobody.
//!
//! It says that it is the offline model, quotes word for word, and invents nothing. The same request gets the
//! same reply.

mod composition;

use std::sync::Arc;

use async_trait::async_trait;
use chat::generation::estimate_tokens;
use chat::ports::{FinishReason, ModelError, ReplyEvent, ReplyEvents, ReplyModel, ReplyRequest};
use chat::prompt::tokens_estimate;
use futures::stream;
use kernel::{Clock, TokenUsage};
use unicode_segmentation::UnicodeSegmentation;

/// Characters that a person would count, in one event of the stream.
const CHUNK_GRAPHEMES: usize = 4;

/// The offline model.
pub struct OfflineModel {
    clock: Arc<dyn Clock>,
    pace_ms: i64,
}

impl OfflineModel {
    /// A model that waits `pace_ms` milliseconds between two pieces of text; 0 for no waiting.
    pub fn new(clock: Arc<dyn Clock>, pace_ms: i64) -> Self {
        Self { clock, pace_ms }
    }
}

#[async_trait]
impl ReplyModel for OfflineModel {
    async fn stream(&self, request: &ReplyRequest) -> Result<ReplyEvents, ModelError> {
        let events = whole_reply(request).into_iter();
        let paced = stream::unfold((events, Arc::clone(&self.clock), None), paced_step(self.pace_ms));
        Ok(Box::pin(paced))
    }

    async fn is_ready(&self) -> bool {
        true
    }
}

type Paced = (std::vec::IntoIter<ReplyEvent>, Arc<dyn Clock>, Option<kernel::Timestamp>);
type Step = futures::future::BoxFuture<'static, Option<(Result<ReplyEvent, ModelError>, Paced)>>;

/// One step of the stream: the first event at once, each later text when its time has come.
fn paced_step(pace_ms: i64) -> impl FnMut(Paced) -> Step {
    move |(mut events, clock, due)| {
        Box::pin(async move {
            let event = events.next()?;
            if let (ReplyEvent::Text(_), Some(due)) = (&event, due) {
                clock.sleep_until(due).await;
            }
            let next = clock.now().plus_millis(pace_ms);
            Some((Ok(event), (events, clock, Some(next))))
        })
    }
}

fn whole_reply(request: &ReplyRequest) -> Vec<ReplyEvent> {
    let whole = composition::compose(&request.prompt);
    let text = within_tokens(&whole, request.output_tokens_max);
    let reason = if text.len() < whole.len() { FinishReason::Length } else { FinishReason::Stop };
    let usage = TokenUsage {
        prompt: tokens_estimate(&request.prompt),
        cached: 0,
        completion: estimate_tokens(text),
        reasoning: 0,
    };
    let mut events: Vec<ReplyEvent> = pieces(text).map(ReplyEvent::Text).collect();
    events.push(ReplyEvent::Usage(usage));
    events.push(ReplyEvent::Finish { reason, model: Some("offline".to_owned()) });
    events
}

/// The longest beginning that costs no more tokens than allowed, cut between characters as a person counts.
fn within_tokens(text: &str, tokens_max: u32) -> &str {
    if estimate_tokens(text) <= tokens_max {
        return text;
    }
    let starts: Vec<usize> = text.grapheme_indices(true).map(|(start, _)| start).collect();
    let prefix = |end: usize| text.get(..end).unwrap_or_default();
    let affordable = starts.partition_point(|start| estimate_tokens(prefix(*start)) <= tokens_max);
    let end = affordable.checked_sub(1).and_then(|last| starts.get(last)).copied().unwrap_or(0);
    prefix(end)
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let graphemes: Vec<&str> = text.graphemes(true).collect();
    let pieces: Vec<String> = graphemes.chunks(CHUNK_GRAPHEMES).map(<[&str]>::concat).collect();
    pieces.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_what_a_person_counts_as_one_character() {
        let family = "👨‍👩‍👧";
        let text = format!("学{family}而");
        for tokens in 0..6 {
            let cut = within_tokens(&text, tokens);
            assert!(["", "学", &format!("学{family}"), &text].contains(&cut), "{tokens}: {cut}");
            assert!(estimate_tokens(cut) <= tokens);
        }
        assert!(
            pieces(&text.repeat(9)).all(|piece| piece.matches(family).count() == piece.matches('👧').count())
        );
    }
}
