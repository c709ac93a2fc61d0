//! Operations of `/audit-logs/policy`.

use serde::{Deserialize, Serialize};
use tenantry_audit::{
    AuditPolicies, ChangeAuditPolicy, EffectivePolicy, MAX_RETENTION_DAYS, ReadAuditLog, change_audit_policy as change,
};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, FieldErrors, IntoCommand, Of, clearable, present},
};

/// The retention of audit entries.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({ "retentionDays": 365, "legalHold": false }))]
pub(crate) struct AuditPolicyView {
    /// Number of days for which entries are kept.
    retention_days: u32,
    /// Whether all entries are kept, whatever their age.
    legal_hold: bool,
}

impl From<EffectivePolicy> for AuditPolicyView {
    fn from(policy: EffectivePolicy) -> Self {
        Self { retention_days: policy.retention_days, legal_hold: policy.legal_hold }
    }
}

/// Changes to the retention of audit entries. Omitted fields keep their values.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "retentionDays": 365, "legalHold": true }))]
pub(crate) struct ChangedAuditPolicy {
    /// Number of days, at least those of the tenant's plan. `null` restores the plan's value.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(minimum = 1, maximum = 36500, value_type = Option<u32>)]
    retention_days: Option<Option<u32>>,
    /// `true` keeps all entries, whatever their age.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    legal_hold: Option<bool>,
}

impl IntoCommand for ChangedAuditPolicy {
    type Output = ChangeAuditPolicy;

    fn parse(self, errors: &mut FieldErrors) -> Option<ChangeAuditPolicy> {
        let bounds = 1..=MAX_RETENTION_DAYS;
        let retention_days = match self.retention_days {
            Some(Some(days)) if !bounds.contains(&days) => {
                errors.take::<(), _>("retentionDays", Err("must be from 1 to 36500"));
                return None;
            }
            days => days,
        };
        Some(ChangeAuditPolicy { retention_days, legal_hold: self.legal_hold })
    }
}

/// Get the retention of the audit log
#[utoipa::path(
    get,
    path = "/audit-logs/policy",
    tag = "audit",
    responses((status = 200, description = "The current retention.", body = Of<AuditPolicyView>))
)]
pub(crate) async fn get_audit_policy(app: App, caller: Authorized<ReadAuditLog>) -> Result<Answer, Failure> {
    let tenant = caller.tenant()?;
    let set = app.read(caller.scope()).await?.audit_policy_of(tenant.id).await?;
    Answer::ok(&AuditPolicyView::from(app.settings.retention.of_plan(&tenant.plan, set)))
}

/// Extend the retention of the audit log, or set a legal hold
#[utoipa::path(
    patch,
    path = "/audit-logs/policy",
    tag = "audit",
    request_body = ChangedAuditPolicy,
    responses((status = 200, description = "The changed retention.", body = Of<AuditPolicyView>))
)]
pub(crate) async fn change_audit_policy(
    app: App,
    caller: Authorized<ChangeAuditPolicy>,
    body: Body,
) -> Result<Answer, Failure> {
    let command = body.parse::<ChangedAuditPolicy>().await?;
    let retention = app.settings.retention.clone();
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let policy = change(unit, actor, context, &retention, command).await?;
        Answer::ok(&AuditPolicyView::from(policy))
    })
    .await
}
