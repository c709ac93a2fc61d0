//! The context of every log entry that is written while a request is handled: ids only, never names.
//!
//! The context is stored beside the task and written only with an entry, so that a request without log entries costs
//! almost nothing. A `tracing` span would be formatted for every request, and again for each field that is recorded
//! late.

use std::{
    cell::Cell,
    fmt::{self, Write},
};
use tenantry_kernel::{TenantId, TraceContext, UserId};
use tokio::{task::futures::TaskLocalFuture, task_local};

task_local! {
    static CONTEXT: LogContext;
}

/// The request that the work belongs to and, once known, its user and tenant.
#[derive(Debug, Clone)]
pub struct LogContext {
    trace: TraceContext,
    user: Cell<Option<UserId>>,
    tenant: Cell<Option<TenantId>>,
}

impl LogContext {
    /// Creates the context of a request whose user is not known yet.
    pub const fn new(trace: TraceContext) -> Self {
        Self { trace, user: Cell::new(None), tenant: Cell::new(None) }
    }

    /// Adds this context to every entry that is logged while `work` is polled.
    pub fn around<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CONTEXT.scope(self, work)
    }

    /// Visits the known parts, as name and value, in the order in which they are written.
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

/// Records the user and the tenant of the current request.
pub fn identify(user: UserId, tenant: Option<TenantId>) {
    // Outside of a request there is no context.
    let _outside = CONTEXT.try_with(|context| {
        context.user.set(Some(user));
        context.tenant.set(tenant);
    });
}

/// Wraps work for a task of its own, so that its entries carry the context of the current task.
pub fn inherit<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let context = CONTEXT.try_with(Clone::clone);
    async move {
        match context {
            Ok(context) => context.around(work).await,
            Err(_) => work.await,
        }
    }
}

/// Writes the context of the current task, each part as ` name=value`.
pub fn write_text(writer: &mut impl Write) -> fmt::Result {
    write_each(|name, value| write!(writer, " {name}={value}"))
}

/// Writes the context, each part as `"name":"value",`, to precede other members of a JSON object.
pub fn write_json(writer: &mut impl Write) -> fmt::Result {
    write_each(|name, value| write!(writer, "\"{name}\":\"{value}\","))
}

fn write_each(visit: impl FnMut(&'static str, &dyn fmt::Display) -> fmt::Result) -> fmt::Result {
    CONTEXT.try_with(|context| context.each(visit)).unwrap_or(Ok(()))
}
