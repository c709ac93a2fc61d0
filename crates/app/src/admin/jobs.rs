//! Commands about background work.

use serde_json::{Value, json};
use tenantry_jobs::vocabulary::{CLEANUP_REQUESTED, JOB_CANCELLED, JOB_RETRIED};
use tenantry_jobs::{CancelJob, CleanUpTarget, JobFilter, JobId, JobStatus, Jobs, RetryJob, cancel_job, retry_job};
use tenantry_kernel::{Direction, ErrorCode, Event, Journal, MAX_LIMIT, PageRequest};
use tenantry_tenancy::Tenant;

use crate::{
    App, Failure,
    clean_up::{Swept, clean_up},
    cli::{CleanUpArguments, JobArgument, JobsCommand, ListJobs, OutputArgument, ShowJob, TenantSelector},
    config::Config,
};

use super::{AdminError, SCOPE, change, on_database, tenants};

/// Carries out a command about jobs and returns what it has to tell. Must run in a `LocalSet`.
pub async fn run_jobs(config: Config, command: JobsCommand) -> Result<String, AdminError> {
    on_database(config, async |app| match command {
        JobsCommand::List(it) => list(app, it).await,
        JobsCommand::Show(it) => show(app, it).await,
        JobsCommand::Retry(it) => retry(app, it).await,
        JobsCommand::Cancel(it) => cancel(app, it).await,
        JobsCommand::Stats(it) => stats(app, it).await,
        JobsCommand::Cleanup(it) => sweep(app, it).await,
    })
    .await
}

async fn list(app: &App, command: ListJobs) -> Result<String, AdminError> {
    let ListJobs { tenant, queue, kind, state, limit, output } = command;
    let tenant = named(app, tenant).await?.map(|tenant| tenant.id);
    let filter = JobFilter { tenant, queue, kind, state };
    let mut unit = app.read(SCOPE).await?;
    let (mut jobs, mut after) = (Vec::new(), None);
    let mut left = limit;
    while left > 0 {
        let page = PageRequest { limit: left.min(MAX_LIMIT), after, direction: Direction::Descending };
        let page = unit.page_jobs(&filter, page).await?;
        left -= u32::try_from(page.items.len()).unwrap_or(left).min(left);
        jobs.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if output.json {
        return Ok(Value::from(jobs.iter().map(as_json).collect::<Vec<_>>()).to_string());
    }
    if jobs.is_empty() {
        return Ok("there is no such job".to_owned());
    }
    let rows = jobs.iter().map(|job| {
        let tenant = job.tenant.map_or_else(|| "-".to_owned(), |tenant| tenant.to_string());
        let error = job.last_error.as_deref().unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" ");
        [
            job.id.to_string(),
            job.state.name().to_owned(),
            job.queue.clone(),
            job.kind.clone(),
            tenant,
            format!("{}/{}", job.attempt, job.max_attempts),
            job.run_at.to_string(),
            error,
        ]
    });
    Ok(table(["ID", "STATE", "QUEUE", "KIND", "TENANT", "ATTEMPT", "RUN AT", "LAST ERROR"], rows))
}

