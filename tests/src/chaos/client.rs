//! A client as the protocol wants it: it reconnects to any instance, joins where it left off, sends again what was
//! not acknowledged, asks for what is missing, and notes all that it sees.

mod acts;
mod answers;
pub mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::dice::Dice;
use super::evidence::{ClientRecord, Item, Marker, Millis, What};
use super::replica::{Outcome, Replica, Want};
use super::run::{Phase, RunClock};
use super::truth::Reader;
use wire::{Introduction, Wire};

/// A client.
pub struct Client {
    number: usize,
    who: Identity,
    surroundings: Surroundings,
    dice: Dice,
    copies: BTreeMap<String, Replica>,
    /// Conversations to be joined, and from when on.
    to_join: BTreeMap<String, Millis>,
    /// Messages that were not acknowledged yet, by the client's own id.
    pending: BTreeMap<String, Pending>,
    /// Requests of this connection that were not answered yet.
    asked: BTreeMap<String, Asked>,
    /// Own messages that were acknowledged, newest last.
    said: VecDeque<Said>,
    /// Messages that others can like, newest last.
    recent: VecDeque<(String, String)>,
    /// Replies whose stop was answered with `stopped` on this connection.
    stopped: Vec<(String, u64)>,
    /// Replies that were said to be stopping, to be asked about again.
    stop_once_more: Vec<(String, u64)>,
    out: VecDeque<Value>,
    pages: Vec<String>,
    items: Vec<Item>,
    requests: u64,
    markers: Marker,
    acts_at: Millis,
    stormed: u64,
    is_caught_up: bool,
}

/// Who a client is and where it talks.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The person.
    pub user: String,
    /// Its token.
    pub token: String,
    /// The shared room.
    pub room: String,
    /// The session of its own.
    pub session: String,
}

/// What a client shares with the others.
#[derive(Clone)]
pub struct Surroundings {
    /// Where sockets connect.
    pub doors: Vec<SocketAddr>,
    /// Pages over HTTP.
    pub reader: Reader,
    /// The run's time.
    pub clock: RunClock,
    /// What the run is at.
    pub phase: watch::Receiver<Phase>,
    /// How far everybody is.
    pub board: Board,
    /// Milliseconds between two acts.
    pub act_ms: (u64, u64),
}

/// How far each client is.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<usize, Standing>>>);

/// How far one client is.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The last seq that it applied, by conversation.
    pub last: BTreeMap<String, u64>,
    /// Messages that were not acknowledged, texts and events that it lacks, and replies that grow.
    pub waiting: usize,
}

struct Pending {
    room: String,
    content: String,
    mentions: Vec<&'static str>,
    marker: Marker,
    retry_at: Millis,
}

struct Said {
    room: String,
    message: String,
    client_msg_id: String,
    marker: Marker,
    at: Millis,
    reply: Option<(String, u64)>,
}

struct Asked {
    at: Millis,
    what: Question,
}

enum Question {
    Join(String),
    Leave(String),
    Send(String),
    Stop(String, u64),
    Recall(String, Marker),
    Events(String),
    Text(String),
    Other(&'static str),
}

/// Either side takes so long a silence for death.
const SILENCE_MS: Millis = 35_000;
const ANSWER_MS: Millis = 20_000;
const TICK: Duration = Duration::from_millis(200);
const PATHS: [&str; 2] = ["/ws", "/service/ws"];

impl Board {
    /// A copy of all.
    pub fn all(&self) -> BTreeMap<usize, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, client: usize, standing: Standing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(client, standing);
    }
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(number: usize, who: Identity, surroundings: Surroundings, dice: Dice) -> Self {
        let rooms = [&who.room, &who.session];
        let copies = rooms.map(|room| (room.clone(), Replica::new(room))).into_iter().collect();
        Self {
            number,
            who,
            surroundings,
            dice,
            copies,
            to_join: BTreeMap::new(),
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
            said: VecDeque::new(),
            recent: VecDeque::new(),
            stopped: Vec::new(),
            stop_once_more: Vec::new(),
            out: VecDeque::new(),
            pages: Vec::new(),
            items: Vec::new(),
            requests: 0,
            markers: 0,
            acts_at: 0,
            stormed: 0,
            is_caught_up: false,
        }
    }

