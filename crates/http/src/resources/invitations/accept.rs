//! Operations `POST /invitations/lookup` and `/invitations/accept`.

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenantry_identity::{
    AcceptInvitation, Acceptor, IdentityError, LinkToken, Offer, Password, PasswordHasher, Proof, TypedPassword,
    accept_invitation as accept, find_offer,
    vocabulary::{INVALID_CREDENTIALS, LINK_INVALID, WEAK_PASSWORD},
};
use tenantry_kernel::{Actor, EmailAddress, ErrorCode, FieldError, Name, Origin};
use tenantry_service::{CachedAuthority, ChangeRequest, LoginAttempt, Scope, SystemReason};
use tenantry_tenancy::vocabulary::{ALREADY_MEMBER, INVITATION_ACCEPTED};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Anonymous, Body, Contract, FieldErrors, IntoCommand, MaybeAuthenticated, Of, origin_of},
    resources::{
        auth::{IssuedTokens, TokensView, Transport},
        views::{TenantReference, TenantView, UserView},
    },
};

pub(crate) const LOOKUP: Contract = Contract::public(&[], &[LINK_INVALID]);
pub(crate) const ACCEPT: Contract = Contract::public(
    AcceptInvitation::EVENTS,
    &[
        ErrorCode::TOKEN_INVALID,
        ErrorCode::TOKEN_EXPIRED,
        ErrorCode::SESSION_ENDED,
        INVALID_CREDENTIALS,
        ErrorCode::TENANT_SUSPENDED,
        ALREADY_MEMBER,
        WEAK_PASSWORD,
        LINK_INVALID,
        ErrorCode::RATE_LIMITED,
    ],
)
.with_cookie();

const LINK: Scope = Scope::System(SystemReason::Link);

/// The token of a link from an email.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw" }))]
pub(crate) struct PresentedLink {
    #[schema(min_length = 1, max_length = 200, value_type = String)]
    token: SecretString,
}

impl IntoCommand for PresentedLink {
    /// `None` for a malformed token, which is treated like a wrong one.
    type Output = Option<[u8; 32]>;

    fn parse(self, _: &mut FieldErrors) -> Option<Self::Output> {
        Some(LinkToken::hash_of(&self.token))
    }
}

/// An invitation as shown to the holder of its link.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferView {
    tenant: TenantReference,
    #[schema(format = "idn-email")]
    email: String,
    /// Name of the user who sent the invitation.
    inviter: String,
    /// Whether the acceptance creates an account and requires a name and a password.
    new_person: bool,
}

/// Get the offer of an invitation by the token of its link
///
/// The link remains valid.
#[utoipa::path(
    post,
    path = "/invitations/lookup",
    tag = "invitations",
    request_body = PresentedLink,
    responses((status = 200, description = "The offer of the invitation.", body = Of<OfferView>))
)]
pub(crate) async fn lookup_invitation(app: App, _: Anonymous, body: Body) -> Result<Answer, Failure> {
    let token_hash = body.parse::<PresentedLink>().await?.ok_or(IdentityError::LinkInvalid)?;
    let offer = find_offer(&mut app.read(LINK).await?, &app.context, &token_hash).await?;
    Answer::ok(&OfferView {
        tenant: TenantReference::from(&offer.tenant),
        email: offer.invitation.email.to_string(),
        inviter: offer.inviter.to_string(),
        new_person: offer.is_for_new_person(),
    })
}

/// The token of the link from the email. A new user adds a name and a password, an existing user the password or an
/// access token.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "kZp3vV0Jr1m8Q5h2Yx7dWcT9bNf4sLgEaUoKiRtMhPw", "password": "correct horse battery staple",
    "name": "Charles Babbage"
}))]
pub(crate) struct Acceptance {
    #[schema(min_length = 1, max_length = 200, value_type = String)]
    token: SecretString,
    #[schema(max_length = 128, format = "password", value_type = Option<String>)]
    password: Option<SecretString>,
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120)]
    name: Option<String>,
    /// Transport of the refresh token: `body` (default) or `cookie`.
    #[validate(length(max = 10))]
    #[schema(max_length = 10, pattern = "^(body|cookie)$")]
    transport: Option<String>,
}

/// An acceptance, parsed as far as possible before the accepting user is known.
pub(crate) struct AcceptedOffer {
    token_hash: Option<[u8; 32]>,
    password: Option<SecretString>,
    name: Option<Name>,
    transport: Transport,
}

impl IntoCommand for Acceptance {
    type Output = AcceptedOffer;

    fn parse(self, errors: &mut FieldErrors) -> Option<AcceptedOffer> {
        let name = errors.take_if_any("name", self.name.as_deref().map(Name::parse));
        let transport = Transport::parse(self.transport.as_deref(), errors);
        Some(AcceptedOffer {
            token_hash: LinkToken::hash_of(&self.token),
            password: self.password,
            name: name?,
            transport: transport?,
        })
    }
}

