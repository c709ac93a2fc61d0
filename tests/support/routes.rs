//! The documented operations, as templates of requests.

use reqwest::Method;
use serde_json::Value;
use std::{collections::BTreeSet, sync::LazyLock};
use tenantry_http::{Operation, operations};

use super::{Client, Reply};

/// An id that does not exist.
pub(crate) const UNKNOWN_ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// Returns the OpenAPI document as it was committed. Every test needs it, and reading it is faster than creating it.
/// `tests/openapi.rs` compares it with what the server sends.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    });
    &DOCUMENT
}

/// One documented operation.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    /// Path below the root, with `{…}` in place of ids.
    pub(crate) template: &'static str,
    pub(crate) shape: &'static Value,
}

/// Returns every documented operation.
pub(crate) fn routes() -> &'static [Route] {
    static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(read_routes);
    &ROUTES
}

fn read_routes() -> Vec<Route> {
    let paths = document()["paths"].as_object().unwrap().iter();
    let routes = paths.flat_map(|(template, item)| {
        item.as_object().unwrap().iter().filter(|(_, shape)| shape.get("operationId").is_some()).map(
            |(method, shape)| Route {
                id: shape["operationId"].as_str().unwrap(),
                method: method.to_uppercase().parse().unwrap(),
                template,
                shape,
            },
        )
    });
    routes.collect()
}

/// Returns the operation of that id.
pub(crate) fn route(id: &str) -> &'static Route {
    routes().iter().find(|route| route.id == id).unwrap_or_else(|| panic!("no operation {id}"))
}

impl Route {
    /// Returns the operation's entry in the table.
    pub(crate) fn operation(&self) -> &'static Operation {
        operations().find(|operation| operation.id == self.id).unwrap()
    }

    /// Returns whether callers without a session may call it.
    pub(crate) fn is_public(&self) -> bool {
        self.operation().contract.requires.is_none()
    }

    /// Returns how many ids the path takes.
    pub(crate) fn ids(&self) -> usize {
        self.template.matches('{').count()
    }

    /// Returns the path with these ids, as the client takes it, with the query that the operation requires.
    pub(crate) fn path(&self, ids: &[&str]) -> String {
        assert_eq!(ids.len(), self.ids(), "{}", self.id);
        let mut ids = ids.iter();
        let parts = self.template.split('/').map(|part| match part.starts_with('{') {
            true => *ids.next().unwrap(),
            false => part,
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let query = if self.id == "end_sessions" { "?scope=others" } else { "" };
        match path.strip_prefix("/api/v1") {
            Some(path) => format!("{path}{query}"),
            None => format!("/{path}{query}"),
        }
    }

    /// Returns the path with an unknown id in every place.
    pub(crate) fn unknown_path(&self) -> String {
        self.path(&vec![UNKNOWN_ID; self.ids()])
    }

    /// Calls the operation.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        client.send(self.method.clone(), path, body, headers).await
    }

    /// Returns the schema of its body, if it takes one.
    pub(crate) fn body_schema(&self) -> Option<&'static Value> {
        let schema = self.shape.get("requestBody")?.get("content")?.get("application/json")?.get("schema")?;
        Some(resolved(schema))
    }

    /// Returns the documented example of its body.
    pub(crate) fn example_body(&self) -> Option<Value> {
        let example = self.body_schema()?.get("example");
        Some(example.unwrap_or_else(|| panic!("the body of {} has no example", self.id)).clone())
    }

    /// Returns the documented error codes.
    pub(crate) fn documented_codes(&self) -> BTreeSet<&'static str> {
        let responses = self.shape["responses"].as_object().unwrap().values();
        let examples = responses.filter_map(|response| response["content"]["application/json"]["examples"].as_object());
        examples.flat_map(|examples| examples.keys().map(String::as_str)).collect()
    }

    /// Returns the documented response of that status.
    pub(crate) fn response(&self, status: u16) -> Option<&'static Value> {
        self.shape["responses"].get(status.to_string())
    }
}

/// Returns a schema, or the one that it references.
pub(crate) fn resolved(schema: &'static Value) -> &'static Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}