async fn show(app: &App, command: ShowJob) -> Result<String, AdminError> {
    let job = find(app, command.job.id).await?;
    let shown = as_json(&job);
    if command.output.json {
        return Ok(shown.to_string());
    }
    let fields = shown.as_object().into_iter().flatten();
    let lines = fields.map(|(name, value)| match value {
        Value::Null => format!("{name}: -"),
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

async fn retry(app: &App, JobArgument { id }: JobArgument) -> Result<String, AdminError> {
    let done = change(app, JOB_RETRIED, async move |unit, actor, world| {
        retry_job(unit, actor, world, RetryJob { id }).await?;
        Ok(format!("job {id} is ready again"))
    });
    told(app, id, done.await, "only a dead or cancelled job is retried, while no other has taken its place").await
}

async fn cancel(app: &App, JobArgument { id }: JobArgument) -> Result<String, AdminError> {
    let done = change(app, JOB_CANCELLED, async move |unit, actor, world| {
        cancel_job(unit, actor, world, CancelJob { id }).await?;
        Ok(format!("called job {id} off"))
    });
    told(app, id, done.await, "only a scheduled or ready job is called off").await
}

async fn stats(app: &App, output: OutputArgument) -> Result<String, AdminError> {
    let now = app.world.now();
    let queues = app.read(SCOPE).await?.queue_figures().await?;
    if output.json {
        let queues = queues.iter().map(|queue| {
            json!({
                "queue": queue.queue, "ready": queue.ready, "scheduled": queue.scheduled, "running": queue.running,
                "dead": queue.dead, "oldestReadySeconds": queue.oldest_ready_seconds(now)
            })
        });
        return Ok(Value::from(queues.collect::<Vec<_>>()).to_string());
    }
    if queues.is_empty() {
        return Ok("no work waits, and there is no dead letter".to_owned());
    }
    let rows = queues.iter().map(|queue| {
        let oldest = queue.oldest_ready_seconds(now).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
        let [ready, scheduled, running, dead] =
            [queue.ready, queue.scheduled, queue.running, queue.dead].map(|count| count.to_string());
        [queue.queue.clone(), ready, scheduled, running, dead, oldest]
    });
    Ok(table(["QUEUE", "READY", "SCHEDULED", "RUNNING", "DEAD", "OLDEST READY"], rows))
}

async fn sweep(app: &App, command: CleanUpArguments) -> Result<String, AdminError> {
    let CleanUpArguments { tenant, targets, dry_run, output } = command;
    let tenant = named(app, tenant).await?;
    let all = if tenant.is_some() { CleanUpTarget::OF_TENANT } else { CleanUpTarget::ALL };
    if let Some(target) = targets.iter().find(|target| !all.contains(target)) {
        return Err(AdminError::NotOfTenant(target.name()));
    }
    let targets = if targets.is_empty() { all.to_vec() } else { targets };
    let tenant = tenant.map(|tenant| tenant.id);
    let names: Vec<String> = targets.iter().map(|target| target.name().to_owned()).collect();
    change(app, CLEANUP_REQUESTED, async move |unit, actor, world| {
        let event = Event::new(world, actor, CLEANUP_REQUESTED)
            .within(tenant)
            .set("targets", names.clone())
            .set("dryRun", if dry_run { "true" } else { "false" });
        unit.append_event(event).await?;
        Ok(String::new())
    })
    .await?;
    let swept = clean_up(app, tenant, &targets, dry_run).await?;
    if output.json { Ok(json!(swept).to_string()) } else { Ok(counted(&swept, dry_run)) }
}

fn counted(swept: &Swept, dry_run: bool) -> String {
    let rows = swept.iter().map(|(target, rows)| [(*target).to_owned(), rows.to_string()]);
    table(["TARGET", if dry_run { "WOULD BE DELETED" } else { "DELETED" }], rows)
}

/// What came of a change of one job.
async fn told(
    app: &App,
    id: JobId,
    done: Result<String, Failure>,
    possible: &'static str,
) -> Result<String, AdminError> {
    match done {
        Err(failure) if failure.code == ErrorCode::NOT_FOUND => Err(AdminError::UnknownJob(id)),
        Err(failure) if failure.code == ErrorCode::INVALID_STATE => {
            let state = find(app, id).await?.state.name();
            Err(AdminError::JobState { id, state, possible })
        }
        done => Ok(done?),
    }
}

async fn find(app: &App, id: JobId) -> Result<JobStatus, AdminError> {
    app.read(SCOPE).await?.job_by_id(id).await?.ok_or(AdminError::UnknownJob(id))
}

async fn named(app: &App, tenant: Option<TenantSelector>) -> Result<Option<Tenant>, AdminError> {
    match tenant {
        None => Ok(None),
        Some(tenant) => tenants::find(app, &tenant).await.map(Some),
    }
}

fn as_json(job: &JobStatus) -> Value {
    let result = job.result.as_deref().and_then(|result| serde_json::from_str::<Value>(result).ok());
    json!({
        "id": job.id, "tenant": job.tenant, "queue": job.queue, "kind": job.kind, "state": job.state.name(),
        "attempt": job.attempt, "maxAttempts": job.max_attempts, "runAt": job.run_at.to_string(),
        "lastError": job.last_error, "result": result, "createdAt": job.created_at.to_string(),
        "finishedAt": job.finished_at.map(|at| at.to_string())
    })
}

/// Columns as wide as their widest cell; the last is as long as it is.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
