//! What a tenant has of the audit log.

use crate::support::{ResourceFixture, Tenant, fixture::id_of};

/// An entry.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let entries = tenant.owner.get("/audit-logs").await.is(200);
    let id = id_of(&entries[0]);
    ResourceFixture::default().has(id).tried_with(&["get_entry"], &[id])
}
