//! What every entry carries that is logged while a request is handled: ids only, never names.
//!
//! It is kept beside the task and written only with an entry, so that a request which logs nothing pays next to nothing
//! for it. A span of `tracing` would be formatted for every request, and once more for each field that is recorded late.

use std::{
    cell::Cell,
    fmt::{self, Write},
};
use tenantry_kernel::{TenantId, TraceContext, UserId};
use tokio::{task::futures::TaskLocalFuture, task_local};

task_local! {
    static CONTEXT: LogContext;
}

/// The request that something is done for and, once they are known, whose request it is.
#[derive(Debug, Clone)]
pub struct LogContext {
    trace: TraceContext,
    user: Cell<Option<UserId>>,
    tenant: Cell<Option<TenantId>>,
}

impl LogContext {
    /// Somebody's request, who is not known yet.
    pub const fn new(trace: TraceContext) -> Self {
        Self { trace, user: Cell::new(None), tenant: Cell::new(None) }
    }

    /// Every entry that is logged while `work` is polled carries this.
    pub fn around<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CONTEXT.scope(self, work)
    }

    /// Visits what is known, as name and value, in the order in which it is written.
    fn each(&self, mut visit: impl FnMut(&'static str, &dyn fmt::Display) -> fmt::Result) -> fmt::Result {
        visit("request_id", &self.trace.request)?;
        visit("trace_id", &self.trace.trace)?;
        if let Some(tenant) = self.tenant.get() {
            visit("tenant", &tenant)?;
        }
        if let Some(user) = self.user.get() {
            visit("user", &user)?;
        }
        Ok(())
    }
}

/// Notes whose request it is that is being handled.
pub fn identify(user: UserId, tenant: Option<TenantId>) {
    // outside of a request there is nothing to note it in
    let _outside = CONTEXT.try_with(|context| {
        context.user.set(Some(user));
        context.tenant.set(tenant);
    });
}

/// Work for a task of its own, whose entries carry what those of the running task do.
pub fn inherit<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let context = CONTEXT.try_with(Clone::clone);
    async move {
        match context {
            Ok(context) => context.around(work).await,
            Err(_) => work.await,
        }
    }
}

/// Writes the running task's context as ` name=value` each.
pub fn write_text(writer: &mut impl Write) -> fmt::Result {
    write_each(|name, value| write!(writer, " {name}={value}"))
}

/// Writes it as `"name":"value",` each, to stand in a JSON object before other members.
pub fn write_json(writer: &mut impl Write) -> fmt::Result {
    write_each(|name, value| write!(writer, "\"{name}\":\"{value}\","))
}

fn write_each(visit: impl FnMut(&'static str, &dyn fmt::Display) -> fmt::Result) -> fmt::Result {
    CONTEXT.try_with(|context| context.each(visit)).unwrap_or(Ok(()))
}
