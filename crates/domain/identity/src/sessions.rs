//! Sessions: one signed-in device in at most one tenant, and the counter from which its refresh tokens derive.

use async_trait::async_trait;
use std::{net::IpAddr, time::Duration};
use tenantry_jobs::JobQueue;
use tenantry_kernel::{
    Action, Actor, ActorKind, Authorities, Command, Context, Event, Journal, Refusal, Requirement, SessionId, SignInId,
    StoreError, TenantId, Timestamp, UserId,
};
use tenantry_mails::send_email;

use crate::{
    ADDRESS_NOTED_FOR, Attempts, IdentityError, People, RefreshKeys, RefreshToken, address_key,
    emails::SessionReplayedEmail,
    guessing::note_seen,
    vocabulary::{SESSION_ENDED, SESSION_REPLAYED, SESSION_STARTED},
};

/// Maximum number of live sessions per user. The oldest are ended first.
pub const MAX_LIVE_SESSIONS: u32 = 50;

/// One signed-in device in at most one tenant.
#[derive(Debug, Clone)]
pub struct Session {
    /// Id of the session.
    pub id: SessionId,
    /// The sign-in that this session and its siblings come from.
    pub sign_in: SignInId,
    /// The user who signed in.
    pub user: UserId,
    /// The tenant of the session, if any.
    pub tenant: Option<TenantId>,
    /// Id of the server's key that derives the refresh tokens.
    pub key_id: String,
    /// Number of refreshes. The refresh token of this rotation is the current one.
    pub rotation: u32,
    /// The greatest rotation of which a client has presented a token.
    pub seen_rotation: u32,
    /// Time of the start.
    pub created_at: Timestamp,
    /// Time of the last refresh, or of the start.
    pub rotated_at: Timestamp,
    /// Time of the last use, to the minute.
    pub last_used_at: Timestamp,
    /// Absolute end of the session.
    pub expires_at: Timestamp,
    /// Time and reason of an early end.
    pub ended: Option<(Timestamp, EndReason)>,
    /// The client's `User-Agent` at sign-in.
    pub user_agent: Option<String>,
    /// The client's network address at sign-in.
    pub ip: Option<IpAddr>,
}

/// Reason why a session was ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The user signed out.
    LoggedOut,
    /// The user ended the session from another one.
    Revoked,
    /// A refresh token that was used long before was presented again.
    Replayed,
    /// The password was changed.
    PasswordChanged,
    /// The password was reset through a mailed link.
    PasswordReset,
    /// The email address was changed.
    EmailChanged,
    /// The owner of the mailbox took over an account with an unverified address.
    AccountTaken,
    /// The user switched to another tenant.
    Switched,
    /// An operator disabled the user.
    PersonDisabled,
    /// The membership was deactivated.
    MembershipDeactivated,
    /// The user was removed from the tenant.
    MembershipRemoved,
    /// The user signed in on too many other devices.
    TooMany,
}

impl EndReason {
    const ALL: [Self; 12] = [
        Self::LoggedOut,
        Self::Revoked,
        Self::Replayed,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::EmailChanged,
        Self::AccountTaken,
        Self::Switched,
        Self::PersonDisabled,
        Self::MembershipDeactivated,
        Self::MembershipRemoved,
        Self::TooMany,
    ];

    /// Returns the name in the store and in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Revoked => "revoked",
            Self::Replayed => "replayed",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::EmailChanged => "email_changed",
            Self::AccountTaken => "account_taken",
            Self::Switched => "switched",
            Self::PersonDisabled => "person_disabled",
            Self::MembershipDeactivated => "membership_deactivated",
            Self::MembershipRemoved => "membership_removed",
            Self::TooMany => "too_many",
        }
    }

    /// Returns the reason with that stored name. One that only a newer program knows counts as revoked: the session has
    /// ended in any case.
    pub fn from_stored(name: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.name() == name).unwrap_or(Self::Revoked)
    }
}

