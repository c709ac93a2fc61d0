//! Tests that the page of tables is generated from their declarations.

use std::{fmt::Write, time::Duration};
use tenantry_jobs::CleanUpTarget;
use tenantry_store::{ColumnErasure, Expiry, RowRetention, TABLES, Table};

use crate::support::snapshot::assert_page_holds;

#[test]
fn the_page_of_tables_is_what_is_declared() {
    assert_page_holds("docs/data.md", &[expiry(), isolation(), erasure()].concat());
}

fn expiry() -> String {
    let mut page = "## What expires\n\n| target | table | rows | kept for |\n|---|---|---|---|\n".to_owned();
    for target in CleanUpTarget::ALL {
        for table in TABLES {
            for rows in table.expiring().filter(|rows| rows.target == *target) {
                let (target, table) = (target.name(), table.name);
                writeln!(page, "| `{target}` | `{table}` | {} | {} |", rows.what, kept(rows.kept)).unwrap();
            }
        }
    }
    page += "\nOther rows are removed by a function of their own:\n\n| table | rows | function |\n|---|---|---|\n";
    for table in TABLES {
        for expiry in table.expires {
            if let Expiry::By { function, rows } = expiry {
                writeln!(page, "| `{}` | {rows} | `{function}` |", table.name).unwrap();
            }
        }
    }
    page
}

fn kept(retention: RowRetention) -> String {
    match retention {
        RowRetention::For(duration) => span(duration),
        RowRetention::CompletedJobs => "`JOBS_KEEP_COMPLETED`".to_owned(),
        RowRetention::DeadJobs => "`JOBS_KEEP_DEAD`".to_owned(),
    }
}

fn span(duration: Duration) -> String {
    let hours = duration.as_secs() / 3_600;
    let (number, unit) = if hours.is_multiple_of(24) { (hours / 24, "day") } else { (hours, "hour") };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

fn isolation() -> String {
    let mut page = "\n## Which rows a unit sees\n\n| table | a unit of the tenant `$1` | a unit of the person `$1`, outside any tenant |\n\
                    |---|---|---|\n"
        .to_owned();
    let seen = |rows: Option<&str>| rows.map_or_else(|| "none".to_owned(), |rows| format!("`{rows}`"));
    for Table { name, of_tenant, of_person, .. } in TABLES {
        writeln!(page, "| `{name}` | {} | {} |", seen(*of_tenant), seen(*of_person)).unwrap();
    }
    page
}

fn erasure() -> String {
    let mut page =
        "\n## What erasing a person does\n\n| table | column | when the person is erased |\n|---|---|---|\n".to_owned();
    for table in TABLES {
        for column in table.personal {
            let (table, column, then) = (table.name, column.name, then(column.erasure));
            writeln!(page, "| `{table}` | `{column}` | {then} |").unwrap();
        }
    }
    page
}

fn then(erasure: ColumnErasure) -> String {
    match erasure {
        ColumnErasure::DeleteById => "rows with the person's id are deleted".to_owned(),
        ColumnErasure::DeleteByAddress => "rows with the person's address are deleted".to_owned(),
        ColumnErasure::DeleteByAddressInText | ColumnErasure::DeleteByAddressInBytes => {
            "rows that contain the person's address are deleted".to_owned()
        }
        ColumnErasure::WithRow => "deleted with its row".to_owned(),
        ColumnErasure::By { function, leaves } => format!("`{function}` leaves {leaves}"),
        ColumnErasure::Stays(reason) => format!("stays: {reason}"),
    }
}
