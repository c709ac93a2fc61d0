//! Operation `GET /audit-logs/export`: streams the log as a file of any length in constant memory.

use actix_web::{HttpRequest, HttpResponse, http::header};
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use serde::Deserialize;
use std::{error::Error, io};
use tenantry_audit::{
    Chain, Entries, EntryFilter, EvidenceLine, ExportAuditLog, ExportFormat, Header, Seals, export_audit_log,
    harmless_cell,
};
use tenantry_kernel::{Direction, EventId, PageRequest, StoreError, TenantId, Vocabulary};
use tenantry_service::{Scope, chain};
use utoipa::IntoParams;

use crate::{
    Answer, App, Failure,
    request::{Authorized, FieldErrors, is_head, parse_query},
};

use super::entries::{EntryQuery, EntryView};

/// Number of entries that one unit reads. Units are short, so that an export blocks no other work.
const ENTRIES_AT_ONCE: u32 = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// File format: `ndjson` or `csv`.
    #[param(required = true, pattern = "^(ndjson|csv)$")]
    format: Option<String>,
    /// `true` exports the sealed log in the format of `tenantry audit verify`. Requires `ndjson` and no filters,
    /// because a part of a log cannot be verified.
    #[param(pattern = "^(true|false)$")]
    seals: Option<String>,
    /// An action such as `role.created`, or a group of actions such as `role.*`.
    #[param(max_length = 80)]
    action: Option<String>,
    /// Id of the actor.
    #[param(format = "uuid")]
    actor_id: Option<String>,
    /// Kind of the target, as in `GET /audit-logs`.
    #[param(max_length = 80)]
    target_type: Option<String>,
    /// Id of the target.
    #[param(format = "uuid")]
    target_id: Option<String>,
    /// Outcome of the action: `succeeded`, `denied` or `failed`.
    #[param(pattern = "^(succeeded|denied|failed)$")]
    outcome: Option<String>,
    /// Earliest time, inclusive.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Latest time, exclusive.
    #[param(format = "date-time")]
    to: Option<String>,
}

impl ExportQuery {
    fn read(self, vocabulary: &Vocabulary) -> Result<(ExportAuditLog, EntryFilter), Failure> {
        let mut errors = FieldErrors::default();
        let with_seals = match self.seals.as_deref() {
            None | Some("false") => Some(false),
            Some("true") => Some(true),
            Some(_) => errors.take("seals", Err("must be true or false")),
        };
        let format = match self.format.as_deref() {
            Some("ndjson") => Some(ExportFormat::Ndjson),
            Some("csv") => Some(ExportFormat::Csv),
            _ => errors.take("format", Err("must be ndjson or csv")),
        };
        let query = EntryQuery {
            action: self.action,
            actor_id: self.actor_id,
            target_type: self.target_type,
            target_id: self.target_id,
            outcome: self.outcome,
            from: self.from,
            to: self.to,
        };
        let filter = query.filter(vocabulary, &mut errors);
        let format = match (format, with_seals) {
            (Some(ExportFormat::Csv), Some(true)) => errors.take("seals", Err("goes with ndjson only")),
            (Some(_), Some(true)) if query.named().next().is_some() => {
                errors.take("seals", Err("does not go with filters, since a part of a log cannot be verified"))
            }
            (Some(_), Some(true)) => Some(ExportFormat::Evidence),
            (format, _) => format,
        };
        let filters = query.named().map(|(name, value)| format!("{name}={value}")).collect();
        errors.finish()?;
        let format = format.unwrap_or(ExportFormat::Ndjson);
        Ok((ExportAuditLog { format, filters }, filter))
    }
}

