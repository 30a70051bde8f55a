//! WeChat Pay on loopback: it verifies what merchants sign, keeps orders and refunds, and signs its answers and notices
//! by a platform certificate or by its public key, as the test says. A test can make it slow, broken or false.

mod books;
mod seal;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use kernel::Clock;
use serde_json::{Value, json};

use books::{Books, Outcome};
pub use seal::{Seal, Signer};

use super::sent::Sent;

/// The merchant that the fake knows.
pub const MCH_ID: &str = "1900000109";
/// The AppID that belongs to it.
pub const APP_ID: &str = super::wechat::APP_ID;
/// The serial of its API certificate.
pub const SERIAL_NO: &str = "444F4864EA9B34415A0B0D1234567890ABCDEF12";
/// Its APIv3 key.
pub const API_V3_KEY: &str = "0123456789abcdefghijklmnopqrstuv";
/// Its private key.
pub const MERCHANT_PRIVATE: &str = include_str!("wechat_keys/merchant_private.pem");
/// The other half, which the fake verifies by.
pub const MERCHANT_PUBLIC: &str = include_str!("wechat_keys/merchant_public.pem");
/// WeChat Pay's public key, and its id.
pub const PUBLIC_KEY: &str = include_str!("wechat_keys/public_key.pem");
/// Names that key.
pub const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000001092026112700000000000001";
/// A platform certificate.
pub const CERTIFICATE: &str = include_str!("wechat_keys/platform_certificate.pem");
/// Its serial.
pub const CERTIFICATE_SERIAL: &str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";
/// One of the same key that is over since 2020.
pub const EXPIRED_CERTIFICATE: &str = include_str!("wechat_keys/expired_certificate.pem");
/// Its serial.
pub const EXPIRED_SERIAL: &str = "1157F09EFDC096DE15EBE81A47057A7232F1B8E1";