/// The user, the joined tenant, and the tokens of the session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinedView {
    user: UserView,
    tenant: TenantView,
    #[serde(flatten)]
    tokens: TokensView,
}

/// Accept an invitation and sign in to the tenant
#[utoipa::path(
    post,
    path = "/invitations/accept",
    tag = "invitations",
    request_body = Acceptance,
    responses(
        (status = 200, description = "An existing user has joined the tenant.", body = Of<JoinedView>),
        (status = 201, description = "A new user has joined the tenant.", body = Of<JoinedView>),
    )
)]
pub(crate) async fn accept_invitation(
    app: App,
    MaybeAuthenticated(caller): MaybeAuthenticated,
    request: HttpRequest,
    body: Body,
) -> Result<Answer, Failure> {
    let accepted = body.parse::<Acceptance>().await?;
    let token_hash = accepted.token_hash.ok_or(IdentityError::LinkInvalid)?;
    let offer = find_offer(&mut app.read(LINK).await?, &app.context, &token_hash).await?;
    let origin = origin_of(&request);
    let transport = accepted.transport;
    let caller = caller.filter(|known| is_address_of(known, &offer.invitation.email));
    let actor = match &caller {
        Some(known) => Actor::of(&known.authority, origin.clone()),
        None => Actor::anonymous(origin.clone()),
    };
    let as_whom = acceptor(&app, &offer, caller.as_deref(), &origin, accepted).await?;
    let guess = match &as_whom {
        Acceptor::Existing(proof) => proof.guess.clone(),
        Acceptor::New { .. } => None,
    };
    let command = AcceptInvitation { token_hash, as_whom, ip: origin.ip };
    let issuer = app.issuer.clone();
    let accepted =
        app.change(ChangeRequest::new(actor, INVITATION_ACCEPTED), LINK, async move |unit, actor, context| {
            let joined = accept(unit, actor, context, issuer.secrets(), issuer.policy(), command.clone()).await?;
            let issued = IssuedTokens::new(&issuer, &joined.session, transport)?;
            let view = JoinedView {
                user: UserView::from(&joined.person),
                tenant: TenantView::from(&joined.tenant),
                tokens: issued.view.clone(),
            };
            let answer = if joined.is_new { Answer::created("auth/me", &view)? } else { Answer::ok(&view)? };
            Ok(issued.on(answer))
        });
    app.settled(guess, accepted.await).await
}

/// Returns the accepting user with the required proof of identity.
async fn acceptor(
    app: &App,
    offer: &Offer,
    caller: Option<&CachedAuthority>,
    origin: &Origin,
    accepted: AcceptedOffer,
) -> Result<Acceptor, Failure> {
    if offer.is_for_new_person() {
        return new_acceptor(app, offer, accepted).await;
    }
    if let Some(known) = caller {
        return Ok(Acceptor::Existing(Box::new(Proof::of_session(known.authority.session()?))));
    }
    let password = accepted.password.ok_or_else(|| Failure::invalid(vec![required("password")]))?;
    let email = &offer.invitation.email;
    let proof = app.proofs.password_of_address(email, TypedPassword::parse(password), origin).await;
    let proof = proof.inspect_err(|failure| {
        let attempt = LoginAttempt { email: email.clone(), slug: Some(Ok(offer.tenant.slug.clone())) };
        app.proofs.note_wrong_password(failure, origin, attempt);
    });
    Ok(Acceptor::Existing(Box::new(proof?)))
}

async fn new_acceptor(app: &App, offer: &Offer, accepted: AcceptedOffer) -> Result<Acceptor, Failure> {
    let mut errors = FieldErrors::default();
    if accepted.name.is_none() {
        errors.add(required("name"));
    }
    let password = match accepted.password {
        None => {
            errors.add(required("password"));
            None
        }
        Some(password) => errors.take("password", Password::parse(password)),
    };
    let (Some(name), Some(password)) = (accepted.name, password) else {
        errors.finish()?;
        return Err(Failure::new(ErrorCode::VALIDATION_FAILED));
    };
    let tenant = &offer.tenant;
    let own = [offer.invitation.email.as_str(), name.as_str(), tenant.name.as_str(), tenant.slug.as_str()];
    password.ensure_unguessable(&own)?;
    let hash = app.hasher.hash(password).await.map_err(IdentityError::from)?;
    Ok(Acceptor::New { name, hash })
}

fn is_address_of(caller: &CachedAuthority, email: &EmailAddress) -> bool {
    caller.authority.session().is_ok_and(|session| session.email == *email)
}

fn required(field: &str) -> FieldError {
    FieldError::new(field, "required", "This field is required.")
}
