//! The users of the benchmark: owners of one tenant each, and their requests.

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::Full;
use hyper::{Method, Request, header};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::load::{Call, Client, LoadClient, ReceivedReply};

const PASSWORD: &str = "quartz-jockey-vows-imply";

/// A signed-in owner of a tenant.
#[derive(Clone)]
pub(crate) struct SignedInOwner {
    email: String,
    pub(crate) user: String,
    pub(crate) tenant: String,
    pub(crate) access_token: String,
    refresh_token: String,
}

impl SignedInOwner {
    /// Registers a user with a tenant of this name.
    async fn register(address: SocketAddr, name: &str) -> Result<Self> {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace", "tenantName": name });
        let reply = Client::open(address).await?.succeed(post("/auth/register", &body)?).await?;
        Self::of(email, &reply)
    }

    /// Opens another session of the same user.
    pub(crate) async fn sign_in(&self, address: SocketAddr) -> Result<Self> {
        let reply = Client::open(address).await?.succeed(self.login()?).await?;
        Self::of(self.email.clone(), &reply)
    }

    fn of(email: String, reply: &ReceivedReply) -> Result<Self> {
        let body: Value = serde_json::from_slice(&reply.body)?;
        let text = |pointer| text_at(&body, pointer);
        Ok(Self {
            email,
            user: text("/data/user/id")?,
            tenant: text("/data/tenant/id")?,
            access_token: text("/data/accessToken")?,
            refresh_token: text("/data/refreshToken")?,
        })
    }

    fn login(&self) -> Result<Call> {
        post("/auth/login", &json!({ "email": self.email, "password": PASSWORD }))
    }

    /// Creates a GET request for the path.
    pub(crate) fn read(&self, path: &str) -> Result<Call> {
        let call = Request::builder().uri(format!("/api/v1{path}"));
        let call = call.header(header::AUTHORIZATION, format!("Bearer {}", self.access_token));
        Ok(call.body(Full::default())?)
    }

    /// Returns the id of the user's session.
    pub(crate) async fn session(&self, address: SocketAddr) -> Result<String> {
        let reply = Client::open(address).await?.succeed(me(&self.access_token)?).await?;
        text_at(&serde_json::from_slice(&reply.body)?, "/data/session/id")
    }
}

/// Registers `count` users. Each network address may register twenty per hour.
pub(crate) async fn register(address: SocketAddr, name: &str, count: u32) -> Result<Vec<SignedInOwner>> {
    let names = (0..count).map(|number| format!("{name}-{number}"));
    try_join_all(names.map(async |name| SignedInOwner::register(address, &name).await)).await
}

fn text_at(body: &Value, pointer: &str) -> Result<String> {
    let text = body.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the answer has no {pointer}"))?.to_owned())
}

fn me(access_token: &str) -> Result<Call> {
    let call =
        Request::builder().uri("/api/v1/auth/me").header(header::AUTHORIZATION, format!("Bearer {access_token}"));
    Ok(call.body(Full::default())?)
}

fn post(path: &str, body: &Value) -> Result<Call> {
    let call = Request::builder().method(Method::POST).uri(format!("/api/v1{path}"));
    Ok(call.header(header::CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body.to_string())))?)
}

/// Requests the same path again and again.
#[derive(Clone)]
pub(crate) struct ReadsPath(pub(crate) SignedInOwner, pub(crate) String);

impl LoadClient for ReadsPath {
    fn next_call(&mut self) -> Result<Call> {
        self.0.read(&self.1)
    }
}

/// Requests `GET /auth/me`.
pub(crate) struct AsksMe(pub(crate) SignedInOwner);

impl LoadClient for AsksMe {
    fn next_call(&mut self) -> Result<Call> {
        me(&self.0.access_token)
    }
}

/// Signs in.
pub(crate) struct SignsIn(pub(crate) SignedInOwner);

impl LoadClient for SignsIn {
    fn next_call(&mut self) -> Result<Call> {
        self.0.login()
    }
}

/// Refreshes the session.
pub(crate) struct Refreshes(pub(crate) SignedInOwner);

impl LoadClient for Refreshes {
    fn next_call(&mut self) -> Result<Call> {
        post("/auth/refresh", &json!({ "refreshToken": self.0.refresh_token }))
    }

    fn read(&mut self, reply: &ReceivedReply) -> Result<()> {
        self.0.refresh_token = text_at(&serde_json::from_slice(&reply.body)?, "/data/refreshToken")?;
        Ok(())
    }
}

/// Creates roles with distinct names.
pub(crate) struct MakesRoles(pub(crate) SignedInOwner);

impl LoadClient for MakesRoles {
    fn next_call(&mut self) -> Result<Call> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("clerk {}", MADE.fetch_add(1, Ordering::Relaxed));
        let role = json!({ "name": name, "description": "Answers customers.", "permissions": ["users:read"] });
        let mut call = post("/roles", &role)?;
        call.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {}", self.0.access_token).parse()?);
        Ok(call)
    }
}
