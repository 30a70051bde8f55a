//! Metrics of HTTP: how many, how long, how many at once.
//!
//! Looking a metric up by its labels costs more than counting, so each worker keeps the handles that it has used.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::route_table::RouteTable;

/// A request's labels: the route's number (`None`: no route), the method, and the status.
type CounterKey = (Option<usize>, &'static str, u16);
type HistogramKey = (Option<usize>, &'static str);

/// Label of requests that no route answers, and of the page's files.
const NO_ROUTE: &str = "unmatched";

/// The handles of one worker.
pub(crate) struct Meters {
    requests: RefCell<HashMap<CounterKey, Counter>>,
    durations: RefCell<HashMap<HistogramKey, Histogram>>,
    in_flight: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            requests: RefCell::default(),
            durations: RefCell::default(),
            in_flight: gauge!("http_requests_in_flight"),
        }
    }

    /// Counts a request until the guard goes.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.increment(1);
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn record(&self, table: &RouteTable, key: CounterKey, took: Duration) {
        let (route, method, status) = key;
        let label = || table_label(table, route);
        if let Ok(mut requests) = self.requests.try_borrow_mut() {
            let make = || {
                let status = status.to_string();
                counter!("http_requests_total", "method" => method, "route" => label(), "status" => status)
            };
            requests.entry(key).or_insert_with(make).increment(1);
        }
        if let Ok(mut durations) = self.durations.try_borrow_mut() {
            let make = || histogram!("http_request_duration_seconds", "method" => method, "route" => label());
            durations.entry((route, method)).or_insert_with(make).record(took);
        }
    }
}

fn table_label(table: &RouteTable, route: Option<usize>) -> String {
    route
        .and_then(|index| table.route(index))
        .map_or_else(|| NO_ROUTE.to_owned(), |route| route.template.clone())
}

/// One request that is being answered.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
