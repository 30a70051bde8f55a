//! A TCP proxy in process that treats connections as bad networks do: it resets them after a drawn time, stops
//! carrying them without a word, or carries them at a trickle.
//!
//! A cut is a reset on both sides, never a clean close: neither side hears of it before its next packet.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::dice::Dice;

/// What the network does to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// A connection lives at least and at most so many milliseconds; `None`: until it ends by itself.
    pub life_ms: Option<(u64, u64)>,
    /// Of those that are cut, so many percent are not reset: they stay open and carry nothing more.
    pub silent_percent: u64,
    /// Bytes a second towards the client; `None`: as fast as it goes.
    pub bytes_per_second: Option<usize>,
}

impl Weather {
    /// No trouble.
    pub const CALM: Self = Self { life_ms: None, silent_percent: 0, bytes_per_second: None };
}

/// The proxy; it stops, and resets what it carries, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: AbortHandle,
}

struct Shared {
    target: Mutex<SocketAddr>,
    weather: watch::Sender<Weather>,
    dice: Dice,
}

/// How a connection ends.
enum Cut {
    Reset,
    Silent,
}

/// A small buffer, so that a slow reader is felt by the sender and not by the kernel.
const SLOW_BUFFER_BYTES: u32 = 4 << 10;
const PIECE_BYTES: usize = 16 << 10;
/// Longer than either side waits before it takes silence for death.
const SILENCE: Duration = Duration::from_mins(2);

impl Proxy {
    /// Listens on a free port of loopback, for this server.
    pub async fn start(target: SocketAddr, weather: Weather, dice: Dice) -> io::Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = socket.local_addr()?;
        let shared =
            Arc::new(Shared { target: Mutex::new(target), weather: watch::Sender::new(weather), dice });
        #[expect(clippy::disallowed_methods, reason = "the proxy's own task, which ends with it")]
        let listener = tokio::spawn(accept(socket, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, listener })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go from now on.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Changes the weather, for open connections too.
    pub fn set_weather(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut carried = JoinSet::new();
    let mut number = 0;
    loop {
        while carried.try_join_next().is_some() {}
        if let Ok((client, _)) = listener.accept().await {
            number += 1;
            let dice = shared.dice.of(number);
            carried.spawn(carry(client, Arc::clone(&shared), dice));
        }
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>, dice: Dice) {
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let weather = shared.weather.subscribe();
    let is_slow = weather.borrow().bytes_per_second.is_some();
    reset_on_close(&client);
    let Ok(mut server) = connect(target, is_slow).await else { return };
    reset_on_close(&server);
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    // Owned halves would end in order when they are dropped, before the reset.
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let cut = tokio::select! {
        cut = doom(weather.clone(), &dice) => Some(cut),
        () = pump(&mut from_client, &mut to_server, None) => None,
        () = pump(&mut from_server, &mut to_client, Some(weather)) => None,
    };
    if matches!(cut, Some(Cut::Silent)) {
        sleep(SILENCE).await;
    }
}

async fn connect(target: SocketAddr, is_slow: bool) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if is_slow {
        socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
    }
    socket.connect(target).await
}

/// Waits until the connection's drawn life is over; without end while the weather is calm.
async fn doom(mut weather: watch::Receiver<Weather>, dice: &Dice) -> Cut {
    loop {
        let now = *weather.borrow_and_update();
        let changed = weather.changed();
        match now.life_ms {
            // The proxy is gone once the sender is.
            None => {
                if changed.await.is_err() {
                    return Cut::Reset;
                }
            }
            Some((least, most)) => tokio::select! {
                () = sleep(Duration::from_millis(dice.between(least, most))) => {
                    return if dice.percent(now.silent_percent) { Cut::Silent } else { Cut::Reset };
                }
                gone = changed => if gone.is_err() { return Cut::Reset },
            },
        }
    }
}

/// Carries bytes in one direction until either side ends.
async fn pump(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, weather: Option<watch::Receiver<Weather>>) {
    let mut buffer = vec![0_u8; PIECE_BYTES];
    loop {
        let rate = weather.as_ref().and_then(|weather| weather.borrow().bytes_per_second);
        let piece = rate.map_or(PIECE_BYTES, |rate| rate.min(PIECE_BYTES));
        let Ok(read @ 1..) = from.read(&mut buffer[..piece]).await else { return };
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if rate.is_some() {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Lets a drop of the socket be a reset: what is not sent yet is thrown away.
fn reset_on_close(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        // It ends with the runtime of the test.
        tasks.detach_all();
        address
    }

    async fn through(weather: Weather) -> (Proxy, TcpStream) {
        let proxy = Proxy::start(echo().await, weather, Dice::new(1)).await.unwrap();
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, stream)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways() {
        let (_proxy, mut stream) = through(Weather::CALM).await;
        stream.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }

    #[tokio::test]
    async fn a_cut_is_a_reset_and_no_clean_end() {
        let (_proxy, mut stream) = through(Weather { life_ms: Some((1, 5)), ..Weather::CALM }).await;
        stream.write_all(b"hello").await.unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn new_connections_go_where_the_proxy_points() {
        let (proxy, _) = through(Weather::CALM).await;
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        proxy.retarget(closed);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }

    #[tokio::test]
    async fn a_slow_connection_gets_its_rate_until_the_weather_clears() {
        let (proxy, mut stream) = through(Weather { bytes_per_second: Some(10), ..Weather::CALM }).await;
        stream.write_all(&[b'x'; 40]).await.unwrap();
        let mut piece = [0; 40];
        assert_eq!(stream.read(&mut piece).await.unwrap(), 10);
        proxy.set_weather(Weather::CALM);
        stream.read_exact(&mut piece[..30]).await.unwrap();
    }
}
