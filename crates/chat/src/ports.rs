//! What chat needs of the outside: stores, live streams, the model, and the other contexts.

mod live;
mod model;
mod needs;
mod store;

pub use live::{Broadcaster, BusSignal, Flush, FlushOutcome, Snapshot, StreamBuffer};
pub use model::{FinishReason, ModelError, ReplyEvent, ReplyEvents, ReplyModel, ReplyRequest};
pub use needs::{
    Admission, Knowledge, Meter, Persona, Personas, Reservation, Reserved, Retrieved, Settlement, Throttle,
};
pub use store::{
    ConversationStore, CreateOutcome, EndOutcome, EventLog, Exchange, ExchangeOutcome, GenerationStore,
    HistoryPage, HistoryQuery, NewQuestion, NewReply, Once, ReplyEnd,
};
