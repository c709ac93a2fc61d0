//! `/auth`: registering, signing in and out, one's own profile, sessions and password

mod login;
mod logout;
mod me;
mod password;
mod refresh;
mod register;
mod sessions;
mod tokens;

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
        .service(password::change_password);
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
];