/// Export the audit log as a file, oldest entry first
///
/// CSV follows RFC 4180, with a header line. A cell that a spreadsheet could execute as a formula, or that begins with
/// an apostrophe, is prefixed with an apostrophe. Remove one leading apostrophe to get the original value.
#[utoipa::path(
    get,
    path = "/audit-logs/export",
    tag = "audit",
    params(ExportQuery),
    responses((
        status = 200,
        description = "The entries, one per line. If the connection closes early, the export is incomplete.",
        headers(("Content-Disposition" = String, description = "`attachment`, with a file name.")),
        content((String = "application/x-ndjson"), (String = "text/csv"))
    ))
)]
pub(crate) async fn export_entries(
    app: App,
    caller: Authorized<ExportAuditLog>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let (command, filter) = parse_query::<ExportQuery>(&request)?.read(&app.vocabulary)?;
    let (tenant, scope, format) = (caller.tenant()?.id, caller.scope(), command.format);
    let (kind, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8; header=present", "audit-log.csv"),
        ExportFormat::Ndjson | ExportFormat::Evidence => ("application/x-ndjson", "audit-log.ndjson"),
    };
    let mut response = HttpResponse::Ok();
    response.content_type(kind);
    response.insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    if is_head(&request) {
        return Ok(response.streaming(stream::empty::<Result<Bytes, io::Error>>()));
    }
    let noted = app.change(caller.change_request(), scope, async move |unit, actor, context| {
        export_audit_log(unit, actor, context, tenant, command.clone()).await?;
        Ok(Answer::no_content())
    });
    noted.await?;
    Ok(match format {
        ExportFormat::Evidence => response.streaming(told(evidence(app, scope, tenant))),
        ExportFormat::Ndjson | ExportFormat::Csv => response.streaming(told(entries(app, scope, filter, format))),
    })
}

