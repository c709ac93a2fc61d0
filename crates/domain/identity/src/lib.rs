//! People and how they are known again: passwords, sessions, tokens, and the slowing of guesses; and the use cases
//! that need people and tenants together, such as registering and taking somebody out of a tenant.
//!
//! A service that embeds this crate implements the ports ([`People`], [`Credentials`], [`Sessions`], [`Attempts`],
//! [`PasswordHasher`], [`RefreshKeys`]) and calls the use cases; `examples/` shows a whole one.

mod error;
mod guessing;
mod members;
mod passwords;
mod people;
mod registration;
mod sessions;
mod sign_in;
mod tokens;

pub use error::IdentityError;
pub use guessing::{
    Attempts, Charge, Charged, Guess, GuessPolicy, Quota, Spent, TooManyAttempts, address_key, charge, give_back,
};
pub use members::{ChangeMemberStatus, RemoveMember, add_member, change_member_status, remove_member};
pub use passwords::{
    ChangePassword, Credential, Credentials, HasherError, Password, PasswordError, PasswordHash, PasswordHasher,
    Verdict, change_password,
};
pub use people::{
    ChangeProfile, People, Person, PersonStatus, ReadOwnProfile, change_profile, disable_person, enable_person,
};
pub use registration::{NewPerson, Register, Registered, Registering, insert_person, register};
pub use sessions::{
    EndOwnSessions, EndReason, LogOut, MAX_LIVE_SESSIONS, OwnSessions, Refresh, Refreshed, Session, SessionPolicy,
    Sessions, Which, end_own_sessions, log_out, refresh_session,
};
pub use sign_in::{Candidate, SignIn, SignedIn, SigningIn, complete_sign_in, default_tenant, find_candidate};
pub use tokens::{AccessClaims, AccessTokens, RefreshKeys, RefreshToken, TokenError};
