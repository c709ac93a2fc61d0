//! Creates registrations, invitations, links and jobs: rows that wait for a user or for a worker.

use std::time::Duration;
use tenantry_identity::{Link, LinkKind, PasswordHash, Person, Register, Registration, RegistrationId};
use tenantry_jobs::{JobId, NewJob, SealedSecret};
use tenantry_kernel::{RoleId, TenantId};
use tenantry_tenancy::{Invitation, InvitationId, InvitationState, Tenant};

use super::Opened;

const DAY: Duration = Duration::from_secs(86_400);

impl Opened {
    pub(crate) fn new_link(&self, person: &Person) -> Link {
        let now = self.context.now();
        Link {
            user: person.id,
            kind: LinkKind::Reset,
            email: person.email.clone(),
            session: None,
            token_hash: self.context.random(),
            created_at: now,
            expires_at: now.plus(DAY),
        }
    }

    pub(crate) fn new_registration(&self, like: &Person, tenant: &Tenant) -> Registration {
        let now = self.context.now();
        Registration {
            id: RegistrationId::new(&self.context),
            wanted: Register {
                email: like.email.clone(),
                name: like.name.clone(),
                hash: PasswordHash::new("$argon2id$"),
                tenant_name: tenant.name.clone(),
                tenant_slug: None,
            },
            token_hash: None,
            created_at: now,
            expires_at: now.plus(DAY),
        }
    }

    pub(crate) fn new_invitation(&self, tenant: TenantId, by: &Person, role: RoleId) -> Invitation {
        let now = self.context.now();
        Invitation {
            id: InvitationId::new(&self.context),
            tenant,
            email: by.email.clone(),
            roles: vec![role],
            state: InvitationState::Open,
            invited_by: by.id,
            token_hash: None,
            expires_at: now.plus(DAY),
            created_at: now,
        }
    }

    /// Returns a job with a secret, which is ready at once.
    pub(crate) fn new_job(&self, tenant: Option<TenantId>) -> NewJob {
        let now = self.context.now();
        NewJob {
            id: JobId::new(&self.context),
            tenant,
            queue: "errands",
            kind: "errand",
            version: 1,
            payload: "{}".to_owned(),
            secret: Some(SealedSecret { key_id: "k1".to_owned(), bytes: vec![7; 40], expires_at: now.plus(DAY) }),
            priority: 0,
            run_at: now,
            max_attempts: 3,
            unique_key: None,
            trace: None,
            created_at: now,
        }
    }
}
