//! A load of several tenants: they register, create, rename and assign roles, sign in and out, and record it in the
//! ledger.

use reqwest::{
    Method, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_testkit::ledger::{Ledger, LedgerEntry, RequestOutcome};
use tokio::task::JoinHandle;

use super::answer_within;
use crate::support::PASSWORD;

/// Number of clients, each of one tenant, that work at the same time.
const HANDS: usize = 4;
/// Number of roles after which a client registers again.
const ROLES_EACH: usize = 8;
/// Time after which the client gives up on a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum time of any response, success or failure.
const ANSWERED: Duration = Duration::from_secs(3);
/// Pause of a client after a failed request.
const REST: Duration = Duration::from_millis(20);
/// Maximum time until enough requests are done for a test to continue.
const PROGRESS: Duration = Duration::from_secs(20);

/// The concurrent requests of several tenants, which continue through every fault.
pub(super) struct Load {
    books: Books,
    stop: Arc<AtomicBool>,
    hands: Vec<JoinHandle<()>>,
}

/// The recorded requests and responses, and the client that sends more.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) ledger: Arc<Ledger>,
    pub(super) homes: Arc<RwLock<Vec<Home>>>,
    /// Responses that no fault excuses.
    pub(super) misdeeds: Arc<RwLock<Vec<String>>>,
    /// Requests that the server accepted and did not respond to.
    pub(super) unanswered: Arc<RwLock<Vec<String>>>,
    http: reqwest::Client,
    url: Arc<RwLock<String>>,
}

/// A tenant that was registered, with its owner signed in.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) slug: String,
    pub(super) owner: String,
    pub(super) token: String,
}

/// A response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) request_id: String,
    pub(super) body: Value,
    /// Whether it repeats the response to an earlier request with the same key.
    pub(super) is_replayed: bool,
}

/// A request of a caller.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) token: &'a str,
    pub(super) agent: &'a str,
    pub(super) body: Value,
    /// The idempotency key of the request, so that it can be sent again.
    pub(super) key: Option<&'a str>,
    /// Name of a file to upload in place of a body: a table that contains its name.
    pub(super) file: Option<&'a str>,
}

impl Load {
    pub(super) fn start(url: &str) -> Self {
        Self::of(url, |books, stop| books.work(stop))
    }

