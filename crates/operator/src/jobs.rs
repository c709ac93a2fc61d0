//! The commands for jobs.

use serde_json::{Value, json};
use tenantry_jobs::vocabulary::{CLEANUP_REQUESTED, JOB_CANCELLED, JOB_RETRIED};
use tenantry_jobs::{
    CancelJob, CleanUpTarget, JobAdmin, JobError, JobFilter, JobId, JobStatus, RetryJob, StartCleanUp, cancel_job,
    retry_job, start_clean_up,
};
use tenantry_kernel::{Direction, ErrorCode, MAX_LIMIT, PageRequest};
use tenantry_service::{RetentionCounts, ServiceError};
use tenantry_tenancy::Tenant;

use crate::{
    CleanUpArguments, JobArgument, JobsCommand, ListJobs, Operator, OperatorError, OutputArgument, SCOPE, ShowJob,
    TenantSelector, tenants,
};

impl Operator {
    /// Carries out a command for jobs and returns its output.
    pub async fn manage_jobs(&self, command: JobsCommand) -> Result<String, OperatorError> {
        match command {
            JobsCommand::List(it) => list(self, it).await,
            JobsCommand::Show(it) => show(self, it).await,
            JobsCommand::Retry(it) => retry(self, it).await,
            JobsCommand::Cancel(it) => cancel(self, it).await,
            JobsCommand::Stats(it) => stats(self, it).await,
            JobsCommand::Cleanup(it) => clean_up(self, it).await,
        }
    }
}

async fn list(operator: &Operator, command: ListJobs) -> Result<String, OperatorError> {
    let ListJobs { tenant, queue, kind, state, limit, output } = command;
    let tenant = named(operator, tenant).await?.map(|tenant| tenant.id);
    let filter = JobFilter { tenant, queue, kind, state };
    let mut unit = operator.reader.open(SCOPE).await?;
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
        return Ok("the job does not exist".to_owned());
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

async fn show(operator: &Operator, command: ShowJob) -> Result<String, OperatorError> {
    let job = find(operator, command.job.id).await?;
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

async fn retry(operator: &Operator, JobArgument { id }: JobArgument) -> Result<String, OperatorError> {
    let done = operator.change(JOB_RETRIED, async move |unit, actor, context| {
        retry_job(unit, actor, context, RetryJob { id }).await?;
        Ok(format!("job {id} is ready again"))
    });
    told(
        operator,
        id,
        done.await,
        "only a dead or cancelled job can be retried, and only while no other live job has its key",
    )
    .await
}

async fn cancel(operator: &Operator, JobArgument { id }: JobArgument) -> Result<String, OperatorError> {
    let done = operator.change(JOB_CANCELLED, async move |unit, actor, context| {
        cancel_job(unit, actor, context, CancelJob { id }).await?;
        Ok(format!("cancelled job {id}"))
    });
    told(operator, id, done.await, "only a scheduled or ready job can be cancelled").await
}

async fn stats(operator: &Operator, output: OutputArgument) -> Result<String, OperatorError> {
    let now = operator.context.now();
    let queues = operator.reader.open(SCOPE).await?.queue_figures().await?;
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
        return Ok("there are no waiting jobs and no dead letters".to_owned());
    }
    let rows = queues.iter().map(|queue| {
        let oldest = queue.oldest_ready_seconds(now).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
        let [ready, scheduled, running, dead] =
            [queue.ready, queue.scheduled, queue.running, queue.dead].map(|count| count.to_string());
        [queue.queue.clone(), ready, scheduled, running, dead, oldest]
    });
    Ok(table(["QUEUE", "READY", "SCHEDULED", "RUNNING", "DEAD", "OLDEST READY"], rows))
}

async fn clean_up(operator: &Operator, command: CleanUpArguments) -> Result<String, OperatorError> {
    let CleanUpArguments { tenant, targets, dry_run, output } = command;
    let tenant = named(operator, tenant).await?;
    let all = if tenant.is_some() { CleanUpTarget::OF_TENANT } else { CleanUpTarget::ALL };
    if let Some(target) = targets.iter().find(|target| !all.contains(target)) {
        return Err(OperatorError::NotOfTenant(target.name()));
    }
    let targets = if targets.is_empty() { all.to_vec() } else { targets };
    let tenant = tenant.map(|tenant| tenant.id);
    let command = StartCleanUp { tenant, targets: targets.clone(), dry_run };
    operator
        .change(CLEANUP_REQUESTED, async move |unit, actor, context| {
            start_clean_up(unit, actor, context, command.clone()).await?;
            Ok(String::new())
        })
        .await?;
    let counts = operator.cleaner.clean_up(tenant, &targets, dry_run).await?;
    if output.json { Ok(json!(counts).to_string()) } else { Ok(counted(&counts, dry_run)) }
}

fn counted(counts: &RetentionCounts, dry_run: bool) -> String {
    let rows = counts.iter().map(|(target, rows)| [(*target).to_owned(), rows.to_string()]);
    table(["TARGET", if dry_run { "WOULD BE DELETED" } else { "DELETED" }], rows)
}

/// Describes the result of a change of one job.
async fn told(
    operator: &Operator,
    id: JobId,
    done: Result<String, ServiceError>,
    possible: &'static str,
) -> Result<String, OperatorError> {
    match done {
        Err(failure) if failure.code == ErrorCode::NOT_FOUND => Err(OperatorError::UnknownJob(id)),
        Err(failure) if failure.code == ErrorCode::INVALID_STATE => {
            // A job in the right state may lack its secret.
            let possible = if failure.details.is_empty() { possible } else { JobError::WAY_OUT };
            let state = find(operator, id).await?.state.name();
            Err(OperatorError::JobState { id, state, possible })
        }
        done => Ok(done?),
    }
}

async fn find(operator: &Operator, id: JobId) -> Result<JobStatus, OperatorError> {
    operator.reader.open(SCOPE).await?.job_by_id(id).await?.ok_or(OperatorError::UnknownJob(id))
}

async fn named(operator: &Operator, tenant: Option<TenantSelector>) -> Result<Option<Tenant>, OperatorError> {
    match tenant {
        None => Ok(None),
        Some(tenant) => tenants::find(operator, &tenant).await.map(Some),
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

/// Formats a table whose columns are as wide as their widest cell; the last column is not padded.
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
