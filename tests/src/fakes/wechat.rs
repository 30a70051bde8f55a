//! WeChat's `code2session` on loopback. A code says what is answered: `ok-NAME-N` proves NAME once, `used-…` was
//! redeemed before, `error-CODE` answers that error, `busy-TIMES-NAME-N` is busy so often first; and there are
//! `slow`, `garbage`, `empty`, `huge`, `minus` and `http-500`. The platform's side of virtual payment is in `xpay`, its
//! message push in `push`.

mod push;
mod xpay;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};

pub use push::{PUSH_AES_KEY, PUSH_TOKEN, encrypted_push};
pub use xpay::{APP_KEY, OFFER_ID, Trouble};

/// The AppID that the fake knows.
pub const APP_ID: &str = "wx0123456789abcdef";
/// Its secret.
pub const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Default)]
struct State {
    /// How often each code was asked about.
    asked: Mutex<HashMap<String, u32>>,
    xpay: Mutex<xpay::Platform>,
}

/// The running fake; dropping it stops it.
pub struct FakeWechat {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl FakeWechat {
    /// Starts on a free port of loopback.
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let shared = web::Data::from(Arc::clone(&state));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
                        .route("/sns/jscode2session", web::get().to(answer))
                        .route("/cgi-bin/stable_token", web::post().to(xpay::stable_token))
                        .route("/xpay/{name}", web::post().to(xpay::answer))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.bind(("127.0.0.1", 0)).expect("a free port");
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).expect("the test waits");
                let _ = server.await;
            });
        });
        let (address, handle) = receiver.recv().expect("the fake starts");
        Self { url: format!("http://{address}"), state, handle }
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it was asked about a code.
    pub fn asked(&self, code: &str) -> u32 {
        let asked = self.state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(code).copied().unwrap_or(0)
    }
}

impl Drop for FakeWechat {
    fn drop(&mut self) {
        // The stop begins when it is called; nobody needs to wait for its end.
        drop(self.handle.stop(false));
    }
}

async fn answer(state: web::Data<State>, query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let field = |name: &str| query.get(name).map_or("", String::as_str);
    let times = {
        let mut asked = state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(field("js_code").to_owned()).or_default();
        *count += 1;
        *count
    };
    if field("appid") != APP_ID {
        return error(40_013);
    }
    if field("secret") != APP_SECRET {
        return error(40_125);
    }
    if field("grant_type") != "authorization_code" || field("js_code").is_empty() {
        return error(41_008);
    }
    let words: Vec<&str> = field("js_code").split('-').collect();
    match words.as_slice() {
        ["ok", name, ..] if times == 1 => person(name),
        ["error", code] => error(code.parse().expect("a number")),
        ["minus"] => error(-1),
        ["busy", busy, ..] if times <= busy.parse().expect("a number") => error(-1),
        ["busy", _, name, ..] => person(name),
        ["slow"] => {
            actix_web::rt::time::sleep(Duration::from_secs(30)).await;
            person("slow")
        }
        ["garbage"] => text("<html>502</html>".to_owned()),
        ["empty"] => text(String::new()),
        ["huge"] => text(format!(r#"{{"openid":"{}"}}"#, "o".repeat(1 << 20))),
        ["http", "500"] => HttpResponse::InternalServerError().body("{}"),
        _ => error(40_029),
    }
}

/// WeChat labels its JSON as text.
fn text(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(body)
}

fn error(code: i64) -> HttpResponse {
    text(format!(r#"{{"errcode":{code},"errmsg":"as documented, rid: 1"}}"#))
}

fn person(name: &str) -> HttpResponse {
    text(format!(
        r#"{{"openid":"openid-{name}","session_key":"{}","unionid":"union-{name}"}}"#,
        session_key_of(name)
    ))
}

/// The session key of whoever has that name.
pub fn session_key_of(name: &str) -> String {
    format!("session-key-of-{name}==")
}