    /// Starts other work with the same number of clients.
    pub(super) fn of<F>(url: &str, work: impl Fn(Books, Arc<AtomicBool>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(PATIENCE).build().unwrap();
        let url = Arc::new(RwLock::new(url.to_owned()));
        let books = Books {
            ledger: Arc::default(),
            homes: Arc::default(),
            misdeeds: Arc::default(),
            unanswered: Arc::default(),
            http,
            url,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let hand = |_| tokio::spawn(work(books.clone(), stop.clone()));
        Self { hands: (0..HANDS).map(hand).collect(), books, stop }
    }

    /// Sends later requests to a server that has restarted at another address.
    pub(super) fn redirect(&self, url: &str) {
        url.clone_into(&mut self.books.url.write().unwrap());
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    /// Waits until this number of further requests was acknowledged.
    pub(super) async fn progress(&self, more: usize) {
        let done = || self.books.ledger.count(RequestOutcome::Acknowledged);
        let goal = done() + more;
        answer_within(PROGRESS, "the load gets on", async || (done() >= goal).then_some(())).await;
    }

    /// Ends when every client has completed its round.
    pub(super) async fn finish(self) -> Books {
        self.stop.store(true, Ordering::Relaxed);
        for hand in self.hands {
            hand.await.unwrap();
        }
        self.books
    }
}

impl Books {
    /// Sends a request; returns `None` without a response. Checks that under any fault a response comes in time, and
    /// that one for unavailability says when to retry.
    pub(super) async fn call(&self, call: Call<'_>) -> Option<Answer> {
        let url = format!("{}/api/v1{}", self.url.read().unwrap(), call.path);
        let mut request = self.http.request(call.method, url).header("user-agent", call.agent);
        if !call.token.is_empty() {
            request = request.bearer_auth(call.token);
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(name) = call.file {
            let part = Part::bytes(name.as_bytes().to_vec()).file_name(format!("{name}.csv"));
            request = request.multipart(Form::new().part("file", part.mime_str("text/csv").unwrap()));
        } else if !call.body.is_null() {
            request = request.json(&call.body);
        }
        let began = Instant::now();
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return None,
            Err(error) => {
                let why = format!("{} after {:?}: {error:?}", call.path, began.elapsed());
                self.unanswered.write().unwrap().push(why);
                return None;
            }
        };
        let (status, took) = (answer.status(), began.elapsed());
        let says_when = answer.headers().contains_key("retry-after");
        if took > ANSWERED || (status.is_server_error() && !(status == 503 && says_when)) {
            self.misdeeds.write().unwrap().push(format!("{} was answered {status} after {took:?}", call.path));
        }
        let is_replayed = answer.headers().contains_key("idempotency-replayed");
        let id = answer.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        // The status has arrived: whatever happens to the body, the client was informed.
        let body = answer.json().await.unwrap_or_default();
        Some(Answer { status, request_id: id.unwrap_or_default(), body, is_replayed })
    }

    async fn work(self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let Some(home) = self.register().await else {
                tokio::time::sleep(REST).await;
                continue;
            };
            for _ in 0..ROLES_EACH {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if self.live(&home).await.is_none() {
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Makes one change of each kind; stops at the first that is not acknowledged, since the next needs it.
    async fn live(&self, home: &Home) -> Option<()> {
        let name = self.ledger.canary();
        let role = json!({ "name": name, "description": name, "permissions": ["users:read"] });
        let made = self.change("role", home, &name, home.call(Method::POST, "/roles", role)).await?;
        let role = made["data"]["id"].as_str()?.to_owned();

        let duplicate = self.ledger.canary();
        let again = json!({ "name": name, "description": duplicate, "permissions": [] });
        self.change("role", home, &duplicate, home.call(Method::POST, "/roles", again)).await;

        let new_name = self.ledger.canary();
        let path = format!("/roles/{role}");
        let renaming = home.call(Method::PATCH, &path, json!({ "name": new_name }));
        self.change("name", home, &new_name, renaming).await?;

        let table = self.ledger.canary();
        let uploading = Call { file: Some(&table), ..home.call(Method::POST, "/files/upload", Value::Null) };
        self.change("file", home, &table, uploading).await?;

        let path = format!("/users/{}/roles/{role}", home.owner);
        self.change("holding", home, &name, home.call(Method::POST, &path, Value::Null)).await?;

        let agent = self.ledger.canary();
        let credentials = json!({ "email": home.email(), "password": PASSWORD, "tenantSlug": home.slug });
        let login = Call { token: "", agent: &agent, ..home.call(Method::POST, "/auth/login", credentials) };
        let signed_in = self.change("session", home, &agent, login).await?;
        let token = signed_in["data"]["accessToken"].as_str()?;
        let logout = Call { token, ..home.call(Method::POST, "/auth/logout", Value::Null) };
        self.change("ended", home, &agent, logout).await.map(|_| ())
    }

    /// Creates roles, each with its own idempotency key, and repeats each request until a response arrives. Counts
    /// replayed responses.
    pub(super) async fn insist(self, stop: Arc<AtomicBool>, replays: Arc<AtomicUsize>) {
        let home = loop {
            match self.register().await {
                Some(home) => break home,
                None if stop.load(Ordering::Relaxed) => return,
                None => tokio::time::sleep(REST).await,
            }
        };
        while !stop.load(Ordering::Relaxed) {
            let name = self.ledger.canary();
            let line = self.ledger.before("role", &home.slug, &name);
            let role = json!({ "name": name, "description": name, "permissions": ["users:read"] });
            let made = loop {
                let call = Call { key: Some(&name), ..home.call(Method::POST, "/roles", role.clone()) };
                match self.call(call).await {
                    Some(answer) if answer.status.is_success() => break answer,
                    _ => tokio::time::sleep(REST).await,
                }
            };
            replays.fetch_add(usize::from(made.is_replayed), Ordering::Relaxed);
            self.ledger.after(line, made.status.as_u16(), &made.request_id);
        }
    }

    async fn register(&self) -> Option<Home> {
        let slug = self.ledger.canary();
        let mut home = Home { slug: slug.clone(), owner: String::new(), token: String::new() };
        let body = json!({
            "email": home.email(), "password": PASSWORD, "name": slug, "tenantName": slug, "tenantSlug": slug
        });
        let made = self.change("tenant", &home, &slug, home.call(Method::POST, "/auth/register", body)).await?;
        home.owner = made["data"]["user"]["id"].as_str()?.to_owned();
        home.token = made["data"]["accessToken"].as_str()?.to_owned();
        self.homes.write().unwrap().push(home.clone());
        Some(home)
    }

    /// Sends a request with its line in the ledger, and returns the body of an acknowledgement.
    async fn change(&self, what: &'static str, home: &Home, canary: &str, call: Call<'_>) -> Option<Value> {
        let answer = self.ask(what, home, canary, call).await?;
        answer.status.is_success().then_some(answer.body)
    }

    /// Sends a request with its line in the ledger.
    async fn ask(&self, what: &'static str, home: &Home, canary: &str, call: Call<'_>) -> Option<Answer> {
        let line = self.ledger.before(what, &home.slug, canary);
        let answer = self.call(call).await?;
        self.ledger.after(line, answer.status.as_u16(), &answer.request_id);
        Some(answer)
    }

    /// Returns a tenant that was registered.
    pub(super) fn home(&self) -> Home {
        self.homes.read().unwrap()[0].clone()
    }

    /// Returns the requests with this outcome.
    pub(super) fn lines(&self, outcome: RequestOutcome) -> Vec<LedgerEntry> {
        self.ledger.lines(outcome)
    }
}

impl Home {
    /// Lists the roles: a route that reads the database.
    pub(super) async fn sees_roles(&self, books: &Books) -> Option<Answer> {
        books.call(self.call(Method::GET, "/roles", Value::Null)).await
    }

    /// Creates a role: a route that writes.
    pub(super) async fn makes_role(&self, books: &Books) -> Option<Answer> {
        let name = books.ledger.canary();
        let body = json!({ "name": name, "description": name, "permissions": [] });
        books.ask("role", self, &name, self.call(Method::POST, "/roles", body)).await
    }

    /// Creates a request of the owner.
    pub(super) fn call<'a>(&'a self, method: Method, path: &'a str, body: Value) -> Call<'a> {
        Call { method, path, token: &self.token, agent: &self.slug, body, key: None, file: None }
    }

    fn email(&self) -> String {
        format!("{}@tenants.example", self.slug)
    }
}
