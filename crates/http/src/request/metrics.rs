//! Counts and times requests by route, method and status. Each series is found by its index and registered at its first
//! use, so that counting a request formats nothing and takes no lock.

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode},
};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::{
    collections::{BTreeSet, HashMap},
    sync::OnceLock,
    time::Instant,
};

use super::{
    operation::{Operation, operation_of},
    response_times::{Percentiles, ResponseTimes},
};

/// Label of requests that match no route. Clients must not be able to create label values.
const UNMATCHED: &str = "unmatched";
/// Routes that the OpenAPI document omits.
const UNDOCUMENTED: [&str; 6] =
    ["/openapi.json", "/docs", "/docs/{_:.*}", "/links/page.js", "/links/page.css", "/links/{purpose}"];
/// The methods with a label of their own; all others share one.
const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
const OTHER: &str = "other";

/// The lowest status.
const FIRST_STATUS: u16 = 100;
/// One more than the highest status.
const STATUSES: u16 = 600;

/// The counts and times of requests. Without a recorder only the percentiles are kept.
pub struct HttpMetrics {
    began: Instant,
    places: HashMap<&'static str, usize>,
    routes: Vec<Route>,
    in_flight: Gauge,
}

struct Route {
    pattern: &'static str,
    methods: [OnceLock<Series>; METHODS.len() + 1],
}

/// The series of one route and method.
struct Series {
    duration: Histogram,
    lately: ResponseTimes,
    statuses: Box<[OnceLock<Counter>]>,
}

/// The recent response times of a route.
pub(crate) struct RouteTimes {
    pub(crate) method: &'static str,
    /// The pattern of the route, not a path.
    pub(crate) route: &'static str,
    pub(crate) percentiles: Percentiles,
}

/// A request in progress. Dropping it ends its count, with or without a response.
pub(crate) struct Measured<'a> {
    metrics: &'a HttpMetrics,
    method: usize,
    began: Instant,
}

impl HttpMetrics {
    /// Creates the metrics of these operations. Must run after the recorder is installed, where there is one.
    pub fn new(operations: impl Iterator<Item = &'static Operation>) -> Self {
        let documented: BTreeSet<&str> = operations.map(|operation| operation.path.as_str()).collect();
        let patterns: Vec<&'static str> = [UNMATCHED].into_iter().chain(UNDOCUMENTED).chain(documented).collect();
        let routes = patterns.iter().map(|pattern| Route { pattern, methods: Default::default() }).collect();
        let places = patterns.iter().zip(0..).map(|(pattern, place)| (*pattern, place)).collect();
        Self { began: Instant::now(), places, routes, in_flight: gauge!("http_requests_in_flight") }
    }

    pub(crate) fn begin(&self, method: &Method) -> Measured<'_> {
        self.in_flight.increment(1.0);
        let method = METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len());
        Measured { metrics: self, method, began: Instant::now() }
    }

    /// Returns the response times of the last minutes by route, the slowest first.
    pub(crate) fn lately(&self) -> Vec<RouteTimes> {
        let minute = self.minute();
        let mut times = Vec::new();
        for route in &self.routes {
            for (place, series) in route.methods.iter().enumerate() {
                let percentiles = series.get().and_then(|series| series.lately.percentiles(minute));
                times.extend(percentiles.map(|percentiles| RouteTimes {
                    method: method_name(place),
                    route: route.pattern,
                    percentiles,
                }));
            }
        }
        times.sort_by(|one, other| other.percentiles.p99.total_cmp(&one.percentiles.p99));
        times
    }

    fn minute(&self) -> u64 {
        self.began.elapsed().as_secs() / 60
    }

    /// Returns the route that matched a request. The pattern of a path without parameters is the path.
    fn route_of(&self, request: &HttpRequest) -> &Route {
        let of = |pattern: &str| self.places.get(pattern).copied();
        let of_operation = || of(&operation_of(request)?.path);
        let place = of(request.path()).or_else(of_operation).or_else(|| of(&request.match_pattern()?));
        &self.routes[place.unwrap_or(0)]
    }
}

impl Route {
    fn series(&self, method: usize) -> &Series {
        self.methods[method].get_or_init(|| Series {
            duration: histogram!(
                "http_request_duration_seconds", "method" => method_name(method), "route" => self.pattern
            ),
            lately: ResponseTimes::default(),
            statuses: (FIRST_STATUS..STATUSES).map(|_| OnceLock::new()).collect(),
        })
    }

    fn count(&self, method: usize, status: StatusCode, series: &Series) {
        let place = usize::from(status.as_u16().clamp(FIRST_STATUS, STATUSES - 1) - FIRST_STATUS);
        let counter = series.statuses[place].get_or_init(|| {
            let status = status.as_u16().to_string();
            counter!(
                "http_requests_total", "method" => method_name(method), "route" => self.pattern, "status" => status
            )
        });
        counter.increment(1);
    }
}

fn method_name(place: usize) -> &'static str {
    const NAMES: [&str; METHODS.len()] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    NAMES.get(place).copied().unwrap_or(OTHER)
}

impl Measured<'_> {
    /// Records the response. After a panic the request is no longer available.
    pub(crate) fn end(self, request: Option<&HttpRequest>, status: StatusCode) {
        let route = request.map_or(&self.metrics.routes[0], |request| self.metrics.route_of(request));
        let series = route.series(self.method);
        let took = self.began.elapsed();
        series.duration.record(took);
        series.lately.record(self.metrics.minute(), took);
        route.count(self.method, status, series);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_stand_where_their_names_do() {
        for (place, method) in METHODS.iter().enumerate() {
            assert_eq!(method_name(place), method.as_str());
        }
        assert_eq!(method_name(METHODS.len()), OTHER);
    }
}
