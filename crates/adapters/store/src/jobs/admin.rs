//! Shows and manages jobs. No payload and no secret leaves this module.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, Value,
    prelude::{ChronoDateTimeUtc, Uuid},
};
use tenantry_jobs::{JobAdmin, JobFilter, JobId, JobState, JobStatus, QueueFigures, QueueStats};
use tenantry_kernel::{Page, PageRequest, StoreError, TenantId, Timestamp};
use tenantry_mails::Email;

use crate::{
    Unit,
    failure::{StatementError, UniqueKey},
    pages::keyset,
    unit::{TenantTable, hit_one},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "jobs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Option<Uuid>,
        pub lane: Uuid,
        pub queue: String,
        pub kind: String,
        pub state: String,
        pub attempt: i64,
        pub max_attempts: i64,
        pub run_at: ChronoDateTimeUtc,
        pub last_error: Option<String>,
        pub result: Option<String>,
        pub created_at: ChronoDateTimeUtc,
        pub finished_at: Option<ChronoDateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

impl TenantTable for row::Entity {
    // The column `lane` is the tenant key: a tenant's id, and the indexes begin with it.
    const TENANT: Column = Column::Lane;
}

const LIVE_KEY: UniqueKey = UniqueKey { name: "jobs_unique", columns: "jobs.lane, jobs.kind, jobs.unique_key" };

const RETRY: &str = "\
    UPDATE jobs SET state = 'ready', attempt = 0, run_at = $2, finished_at = NULL, result = NULL \
    WHERE id = $1 AND state IN ('dead', 'cancelled') AND ($3 OR lane = $4) AND NOT EXISTS \
        (SELECT 1 FROM jobs AS live WHERE live.lane = jobs.lane AND live.kind = jobs.kind \
         AND live.unique_key = jobs.unique_key AND live.state IN ('scheduled', 'ready', 'running'))";

const NEEDS: &str = "SELECT kind, payload, secret_expires_at FROM jobs WHERE id = $1 AND ($2 OR lane = $3)";

const CANCEL: &str = "\
    UPDATE jobs SET state = 'cancelled', finished_at = $2, secret = NULL, secret_key_id = NULL, secret_expires_at = NULL \
    WHERE id = $1 AND state IN ('scheduled', 'ready') AND ($3 OR lane = $4)";

const STATS: &str = "\
    SELECT queue, \
           count(*) FILTER (WHERE state = 'ready') AS ready, count(*) FILTER (WHERE state = 'scheduled') AS scheduled, \
           count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'dead') AS dead, \
           count(*) FILTER (WHERE state = 'completed') AS completed, \
           min(run_at) FILTER (WHERE state = 'ready') AS oldest_ready, \
           min(run_at) FILTER (WHERE state = 'scheduled') AS next_scheduled \
    FROM jobs WHERE lane = $1 AND (state IN ('ready', 'scheduled', 'running', 'dead') \
                                   OR (state = 'completed' AND finished_at >= $2)) \
    GROUP BY queue ORDER BY queue";

/// Each part reads one partial index. No partial index contains completed jobs.
const FIGURES: &str = "\
    SELECT queue, CAST(sum(ready) AS bigint) AS ready, CAST(sum(scheduled) AS bigint) AS scheduled, \
           CAST(sum(running) AS bigint) AS running, CAST(sum(dead) AS bigint) AS dead, CAST(0 AS bigint) AS completed, \
           min(oldest_ready) AS oldest_ready, min(next_scheduled) AS next_scheduled \
    FROM ( \
        SELECT queue, count(*) AS ready, 0 AS scheduled, 0 AS running, 0 AS dead, min(run_at) AS oldest_ready, \
               NULL AS next_scheduled \
        FROM jobs WHERE state = 'ready' GROUP BY queue \
        UNION ALL SELECT queue, 0, count(*), 0, 0, NULL, min(run_at) FROM jobs WHERE state = 'scheduled' GROUP BY queue \
        UNION ALL SELECT queue, 0, 0, count(*), 0, NULL, NULL FROM jobs WHERE state = 'running' GROUP BY queue \
        UNION ALL SELECT queue, 0, 0, 0, count(*), NULL, NULL FROM jobs \
                  WHERE state = 'dead' AND finished_at IS NOT NULL GROUP BY queue \
    ) AS parts \
    GROUP BY queue ORDER BY queue";

#[derive(FromQueryResult)]
struct NeedsRow {
    kind: String,
    payload: String,
    /// `None` for a job without a secret, and for one whose secret was blanked.
    secret_expires_at: Option<ChronoDateTimeUtc>,
}

#[derive(FromQueryResult)]
struct QueueRow {
    queue: String,
    ready: i64,
    scheduled: i64,
    running: i64,
    dead: i64,
    completed: i64,
    oldest_ready: Option<ChronoDateTimeUtc>,
    next_scheduled: Option<ChronoDateTimeUtc>,
}

impl TryFrom<row::Model> for JobStatus {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "jobs", column };
        Ok(Self {
            id: JobId::from_uuid(row.id),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            queue: row.queue,
            kind: row.kind,
            state: JobState::from_stored(&row.state),
            attempt: u32::try_from(row.attempt).map_err(|_| inconsistent("attempt"))?,
            max_attempts: u32::try_from(row.max_attempts).map_err(|_| inconsistent("max_attempts"))?,
            run_at: Timestamp::new(row.run_at),
            last_error: row.last_error,
            result: row.result,
            created_at: Timestamp::new(row.created_at),
            finished_at: row.finished_at.map(Timestamp::new),
        })
    }
}

