//! Operations of `/auth`: registration, sign-in and sign-out, and the caller's profile, sessions, password and email
//! address.

mod confirm;
mod email;
mod login;
mod logout;
mod me;
mod password;
mod recovery;
mod refresh;
mod register;
mod sessions;
mod switch;
mod tokens;

pub(super) use tokens::{IssuedTokens, TokensView, Transport};

use crate::request::{Resource, handler};

pub(crate) fn resource() -> Resource {
    Resource::new("auth", "Sign-in and sign-out, and the caller's profile and sessions.")
        .operation(handler!(me::get_me), me::GET)
        .operation(handler!(me::change_me), me::CHANGE)
        .operation(handler!(register::register), register::OPERATION)
        .operation(handler!(login::login), login::OPERATION)
        .operation(handler!(refresh::refresh), refresh::OPERATION)
        .operation(handler!(logout::logout), logout::OPERATION)
        .operation(handler!(sessions::list_sessions), sessions::LIST)
        .operation(handler!(sessions::end_session), sessions::END_ONE)
        .operation(handler!(sessions::end_sessions), sessions::END_SEVERAL)
        .operation(handler!(password::change_password), password::OPERATION)
        .operation(handler!(confirm::confirm_registration), confirm::OPERATION)
        .operation(handler!(email::verify_email), email::VERIFY)
        .operation(handler!(email::resend_verification), email::RESEND)
        .operation(handler!(email::change_email), email::CHANGE)
        .operation(handler!(recovery::forgot_password), recovery::FORGOT)
        .operation(handler!(recovery::reset_password), recovery::RESET)
        .operation(handler!(switch::switch_tenant), switch::OPERATION)
}
