//! Measures the additional cost of a change that enqueues a job in its unit.

use anyhow::{Context, Result};
use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};
use sqlx::{Connection, PgConnection};
use std::{fs, time::Duration};
use tenantry_crypto::{ServerSecrets, SystemEntropy};
use tenantry_identity::{PasswordHash, Register, SessionPolicy, register};
use tenantry_jobs::{JobQueue, NewJob};
use tenantry_kernel::{Actor, Authorities, EmailAddress, Name, Origin, PermissionSet, RequestId};
use tenantry_store::{Scope, SystemReason};
use tenantry_tenancy::{CreateRole, Description, Grantable, RoleName, create_role};

use super::place::{JobDatabase, Nothing};

use crate::report::{Bar, Figure};

const PAIRS: usize = 10;
/// Number of consecutive changes of each kind.
pub(crate) const CHANGES: usize = 1_000;

pub(super) async fn figure(place: &JobDatabase) -> Result<Figure> {
    eprintln!("==> cost of an enqueuing");
    let actor = owner(place).await?;
    let postmaster = postmaster(place).await?;
    let what = "role creation with a job in its unit: processor time of ours and PostgreSQL's";
    let mut figure = Figure::new(what, "PostgreSQL", "µs", Bar::RatioAtMost(1.2)).beside("without");
    // Warm up, for example to prepare the statements.
    changes(place, &actor, true).await?;
    changes(place, &actor, false).await?;
    for pair in 0..PAIRS {
        let mut spent = [0.0; 2];
        for turn in [pair % 2, 1 - pair % 2] {
            let before = processor_time(postmaster)?;
            changes(place, &actor, turn == 1).await?;
            let time = processor_time(postmaster)? - before;
            spent[turn] = time.as_secs_f64() * 1e6 / CHANGES as f64;
        }
        figure.add(spent[1], Some(spent[0]));
    }
    Ok(figure)
}

/// Creates roles, each in its own unit.
pub(crate) async fn changes(place: &JobDatabase, actor: &Actor, enqueues: bool) -> Result<()> {
    let (tenant, person) = (actor.tenant.context("an owner")?, actor.user().context("an owner")?);
    for _ in 0..CHANGES {
        let mut unit = place.store.begin(Scope::Tenant { tenant, person }).await?;
        let name = RoleName::parse(&place.context.uuid_v7().to_string())?;
        let permissions = Grantable::new(PermissionSet::default())?;
        let command = CreateRole { name, description: Description::default(), permissions };
        create_role(&mut unit, actor, &place.context, command).await?;
        if enqueues {
            unit.enqueue_job(&NewJob::of(&place.context, Some(tenant), &Nothing::default())?).await?;
        }
        unit.commit().await?;
    }
    Ok(())
}

/// Returns an actor who may create roles.
pub(crate) async fn owner(place: &JobDatabase) -> Result<Actor> {
    let context = &place.context;
    let secrets = ServerSecrets::parse(&[ServerSecrets::generate_one(&SystemEntropy)])?;
    let hour = Duration::from_secs(3_600);
    let policy = SessionPolicy { access: hour, grace: Duration::ZERO, idle: hour, max: hour };
    let command = Register {
        email: EmailAddress::parse("ada@example.com")?,
        name: Name::parse("Ada")?,
        hash: PasswordHash::new("$argon2id$"),
        tenant_name: Name::parse("Acme")?,
        tenant_slug: None,
    };
    let origin = || Origin { trace: RequestId::new(context).into(), ip: None, user_agent: None };
    let mut unit = place.store.begin(Scope::System(SystemReason::Registration)).await?;
    let made = register(&mut unit, &Actor::anonymous(origin()), context, &secrets, &policy, command).await?;
    let authority = unit.authority_of(made.session.id, context.now()).await?.context("a session")?;
    unit.commit().await?;
    Ok(Actor::of(&authority, origin()))
}

/// Returns the process id of the postmaster, the parent of the database's other processes.
pub(crate) async fn postmaster(place: &JobDatabase) -> Result<u32> {
    let mut connection = PgConnection::connect(place.url.as_deref().context("it is measured on PostgreSQL")?).await?;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
    let (parent, _) = parent_and_ticks(u32::try_from(backend)?).context("the server runs on another machine")?;
    Ok(parent)
}

/// Returns the processor time of this process and of all running children of the postmaster.
pub(crate) fn processor_time(postmaster: u32) -> Result<Duration> {
    let ours = clock_gettime(ClockId::ProcessCPUTime);
    let ours = Duration::new(ours.tv_sec.try_into()?, ours.tv_nsec.try_into()?);
    let mut ticks = 0;
    for entry in fs::read_dir("/proc")? {
        let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((parent, spent)) = parent_and_ticks(process)
            && (parent == postmaster || process == postmaster)
        {
            ticks += spent;
        }
    }
    Ok(ours + Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second())?)
}

/// Reads proc(5): the fourth field, and the sum of the 14th and 15th.
fn parent_and_ticks(process: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some((u32::try_from(number(1)?).ok()?, number(11)? + number(12)?))
}