/// Lifetimes of sessions and their tokens.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// Lifetime of an access token.
    pub access: Duration,
    /// Time in which a used refresh token still gets the same successor, even if a client has already presented that
    /// successor.
    pub grace: Duration,
    /// Lifetime of a session without a refresh.
    pub idle: Duration,
    /// Maximum lifetime of a session.
    pub max: Duration,
}

impl Session {
    /// Returns whether the session is neither ended nor expired at this time.
    pub fn is_live(&self, now: Timestamp, policy: &SessionPolicy) -> bool {
        self.ended.is_none() && now < self.expires_at && now < self.rotated_at.plus(policy.idle)
    }

    /// Returns whether the start of the session has recorded this address within [`ADDRESS_NOTED_FOR`].
    fn noted_at_start(&self, ip: Option<IpAddr>, now: Timestamp) -> bool {
        address_key(self.ip) == address_key(ip) && now < self.created_at.plus(ADDRESS_NOTED_FOR)
    }

    /// Returns the current refresh token, if its key is still live.
    pub fn refresh_token(&self, keys: &dyn RefreshKeys) -> Option<RefreshToken> {
        keys.key(&self.key_id).map(|key| RefreshToken::issue(self.id, self.rotation, &key))
    }

    /// Decides what a token of the given rotation is valid for. The direct predecessor of the current token gets the
    /// same successor again within the grace time, or later as long as no client has presented that successor. So
    /// parallel tabs and lost responses do no harm. Any older token can only be a copy.
    pub(crate) fn refresh_outcome(&self, rotation: u32, now: Timestamp, policy: &SessionPolicy) -> RefreshOutcome {
        let is_predecessor = rotation.checked_add(1) == Some(self.rotation);
        let successor_unseen = self.seen_rotation < self.rotation;
        let in_grace = now.since(self.rotated_at) <= policy.grace;
        if rotation == self.rotation {
            RefreshOutcome::Current
        } else if rotation > self.rotation {
            RefreshOutcome::Unknown
        } else if is_predecessor && (in_grace || successor_unseen) {
            RefreshOutcome::JustRotated
        } else {
            RefreshOutcome::Replayed
        }
    }
}

/// The state of a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefreshOutcome {
    /// The current token.
    Current,
    /// The direct predecessor of the current token, which may be presented again.
    JustRotated,
    /// A copy of an old token.
    Replayed,
    /// Ahead of the row: the database was restored from a backup. Such a token proves nothing and ends nothing.
    Unknown,
}

/// Selects sessions of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionSelector {
    /// This session.
    One(SessionId),
    /// All sessions except the acting one.
    Others,
    /// All sessions.
    All,
}

/// Port: stores sessions. Methods that end sessions affect only those not yet ended, and return them.
#[async_trait]
pub trait Sessions: Send {
    /// Inserts a session.
    async fn insert_session(&mut self, session: &Session) -> Result<(), StoreError>;

