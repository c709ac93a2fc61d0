//! A tenant with an item of every resource. The folder of each resource defines its part.

use serde_json::Value;

use super::{
    Server, Tenant,
    routes::{Route, UNKNOWN_ID},
};

/// A tenant with one item of everything that has an id.
pub(crate) struct Fixture {
    pub(crate) tenant: Tenant,
    resources: Vec<ResourceFixture>,
}

/// The items of one resource in a tenant, and how tests call the resource's operations on them.
#[derive(Default)]
pub(crate) struct ResourceFixture {
    ids: Vec<String>,
    path_ids: Vec<(&'static str, Vec<String>)>,
    bodies: Vec<(&'static str, Value)>,
}

impl Fixture {
    /// Creates the tenant and the items of each resource.
    pub(crate) async fn of(server: &Server, slug: &str) -> Self {
        let tenant = server.verified_tenant(slug).await;
        let resources = crate::fixtures(server, &tenant).await;
        Self { tenant, resources }
    }

    /// Returns the tenant's id and those of all its items.
    pub(crate) fn every_id(&self) -> impl Iterator<Item = &str> {
        let of_resources = self.resources.iter().flat_map(|resource| resource.ids.iter().map(String::as_str));
        std::iter::once(self.tenant.id.as_str()).chain(of_resources)
    }

    /// Returns the ids in the path with which the operation can be called here.
    pub(crate) fn ids_for(&self, route: &Route) -> Vec<&str> {
        let ids = self.path_ids(route.id);
        // An operation that takes ids must be listed in the fixture of its resource.
        assert_eq!(ids.len(), route.ids(), "say in a fixture what {} can be tried on", route.id);
        ids
    }

    /// Returns the first id in the path with which the operation can be called here.
    pub(crate) fn id_for(&self, operation: &str) -> &str {
        self.path_ids(operation)[0]
    }

    fn path_ids(&self, operation: &str) -> Vec<&str> {
        let mut known = self.resources.iter().flat_map(|resource| &resource.path_ids);
        let ids = known.find(|(known, _)| *known == operation).map(|(_, ids)| ids.iter().map(String::as_str).collect());
        ids.unwrap_or_default()
    }

    /// Returns a body with which the operation succeeds here, if it takes one.
    pub(crate) fn body_for(&self, route: &Route) -> Option<Value> {
        let mut known = self.resources.iter().flat_map(|resource| &resource.bodies);
        if let Some((_, body)) = known.find(|(known, _)| *known == route.id) {
            return Some(body.clone());
        }
        route.example_body().inspect(|body| {
            assert!(!body.to_string().contains(UNKNOWN_ID), "the example of {} names an id", route.id);
        })
    }
}

impl ResourceFixture {
    /// Adds the id of an item that no other tenant may see.
    pub(crate) fn has(mut self, id: &str) -> Self {
        self.ids.push(id.to_owned());
        self
    }

    /// Sets the ids in the path with which these operations can be called.
    pub(crate) fn tried_with(mut self, operations: &[&'static str], ids: &[&str]) -> Self {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        self.path_ids.extend(operations.iter().map(|operation| (*operation, ids.clone())));
        self
    }

    /// Sets a body with which the operation succeeds, where the documented example does not.
    pub(crate) fn body(mut self, operation: &'static str, body: Value) -> Self {
        self.bodies.push((operation, body));
        self
    }
}

/// Returns the id of the item in a response.
pub(crate) fn id_of(shown: &Value) -> &str {
    shown["id"].as_str().unwrap()
}
