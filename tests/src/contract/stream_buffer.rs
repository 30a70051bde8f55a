//! What every `chat::ports::StreamBuffer` must do. `near` and `far` are two instances' handles on one store.

use chat::ports::{Broadcaster, BusSignal, Flush, FlushOutcome, Snapshot, StreamBuffer};
use kernel::{Id, MessageId};
use uuid::Uuid;

use super::broadcaster::{conversation, frame, next};

/// Accepted, and nobody asked for a stop.
pub const ACCEPTED: FlushOutcome = FlushOutcome::Accepted { stop_requested: false };
const ACCEPTED_AND_STOP: FlushOutcome = FlushOutcome::Accepted { stop_requested: true };

/// A reply to write.
pub fn reply(n: u128) -> MessageId {
    Id::from_uuid(Uuid::from_u128(n))
}

/// New text of the first generation, published as itself.
pub fn flush(reply: MessageId, before: &str, text: &str) -> Flush {
    Flush {
        conversation_id: conversation("a"),
        message_id: reply,
        generation: 1,
        length_before: u64::try_from(before.len()).expect("a short text"),
        text: text.to_owned(),
        frame: (!text.is_empty()).then(|| frame(text)),
    }
}

async fn open(buffer: &dyn StreamBuffer, reply: MessageId, generation: u32, text: &str) -> FlushOutcome {
    buffer.open(reply, generation, text).await.expect("an open")
}

async fn write(buffer: &dyn StreamBuffer, new: &Flush) -> FlushOutcome {
    buffer.flush(new).await.expect("a flush")
}

async fn snapshot(buffer: &dyn StreamBuffer, reply: MessageId) -> Option<Snapshot> {
    buffer.snapshot(reply).await.expect("a snapshot")
}

fn held(generation: u32, text: &str) -> Snapshot {
    Snapshot { generation, text: text.to_owned() }
}

/// Append and publish are one step, seen on every instance.
pub async fn a_flush_is_appended_and_published(
    near: &dyn StreamBuffer,
    far: &dyn StreamBuffer,
    bus: &dyn Broadcaster,
) {
    let mut signals = bus.subscribe(&conversation("a")).await.expect("a watch");
    assert_eq!(open(near, reply(1), 1, "").await, ACCEPTED);
    assert_eq!(snapshot(far, reply(1)).await, Some(held(1, "")));
    assert_eq!(write(near, &flush(reply(1), "", "学而")).await, ACCEPTED);
    assert_eq!(write(near, &flush(reply(1), "学而", "时习之")).await, ACCEPTED);
    assert_eq!(snapshot(far, reply(1)).await, Some(held(1, "学而时习之")));
    assert_eq!(next(&mut signals).await, BusSignal::Frame(frame("学而")));
    assert_eq!(next(&mut signals).await, BusSignal::Frame(frame("时习之")));
}

/// An empty text asks for the stop flag only, and an empty frame is not published.
pub async fn an_empty_flush_changes_and_publishes_nothing(near: &dyn StreamBuffer, bus: &dyn Broadcaster) {
    let mut signals = bus.subscribe(&conversation("a")).await.expect("a watch");
    open(near, reply(1), 1, "学而").await;
    assert_eq!(write(near, &flush(reply(1), "学而", "")).await, ACCEPTED);
    let silent = Flush { frame: None, ..flush(reply(1), "学而", "时") };
    assert_eq!(write(near, &silent).await, ACCEPTED);
    assert_eq!(write(near, &flush(reply(1), "学而时", "习")).await, ACCEPTED);
    assert_eq!(next(&mut signals).await, BusSignal::Frame(frame("习")));
    assert_eq!(snapshot(near, reply(1)).await, Some(held(1, "学而时习")));
}