    /// Returns the session, ended or not, if the unit's scope may see it.
    async fn session_by_id(&mut self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Returns the user's sessions that are neither ended nor expired, newest first.
    async fn running_sessions_of(&mut self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Moves the counter from `rotation`, whose token was presented, to the next value, and returns the rotated session.
    /// Returns `None` when the session has ended or expired, was last rotated at `idle_since` or before, or when its
    /// counter has another value, for example because another unit was first.
    async fn rotate_session(
        &mut self,
        id: SessionId,
        rotation: u32,
        idle_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

    /// Records that a token of this rotation was presented. The recorded rotation never decreases and never exceeds the
    /// counter.
    async fn mark_rotation_seen(&mut self, id: SessionId, rotation: u32) -> Result<(), StoreError>;

    /// Ends one session.
    async fn end_session(
        &mut self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;

    /// Ends every session of a sign-in.
    async fn end_sessions_of_sign_in(
        &mut self,
        sign_in: SignInId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;

    /// Ends every session of a user, in every tenant, except the given one.
    async fn end_sessions_of_user(
        &mut self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;

    /// Ends every session of a user in one tenant.
    async fn end_sessions_of_member(
        &mut self,
        tenant: TenantId,
        user: UserId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;
}

/// Read the acting user's own sessions.
#[derive(Debug, Clone, Copy)]
pub struct OwnSessions;

impl Command for OwnSessions {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[];
}

/// End the acting user's own sessions.
#[derive(Debug, Clone, Copy)]
pub struct EndOwnSessions {
    /// The sessions to end.
    pub which: SessionSelector,
}

impl Command for EndOwnSessions {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[SESSION_ENDED];
}

/// Ends sessions of the acting user. Fails with [`IdentityError::NotFound`] for a session that does not exist, has
/// ended or belongs to another user.
pub async fn end_own_sessions(
    unit: &mut (impl Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: EndOwnSessions,
) -> Result<(), IdentityError> {
    let (current, user) = actor.session()?;
    let now = context.now();
    let reason = EndReason::Revoked;
    let ended = match command.which {
        SessionSelector::One(id) => {
            let session = unit.session_by_id(id).await?.filter(|session| session.user == user);
            session.filter(|session| session.ended.is_none()).ok_or(IdentityError::NotFound)?;
            unit.end_session(id, reason, now).await?
        }
        SessionSelector::Others => unit.end_sessions_of_user(user, Some(current), reason, now).await?,
        SessionSelector::All => unit.end_sessions_of_user(user, None, reason, now).await?,
    };
    note_ended(unit, actor, context, &ended, reason).await
}

/// Sign out: end a session, or every session of its sign-in.
#[derive(Debug, Clone, Copy)]
pub struct LogOut {
    /// The session that the presented token belongs to.
    pub session: SessionId,
    /// Whether to end its siblings too.
    pub siblings: bool,
}

impl Command for LogOut {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[SESSION_ENDED];
}

/// Ends the session of a token that was verified before. Does nothing when the session has already ended.
pub async fn log_out(
    unit: &mut (impl Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: LogOut,
) -> Result<(), IdentityError> {
    let Some(session) = unit.session_by_id(command.session).await? else { return Ok(()) };
    let (reason, now) = (EndReason::LoggedOut, context.now());
    let ended = if command.siblings {
        unit.end_sessions_of_sign_in(session.sign_in, reason, now).await?
    } else {
        unit.end_session(session.id, reason, now).await?
    };
    note_ended(unit, &actor.of_session(&session), context, &ended, reason).await
}

/// Use a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Refresh {
    /// The presented token.
    pub token: RefreshToken,
    /// Whether the client's address was recorded for this session within [`ADDRESS_NOTED_FOR`].
    pub is_address_noted: bool,
}

impl Refresh {
    /// The events that a refresh can append. A successful refresh appends none.
    pub const EVENTS: &'static [Action] = &[SESSION_REPLAYED, SESSION_ENDED];
}

/// Result of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// The session continues at this rotation.
    Session(Box<Session>),
    /// An old token was presented, and every session of its sign-in has been ended. The unit must be committed.
    Replayed,
}

/// Rotates a session by its current token and returns the same successor for the direct predecessor. Ends the sign-in
/// when an older token is presented (RFC 9700, 4.14.2). A session that continues makes its client's address
/// known, so that a stranger's guesses do not lock the owner out there.
///
/// Rotates before it verifies the token, which takes one statement instead of two. After an error the unit must be
/// rolled back.
pub async fn refresh_session(
    unit: &mut (impl Sessions + People + Attempts + JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    command: Refresh,
) -> Result<Refreshed, IdentityError> {
    let Refresh { token, is_address_noted } = command;
    let now = context.now();
    let rotated = unit.rotate_session(token.session, token.rotation, now.minus(policy.idle), now).await?;
    let is_rotated = rotated.is_some();
    let session = match rotated {
        Some(session) => session,
        None => unit.session_by_id(token.session).await?.ok_or(IdentityError::TokenInvalid)?,
    };
    let key = keys.key(&session.key_id).ok_or(IdentityError::TokenInvalid)?;
    if !token.is_made_by(&key) {
        return Err(IdentityError::TokenInvalid);
    }
    if is_rotated {
        return continue_session(unit, actor, context, session, is_address_noted).await;
    }
    if !session.is_live(now, policy) {
        return Err(Refusal::SessionEnded.into());
    }
    match session.refresh_outcome(token.rotation, now, policy) {
        RefreshOutcome::JustRotated => continue_session(unit, actor, context, session, is_address_noted).await,
        RefreshOutcome::Current | RefreshOutcome::Unknown => Err(IdentityError::TokenInvalid),
        RefreshOutcome::Replayed => {
            end_replayed(unit, &actor.of_session(&session), context, &session).await?;
            Ok(Refreshed::Replayed)
        }
    }
}

/// Returns the session to the client, and records that its user is at the client's address unless that was recorded
/// lately.
async fn continue_session(
    unit: &mut (impl People + Attempts + ?Sized),
    actor: &Actor,
    context: &Context,
    session: Session,
    is_address_noted: bool,
) -> Result<Refreshed, IdentityError> {
    let ip = actor.origin.ip;
    if !is_address_noted
        && !session.noted_at_start(ip, context.now())
        && let Some(person) = unit.person_by_id(session.user).await?
    {
        note_seen(unit, context, &person.email, ip).await?;
    }
    Ok(Refreshed::Session(Box::new(session)))
}

/// Ends the sign-in of a replayed token and warns the user. This happens once: afterwards every token of the sign-in
/// belongs to an ended session.
pub(crate) async fn end_replayed(
    unit: &mut (impl Sessions + People + JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    session: &Session,
) -> Result<(), IdentityError> {
    let now = context.now();
    let replayed = Event::new(context, actor, SESSION_REPLAYED).target(session.id, None);
    unit.append_event(replayed).await?;
    let ended = unit.end_sessions_of_sign_in(session.sign_in, EndReason::Replayed, now).await?;
    note_ended(unit, actor, context, &ended, EndReason::Replayed).await?;
    let Some(person) = unit.person_by_id(session.user).await? else { return Ok(()) };
    let mail = SessionReplayedEmail {
        name: person.name.to_string(),
        at: now.to_string(),
        ip: actor.origin.ip.map(|ip| ip.to_string()),
        user_agent: actor.origin.user_agent.clone(),
    };
    Ok(send_email(unit, actor, context, None, &person.email, mail, None).await?)
}

/// How a session starts.
pub(crate) enum SessionOrigin<'a> {
    /// The user has signed in.
    SignIn,
    /// The user continues from an earlier session. Both share their sign-in and its absolute end.
    Sibling(&'a Session),
}

/// Starts a session of a user whose row is locked. Ends the oldest sessions when the user has more than
/// [`MAX_LIVE_SESSIONS`].
pub(crate) async fn start_session(
    unit: &mut (impl Sessions + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    keys: &dyn RefreshKeys,
    policy: &SessionPolicy,
    beginning: SessionOrigin<'_>,
) -> Result<Session, IdentityError> {
    let user = actor.user().ok_or(StoreError::Misuse("a session needs a person"))?;
    let now = context.now();
    let mut running = unit.running_sessions_of(user, now).await?;
    running.retain(|session| session.is_live(now, policy));
    let keep = usize::try_from(MAX_LIVE_SESSIONS).unwrap_or(usize::MAX) - 1;
    let sibling = match beginning {
        SessionOrigin::SignIn => None,
        SessionOrigin::Sibling(session) => Some(session),
    };
    // The session that continues in another tenant is in use, however old it is.
    running.retain(|session| sibling.is_none_or(|sibling| sibling.id != session.id));
    for oldest in running.iter().skip(keep - usize::from(sibling.is_some())) {
        let ended = unit.end_session(oldest.id, EndReason::TooMany, now).await?;
        note_ended(unit, actor, context, &ended, EndReason::TooMany).await?;
    }
    let session = Session {
        id: SessionId::new(context),
        sign_in: sibling.map_or_else(|| SignInId::new(context), |sibling| sibling.sign_in),
        user,
        tenant: actor.tenant,
        key_id: keys.current_id().to_owned(),
        rotation: 0,
        seen_rotation: 0,
        created_at: now,
        rotated_at: now,
        last_used_at: now.to_minute(),
        expires_at: sibling.map_or_else(|| now.plus(policy.max), |sibling| sibling.expires_at),
        ended: None,
        user_agent: actor.origin.user_agent.clone(),
        ip: actor.origin.ip,
    };
    unit.insert_session(&session).await?;
    unit.append_event(Event::new(context, actor, SESSION_STARTED).target(session.id, None)).await?;
    Ok(session)
}

/// Publishes ended sessions to every process, and appends an event for each to the log of the acting session's tenant.
pub(crate) async fn note_ended(
    unit: &mut (impl Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    ended: &[Session],
    reason: EndReason,
) -> Result<(), IdentityError> {
    for session in ended {
        unit.session_authority_changed(session.id).await?;
        let event = Event::new(context, actor, SESSION_ENDED).target(session.id, None).set("reason", reason.name());
        unit.append_event(event).await?;
    }
    Ok(())
}

/// Creates an actor that is known only by a session's token.
trait OfSession {
    fn of_session(&self, session: &Session) -> Actor;
}

impl OfSession for Actor {
    fn of_session(&self, session: &Session) -> Actor {
        let kind = ActorKind::Session { session: session.id, user: session.user, name: None };
        Actor { kind, tenant: session.tenant, origin: self.origin.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const POLICY: SessionPolicy = SessionPolicy {
        access: Duration::from_secs(900),
        grace: Duration::from_secs(10),
        idle: Duration::from_secs(14 * 86_400),
        max: Duration::from_secs(90 * 86_400),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1_000).unwrap()
    }

    fn session(rotation: u32, seen: u32) -> Session {
        Session {
            id: SessionId::from_uuid(Uuid::nil()),
            sign_in: SignInId::from_uuid(Uuid::nil()),
            user: UserId::from_uuid(Uuid::nil()),
            tenant: None,
            key_id: "k".into(),
            rotation,
            seen_rotation: seen,
            created_at: at(0),
            rotated_at: at(1_000),
            last_used_at: at(0),
            expires_at: at(90 * 86_400),
            ended: None,
            user_agent: None,
            ip: None,
        }
    }

    #[test]
    fn a_token_is_classified_by_its_rotation_the_time_and_what_was_seen() {
        use RefreshOutcome::*;
        let table = [
            // rotation, seen, token, at, outcome
            (5, 5, 5, 9_999, Current),
            (5, 5, 4, 1_005, JustRotated),
            (5, 5, 4, 1_010, JustRotated),
            (5, 5, 4, 1_011, Replayed),
            (5, 4, 4, 4_600, JustRotated),
            (5, 4, 3, 1_001, Replayed),
            (5, 5, 0, 1_001, Replayed),
            (5, 5, 6, 1_001, Unknown),
            (0, 0, u32::MAX, 1_001, Unknown),
        ];
        for (rotation, seen, token, now, expected) in table {
            assert_eq!(
                session(rotation, seen).refresh_outcome(token, at(now), &POLICY),
                expected,
                "{rotation} {seen} {token} {now}"
            );
        }
    }

    #[test]
    fn a_session_lasts_while_it_is_refreshed_and_never_beyond_its_end() {
        let fresh = session(1, 1);
        assert!(fresh.is_live(at(1_000 + 14 * 86_400 - 1), &POLICY));
        assert!(!fresh.is_live(at(1_000 + 14 * 86_400), &POLICY));
        let mut old = session(1, 1);
        old.rotated_at = at(89 * 86_400);
        assert!(old.is_live(at(90 * 86_400 - 1), &POLICY));
        assert!(!old.is_live(at(90 * 86_400), &POLICY));
        old.ended = Some((at(0), EndReason::LoggedOut));
        assert!(!old.is_live(at(1_000), &POLICY));
    }
}
