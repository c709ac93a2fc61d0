//! Settings of jobs and of the audit log.

use std::time::Duration;
use tenantry_audit::Retention;

use super::{
    super::{
        section::{FromSettings, Section, settings},
        setting::{Declaration, Layers, Setting},
        values::{self, DAY, seconds},
    },
    general::is_production,
};

settings! {
    /// Concurrency and retention of jobs.
    #[derive(Debug, Clone)]
    pub struct JobsConfig titled "Jobs" {
        /// Number of jobs of each queue that one process runs at the same time. A queue that is not listed is left to other
        /// processes.
        JOBS_CONCURRENCY => concurrency: Vec<(&'static str, u32)> {
            takes: "a list of QUEUE=NUMBER (accounts, mail, maintenance, seals; 1 to 1000), separated by commas",
            default: "accounts=8,mail=16,maintenance=1,seals=1",
            parse: values::queues
        }
        /// Number of jobs of one tenant that run at the same time in all processes together. Jobs without a tenant count as
        /// those of one tenant.
        JOBS_PER_TENANT => per_tenant: u32 {
            takes: "a number from 1 to 100000",
            default: "8",
            parse: |text| values::number(text, 1..=100_000)
        }
        /// Time for which completed and cancelled jobs are kept.
        JOBS_KEEP_COMPLETED => keep_completed: Duration {
            takes: "a time from 0s to 3650d",
            default: "7d",
            parse: |text| values::duration(text, seconds(0..=3650 * DAY))
        }
        /// Time for which dead letters are kept, to be inspected and retried.
        JOBS_KEEP_DEAD => keep_dead: Duration {
            takes: "a time from 0s to 3650d",
            default: "90d",
            parse: |text| values::duration(text, seconds(0..=3650 * DAY))
        }
    }

    /// Sealing and retention of the audit log.
    #[derive(Debug, Clone)]
    pub struct AuditConfig titled "Audit log" checked by check_audit {
        /// Seals the audit log once a minute. `off` is for tests and benchmarks; production refuses it.
        AUDIT_SEALS => seals: bool {
            takes: "on or off",
            default: "on",
            parse: values::switch
        }
        /// Time for which the audit log of a tenant on the plan `starter` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_STARTER => starter_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "90d",
            parse: values::days
        }
        /// Time for which the audit log of a tenant on the plan `pro` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_PRO => pro_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "365d",
            parse: values::days
        }
        /// Time for which the audit log of a tenant on the plan `enterprise` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_ENTERPRISE => enterprise_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "2555d",
            parse: values::days
        }
        /// Time for which audit entries that belong to no tenant are kept.
        AUDIT_RETENTION_NO_TENANT => no_tenant_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "365d",
            parse: values::days
        }
    }
}

impl AuditConfig {
    /// Returns the retention of audit entries by plan, in days.
    pub fn retention(&self) -> Retention {
        let plans = [("starter", self.starter_days), ("pro", self.pro_days), ("enterprise", self.enterprise_days)];
        let plans = plans.into_iter().map(|(plan, days)| (plan.to_owned(), days)).collect();
        Retention { plans, without_tenant: self.no_tenant_days }
    }
}

fn check_audit(layers: &mut Layers) {
    if is_production(layers) && layers.value(&AUDIT_SEALS) == Some(false) {
        let demand = "must be on in production: without seals a changed entry cannot be detected";
        layers.refuse(&AUDIT_SEALS, demand);
    }
}
