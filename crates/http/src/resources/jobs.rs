//! Operations of `/jobs`: background jobs of the tenant.

use actix_web::web;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tenantry_jobs::{
    CancelJob, CleanUpTarget, JobAdmin, JobFilter, JobId, JobState, JobStatus, QueueStats, ReadJobs, RequestCleanUp,
    RetryJob, cancel_job as cancel, request_clean_up, retry_job as retry,
};
use tenantry_kernel::{Direction, ErrorCode, Page, Timestamp, Vocabulary};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{
        Accepted, Authorized, Body, Contract, FieldErrors, IntoCommand, List, ListOf, ListQuery, ListRequest, Of,
        PageParameters, Resource, handler, path_id,
    },
};

pub(crate) fn resource() -> Resource {
    Resource::new("jobs", "Background jobs of the tenant: their states, retries, cancellation and clean-up.")
        .operation(handler!(job_stats), Contract::of::<ReadJobs>(&[]))
        .operation(handler!(list_jobs), Contract::of::<ReadJobs>(&[ErrorCode::INVALID_CURSOR]))
        .operation(handler!(clean_up), Contract::of::<RequestCleanUp>(&[]).with_optional_body())
        .operation(handler!(get_job), Contract::of::<ReadJobs>(&[]))
        .operation(handler!(retry_job), Contract::of::<RetryJob>(&[ErrorCode::INVALID_STATE]))
        .operation(handler!(cancel_job), Contract::of::<CancelJob>(&[ErrorCode::INVALID_STATE]))
}

/// A background job. Its payload is not shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "queue": "mail", "kind": "mail", "state": "dead", "attempt": 8,
    "maxAttempts": 8, "runAt": "2026-11-23T09:00:00.000Z", "lastError": "the server did not answer", "result": null,
    "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct JobView {
    #[schema(format = "uuid")]
    id: String,
    queue: String,
    kind: String,
    /// State of the job: `scheduled`, `ready`, `running`, `completed`, `dead` or `cancelled`.
    state: &'static str,
    /// Number of attempts since the job was enqueued or last retried through this API.
    attempt: u32,
    max_attempts: u32,
    /// Earliest time of the next attempt.
    #[schema(format = "date-time")]
    run_at: String,
    /// Error of the last failed attempt.
    #[schema(required = true)]
    last_error: Option<String>,
    /// Result of a completed job. For a clean-up: the number of rows of each target that were deleted, or would be with
    /// `dryRun`.
    #[schema(required = true)]
    result: Option<BTreeMap<String, u64>>,
    #[schema(format = "date-time")]
    created_at: String,
}

impl TryFrom<JobStatus> for JobView {
    type Error = Failure;

    fn try_from(job: JobStatus) -> Result<Self, Failure> {
        let result = job.result.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            id: job.id.to_string(),
            queue: job.queue,
            kind: job.kind,
            state: job.state.name(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            run_at: job.run_at.to_string(),
            last_error: job.last_error,
            result: result.map_err(Failure::internal)?,
            created_at: job.created_at.to_string(),
        })
    }
}

/// The numbers of jobs in a queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "queue": "mail", "ready": 3, "scheduled": 1, "running": 2, "dead": 0, "completedLastHour": 120,
    "oldestReadySeconds": 4
}))]
pub(crate) struct QueueView {
    queue: String,
    ready: u64,
    scheduled: u64,
    running: u64,
    dead: u64,
    completed_last_hour: u64,
    /// Waiting time of the oldest ready job; `null` if no job is ready.
    #[schema(required = true)]
    oldest_ready_seconds: Option<u64>,
}

impl QueueView {
    fn of(stats: QueueStats, now: Timestamp) -> Self {
        let QueueStats { figures, completed } = stats;
        Self {
            oldest_ready_seconds: figures.oldest_ready_seconds(now),
            queue: figures.queue,
            ready: figures.ready,
            scheduled: figures.scheduled,
            running: figures.running,
            dead: figures.dead,
            completed_last_hour: completed,
        }
    }
}

/// Count the tenant's jobs by queue and state
///
/// Queues without jobs are omitted.
#[utoipa::path(
    get,
    path = "/jobs/stats",
    tag = "jobs",
    responses((status = 200, description = "The queues in order of name.", body = Of<Vec<QueueView>>))
)]
pub(crate) async fn job_stats(app: App, caller: Authorized<ReadJobs>) -> Result<Answer, Failure> {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = app.context.now();
    let mut unit = app.read(caller.scope()).await?;
    let queues: Vec<QueueView> =
        unit.queue_stats(now.minus(HOUR)).await?.into_iter().map(|stats| QueueView::of(stats, now)).collect();
    Answer::ok(&queues)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// Name of the queue.
    #[param(max_length = 64)]
    queue: Option<String>,
    /// Name of the job kind.
    #[param(max_length = 64)]
    kind: Option<String>,
    /// State of the job: `scheduled`, `ready`, `running`, `completed`, `dead` or `cancelled`.
    #[param(pattern = "^(scheduled|ready|running|completed|dead|cancelled)$")]
    state: Option<String>,
}

impl JobQuery {
    const MAX_NAME_BYTES: usize = 64;
}

impl ListQuery for JobQuery {
    type Filter = JobFilter;
    type Key = JobId;

