//! The order of what one sender says: messages are looked at side by side and appended one behind the other.
//!
//! Each has a place. It is given up when the message has been put to the log, which then commits in that order, so
//! that nobody waits for a commit but the sender who asked for it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use futures::channel::oneshot;

/// Gives out places, first come, first appended.
#[derive(Debug, Default)]
pub struct PostOrder {
    last: Option<oneshot::Receiver<()>>,
}

/// A message's place behind those that were given out before. Dropping it lets the next one go on.
#[derive(Debug)]
pub struct PostPlace {
    before: Option<oneshot::Receiver<()>>,
    _next: oneshot::Sender<()>,
}

impl PostOrder {
    /// The next place.
    pub fn place(&mut self) -> PostPlace {
        let (next, after) = oneshot::channel();
        PostPlace { before: self.last.replace(after), _next: next }
    }
}

impl PostPlace {
    /// Waits for its turn, begins to append, and lets the next one do so.
    pub(super) async fn append<T>(self, mut appending: Pin<&mut impl Future<Output = T>>) -> T {
        let Self { before, _next: next } = self;
        if let Some(before) = before {
            // Nothing is ever sent: the place before this one is given up, however that came.
            let _given_up = before.await;
        }
        let first = poll_fn(|context| Poll::Ready(appending.as_mut().poll(context))).await;
        drop(next);
        match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => appending.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn appends_begin_in_order_and_do_not_wait_for_each_others_ends() {
        let (mut order, begun) = (PostOrder::default(), RefCell::new(Vec::new()));
        let (first, second, third) = (order.place(), order.place(), order.place());
        let append = |number: u32| {
            let begun = &begun;
            async move {
                begun.borrow_mut().push(number);
                std::future::pending::<()>().await;
            }
        };
        let (mut one, mut two, mut three) = (pin!(append(1)), pin!(append(2)), pin!(append(3)));
        let (mut late, mut last) = (pin!(second.append(two.as_mut())), pin!(third.append(three.as_mut())));
        assert!(last.as_mut().now_or_never().is_none() && late.as_mut().now_or_never().is_none());
        assert!(begun.borrow().is_empty());
        let mut early = pin!(first.append(one.as_mut()));
        assert!(early.as_mut().now_or_never().is_none());
        assert!(late.as_mut().now_or_never().is_none() && last.as_mut().now_or_never().is_none());
        assert_eq!(*begun.borrow(), [1, 2, 3]);
    }

    #[test]
    fn a_message_that_is_not_appended_holds_up_none() {
        let mut order = PostOrder::default();
        let (first, second) = (order.place(), order.place());
        drop(first);
        let mut appending = pin!(async { 7 });
        assert_eq!(second.append(appending.as_mut()).now_or_never(), Some(7));
    }
}
