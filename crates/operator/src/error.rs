use std::{error::Error, path::PathBuf};
use tenantry_audit::{Finding, Head};
use tenantry_jobs::JobId;
use tenantry_kernel::{EmailAddress, ErrorKind, StoreError, UserId};
use tenantry_service::ServiceError;
use tenantry_tenancy::{RoleName, Slug};

/// The reason why a command of the operator failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No tenant has this slug or id.
    #[error("there is no tenant {0}: name one by its slug or its id")]
    UnknownTenant(String),
    /// The tenant has no role with this name.
    #[error(
        "tenant {tenant} has no role {role}: name owner, admin, member, viewer, or a role that the tenant has created"
    )]
    UnknownRole {
        /// The tenant.
        tenant: Slug,
        /// The requested name.
        role: RoleName,
    },
    /// No job has this id.
    #[error("there is no job {0}: `tenantry jobs list` shows those that are kept")]
    UnknownJob(JobId),
    /// The state of the job does not allow the command.
    #[error("job {id} is {state}: {possible}")]
    JobState {
        /// The job.
        id: JobId,
        /// The state of the job.
        state: &'static str,
        /// The condition under which the command is possible.
        possible: &'static str,
    },
    /// Tenants have no rows of this kind.
    #[error("tenants have no rows of {0}: omit --tenant, or name another --target")]
    NotOfTenant(&'static str),
    /// No account has this email address.
    #[error("no account has the address {0}")]
    UnknownPerson(EmailAddress),
    /// No account has this id.
    #[error("there is no person {0}")]
    UnknownPersonId(UserId),
    /// The account is disabled, so the user could not work in the tenant.
    #[error("{0} is disabled: enable the account first with `tenantry admin enable-user --email {0}`")]
    Disabled(EmailAddress),
    /// The user is already a member of the tenant and has roles there.
    #[error("{email} is already a member of tenant {tenant}: an administrator of the tenant can change the roles")]
    AlreadyMember {
        /// The email address of the user.
        email: EmailAddress,
        /// The tenant.
        tenant: Slug,
    },
    /// A client registered with the email address at the same time.
    #[error("the address {0} was registered at the same time: run the command again to use that account")]
    Registered(EmailAddress),
    /// Another tenant has the requested slug.
    #[error(
        "another tenant has the slug {0}: choose another one with --slug, or omit --slug to derive one from the name"
    )]
    SlugTaken(Slug),
    /// No free slug was found for the name.
    #[error("no free slug can be derived from the name: choose one with --slug")]
    NoFreeSlug,
    /// Tenants would be left without an active owner.
    #[error("{email} is the last active owner of {}: make another member an owner there first, or repeat with --force", list(.tenants))]
    LastOwner {
        /// The email address of the user.
        email: EmailAddress,
        /// The tenants without another active owner.
        tenants: Vec<Slug>,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {error}", file.display())]
    Export {
        /// The path of the file.
        file: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file is no export with seals.
    #[error("{} is not an export with seals: create one with GET /audit-logs/export?format=ndjson&seals=true", file.display())]
    NoExport {
        /// The path of the file.
        file: PathBuf,
    },
    /// A head belongs to another log than the verified one.
    #[error("the head {0} belongs to another log")]
    OtherHead(Head),
    /// A log was changed after it was sealed.
    #[error("{0}")]
    Broken(String),
    /// The change was refused or failed.
    #[error("{sentence}")]
    Failed {
        /// The failure and what to do.
        sentence: &'static str,
        /// The cause.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl From<ServiceError> for OperatorError {
    /// Converts failures that mean the same in every command.
    fn from(failure: ServiceError) -> Self {
        let sentence = match failure.code.kind() {
            ErrorKind::Unavailable => {
                "the database does not answer: run `tenantry doctor`, and check whether the change was made before you try again"
            }
            ErrorKind::NotFound | ErrorKind::Stale => "it was changed at the same time: try again",
            ErrorKind::Internal => "the command failed, and nothing was changed",
            _ => failure.code.sentence(),
        };
        Self::Failed { sentence, cause: failure.cause }
    }
}

impl From<Finding> for OperatorError {
    fn from(finding: Finding) -> Self {
        Self::Broken(finding.to_string())
    }
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        ServiceError::from(error).into()
    }
}

/// Formats slugs as a list in a sentence.
pub(crate) fn list(slugs: &[Slug]) -> String {
    slugs.iter().map(Slug::as_str).collect::<Vec<_>>().join(", ")
}
