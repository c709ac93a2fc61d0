//! Extractors of the caller. The type of the parameter states which permission the caller needs.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use futures::future::LocalBoxFuture;
use sha2::{Digest, Sha256};
use std::{marker::PhantomData, sync::Arc};
use tenantry_kernel::{
    Action, Actor, Authority, Command, ErrorCode, Origin, SessionPrincipal, TenantAuthority, UserId,
};
use tenantry_service::{CachedAuthority, ChangeRequest, Scope, log_context};

use crate::{App, Failure};

use super::{
    app::app_of,
    idempotency::{IdempotentRequestParts, require_operation_with_key},
    limits::{count_address, count_person},
    origin::origin_of,
    query::require_known_parameters,
};

/// A signed-in caller who is authorized to issue the command `C`.
pub(crate) struct Authorized<C> {
    pub(crate) cached: Arc<CachedAuthority>,
    pub(crate) origin: Origin,
    idempotent: Option<IdempotentRequestParts>,
    command: PhantomData<C>,
}

impl<C: Command> Authorized<C> {
    pub(crate) fn authority(&self) -> &Authority {
        &self.cached.authority
    }

    /// Returns the scope of the caller's tenant, or of the caller's own data.
    pub(crate) fn scope(&self) -> Scope {
        Scope::of(self.user(), self.authority().tenant_id())
    }

    pub(crate) fn user(&self) -> UserId {
        self.cached.user
    }

    /// Returns the caller's session. Fails for every other principal.
    pub(crate) fn session(&self) -> Result<&SessionPrincipal, Failure> {
        Ok(self.authority().session()?)
    }

    /// Returns the caller's authority in the tenant, for commands that require a tenant. Fails without one.
    pub(crate) fn tenant(&self) -> Result<&TenantAuthority, Failure> {
        Ok(self.authority().active_tenant()?)
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::of(self.authority(), self.origin.clone())
    }

    /// Creates the request for the change in the caller's name. Call it after the body has been read: the idempotent
    /// request holds the body's digest.
    pub(crate) fn change_request(&self) -> ChangeRequest {
        let idempotent = self.idempotent.as_ref().map(IdempotentRequestParts::request);
        ChangeRequest { actor: self.actor(), action: action_of::<C>(), idempotent }
    }
}

/// Returns the action under which a refused command is recorded.
fn action_of<C: Command>() -> Action {
    C::EVENTS.first().copied().unwrap_or(Action::ACCESS_DENIED)
}

impl<C: Command + 'static> FromRequest for Authorized<C> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = app_of(&request);
            let cached = match bearer(&request) {
                Some(token) => identified(app, &request, token).await?,
                None => {
                    return Err(refused_and_counted(app, &request, Failure::new(ErrorCode::UNAUTHENTICATED)).await);
                }
            };
            let mut caller = Self { cached, origin: origin_of(&request), idempotent: None, command: PhantomData };
            if let Err(refusal) = C::REQUIRES.check(caller.authority()) {
                let failure = Failure::from(refusal);
                app.changes.note_denial(&caller.change_request(), &failure).await;
                return Err(failure);
            }
            require_known_parameters(&request)?;
            caller.idempotent = IdempotentRequestParts::of(&request, &caller.cached)?;
            Ok(caller)
        })
    }
}

/// The caller of a route that also serves anonymous clients; `None` for an anonymous client. A token that is not valid
/// is a failure all the same.
pub(crate) struct MaybeAuthenticated(pub(crate) Option<Arc<CachedAuthority>>);

impl FromRequest for MaybeAuthenticated {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = app_of(&request);
            match bearer(&request) {
                Some(token) => {
                    let cached = identified(app, &request, token).await?;
                    require_known_parameters(&request)?;
                    require_operation_with_key(&request)?;
                    Ok(Self(Some(cached)))
                }
                None => Anonymous::of(&request).await.map(|Anonymous| Self(None)),
            }
        })
    }
}

/// The caller of a route without authentication. The request counts against the limit of the client's address.
pub(crate) struct Anonymous;

impl FromRequest for Anonymous {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl Anonymous {
    async fn of(request: &HttpRequest) -> Result<Self, Failure> {
        count_address(app_of(request), request).await?;
        require_known_parameters(request)?;
        require_operation_with_key(request)?;
        Ok(Self)
    }
}

/// Returns the authority of the user of an access token. The request counts against the user's limit.
async fn identified(app: &App, request: &HttpRequest, token: &str) -> Result<Arc<CachedAuthority>, Failure> {
    match app.authenticator.authority_of(token, Sha256::digest(token).into()).await {
        Ok(cached) => {
            log_context::identify(cached.user, cached.authority.tenant_id());
            count_person(app, request, &cached).await?;
            Ok(cached)
        }
        Err(failure) => Err(refused_and_counted(app, request, failure.into()).await),
    }
}

/// Counts an unauthenticated request against the limit of its address. Returns the request's own failure even when the
/// limit is exceeded: it tells a client more, and the request cost neither a body nor a change.
async fn refused_and_counted(app: &App, request: &HttpRequest, failure: Failure) -> Failure {
    let _one_too_many = count_address(app, request).await;
    failure
}

/// Returns the token of the `Authorization: Bearer` header (RFC 6750, 2.1). No other place is read.
pub(crate) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
