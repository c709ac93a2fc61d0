//! The files of a tenant.

use serde_json::json;

use crate::support::{ResourceFixture, Tenant, fixture::id_of};

/// Creates a file of the owner, and a link to it.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let file = tenant.owner.upload("plan.csv", "text/csv", b"what,when\nlunch,noon\n").await.is(201);
    let id = id_of(&file);
    let link = tenant.owner.post(&format!("/files/{id}/link"), json!({})).await.is(201);
    let token = link["url"].as_str().unwrap().rsplit('/').next().unwrap();
    ResourceFixture::default()
        .has(id)
        .tried_with(&["get_file", "delete_file", "download_file", "create_file_link"], &[id])
        .tried_with(&["download_by_link"], &[token])
}
