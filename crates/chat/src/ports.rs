//! What chat needs of the outside: stores, live streams, the model, and the other contexts.

mod append;
mod live;
mod model;
mod moderation;
mod needs;
mod rooms;
mod store;

pub use append::{
    AnnounceOutcome, Announcement, AppendOutcome, Like, LikeOutcome, NewMessage, Recall, RecallOutcome,
    ReplyStart, StartOutcome,
};
pub use live::{
    Arrival, Attendance, Broadcaster, BusSignal, Flush, FlushOutcome, Online, Presence, Snapshot,
    StreamBuffer,
};
pub use model::{FinishReason, ModelError, ReplyEvent, ReplyEvents, ReplyModel, ReplyRequest};
pub use moderation::{BanList, Block, BlockOutcome, BlockStore, FileOutcome, Levels, ReportStore};
pub use needs::{
    Admission, Knowledge, Meter, People, Persona, Personas, Reservation, Reserved, Retrieved, Settlement,
    Throttle,
};
pub use rooms::{
    Join, JoinOutcome, MemberChange, RoomChange, RoomCreateOutcome, RoomQuery, RoomScope, RoomSort,
    RoomStore, RoomSummary, TurnStore, UNREAD_MAX,
};
pub use store::{
    ConversationStore, CreateOutcome, EndOutcome, EventLog, Exchange, ExchangeOutcome, GenerationStore, Head,
    HistoryPage, HistoryQuery, NewQuestion, NewReply, Once, ReplyEnd,
};
