//! `jixia healthcheck`: one request to the server's own port, for containers that have no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use super::output::complain;
use super::{FAILED, OK};
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(3);
const STATUS_LINE_BYTES: usize = 64;

pub(super) fn run(config: &Config) -> anyhow::Result<u8> {
    let address = reachable(config.http.listen);
    let status = ask(address).with_context(|| format!("no answer from http://{address}/readyz"))?;
    if status.starts_with("HTTP/1.1 200") {
        return Ok(OK);
    }
    complain(&format!("http://{address}/readyz is not ready: {}", status.lines().next().unwrap_or_default()));
    Ok(FAILED)
}

/// Where a server that listens there is reached from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = Vec::new();
    stream.take(u64::try_from(STATUS_LINE_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.1.2.3:80".parse().unwrap()).to_string(), "10.1.2.3:80");
    }
}
