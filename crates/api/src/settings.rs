//! What the operator decides about HTTP.

use crate::proxy::TrustedProxies;

/// Settings of the HTTP side; each is a key of the configuration.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Largest body that is read, in bytes.
    pub body_bytes_max: usize,
    /// Largest page of a list.
    pub page_size_max: u32,
    /// Largest page of a history.
    pub history_page_max: u32,
    /// Requests that a person may make in a minute of one instance; 0 is no limit.
    pub requests_per_minute: u32,
    /// Event streams and long polls that a person may have open on one instance; 0 is no limit.
    pub event_streams_per_user: u32,
    /// Origins of other sites whose scripts may call us (`https://example.org`); none by default.
    pub allowed_origins: Vec<String>,
    /// Proxies whose word is taken for a client's address.
    pub trusted_proxies: TrustedProxies,
    /// Who produces AI messages, as the label on each of them says.
    pub aigc_producer: String,
    /// The version that `/healthz` and the OpenAPI document name.
    pub version: String,
    /// What holds for sockets.
    pub socket: SocketSettings,
}

/// Limits of sockets; 0 is no limit for counts and rates.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// Largest message that is read, in bytes.
    pub frame_bytes: usize,
    /// Connections of a person, on one instance.
    pub connections_per_user: u32,
    /// Connections of an address, on one instance.
    pub connections_per_ip: u32,
    /// Rooms that one connection may be in.
    pub rooms_per_connection: u32,
    /// Frames that a connection may send in a second.
    pub frames_per_second: u32,
    /// Frames that it may send at once.
    pub frames_burst: u32,
    /// Events in one answer.
    pub events_size: u32,
    /// Whether scripts of other sites are refused, unless their origin is allowed.
    pub checks_origin: bool,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            frame_bytes: 65_536,
            connections_per_user: 5,
            connections_per_ip: 200,
            rooms_per_connection: 50,
            frames_per_second: 10,
            frames_burst: 30,
            events_size: 300,
            checks_origin: true,
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            page_size_max: 100,
            history_page_max: 50,
            requests_per_minute: 600,
            event_streams_per_user: 5,
            allowed_origins: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            aigc_producer: "Jixia".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            socket: SocketSettings::default(),
        }
    }
}
