//! A WebSocket echo on the gateway's own connection code, for protocol suites: `websocket_echo [--port 9001]`.

#![expect(clippy::print_stdout, reason = "it says where it is")]

use std::rc::Rc;

use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use api::problem::Problem;
use api::ws::{self, Handler, Outbox, Socket, Violation};
use bytes::Bytes;

/// Sends everything back as it came.
struct Echo(Rc<Outbox>);

impl Handler for Echo {
    fn text(&mut self, text: Bytes) {
        self.0.send(ws::text(&text));
    }

    fn binary(&mut self, data: Bytes) {
        self.0.send(ws::binary(&data));
    }

    fn violated(&mut self, violation: Violation) {
        self.0.finish([ws::close(Some(violation.close_code()))]);
    }
}

/// The suites' largest message.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
const PORT: u16 = 9_001;

async fn echo(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let outbox = Rc::new(Outbox::default());
    let handler = Echo(Rc::clone(&outbox));
    ws::upgrade(&request, Socket::new(payload, MESSAGE_BYTES_MAX, outbox, handler))
}

fn port() -> anyhow::Result<u16> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(PORT),
        (Some("--port"), Some(port)) => port.parse().context("--port takes a number"),
        (Some(_), _) => anyhow::bail!("usage: websocket_echo [--port PORT]"),
    }
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let server = HttpServer::new(|| App::new().default_service(web::to(echo)));
    let server = server.workers(1).tcp_nodelay(true).bind(("127.0.0.1", port()?))?;
    for address in server.addrs() {
        println!("echo at ws://{address}");
    }
    Ok(server.run().await?)
}
