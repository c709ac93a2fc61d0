//! `/auth`: registering, signing in and out, one's own profile, sessions, password and address

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

pub(super) use login::TenantReference;
pub(super) use me::UserView;
pub(super) use tokens::{Issued, TokensView, Transport};

use utoipa_actix_web::service_config::ServiceConfig;

use super::openapi::Operation;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(me::get_me)
        .service(me::change_me)
        .service(register::register)
        .service(login::login)
        .service(refresh::refresh)
        .service(logout::logout)
        .service(sessions::list_sessions)
        .service(sessions::end_session)
        .service(sessions::end_sessions)
        .service(password::change_password)
        .service(confirm::confirm_registration)
        .service(email::verify_email)
        .service(email::resend_verification)
        .service(email::change_email)
        .service(recovery::forgot_password)
        .service(recovery::reset_password)
        .service(switch::switch_tenant);
}

pub(crate) const OPERATIONS: &[Operation] = &[
    me::GET,
    me::CHANGE,
    register::OPERATION,
    login::OPERATION,
    refresh::OPERATION,
    logout::OPERATION,
    sessions::LIST,
    sessions::END_ONE,
    sessions::END_SEVERAL,
    password::OPERATION,
    confirm::OPERATION,
    email::VERIFY,
    email::RESEND,
    email::CHANGE,
    recovery::FORGOT,
    recovery::RESET,
    switch::OPERATION,
];
