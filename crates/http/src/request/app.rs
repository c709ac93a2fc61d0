//! The application, as handlers and extractors take it.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use bytes::Bytes;
use futures::FutureExt;
use std::{
    ops::Deref,
    rc::Rc,
    sync::{Arc, LazyLock},
};
use tenantry_crypto::{Argon2Pool, ServerSecrets};
use tenantry_files::Blobs;
use tenantry_identity::Guess;
use tenantry_kernel::{Actor, Context, StoreError, Vocabulary};
use tenantry_service::{
    AssignmentCounts, Authenticator, ChangeRequest, Changes, CommitMode, NotedAddresses, Proofs, Reader, RequestLimits,
    Scope, TokenIssuer, Unit, Work,
};
use tokio_util::task::TaskTracker;

use crate::{Answer, Failure, health::HealthProbe, settings::ApiSettings};

use super::metrics::HttpMetrics;

/// The application, as handlers see it. Cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// The services and settings that handlers use.
pub struct AppParts {
    /// The settings of the API.
    pub settings: ApiSettings,
    /// Clock and random source.
    pub context: Context,
    /// The names that the crates declare.
    pub vocabulary: Arc<Vocabulary>,
    /// Opens units for reading.
    pub reader: Reader,
    /// Runs the changes that clients request.
    pub changes: Changes,
    /// Finds the authority of access tokens.
    pub authenticator: Authenticator,
    /// Issues the tokens of sessions.
    pub issuer: TokenIssuer,
    /// The public keys of access tokens, as a JSON Web Key Set.
    pub jwks: String,
    /// Keys of refresh tokens, links and cursors.
    pub secrets: Arc<ServerSecrets>,
    /// Hashes new passwords.
    pub hasher: Arc<Argon2Pool>,
    /// Creates proofs of identity and limits guesses.
    pub proofs: Proofs,
    /// The addresses at which sessions were refreshed lately.
    pub noted_addresses: NotedAddresses,
    /// Limits requests; `None` where requests are not limited.
    pub limits: Option<Arc<RequestLimits>>,
    /// Counts the members that hold each role.
    pub assignment_counts: AssignmentCounts,
    /// The storage of files.
    pub blobs: Arc<dyn Blobs>,
    /// Tasks that outlive a request, which a stop waits for.
    pub tasks: TaskTracker,
    /// Checks this process and the services that it needs.
    pub health: Arc<dyn HealthProbe>,
    /// Counts and times requests.
    pub metrics: HttpMetrics,
    /// The OpenAPI document, created at the first request for it.
    pub document: LazyLock<Bytes>,
}

impl Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// Creates the application of these parts.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Opens a unit for reading that sees the rows of `scope`.
    pub(crate) async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.reader.open(scope).await
    }

    /// Opens such a unit for rows that are found by a key and for pages without filters: PostgreSQL plans its
    /// statements once on each connection.
    pub(crate) async fn read_with_one_plan(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.reader.open_with_one_plan(scope).await
    }

    /// Opens a unit for a page. What is best for a page with filters depends on their values.
    pub(crate) async fn read_page<F: Default + PartialEq>(&self, scope: Scope, filter: &F) -> Result<Unit, StoreError> {
        if *filter == F::default() { self.read_with_one_plan(scope).await } else { self.read(scope).await }
    }

    /// Runs a change in a task of its own and commits it; see [`Changes::run`].
    pub(crate) fn change<W, D>(
        &self,
        request: ChangeRequest,
        scope: Scope,
        work: W,
    ) -> impl Future<Output = Result<Answer, Failure>> + use<W, D>
    where
        W: AsyncFn(&mut Unit, &Actor, &Context) -> Result<D, Failure> + 'static,
        D: Into<CommitMode> + 'static,
    {
        let work = Rc::new(work);
        let work: Box<Work> = Box::new(move |unit, actor, context| {
            let work = work.clone();
            async move { work(unit, actor, context).await.map(Into::into).map_err(Failure::into_inner) }.boxed_local()
        });
        self.changes.clone().run_erased(request, scope, work).map(|done| Ok(done?.into()))
    }

    /// Returns the outcome of a request with a proof. If the request failed, the guess of the proof ends first; see
    /// [`Proofs::settle`].
    pub(crate) async fn settled(
        &self,
        guess: Option<Guess>,
        outcome: Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        if let Err(failure) = &outcome {
            self.proofs.settle(guess.as_ref(), failure).await?;
        }
        outcome
    }

    /// Returns the stored response to a request with an `Idempotency-Key`; see [`Changes::answered_before`].
    pub(crate) async fn answered_before(
        &self,
        request: &ChangeRequest,
        scope: Scope,
    ) -> Result<Option<Answer>, Failure> {
        Ok(self.changes.answered_before(request, scope).await?.map(Into::into))
    }
}

impl FromRequest for App {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(app_of(request).clone()))
    }
}

/// Returns the application that serves a request.
pub(crate) fn app_of(request: &HttpRequest) -> &App {
    request.app_data::<web::Data<App>>().map(|app| app.get_ref()).unwrap_or_else(|| unreachable!("set by `service`"))
}
