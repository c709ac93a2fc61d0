//! A client that follows the conventions of the API and checks every response against them.

use reqwest::{
    Method, StatusCode,
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::Value;
use std::collections::HashSet;
use tenantry_http::operations;
use uuid::Uuid;

use super::{contract, routes::document, sql::Sql};

/// Sends requests to one server, with or without an access token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    sql: Sql,
    pub(crate) access_token: Option<String>,
}

/// Returns a client without the conventions. It follows no redirects and trusts no certificates: reading those of the
/// machine takes a tenth of a second, and test servers speak plain HTTP.
pub(crate) fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_certs_only([]);
    client.build().unwrap()
}

/// Requests a URL with a client of [`http`].
pub(crate) async fn fetch(url: impl reqwest::IntoUrl) -> reqwest::Result<reqwest::Response> {
    http().get(url).send().await
}

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
    /// The body as bytes, for bodies that are not text.
    pub(crate) bytes: Vec<u8>,
    call: String,
}

impl Client {
    pub(crate) fn new(url: &str, sql: Sql) -> Self {
        Self { http: http(), url: url.to_owned(), sql, access_token: None }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { access_token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body), &[]).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// Sends a request to a path below `/api/v1`, or to a root path that starts with `//`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let full = match path.strip_prefix("//") {
            Some(root) => format!("/{root}"),
            None => format!("/api/v1{path}"),
        };
        let mut request = self.http.request(method.clone(), format!("{}{full}", self.url));
        if let Some(token) = &self.access_token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.finish(request, &method, &full).await
    }

    /// Uploads a file of that name and declared type.
    pub(crate) async fn upload(&self, name: &str, declared: &str, bytes: &[u8]) -> Reply {
        let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned()).mime_str(declared).unwrap();
        self.upload_form(Form::new().part("file", part)).await
    }

    /// Uploads a form that the test built.
    pub(crate) async fn upload_form(&self, form: Form) -> Reply {
        let request = self.raw(Method::POST, "/files/upload").multipart(form);
        self.finish(request, &Method::POST, "/api/v1/files/upload").await
    }

    /// Sends a request that the test built, and checks the response against the conventions too.
    pub(crate) async fn finish(&self, request: reqwest::RequestBuilder, method: &Method, path: &str) -> Reply {
        let answer = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status, headers, body, text, bytes, call: format!("{method} {path}") };
        reply.keeps_conventions();
        contract::hold(&reply);
        self.left_only_declared_events(&reply, method, path).await;
        reply
    }

    /// Returns a raw request builder for a path below `/api/v1`.
    pub(crate) fn raw(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        match &self.access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn left_only_declared_events(&self, reply: &Reply, method: &Method, path: &str) {
        if !reply.status.is_success() || method == Method::GET {
            return;
        }
        let Some(id) = operation_of(method, path) else { return };
        let operation = operations().find(|operation| operation.id == id).unwrap();
        let declared: HashSet<&str> = operation.contract.events.iter().map(|action| action.name()).collect();
        for (action, _) in self.sql.events_of(reply.request_id()).await {
            assert!(declared.contains(action.as_str()), "{} left {action}, which it does not declare", reply.call);
        }
    }
}

/// Returns the documented operation of a request.
pub(crate) fn operation_of(method: &Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let paths = document()["paths"].as_object().unwrap();
    // In the order of the document a fixed word precedes a parameter in the same place.
    let found = paths.iter().find(|(template, _)| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len() && template.iter().zip(&parts).all(|(t, p)| t.starts_with('{') || t == p)
    });
    let operation = found?.1.get(method.as_str().to_lowercase())?;
    Some(operation["operationId"].as_str().unwrap().to_owned())
}

impl Reply {
    /// Returns the data of a success with that status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.call, self.text);
        self.body["data"].clone()
    }

    /// Checks for a failure with that status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let said = self.body["error"]["code"].as_str().unwrap_or_default();
        assert_eq!((self.status.as_u16(), said), (status, code), "{}: {}", self.call, self.text);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Returns the documented operation that it responds to.
    pub(crate) fn operation(&self) -> Option<String> {
        let (method, path) = self.call.split_once(' ').unwrap();
        operation_of(&method.parse().unwrap(), path)
    }

    pub(crate) fn request_id(&self) -> Uuid {
        self.header("x-request-id").parse().unwrap()
    }

    /// Checks the conventions of every response, errors included.
    #[track_caller]
    fn keeps_conventions(&self) {
        let call = &self.call;
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{call}");
        assert_eq!(self.header("referrer-policy"), "no-referrer", "{call}");
        // The target of a link may be embedded anywhere. A 304 repeats the header, since it replaces the stored one.
        let is_linked = call.contains("/files/signed/") && matches!(self.status.as_u16(), 200 | 206 | 302 | 304 | 416);
        let shown = if is_linked { "cross-origin" } else { "same-origin" };
        assert_eq!(self.header("cross-origin-resource-policy"), shown, "{call}");
        assert!(self.header("content-security-policy").contains("default-src 'none'"), "{call}");
        assert!(!self.headers.contains_key("server"), "{call}");
        assert!(self.headers.contains_key("x-request-id"), "{call}");
        match self.status.as_u16() {
            204 => assert!(self.text.is_empty(), "{call}: {}", self.text),
            400.. if self.body["status"].is_null() && !call.starts_with("HEAD ") => {
                assert_eq!(self.body["success"], false, "{call}: {}", self.text);
                assert_eq!(self.body["requestId"], self.header("x-request-id"), "{call}");
                assert!(self.body["error"]["message"].as_str().is_some_and(|m| m.ends_with('.')), "{call}");
            }
            201 => assert!(self.headers.contains_key("location"), "{call}"),
            _ => {}
        }
        if self.status == 401 {
            assert!(self.header("www-authenticate").starts_with("Bearer"), "{call}");
        }
        if matches!(self.status.as_u16(), 429 | 503) && self.body["status"].is_null() {
            assert!(self.header("retry-after").parse::<u64>().is_ok(), "{call}");
        }
    }
}
