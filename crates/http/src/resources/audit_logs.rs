//! Operations of `/audit-logs`.

mod entries;
mod export;
mod policy;
mod seals;

use tenantry_audit::{ChangeAuditPolicy, ExportAuditLog, ReadAuditLog};
use tenantry_kernel::ErrorCode;

use crate::request::{Contract, Resource, handler};

pub(crate) fn resource() -> Resource {
    Resource::new("audit", "The audit log: recorded actions with their actors and targets.")
        .operation(handler!(entries::list_entries), Contract::of::<ReadAuditLog>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(export::export_entries), Contract::of::<ExportAuditLog>(&[]))
        .operation(handler!(seals::list_seals), Contract::of::<ReadAuditLog>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(policy::get_audit_policy), Contract::of::<ReadAuditLog>(&[]))
        .operation(handler!(policy::change_audit_policy), Contract::of::<ChangeAuditPolicy>(&[]))
        .operation(handler!(entries::get_entry), Contract::of::<ReadAuditLog>(&[]))
}