    /// Takes part until the run is over.
    pub async fn live(mut self) -> ClientRecord {
        let mut failures = 0;
        while self.phase() != Phase::Over {
            let door = *self.dice.pick(&self.surroundings.doors);
            let (path, how) = (*self.dice.pick(&PATHS), *self.dice.pick(&Introduction::ALL));
            match Wire::introduce(door, path, &self.who.token, how).await {
                Ok(wire) => {
                    failures = 0;
                    self.note(What::Connected);
                    let why = self.serve(wire).await;
                    self.note(What::Lost(why));
                }
                Err(_) => failures += 1,
            }
            self.back_off(failures).await;
        }
        self.note_standing();
        let last = self.copies.iter().map(|(room, copy)| (room.clone(), copy.last().unwrap_or(0))).collect();
        ClientRecord { client: self.number, user: self.who.user, items: self.items, last }
    }

    /// Full jitter, from 0.2 s to 3 s; the end of the run is not slept over.
    async fn back_off(&mut self, failures: u32) {
        let most = 200_u64.saturating_mul(1 << failures.min(4)).min(3_000);
        let wait = Duration::from_millis(self.dice.between(20, most));
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.surroundings.phase.wait_for(|phase| *phase == Phase::Over) => {}
        }
    }

    /// One connection, from its first join to its end; why it ended.
    async fn serve(&mut self, mut wire: Wire) -> String {
        self.begin_connection();
        let mut heard_at = self.now();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                frame = wire.next() => match frame {
                    Ok(objects) => {
                        heard_at = self.now();
                        for object in &objects {
                            self.take(object);
                        }
                        self.notice_caught_up();
                    }
                    Err(why) => return why,
                },
                _ = ticks.tick() => self.tick(),
            }
            if self.phase() == Phase::Over {
                return self.farewell(wire).await;
            }
            if self.now() - heard_at > SILENCE_MS {
                return "silence".to_owned();
            }
            for room in std::mem::take(&mut self.pages) {
                self.read_pages(&room).await;
            }
            while let Some(request) = self.out.pop_front() {
                if let Err(why) = wire.send(&request).await {
                    return why;
                }
            }
        }
    }

    async fn farewell(&self, wire: Wire) -> String {
        // Some go without a word, and the server must notice those too.
        if self.dice.percent(70) {
            wire.close().await;
        }
        "over".to_owned()
    }

    fn begin_connection(&mut self) {
        let now = self.now();
        self.asked.clear();
        self.out.clear();
        self.stopped.clear();
        self.stop_once_more.clear();
        self.is_caught_up = false;
        self.to_join = self.copies.keys().map(|room| (room.clone(), now)).collect();
        // What was on its way when the last connection broke is sent again, with the same id.
        self.pending.values_mut().for_each(|pending| pending.retry_at = now);
        self.acts_at = now + self.dice.between(self.surroundings.act_ms.0, self.surroundings.act_ms.1);
    }

    fn tick(&mut self) {
        let now = self.now();
        self.join_due(now);
        self.forget_unanswered(now);
        self.notice_caught_up();
        if self.is_caught_up {
            self.send_due(now);
            self.stop_again();
            self.act(now);
        }
        self.note_standing();
    }

    fn join_due(&mut self, now: Millis) {
        let due = self.to_join.iter().filter(|(_, at)| **at <= now).map(|(room, _)| room.clone());
        for room in due.collect::<Vec<_>>() {
            self.to_join.remove(&room);
            let Some(place) = self.copies.get(&room).map(Replica::place) else { continue };
            self.ask("room.join", &place, Question::Join(room));
        }
    }

    /// What changes a place in a room, or brings events or text, is not asked for twice on one connection: it is done,
    /// and its answer is on its way to a slow reader. Silence ends the connection.
    fn forget_unanswered(&mut self, now: Millis) {
        let is_awaited = |asked: &Asked| match asked.what {
            Question::Join(_) | Question::Leave(_) | Question::Events(_) | Question::Text(_) => true,
            Question::Send(_) | Question::Stop(..) | Question::Recall(..) | Question::Other(_) => false,
        };
        let late = self.asked.iter().filter(|(_, asked)| !is_awaited(asked) && asked.at + ANSWER_MS < now);
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            if let Some(asked) = self.asked.remove(&id) {
                self.failed(asked.what, "unanswered", 0);
            }
        }
    }

    fn notice_caught_up(&mut self) {
        let is_joining = self.asked.values().any(|asked| matches!(asked.what, Question::Join(_)));
        let is_behind = self.copies.values().any(Replica::is_behind);
        if !self.is_caught_up && self.to_join.is_empty() && !is_joining && !is_behind {
            self.is_caught_up = true;
            self.note(What::CaughtUp);
        }
    }

    /// Pages over HTTP what a join was too small for.
    async fn read_pages(&mut self, room: &str) {
        loop {
            let since = self.copies.get(room).and_then(Replica::last).unwrap_or(0);
            let asked_at = self.now();
            let page = self.surroundings.reader.page(room, since, &self.who.token).await;
            if !page.markers.is_empty() {
                self.note(What::Served { asked_at, markers: page.markers });
            }
            let outcome = self.copies.get_mut(room).map(|copy| {
                let outcome = copy.page(&page.events, !page.more);
                copy.paged();
                outcome
            });
            self.follow(room, outcome.unwrap_or_default());
            if !page.more || self.phase() == Phase::Over {
                return;
            }
        }
    }

    /// Notes an outcome and asks for what is missing.
    fn follow(&mut self, room: &str, outcome: Outcome) {
        for note in outcome.notes {
            if let What::Applied { entry, .. } = &note
                && entry.kind == "message"
            {
                remember(&mut self.recent, (room.to_owned(), entry.message.clone()));
            }
            self.note(note);
        }
        for want in outcome.wants {
            match want {
                Want::Pages => self.pages.push(room.to_owned()),
                Want::Events { from, to } => {
                    let hole = json!({"roomId": room, "from": from, "to": to});
                    self.ask("room.sync", &hole, Question::Events(room.to_owned()));
                }
                Want::Text { message, generation, offset } => {
                    let text =
                        json!({"roomId": room, "messageId": message, "gen": generation, "offset": offset});
                    self.ask("room.sync", &text, Question::Text(room.to_owned()));
                }
            }
        }
    }

    fn ask(&mut self, op: &str, data: &Value, what: Question) {
        self.requests += 1;
        let id = format!("r-{}", self.requests);
        self.out.push_back(json!({"op": op, "reqId": id, "data": data}));
        let at = self.now();
        self.asked.insert(id, Asked { at, what });
    }

    fn note_standing(&self) {
        let last = self.copies.iter().map(|(room, copy)| (room.clone(), copy.last().unwrap_or(0))).collect();
        let is_open = |copy: &&Replica| copy.is_behind() || copy.any_growing().is_some();
        let open = self.copies.values().filter(is_open).count();
        self.surroundings.board.note(self.number, Standing { last, waiting: self.pending.len() + open });
    }

    fn note(&mut self, what: What) {
        let at = self.now();
        self.items.push(Item { at, what });
    }

    fn now(&self) -> Millis {
        self.surroundings.clock.now()
    }

    fn phase(&self) -> Phase {
        *self.surroundings.phase.borrow()
    }
}

/// Keeps the last few.
fn remember<T>(kept: &mut VecDeque<T>, one: T) {
    const KEPT: usize = 20;
    kept.push_back(one);
    if kept.len() > KEPT {
        kept.pop_front();
    }
}
