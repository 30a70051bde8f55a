//! What the bus carries of one conversation, as a test hears it.

use std::sync::Arc;

use chat::event::Frame;
use chat::ports::BusSignal;
use futures::StreamExt;
use futures::stream::BoxStream;
use kernel::ManualClock;

use super::driven;

/// Frames of a conversation, one after the other.
pub struct Listening {
    pub(super) signals: BoxStream<'static, BusSignal>,
    pub(super) clock: Arc<ManualClock>,
}

impl Listening {
    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        match driven(&self.clock, self.signals.next()).await {
            Some(BusSignal::Frame(frame)) => Frame::clone(&frame),
            other => panic!("the bus in memory loses nothing here: {other:?}"),
        }
    }

    /// The next frame that is wanted; others are passed over.
    pub async fn until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.frame().await;
            if is_wanted(&frame) {
                return frame;
            }
        }
    }
}