/// Logs the error that breaks off an export. A response that has begun can only be broken off, without a reason.
fn told(body: impl Stream<Item = Result<Bytes, ExportError>>) -> impl Stream<Item = Result<Bytes, io::Error>> {
    body.map_err(|error| {
        tracing::error!(cause = chain(&error), "an export was cut off");
        io::Error::other(error)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the log could not be written")]
struct ExportError(#[source] Box<dyn Error + Send + Sync>);

impl ExportError {
    fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

type Portion = tenantry_kernel::Page<tenantry_audit::Entry, EventId>;

/// A read that runs while the previous portion is sent.
type Reading = tokio::task::JoinHandle<Result<Portion, StoreError>>;

fn read(app: &App, scope: Scope, filter: &EntryFilter, after: Option<EventId>) -> Reading {
    let (app, filter) = (app.clone(), filter.clone());
    let page = PageRequest { limit: ENTRIES_AT_ONCE, after, direction: Direction::Ascending };
    tokio::spawn(async move { app.read(scope).await?.page_entries(&filter, page).await })
}

fn entries(
    app: App,
    scope: Scope,
    filter: EntryFilter,
    format: ExportFormat,
) -> impl Stream<Item = Result<Bytes, ExportError>> {
    let first = (Some(read(&app, scope, &filter, None)), format == ExportFormat::Csv);
    stream::try_unfold(first, move |(reading, is_first)| {
        let (app, filter) = (app.clone(), filter.clone());
        async move {
            let Some(reading) = reading else { return Ok(None) };
            let page = reading.await.map_err(ExportError::new)?.map_err(ExportError::new)?;
            let next = page.next.map(|after| read(&app, scope, &filter, Some(after)));
            let entries = page.items.into_iter().map(EntryView::from);
            let bytes = match format {
                ExportFormat::Csv => table(entries, is_first)?,
                ExportFormat::Ndjson | ExportFormat::Evidence => lines(entries)?,
            };
            Ok(Some((bytes, (next, false))))
        }
    })
}

fn lines(entries: impl Iterator<Item = EntryView>) -> Result<Bytes, ExportError> {
    let mut bytes = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut bytes, &entry).map_err(ExportError::new)?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}

const COLUMNS: [&str; 15] = [
    "id",
    "occurredAt",
    "action",
    "outcome",
    "actorType",
    "actorId",
    "actorName",
    "targetType",
    "targetId",
    "targetName",
    "changes",
    "ip",
    "userAgent",
    "requestId",
    "count",
];

fn table(entries: impl Iterator<Item = EntryView>, with_names: bool) -> Result<Bytes, ExportError> {
    // Every cell is quoted: where semicolons separate cells, text after a semicolon would become a cell of its own.
    let mut table = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    if with_names {
        table.write_record(COLUMNS).map_err(ExportError::new)?;
    }
    for entry in entries {
        let changes = serde_json::to_string(&entry.changes).map_err(ExportError::new)?;
        let count = entry.count.to_string();
        let target = entry.target.as_ref();
        let cells: [&str; COLUMNS.len()] = [
            &entry.id,
            &entry.occurred_at,
            &entry.action,
            entry.outcome,
            &entry.actor.r#type,
            entry.actor.id.as_deref().unwrap_or_default(),
            entry.actor.name.as_deref().unwrap_or_default(),
            target.map(|target| target.r#type.as_str()).unwrap_or_default(),
            target.map(|target| target.id.as_str()).unwrap_or_default(),
            target.and_then(|target| target.name.as_deref()).unwrap_or_default(),
            &changes,
            entry.context.ip.as_deref().unwrap_or_default(),
            entry.context.user_agent.as_deref().unwrap_or_default(),
            &entry.context.request_id,
            &count,
        ];
        table.write_record(cells.map(harmless_cell).iter().map(AsRef::<str>::as_ref)).map_err(ExportError::new)?;
    }
    Ok(table.into_inner().map_err(|error| ExportError::new(error.into_error()))?.into())
}

/// Streams the whole log as it was sealed, segment by segment.
fn evidence(app: App, scope: Scope, tenant: TenantId) -> impl Stream<Item = Result<Bytes, ExportError>> {
    let chain = Chain(Some(tenant));
    stream::try_unfold(0, move |number: i64| {
        let app = app.clone();
        async move {
            if number == 0 {
                let header = EvidenceLine::Header(Header { version: Header::VERSION, chain });
                return Ok(Some((Bytes::from(header.write().map_err(ExportError::new)? + "\n"), 1)));
            }
            let mut unit = app.read(scope).await.map_err(ExportError::new)?;
            // A deleted segment leaves a gap, which verification reports. The export continues after the gap.
            let Some(number) = unit.segment_number_from(chain, number).await.map_err(ExportError::new)? else {
                return Ok(None);
            };
            let Some(mut segment) = unit.segment_of(chain, number).await.map_err(ExportError::new)? else {
                return Ok(None);
            };
            let ids: Vec<_> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
            let mut found = unit.evidence_of(chain, &ids).await.map_err(ExportError::new)?;
            if found.len() < ids.len() {
                // Retention may have deleted the entries since the segment was read. The segment's list is then deleted
                // too.
                if let Some(now) = unit.segment_of(chain, number).await.map_err(ExportError::new)?
                    && now.listed.is_none()
                {
                    (segment, found) = (now, Vec::new());
                }
            }
            // Another program could not verify records without the columns that this program does not know.
            if found.iter().any(|evidence| evidence.record.is_newer()) {
                let why = format!("segment {number} has entries of a newer program, which can export them");
                return Err(ExportError::new(why));
            }
            let mut text = String::new();
            for line in found.into_iter().map(EvidenceLine::Entry).chain([EvidenceLine::Segment(segment)]) {
                text.push_str(&line.write().map_err(ExportError::new)?);
                text.push('\n');
            }
            Ok(Some((Bytes::from(text), number + 1)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::entries::{ActorView, ContextView},
        *,
    };
    use tenantry_audit::original_cell;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_harmless_and_comes_back() {
        let hostile = "=HYPERLINK(\"https://evil.example\", \"a\r\nb\")";
        let entry = EntryView {
            id: "1".to_owned(),
            action: "role.created".to_owned(),
            outcome: "succeeded",
            actor: ActorView { r#type: "user".to_owned(), id: None, name: Some(hostile.to_owned()) },
            target: None,
            changes: Vec::new(),
            context: ContextView { ip: None, user_agent: Some("'@x".to_owned()), request_id: "2".to_owned() },
            count: 3,
            occurred_at: "now".to_owned(),
        };
        let bytes = table(std::iter::once(entry), true).unwrap();
        let mut read = csv::Reader::from_reader(&*bytes);
        assert_eq!(read.headers().unwrap(), &COLUMNS[..]);
        let row = read.records().next().unwrap().unwrap();
        assert_eq!((&row[6], &row[12], &row[14]), (&*format!("'{hostile}"), "''@x", "3"));
        assert_eq!((original_cell(&row[6]), original_cell(&row[12])), (hostile, "'@x"));
    }
}