    fn parse(self, _: &Vocabulary, errors: &mut FieldErrors) -> (JobFilter, Direction) {
        let name = |text: &String| {
            let is_name = text.len() <= Self::MAX_NAME_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
            if is_name { Ok(text.clone()) } else { Err("must be a name of at most 64 characters") }
        };
        let state = |text: &str| JobState::from_name(text).ok_or("must be a state of jobs");
        let filter = JobFilter {
            tenant: None,
            queue: errors.take_if_any("queue", self.queue.as_ref().map(name)).flatten(),
            kind: errors.take_if_any("kind", self.kind.as_ref().map(name)).flatten(),
            state: errors.take_if_any("state", self.state.as_deref().map(state)).flatten(),
        };
        (filter, Direction::Descending)
    }
}

/// List the tenant's jobs, newest first
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    params(PageParameters, JobQuery),
    responses((status = 200, description = "A page of jobs.", body = ListOf<JobView>))
)]
pub(crate) async fn list_jobs(
    app: App,
    caller: Authorized<ReadJobs>,
    request: ListRequest<JobQuery>,
) -> Result<Answer, Failure> {
    let List { filter, page, cursors } = request.parse(&caller)?;
    let page = app.read_page(caller.scope(), &filter).await?.page_jobs(&filter, page).await?;
    let items: Vec<JobView> = page.items.into_iter().map(JobView::try_from).collect::<Result<_, _>>()?;
    cursors.answer(&Page { items, next: page.next })
}

/// Get a job
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The job.", body = Of<JobView>))
)]
pub(crate) async fn get_job(app: App, caller: Authorized<ReadJobs>, id: web::Path<String>) -> Result<Answer, Failure> {
    let id: JobId = path_id(&id)?;
    let job = app.read(caller.scope()).await?.job_by_id(id).await?;
    Answer::ok(&JobView::try_from(job.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?)?)
}

/// Retry a dead or cancelled job
///
/// The job gets its full number of attempts again.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tag = "jobs",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 202, description = "The job is ready to run.", body = Of<Accepted>))
)]
pub(crate) async fn retry_job(
    app: App,
    caller: Authorized<RetryJob>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let command = RetryJob { id: path_id(&id)? };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        retry(unit, actor, context, command).await?;
        Answer::accepted()
    })
    .await
}

/// Cancel a job that is not running yet
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "jobs",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 202, description = "The job is cancelled.", body = Of<Accepted>))
)]
pub(crate) async fn cancel_job(
    app: App,
    caller: Authorized<CancelJob>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let command = CancelJob { id: path_id(&id)? };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        cancel(unit, actor, context, command).await?;
        Answer::accepted()
    })
    .await
}

/// Name of a clean-up target, in a request.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 64, pattern = "^(expired_invitations|ended_sessions|finished_jobs|journal_segments)$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct TargetName(String);

/// The targets of a clean-up.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "targets": ["ended_sessions"], "dryRun": true }))]
pub(crate) struct NewCleanUp {
    /// Any of `expired_invitations`, `ended_sessions`, `finished_jobs` and `journal_segments`. Default: all of them.
    #[validate(length(min = 1, max = 4))]
    #[schema(min_items = 1, max_items = 4, value_type = Option<Vec<TargetName>>)]
    targets: Option<Vec<String>>,
    /// `true` counts the rows and deletes none.
    dry_run: Option<bool>,
}

impl IntoCommand for NewCleanUp {
    type Output = RequestCleanUp;

    fn parse(self, errors: &mut FieldErrors) -> Option<RequestCleanUp> {
        let dry_run = self.dry_run.unwrap_or(false);
        let Some(names) = self.targets else { return Some(everything(dry_run)) };
        let mut targets = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let own = |target: &CleanUpTarget| CleanUpTarget::OF_TENANT.contains(target);
            let target = CleanUpTarget::from_name(name).filter(own).ok_or("is not a clean-up target of a tenant");
            targets.extend(errors.take(&format!("targets[{place}]"), target));
        }
        targets.sort_unstable();
        targets.dedup();
        Some(RequestCleanUp { targets, dry_run })
    }
}

fn everything(dry_run: bool) -> RequestCleanUp {
    RequestCleanUp { targets: CleanUpTarget::OF_TENANT.to_vec(), dry_run }
}

/// The job of a clean-up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CleanUpView {
    /// Id of the job. The job's `result` has the number of rows of each target.
    #[schema(format = "uuid")]
    job_id: String,
}

/// Delete expired and ended rows of the tenant in a job
#[utoipa::path(
    post,
    path = "/jobs/cleanup",
    tag = "jobs",
    request_body = NewCleanUp,
    responses((status = 202, description = "The job is enqueued.", body = Of<CleanUpView>))
)]
pub(crate) async fn clean_up(app: App, caller: Authorized<RequestCleanUp>, body: Body) -> Result<Answer, Failure> {
    let command = body.parse_if_any::<NewCleanUp>().await?.unwrap_or_else(|| everything(false));
    let tenant = caller.tenant()?.id;
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let job = request_clean_up(unit, actor, context, tenant, command.clone()).await?;
        Answer::accepted_with(&CleanUpView { job_id: job.to_string() })
    })
    .await
}