/// What the next answers are, for tests of failures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trouble {
    /// As documented.
    #[default]
    None,
    /// No answer for half a minute.
    Slow,
    /// This status with this body, unsigned.
    Status(u16, &'static str),
    /// A success with this body, signed.
    Body(&'static str),
    /// A success without a signature.
    Unsigned,
    /// A success with another body than the signed one.
    Changed,
    /// Signed so many milliseconds ago.
    Late(i64),
    /// More than anybody reads.
    Huge,
}

struct State {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    books: Books,
    trouble: Trouble,
    signer: Signer,
    /// Nonces that were used.
    nonces: Vec<String>,
    asked: Vec<String>,
}

/// The running fake; dropping it stops it.
pub struct FakePay {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl FakePay {
    /// Starts on a free port of loopback, signing by the public key.
    pub fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            books: Books::default(),
            trouble: Trouble::None,
            signer: Signer::PublicKey,
            nonces: Vec::new(),
            asked: Vec::new(),
        };
        let state = Arc::new(State { clock, inner: Mutex::new(inner) });
        let shared = Data::from(Arc::clone(&state));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(shared.clone()).default_service(web::to(answer));
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

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.inner()
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the next answers are.
    pub fn trouble(&self, trouble: Trouble) {
        self.inner().trouble = trouble;
    }

    /// By which key it signs from now on.
    pub fn sign_by(&self, signer: Signer) {
        self.inner().signer = signer;
    }

    /// How often a path was asked for, as `METHOD path` without its query.
    pub fn asked(&self, what: &str) -> usize {
        self.inner().asked.iter().filter(|asked| *asked == what).count()
    }

    /// The person of the order pays it.
    pub fn pay(&self, number: &str) {
        let at = self.state.clock.now();
        self.inner().books.pay(number, at);
    }

    /// An order's JSON, as the merchant sent it.
    pub fn order(&self, number: &str) -> Value {
        self.inner().books.order(number)
    }

    /// A refund comes to its end: `SUCCESS`, `CLOSED` or `ABNORMAL`.
    pub fn end_refund(&self, number: &str, status: &str) {
        self.inner().books.end_refund(number, status);
    }

    /// How much of an order went back.
    pub fn refunded(&self, number: &str) -> i64 {
        self.inner().books.refunded(number)
    }

    /// The notice of a payment.
    pub fn payment_notice(&self, number: &str, seal: &Seal) -> Sent {
        let plain = self.inner().books.transaction(number);
        seal.notice("TRANSACTION.SUCCESS", &plain)
    }

    /// The notice of a refund's end.
    pub fn refund_notice(&self, number: &str, seal: &Seal) -> Sent {
        let (event, plain) = self.inner().books.refund_news(number);
        seal.notice(&event, &plain)
    }

    /// How a notice is sealed now.
    pub fn seal(&self) -> Seal {
        Seal::at(self.state.clock.now(), self.inner().signer)
    }
}

impl Drop for FakePay {
    fn drop(&mut self) {
        // The stop begins when it is called; nobody needs to wait for its end.
        drop(self.handle.stop(false));
    }
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, signed as the test says.
    fn signed(&self, status: u16, body: &str) -> HttpResponse {
        let (trouble, signer) = {
            let inner = self.inner();
            (inner.trouble.clone(), inner.signer)
        };
        let at = match trouble {
            Trouble::Late(millis) => self.clock.now().plus_millis(-millis),
            _ => self.clock.now(),
        };
        let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
        response.content_type("application/json");
        if trouble != Trouble::Unsigned {
            for (name, value) in Seal::at(at, signer).headers(body.as_bytes()) {
                response.insert_header((name, value));
            }
        }
        match trouble {
            Trouble::Changed => response.body(body.replace("prepay", "prepaid") + " "),
            _ if status == 204 => response.finish(),
            _ => response.body(body.to_owned()),
        }
    }
}

async fn answer(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let trouble = state.inner().trouble.clone();
    match trouble {
        Trouble::Slow => actix_web::rt::time::sleep(Duration::from_secs(30)).await,
        Trouble::Status(status, body) => {
            return HttpResponse::build(StatusCode::from_u16(status).expect("a status")).body(body);
        }
        Trouble::Body(body) => return state.signed(200, body),
        Trouble::Huge => return state.signed(200, &format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20))),
        Trouble::None | Trouble::Unsigned | Trouble::Changed | Trouble::Late(_) => {}
    }
    if let Err(why) = verify(&state, &request, &body) {
        let body = json!({ "code": "SIGN_ERROR", "message": why }).to_string();
        return HttpResponse::Unauthorized().content_type("application/json").body(body);
    }
    let outcome = {
        let mut inner = state.inner();
        inner.asked.push(format!("{} {}", request.method(), request.path()));
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        if request.path() == "/v3/certificates" {
            Outcome::Done(200, seal::certificate_list())
        } else {
            inner.books.answer(request.method().as_str(), request.path(), request.query_string(), &asked)
        }
    };
    match outcome {
        Outcome::Done(status, body) => state.signed(status, &body),
        Outcome::Failed(status, code) => {
            let body = json!({ "code": code, "message": "as documented" }).to_string();
            let status = StatusCode::from_u16(status).expect("a status");
            HttpResponse::build(status).content_type("application/json").body(body)
        }
    }
}

/// Whether the request is the merchant's, of now, and new.
fn verify(state: &State, request: &HttpRequest, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let authorization = header("authorization").ok_or("no authorization")?;
    let fields = authorization.strip_prefix("WECHATPAY2-SHA256-RSA2048 ").ok_or("another scheme")?;
    let field = |name: &str| {
        let mut parts = fields.split(',').filter_map(|part| part.split_once('='));
        let value = parts.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim_matches('"'));
        value.ok_or_else(|| format!("no {name}"))
    };
    if field("mchid")? != MCH_ID || field("serial_no")? != SERIAL_NO {
        return Err("another merchant".to_owned());
    }
    if header("accept") != Some("application/json") || header("user-agent").is_none() {
        return Err("Accept or User-Agent".to_owned());
    }
    let (timestamp, nonce) = (field("timestamp")?, field("nonce_str")?);
    let at: i64 = timestamp.parse().map_err(|_no_digits| "no time")?;
    if (state.clock.now().as_millis() / 1_000 - at).abs() > 300 {
        return Err("another time".to_owned());
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let text =
        format!("{}\n{path}\n{timestamp}\n{nonce}\n{}\n", request.method(), String::from_utf8_lossy(body));
    if !seal::is_merchants(text.as_bytes(), field("signature")?) {
        return Err("signature".to_owned());
    }
    let mut inner = state.inner();
    if inner.nonces.iter().any(|used| used == nonce) {
        return Err("a nonce that was used".to_owned());
    }
    inner.nonces.push(nonce.to_owned());
    Ok(())
}