/// `Diverged`: the text has another length, nothing is written or published, and `open` repairs it.
pub async fn a_text_of_another_length_is_restored_by_its_writer(
    near: &dyn StreamBuffer,
    far: &dyn StreamBuffer,
    bus: &dyn Broadcaster,
) {
    let mut signals = bus.subscribe(&conversation("a")).await.expect("a watch");
    open(near, reply(1), 1, "学").await;
    assert_eq!(write(near, &flush(reply(1), "学而", "时")).await, FlushOutcome::Diverged);
    assert_eq!(snapshot(far, reply(1)).await, Some(held(1, "学")));
    assert_eq!(open(near, reply(1), 1, "学而").await, ACCEPTED);
    assert_eq!(write(near, &flush(reply(1), "学而", "时习")).await, ACCEPTED);
    assert_eq!(snapshot(far, reply(1)).await, Some(held(1, "学而时习")));
    assert_eq!(next(&mut signals).await, BusSignal::Frame(frame("时习")));
}

/// `Diverged`: the store has lost the text altogether.
pub async fn a_lost_text_is_restored_by_its_writer(near: &dyn StreamBuffer) {
    assert_eq!(snapshot(near, reply(1)).await, None);
    assert_eq!(write(near, &flush(reply(1), "", "学")).await, FlushOutcome::Diverged);
    assert_eq!(snapshot(near, reply(1)).await, None);
}

/// MUST refuse a generation lower than the one it holds.
pub async fn a_lower_generation_is_fenced(near: &dyn StreamBuffer, far: &dyn StreamBuffer) {
    open(near, reply(1), 1, "学").await;
    assert_eq!(open(far, reply(1), 2, "学而").await, ACCEPTED);
    assert_eq!(write(near, &flush(reply(1), "学而", "时")).await, FlushOutcome::Fenced);
    assert_eq!(open(near, reply(1), 1, "").await, FlushOutcome::Fenced);
    assert_eq!(snapshot(near, reply(1)).await, Some(held(2, "学而")));
    let newer = Flush { generation: 2, ..flush(reply(1), "学而", "时") };
    assert_eq!(write(far, &newer).await, ACCEPTED);
}

/// A later flush MUST be `Fenced` once the text's life was ended, and so is an opening.
pub async fn nothing_is_written_after_the_close(near: &dyn StreamBuffer, far: &dyn StreamBuffer) {
    open(near, reply(1), 1, "学而").await;
    far.close(reply(1)).await.expect("a close");
    assert_eq!(snapshot(near, reply(1)).await, None);
    assert_eq!(write(near, &flush(reply(1), "学而", "时")).await, FlushOutcome::Fenced);
    assert_eq!(open(near, reply(1), 1, "学而").await, FlushOutcome::Fenced);
    near.close(reply(1)).await.expect("another close");
    near.close(reply(2)).await.expect("a close of what was never opened");
    assert_eq!(write(near, &flush(reply(2), "", "学")).await, FlushOutcome::Fenced);
}

/// The owner sees a stop at its next flush, whichever instance asked for it.
pub async fn a_stop_reaches_the_owner_with_its_next_flush(near: &dyn StreamBuffer, far: &dyn StreamBuffer) {
    open(near, reply(1), 1, "").await;
    assert_eq!(write(near, &flush(reply(1), "", "学")).await, ACCEPTED);
    far.request_stop(reply(1)).await.expect("a stop");
    assert_eq!(write(near, &flush(reply(1), "学", "")).await, ACCEPTED_AND_STOP);
    assert_eq!(write(near, &flush(reply(1), "学", "而")).await, ACCEPTED_AND_STOP);
    assert_eq!(open(near, reply(1), 1, "学而").await, ACCEPTED_AND_STOP);
}

/// A stop may come before the reply was opened, and is for that reply alone.
pub async fn a_stop_before_the_opening_is_kept(near: &dyn StreamBuffer, far: &dyn StreamBuffer) {
    far.request_stop(reply(1)).await.expect("a stop");
    assert_eq!(snapshot(near, reply(1)).await, None);
    assert_eq!(open(near, reply(1), 1, "").await, ACCEPTED_AND_STOP);
    assert_eq!(write(near, &flush(reply(1), "", "学")).await, ACCEPTED_AND_STOP);
    assert_eq!(open(near, reply(2), 1, "").await, ACCEPTED);
}