impl TryFrom<QueueRow> for QueueStats {
    type Error = StoreError;

    fn try_from(row: QueueRow) -> Result<Self, StoreError> {
        let count = |count| {
            u64::try_from(count).map_err(|_| StoreError::Inconsistent { table: "jobs", column: "(how many there are)" })
        };
        Ok(Self {
            figures: QueueFigures {
                queue: row.queue,
                ready: count(row.ready)?,
                scheduled: count(row.scheduled)?,
                running: count(row.running)?,
                dead: count(row.dead)?,
                oldest_ready: row.oldest_ready.map(Timestamp::new),
                next_scheduled: row.next_scheduled.map(Timestamp::new),
            },
            completed: count(row.completed)?,
        })
    }
}

#[async_trait]
impl JobAdmin for Unit {
    async fn job_by_id(&mut self, id: JobId) -> Result<Option<JobStatus>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(Column::Id.eq(id.uuid()));
        self.one(select).await?.map(JobStatus::try_from).transpose()
    }

    async fn page_jobs(
        &mut self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<JobStatus, JobId>, StoreError> {
        let mut select = self.tenant_rows::<row::Entity>()?;
        if let Some(tenant) = filter.tenant {
            select = select.filter(Column::Lane.eq(tenant.uuid()));
        }
        if let Some(queue) = &filter.queue {
            select = select.filter(Column::Queue.eq(queue.as_str()));
        }
        if let Some(kind) = &filter.kind {
            select = select.filter(Column::Kind.eq(kind.as_str()));
        }
        if let Some(state) = filter.state {
            select = select.filter(Column::State.eq(state.name()));
        }
        let select = keyset(select, [Column::Id], page.direction, page.after.map(|after| [after.uuid().into()]));
        let rows = self.page_of(select, page.limit).await?;
        let jobs: Result<Vec<JobStatus>, _> = rows.into_iter().map(JobStatus::try_from).collect();
        Ok(Page::from_lookahead(jobs?, page.limit, |job| job.id))
    }

    async fn queue_stats(&mut self, completed_since: Timestamp) -> Result<Vec<QueueStats>, StoreError> {
        let tenant = self.tenant()?;
        self.queues(STATS, [tenant.uuid().into(), completed_since.utc().into()]).await
    }

    async fn queue_figures(&mut self) -> Result<Vec<QueueFigures>, StoreError> {
        self.require_system()?;
        Ok(self.queues(FIGURES, []).await?.into_iter().map(|stats| stats.figures).collect())
    }

    async fn lacks_secret(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        let (is_system, tenant_key) = self.manageable()?;
        let statement = self.sql(NEEDS, [id.uuid().into(), is_system.into(), tenant_key.into()]);
        let Some(row) = self.run(self.transaction.query_one_raw(statement)).await? else { return Ok(false) };
        let row = NeedsRow::from_query_result(&row, "").map_err(StatementError::from)?;
        let has_secret = row.secret_expires_at.is_some_and(|at| now < Timestamp::new(at));
        Ok(!has_secret && (row.secret_expires_at.is_some() || Email::needs_secret(&row.kind, &row.payload)))
    }

    async fn retry_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        let is_retried = match self.manage(RETRY, id, now).await? {
            Err(failure) if failure.violates(&LIVE_KEY) => false,
            outcome => outcome?,
        };
        self.has_enqueued |= is_retried;
        Ok(is_retried)
    }

    async fn cancel_job(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.manage(CANCEL, id, now).await??)
    }

    async fn put_job_result(&mut self, id: JobId, result: &str) -> Result<(), StoreError> {
        self.require_system()?;
        let put = self.sql("UPDATE jobs SET result = $2 WHERE id = $1", [id.uuid().into(), result.into()]);
        let done = self.run(self.transaction.execute_raw(put)).await?;
        hit_one(done.rows_affected(), "jobs")
    }
}

impl Unit {
    /// Returns whether the unit may manage every job, and otherwise the tenant key of those that it may manage.
    fn manageable(&self) -> Result<(bool, Uuid), StoreError> {
        if self.scope.is_system() { Ok((true, Uuid::nil())) } else { Ok((false, self.tenant()?.uuid())) }
    }

    /// Changes one job that the unit may manage, and returns whether the job's state allowed the change.
    async fn manage(&self, sql: &str, id: JobId, now: Timestamp) -> Result<Result<bool, StatementError>, StoreError> {
        let (is_system, tenant_key) = self.manageable()?;
        let values = [id.uuid().into(), now.utc().into(), is_system.into(), tenant_key.into()];
        let outcome = self.try_run(self.transaction.execute_raw(self.sql(sql, values))).await?;
        Ok(outcome.map(|done| done.rows_affected() == 1))
    }

    async fn queues(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<Vec<QueueStats>, StoreError> {
        let rows = self.run(self.transaction.query_all_raw(self.sql(sql, values))).await?;
        rows.iter()
            .map(|row| QueueStats::try_from(QueueRow::from_query_result(row, "").map_err(StatementError::from)?))
            .collect()
    }
}
