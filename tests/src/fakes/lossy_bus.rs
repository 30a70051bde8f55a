//! A bus whose watchers get its frames late, in another order, twice or not at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chat::ConversationId;
use chat::event::Frame;
use chat::ports::{Broadcaster, BusSignal};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use kernel::{Entropy, PortError, SeededEntropy};

/// How many of a hundred frames fare how.
#[derive(Debug, Clone, Copy)]
pub struct Odds {
    /// Never arrive.
    pub lost: u8,
    /// Arrive twice.
    pub twice: u8,
    /// Arrive after others that were published later.
    pub late: u8,
}

/// A decorator of a good bus.
pub struct LossyBus {
    inner: Arc<dyn Broadcaster>,
    odds: Odds,
    seed: AtomicU64,
}

impl LossyBus {
    /// Spoils what the watchers of `inner` get; the seed decides all.
    pub fn new(inner: Arc<dyn Broadcaster>, odds: Odds, seed: u64) -> Self {
        Self { inner, odds, seed: AtomicU64::new(seed) }
    }
}

#[async_trait]
impl Broadcaster for LossyBus {
    async fn publish(&self, conversation: &ConversationId, frame: Arc<Frame>) -> Result<(), PortError> {
        self.inner.publish(conversation, frame).await
    }

    async fn subscribe(
        &self,
        conversation: &ConversationId,
    ) -> Result<BoxStream<'static, BusSignal>, PortError> {
        let watch = Watch {
            signals: self.inner.subscribe(conversation).await?,
            odds: self.odds,
            dice: SeededEntropy::new(self.seed.fetch_add(1, Ordering::Relaxed)),
            due: VecDeque::new(),
            late: Vec::new(),
        };
        Ok(stream::unfold(watch, |mut watch| async move {
            let signal = watch.next().await?;
            Some((signal, watch))
        })
        .boxed())
    }
}

struct Watch {
    signals: BoxStream<'static, BusSignal>,
    odds: Odds,
    dice: SeededEntropy,
    due: VecDeque<BusSignal>,
    late: Vec<BusSignal>,
}

impl Watch {
    fn roll(&self) -> u8 {
        let mut byte = [0];
        self.dice.fill(&mut byte);
        byte[0] % 100
    }

    async fn next(&mut self) -> Option<BusSignal> {
        loop {
            if let Some(signal) = self.due.pop_front() {
                return Some(signal);
            }
            let signal = if self.late.is_empty() {
                self.signals.next().await?
            } else if let Some(signal) = self.signals.next().now_or_never() {
                signal?
            } else {
                // Nothing else is under way: what is late arrives.
                let place = usize::from(self.roll()) % self.late.len();
                return Some(self.late.swap_remove(place));
            };
            let fate = self.roll();
            let (lost, twice) = (self.odds.lost, self.odds.lost + self.odds.twice);
            if fate < lost {
            } else if fate < twice {
                self.due.push_back(signal.clone());
                self.late.push(signal);
            } else if fate < twice + self.odds.late {
                self.late.push(signal);
            } else {
                self.due.push_back(signal);
            }
        }
    }
}
