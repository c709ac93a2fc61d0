//! The audit log of a tenant.

use crate::support::{ResourceFixture, Tenant, fixture::id_of};

/// Returns an entry.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let entries = tenant.owner.get("/audit-logs").await.is(200);
    let id = id_of(&entries[0]);
    ResourceFixture::default().has(id).tried_with(&["get_entry"], &[id])
}
