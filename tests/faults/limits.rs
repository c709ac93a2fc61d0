//! Tests of rate limits that three processes share, and of these limits while their Redis does not respond.
//!
//! `TENANTRY_LOST_SECONDS` sets how long Redis is lost; with 125 and more, the second window after the loss is measured
//! too: `TENANTRY_LOST_SECONDS=125 cargo xtask test -E 'test(faults::limits)'`.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tenantry_testkit::redis::RedisServer;

use super::{
    HEALED, answer_within,
    process::{Process, settings},
    run,
};
use crate::support::{Kind, PASSWORD, Sample, ServerData, fetch};

/// Requests that a caller may send per minute; the quota refills by one every two seconds.
const LIMIT: usize = 30;
const WINDOW: Duration = Duration::from_secs(60);
const PROCESSES: usize = 3;
/// Maximum time that a request waits for a Redis that does not respond.
const BAR: Duration = Duration::from_millis(150);
/// Pause between two waves of a flood, and number of requests per process and wave.
const REST: Duration = Duration::from_millis(200);
const AT_ONCE: usize = 4;
/// Two heartbeats: the maximum time until every process knows the others.
const COUNTED: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
fn lost_for() -> Duration {
    let seconds = std::env::var("TENANTRY_LOST_SECONDS").map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(6))
}

/// Three processes on one Redis and one PostgreSQL, and a caller.
struct Three {
    redis: RedisServer,
    processes: Vec<Process>,
    http: reqwest::Client,
    token: String,
    answers: Vec<Answer>,
    _place: ServerData,
}

struct Answer {
    at: Instant,
    took: Duration,
    status: StatusCode,
}

