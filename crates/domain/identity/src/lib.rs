//! Users and their authentication: passwords, sessions, tokens, mailed links and limits on guessing. Also the use cases
//! that need users and tenants together, such as registering, inviting and removing a member from a tenant.
//!
//! A service that embeds this crate implements the ports ([`People`], [`CredentialStore`], [`Sessions`], [`Links`],
//! [`Attempts`], [`PasswordHasher`], [`RefreshKeys`]) and calls the use cases; `examples/` contains a complete one.

mod acceptance;
mod emails;
mod erasure;
mod error;
mod guessing;
mod ids;
mod invitations;
mod links;
mod members;
mod passwords;
mod people;
mod proof;
mod recovery;
mod registration;
mod sessions;
mod sign_in;
mod switching;
mod tokens;
mod verification;
pub mod vocabulary;

pub use acceptance::{AcceptInvitation, Accepting, Acceptor, Joined, Offer, Offering, accept_invitation, find_offer};
pub use emails::IDENTITY_EMAILS;
pub use erasure::{ErasePerson, Erasure, Trace, erase_person, erased_address};
pub use error::IdentityError;
pub use guessing::{
    ADDRESS_NOTED_FOR, Attempts, Guess, GuessCount, GuessCounter, GuessPolicy, GuessQuota, GuessRefusal, IN_FLIGHT_FOR,
    KNOWN_ADDRESS_FOR, QuotaKind, TooManyAttempts, address_key, consume,
};
pub use ids::{GuessId, RegistrationId};
pub use invitations::{Invite, Inviting, ResendInvitation, invite, resend_invitation};
pub use links::{Link, LinkKind, LinkPurpose, LinkToken, Links};
pub use members::{
    AddMember, ChangeMemberStatus, LeaveTenant, RemoveMember, TransferOwnership, add_member, change_member_status,
    leave_tenant, remove_member, transfer_ownership,
};
pub use passwords::{
    ChangePassword, Credential, CredentialStore, HasherError, Password, PasswordError, PasswordHash, PasswordHasher,
    PasswordMatch, TypedPassword, change_password,
};
pub use people::{
    ChangeProfile, DisablePerson, EnablePerson, MemberDetails, People, Person, PersonStatus, ReadOwnProfile,
    change_profile, disable_person, enable_person,
};
pub use proof::{Candidate, Proof, Proven, find_candidate, prove_password};
pub use recovery::{ResetPassword, ResetRequested, Resetting, prepare_reset, request_reset, reset_password};
pub use registration::{
    ConfirmRegistration, MAX_OPEN_REGISTRATIONS, NewPerson, Register, Registered, Registering, Registration,
    RegistrationRequested, Registrations, confirm_registration, find_registration, insert_person, offer_first_password,
    prepare_registration, register, request_registration,
};
pub use sessions::{
    EndOwnSessions, EndReason, LogOut, MAX_LIVE_SESSIONS, OwnSessions, Refresh, Refreshed, Session, SessionPolicy,
    SessionSelector, Sessions, end_own_sessions, log_out, refresh_session,
};
pub use sign_in::{SignIn, SignedIn, SigningIn, complete_sign_in, default_tenant};
pub use switching::{
    Elsewhere, FoundOwnTenant, OwnTenants, SwitchTenant, Switched, Switching, found_own_tenant, switch_tenant,
};
pub use tokens::{AccessClaims, AccessTokens, RefreshKeys, RefreshToken, TokenError};
pub use verification::{
    ChangeEmail, EmailChangeRequested, ResendVerification, VerificationRequested, VerifyEmail, Verifying, find_link,
    prepare_email_change, prepare_verification, request_email_change, request_verification, verify_email,
};
