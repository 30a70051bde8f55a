//! The gateway of one instance: what all its threads share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::AuthService;
use chat::ChatService;
use kernel::{Clock, Ids, Tasks};
use metrics::{Counter, Gauge, counter, gauge};

use super::bucket::Rate;
use super::hub::Hub;
use super::identity::Census;
use super::mailbox::{Entry, Mail, Mailbox};
use crate::Services;
use crate::event_view::EventWriter;
use crate::message_view::Producer;
use crate::room_message_view::Cast;
use crate::settings::{ApiSettings, SocketSettings};

/// Everything that the sockets of an instance share.
pub struct Gateway {
    pub(crate) settings: SocketSettings,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) auth: Arc<AuthService>,
    pub(crate) chat: Arc<ChatService>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) census: Arc<Census>,
    pub(crate) writer: EventWriter,
    pub(crate) meters: SocketMeters,
    threads: Mutex<Vec<Arc<Mailbox>>>,
    entries: AtomicU64,
    is_draining: AtomicBool,
}

/// Kind of a connection's id.
pub(crate) enum SocketId {}

/// What is counted of sockets.
pub(crate) struct SocketMeters {
    pub(crate) connections: Gauge,
    pub(crate) frames_in: Counter,
    pub(crate) frames_out: Counter,
    pub(crate) slow_consumers: Counter,
}

/// What an instance holds for its sockets; all zero when none is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// People with a connection.
    pub people: usize,
    /// Addresses with a connection.
    pub addresses: usize,
    /// Rooms that are listened to.
    pub rooms: usize,
}

impl Gateway {
    /// The gateway to these services.
    pub fn new(services: &Services, settings: &ApiSettings) -> Arc<Self> {
        let producer = Producer(settings.aigc_producer.as_str().into());
        let writer = EventWriter::new(Cast::new(Arc::clone(&services.characters), producer));
        let (chat, tasks, clock) =
            (Arc::clone(&services.chat), Arc::clone(&services.tasks), Arc::clone(&services.clock));
        let hub = Hub::new(Arc::clone(&chat), Arc::clone(&tasks), Arc::clone(&clock), writer.clone());
        Arc::new(Self {
            settings: settings.socket.clone(),
            allowed_origins: settings.allowed_origins.clone(),
            auth: Arc::clone(&services.auth),
            chat,
            tasks,
            clock,
            ids: Arc::clone(&services.ids),
            hub,
            census: Arc::default(),
            writer,
            meters: SocketMeters {
                connections: gauge!("ws_connections"),
                frames_in: counter!("ws_frames_in_total"),
                frames_out: counter!("ws_frames_out_total"),
                slow_consumers: counter!("ws_slow_consumers_total"),
            },
            threads: Mutex::default(),
            entries: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
        })
    }

    /// Takes no more connections, and sends those there are away one after the other within this time.
    pub fn drain(&self, window: Duration) {
        self.is_draining.store(true, Ordering::Release);
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        for thread in self.threads().iter() {
            thread.send(Mail::Drain { window_ms });
        }
    }

    /// What is held for sockets now.
    pub fn holdings(&self) -> Holdings {
        let (people, addresses) = self.census.len();
        Holdings { people, addresses, rooms: self.hub.len() }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    pub(crate) fn next_entry(&self) -> Entry {
        self.entries.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn rate(&self) -> Rate {
        Rate { per_second: self.settings.frames_per_second, burst: self.settings.frames_burst }
    }

    pub(crate) fn add_thread(&self, mailbox: Arc<Mailbox>) {
        self.threads().push(mailbox);
    }

    pub(crate) fn remove_thread(&self, mailbox: &Arc<Mailbox>) {
        self.threads().retain(|known| !Arc::ptr_eq(known, mailbox));
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<Mailbox>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