impl Three {
    async fn start() -> Self {
        let (redis, place) = (RedisServer::start(), ServerData::new(Kind::Postgres).await);
        let settings = settings()
            .set("REDIS_URL", &redis.url())
            .set("RATE_LIMITS", "on")
            .set("RATE_LIMIT_PLANS_STARTER", &format!("caller={LIMIT},tenant=1000000"))
            .set("METRICS_ADDR", "127.0.0.1:0");
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            processes.push(Process::start(&place, &settings).await);
        }
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(10)).build().unwrap();
        let body = json!({ "email": "ada@acme.example", "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
        let url = format!("{}/api/v1/auth/register", processes[0].url());
        let answer: Value = http.post(url).json(&body).send().await.unwrap().json().await.unwrap();
        let token = answer["data"]["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let three = Self { redis, processes, http, token, answers: Vec::new(), _place: place };
        for place in 0..PROCESSES {
            let counted = async || (three.metric(place, "tenantry_serving_processes", None).await == 3.0).then_some(());
            answer_within(COUNTED, "the processes know of each other", counted).await;
        }
        three
    }

    async fn metric(&self, process: usize, name: &str, by: Option<&str>) -> f64 {
        let address = self.processes[process].entry("serving metrics").unwrap()["address"].as_str().unwrap().to_owned();
        let text = fetch(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
        let fits = |sample: &Sample| {
            sample.name == name && by.is_none_or(|by| sample.labels.get("by").is_some_and(|found| found == by))
        };
        Sample::all(&text).into_iter().find(fits).map_or(0.0, |sample| sample.value)
    }

    /// Sends this number of requests at once to each of these processes.
    async fn wave(&mut self, at: &[usize], each: usize) {
        let ask = |process: usize| {
            let request = self.http.get(format!("{}/api/v1/auth/me", self.processes[process].url()));
            let request = request.bearer_auth(&self.token);
            async move {
                let at = Instant::now();
                let status = request.send().await.unwrap().status();
                Answer { at, took: at.elapsed(), status }
            }
        };
        let asked = at.iter().flat_map(|process| std::iter::repeat_n(*process, each));
        let answers = join_all(asked.map(ask)).await;
        self.answers.extend(answers);
    }

    async fn flood(&mut self, at: &[usize], lasts: Duration) {
        let began = Instant::now();
        while began.elapsed() < lasts {
            self.wave(at, AT_ONCE).await;
            tokio::time::sleep(REST).await;
        }
    }

    /// Returns the time of a refused request, at the 99th percentile, while Redis is healthy.
    async fn usual(&mut self) -> Duration {
        let began = Instant::now();
        self.flood(&ALL, Duration::from_secs(1)).await;
        self.p99_since(began)
    }

    /// Returns how many requests were admitted between these times.
    fn admitted(&self, from: Instant, until: Instant) -> usize {
        let within = |answer: &&Answer| answer.at >= from && answer.at < until && answer.status == StatusCode::OK;
        self.answers.iter().filter(within).count()
    }

    /// Checks that no response reported a fault, and that no request waited too long.
    fn hold(&self) {
        let odd: Vec<StatusCode> =
            self.answers.iter().map(|a| a.status).filter(|s| !matches!(s.as_u16(), 200 | 429)).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }

    /// Returns the 99th percentile of the times of requests since then.
    fn p99_since(&self, from: Instant) -> Duration {
        let mut took: Vec<Duration> = self.answers.iter().filter(|a| a.at >= from).map(|a| a.took).collect();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }

    /// Waits until all processes count requests together again.
    async fn heals(&mut self) {
        for process in 0..PROCESSES {
            let by_all = async |three: &Self| {
                three.metric(process, "tenantry_rate_limit_decisions_total", Some("shared")).await
                    + three.metric(process, "tenantry_rate_limit_decisions_total", Some("both")).await
            };
            let (began, before) = (Instant::now(), by_all(self).await);
            while by_all(self).await == before {
                assert!(began.elapsed() < HEALED, "Redis is not asked again");
                self.wave(&[process], 1).await;
                // The status is read at most once a second.
                tokio::time::sleep(REST).await;
            }
        }
    }
}

const ALL: [usize; PROCESSES] = [0, 1, 2];

#[test]
fn three_processes_on_one_redis_let_through_one_limit_together() {
    run(async {
        let mut three = Three::start().await;
        let began = Instant::now();
        for _ in 0..8 {
            three.wave(&ALL, AT_ONCE).await;
        }
        let took = began.elapsed();
        let admitted = three.admitted(began, Instant::now());
        let came_back = usize::try_from(took.as_secs() / 2).unwrap();
        assert!(admitted <= LIMIT + 1 + came_back, "{admitted} in {took:?}");
        three.hold();
        let mut alone = 0.0;
        for process in ALL {
            alone += three.metric(process, "tenantry_rate_limit_decisions_total", Some("twin")).await;
        }
        // On a very busy machine Redis may respond too late at times, which costs the caller some requests.
        assert!(alone > 0.0 || admitted >= LIMIT, "{admitted} in {took:?}");
    });
}

#[test]
fn fa3_limits_hold_without_redis_within_twice_in_the_first_window_and_a_fifth_after_it() {
    run(async {
        let mut three = Three::start().await;
        let began = Instant::now();
        // All requests go to one process: the others know nothing of the caller.
        three.wave(&[0], LIMIT + 5).await;
        let at_once = three.admitted(began, Instant::now());
        let usual = three.usual().await;
        three.redis.kill();
        let lost = Instant::now();
        three.flood(&ALL, lost_for()).await;
        three.hold();
        let first = three.admitted(began, began + WINDOW);
        let second = three.admitted(lost + WINDOW, lost + WINDOW * 2);
        println!(
            "{at_once} of {LIMIT} before the loss, {first} in the first window, {second} in the one after; p99 {:?}",
            three.p99_since(lost)
        );
        assert!(at_once <= LIMIT + 2, "{at_once}");
        assert!(first > at_once, "every client is refused");
        assert!(first <= LIMIT * 2, "{first}");
        assert!(second <= LIMIT * 12 / 10, "{second}");
        assert!(three.p99_since(lost) < usual + BAR, "{:?}, and usually {usual:?}", three.p99_since(lost));
    });
}

#[test]
fn fa3_limits_hold_while_redis_is_frozen_and_after_it_has_lost_its_memory() {
    run(async {
        let mut three = Three::start().await;
        let began = Instant::now();
        three.wave(&[0], LIMIT + 5).await;
        let usual = three.usual().await;
        three.redis.freeze();
        let frozen = Instant::now();
        three.flood(&ALL, Duration::from_secs(3)).await;
        let p99 = three.p99_since(frozen);
        assert!(p99 < usual + BAR, "p99 was {p99:?}, and usually {usual:?}");
        three.redis.thaw();
        three.heals().await;
        three.redis.kill();
        three.flood(&ALL, Duration::from_secs(1)).await;
        three.redis.restart();
        three.heals().await;
        three.flood(&ALL, Duration::from_secs(2)).await;
        three.hold();
        let admitted = three.admitted(began, began + WINDOW);
        assert!(admitted <= LIMIT * 2, "{admitted} of {LIMIT} in {:?}", began.elapsed());
    });
}
