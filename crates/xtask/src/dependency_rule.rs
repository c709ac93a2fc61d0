//! The rule that keeps the folders honest: `app` → `http`, `operator` → `service` → `adapters/*` → `domain/*` → `kernel`, and nothing back or across.

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each domain crate with the domain crates it may use. A crate only names crates above it, so no cycle is possible.
const DOMAIN: &[(&str, &[&str])] = &[
    ("tenantry-kernel", &[]),
    ("tenantry-tenancy", &["tenantry-kernel"]),
    ("tenantry-audit", &["tenantry-kernel"]),
    ("tenantry-jobs", &["tenantry-kernel"]),
    ("tenantry-cache", &["tenantry-kernel"]),
    ("tenantry-idempotency", &["tenantry-kernel"]),
    ("tenantry-files", &["tenantry-kernel", "tenantry-jobs"]),
    ("tenantry-limits", &["tenantry-kernel"]),
    ("tenantry-mails", &["tenantry-kernel", "tenantry-jobs"]),
    ("tenantry-identity", &["tenantry-kernel", "tenantry-tenancy", "tenantry-jobs", "tenantry-mails"]),
];

/// External crates that a domain crate may use: they compute, and use neither files, network, clock nor random numbers
/// (`crates/domain/clippy.toml` refuses their few calls that do).
const PURE: &[&str] = &[
    "async-trait",
    "base64",
    "bytes",
    "chrono",
    "croner",
    "hex",
    "hmac",
    "icu_properties",
    "idna",
    "infer",
    "secrecy",
    "serde",
    "serde_json",
    "serde_json_canonicalizer",
    "sha2",
    "subtle",
    "thiserror",
    "unicode-normalization",
    "unicode-security",
    "uuid",
    "zeroize",
    "zxcvbn",
];

/// Adapters and the workspace crates, outside the domain, that each may use.
const ADAPTER_EXTRAS: &[(&str, &str)] = &[("tenantry-store", "tenantry-migration")];

/// Adapters and the other adapters that their tests and examples use.
const TRIED_WITH: &[(&str, &str)] = &[("tenantry-worker", "tenantry-store")];

/// The adapters that the services are built on. The other adapters reach them as ports.
const OF_SERVICE: &[&str] = &["tenantry-store", "tenantry-crypto"];

/// The adapters that the operator's commands name: keys, and no store, so that only the services open units.
const OF_OPERATOR: &[&str] = &["tenantry-crypto"];

/// The adapters that the HTTP API names: keys and hashes, and no store, so that no handler opens a unit for writing.
const OF_HTTP: &[&str] = &["tenantry-crypto"];

/// External crates that the HTTP API may not use: it reads no configuration, no command line and no database.
const NOT_OF_HTTP: &[&str] = &["clap", "config", "sea-orm", "sqlx"];

/// Where in the house a crate lives, which decides what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Domain,
    Adapter,
    Service,
    Operator,
    Http,
    App,
    Bench,
    Example,
    Migration,
    Testkit,
    Xtask,
}

impl Layer {
    /// Returns the place of a crate by its folder, relative to the workspace; `None` for a folder that no rule covers.
    fn of(folder: &str) -> Option<Self> {
        match folder.split('/').collect::<Vec<_>>()[..] {
            ["crates", "domain", _] => Some(Self::Domain),
            ["crates", "adapters", _] => Some(Self::Adapter),
            ["crates", "service"] => Some(Self::Service),
            ["crates", "operator"] => Some(Self::Operator),
            ["crates", "http"] => Some(Self::Http),
            ["crates", "app"] => Some(Self::App),
            ["crates", "bench"] => Some(Self::Bench),
            ["examples", _] => Some(Self::Example),
            ["migration"] => Some(Self::Migration),
            ["crates", "testkit"] => Some(Self::Testkit),
            ["crates", "xtask"] => Some(Self::Xtask),
            _ => None,
        }
    }
}

/// A crate of the workspace, with the facts that the rule needs.
struct Member {
    name: String,
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Whether only tests, examples and benchmarks use the dependency.
    development: bool,
}

/// Checks the workspace against the rule. Fails with one sentence for each violation.
pub(crate) fn check() -> Result<()> {
    let violations = violations(&members()?);
    if !violations.is_empty() {
        bail!("\n  {}", violations.join("\n  "));
    }
    Ok(())
}

fn members() -> Result<Vec<Member>> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata failed")?;
    let root = &metadata.workspace_root;
    let member = |package: cargo_metadata::Package| {
        let folder = package.manifest_path.parent().and_then(|folder| folder.strip_prefix(root).ok());
        let dependencies = package.dependencies.into_iter().map(|dependency| Dependency {
            development: dependency.kind == DependencyKind::Development,
            name: dependency.name,
        });
        Member {
            folder: folder.map(ToString::to_string).unwrap_or_default(),
            dependencies: dependencies.collect(),
            name: package.name.into_inner(),
        }
    };
    Ok(metadata.packages.into_iter().map(member).collect())
}

/// Returns a sentence for each dependency that the rule refuses, and for each crate that it cannot place.
fn violations(workspace: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for member in workspace {
        let Some(place) = Layer::of(&member.folder) else {
            found.push(format!(
                "{} lives in `{}`, a folder that the dependency rule does not know.",
                member.name, member.folder
            ));
            continue;
        };
        if place == Layer::Domain && allowed_domain(&member.name).is_none() {
            found.push(format!("{} is a domain crate without an entry in DOMAIN of dependency_rule.rs.", member.name));
            continue;
        }
        for dependency in &member.dependencies {
            let inside = workspace.iter().find(|other| other.name == dependency.name);
            let refusal = match inside.map(|other| Layer::of(&other.folder)) {
                Some(Some(target)) => refusal_inside(member, place, dependency, target),
                // The target's own violation says more.
                Some(None) => None,
                None => refusal_outside(place, dependency),
            };
            found.extend(refusal.map(|why| format!("{} must not depend on {}: {why}.", member.name, dependency.name)));
        }
    }
    found
}

/// Returns why one workspace crate may not use another; `None` when it may.
fn refusal_inside(member: &Member, place: Layer, dependency: &Dependency, target: Layer) -> Option<&'static str> {
    match (place, target) {
        (Layer::Xtask, _) => Some("it is built before everything else and has to stay small"),
        (Layer::Bench, Layer::Domain | Layer::Adapter) => None,
        (Layer::Bench, _) => Some("it measures the server from outside, as a client does"),

        (_, Layer::Testkit) if dependency.development => None,
        (_, Layer::Testkit) => Some("the test kit is for tests, as a dev-dependency"),

        (Layer::Domain, Layer::Domain) => {
            let allowed = allowed_domain(&member.name).is_some_and(|names| names.contains(&dependency.name.as_str()));
            (!allowed).then_some(
                "domain crates form a DAG, the table DOMAIN of dependency_rule.rs, and this edge is not in it",
            )
        }
        (Layer::Example, Layer::Domain) => None,
        (Layer::Example, Layer::Adapter) if dependency.development => None,
        (Layer::Example, Layer::Adapter) => Some("it stands for a domain crate: adapters are for its tests"),
        (Layer::Example, Layer::Service | Layer::Operator | Layer::Http) => {
            Some("it stands for a domain crate, which declares ports and knows no service")
        }
        (Layer::Example, Layer::Migration) => Some("only `store` uses the schema"),

        (Layer::Domain, _) => Some("a domain crate declares ports, and the crates outside implement them"),

        (Layer::Adapter | Layer::Testkit, Layer::Domain) => None,
        (Layer::Adapter, Layer::Adapter) => {
            let allowed =
                dependency.development && TRIED_WITH.contains(&(member.name.as_str(), dependency.name.as_str()));
            (!allowed).then_some("adapters never see each other; what joins them is `app`")
        }
        (Layer::Adapter, Layer::Service | Layer::Operator | Layer::Http) => {
            Some("the services use adapters, never the reverse")
        }
        (Layer::Adapter, Layer::App) => Some("`app` uses adapters, never the reverse"),
        (Layer::Adapter, Layer::Migration) => {
            let allowed = ADAPTER_EXTRAS.contains(&(member.name.as_str(), dependency.name.as_str()));
            (!allowed).then_some("only `store` uses the schema")
        }

        (Layer::Service, Layer::Domain | Layer::Service) => None,
        (Layer::Service, Layer::Adapter) => {
            let allowed = OF_SERVICE.contains(&dependency.name.as_str());
            (!allowed)
                .then_some("the services are built on `store` and `crypto`, and other adapters reach them as ports")
        }
        (Layer::Service, Layer::Migration) => Some("only `store` uses the schema"),
        (Layer::Service, Layer::Operator | Layer::Http) => Some("these use the services, never the reverse"),

        (Layer::Operator, Layer::Domain | Layer::Service | Layer::Operator) => None,
        (Layer::Operator, Layer::Adapter) => {
            let allowed = OF_OPERATOR.contains(&dependency.name.as_str());
            (!allowed).then_some("the operator's commands go through the services, and open no unit of their own")
        }
        (Layer::Operator, Layer::Migration) => Some("only `store` uses the schema"),
        (Layer::Operator, Layer::Http) => Some("the command line and the HTTP API know nothing of each other"),

        (Layer::Http, Layer::Domain | Layer::Service | Layer::Http) => None,
        (Layer::Http, Layer::Adapter) => {
            let allowed = OF_HTTP.contains(&dependency.name.as_str());
            (!allowed).then_some("handlers go through the services and ports, and open no unit of their own")
        }
        (Layer::Http, Layer::Migration) => Some("only `store` uses the schema"),
        (Layer::Http, Layer::Operator) => Some("the command line and the HTTP API know nothing of each other"),

        (Layer::App, Layer::Domain | Layer::Adapter | Layer::Service | Layer::Operator | Layer::Http) => None,
        (Layer::App, Layer::Migration) if dependency.development => None,
        (Layer::App, Layer::Migration) => {
            Some("only `store` uses the schema, and `app` reaches the schema through `store`")
        }

        (Layer::Migration, _) => {
            Some("a migration must always mean the same, so it uses none of our crates, which may change")
        }
        (Layer::Testkit, _) => Some("the test kit knows ports, so that every adapter can be tried with it"),
        (_, Layer::App | Layer::Bench | Layer::Example | Layer::Xtask) => {
            Some("it is a program or an example, and nothing builds on it")
        }
    }
}

/// Returns why a workspace crate may not use an external crate; `None` when it may.
fn refusal_outside(place: Layer, dependency: &Dependency) -> Option<&'static str> {
    let name = dependency.name.as_str();
    match place {
        Layer::Domain if !dependency.development && !PURE.contains(&name) => Some(
            "a domain crate uses only what computes, and does no I/O (if this one is such a crate, add it to PURE of dependency_rule.rs)",
        ),
        Layer::Http if NOT_OF_HTTP.contains(&name) => {
            Some("the HTTP API gets its settings and services from `app`, and reads no database of its own")
        }
        _ => None,
    }
}

fn allowed_domain(name: &str) -> Option<&'static [&'static str]> {
    DOMAIN.iter().find(|(domain, _)| *domain == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a workspace in which every crate is in its place and one of them has these dependencies.
    fn workspace(name: &str, normal: &[&str], development: &[&str]) -> Vec<Member> {
        let folders = [
            ("tenantry-kernel", "crates/domain/kernel"),
            ("tenantry-tenancy", "crates/domain/tenancy"),
            ("tenantry-audit", "crates/domain/audit"),
            ("tenantry-identity", "crates/domain/identity"),
            ("tenantry-store", "crates/adapters/store"),
            ("tenantry-crypto", "crates/adapters/crypto"),
            ("tenantry-worker", "crates/adapters/worker"),
            ("tenantry-mail", "crates/adapters/mail"),
            ("tenantry-service", "crates/service"),
            ("tenantry-operator", "crates/operator"),
            ("tenantry-http", "crates/http"),
            ("tenantry-app", "crates/app"),
            ("tenantry-bench", "crates/bench"),
            ("tenantry-migration", "migration"),
            ("tenantry-testkit", "crates/testkit"),
            ("tenantry-example-invoices", "examples/invoices"),
            ("xtask", "crates/xtask"),
        ];
        let dependency = |development| move |name: &&str| Dependency { name: (*name).to_owned(), development };
        let dependencies = || normal.iter().map(dependency(false)).chain(development.iter().map(dependency(true)));
        let member = |(crate_name, folder): (&str, &str)| Member {
            name: crate_name.to_owned(),
            folder: folder.to_owned(),
            dependencies: if crate_name == name { dependencies().collect() } else { Vec::new() },
        };
        folders.into_iter().map(member).collect()
    }

    #[track_caller]
    fn assert_allowed(name: &str, normal: &[&str], development: &[&str]) {
        assert_eq!(violations(&workspace(name, normal, development)), Vec::<String>::new());
    }

    #[track_caller]
    fn assert_refused(name: &str, dependency: &str, why: &str) {
        let found = violations(&workspace(name, &[dependency], &[]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{name} must not depend on {dependency}: ")), "{found:?}");
        assert!(found[0].contains(why), "{found:?}");
    }

    #[test]
    fn the_way_down_is_open() {
        assert_allowed("tenantry-kernel", &["serde", "chrono", "uuid"], &["proptest"]);
        assert_allowed(
            "tenantry-identity",
            &["tenantry-kernel", "tenantry-tenancy", "zxcvbn"],
            &["tenantry-testkit", "tokio"],
        );
        assert_allowed(
            "tenantry-store",
            &["tenantry-kernel", "tenantry-audit", "tenantry-migration", "sea-orm"],
            &["tenantry-testkit"],
        );
        assert_allowed(
            "tenantry-service",
            &["tenantry-store", "tenantry-crypto", "tenantry-identity", "tokio"],
            &["tenantry-testkit"],
        );
        assert_allowed("tenantry-operator", &["tenantry-service", "tenantry-crypto", "tenantry-identity", "clap"], &[]);
        assert_allowed(
            "tenantry-http",
            &["tenantry-service", "tenantry-crypto", "tenantry-identity", "actix-web"],
            &[],
        );
        assert_allowed(
            "tenantry-app",
            &[
                "tenantry-http",
                "tenantry-operator",
                "tenantry-service",
                "tenantry-store",
                "tenantry-crypto",
                "tenantry-identity",
                "actix-web",
            ],
            &["tenantry-migration"],
        );
        assert_allowed("tenantry-worker", &["tenantry-kernel", "tokio"], &["tenantry-store", "tenantry-testkit"]);
        assert_allowed("tenantry-testkit", &["tenantry-kernel", "tenantry-identity", "sqlx"], &[]);
        assert_allowed("tenantry-example-invoices", &["tenantry-kernel"], &["tenantry-store", "tenantry-testkit"]);
        assert_allowed("tenantry-migration", &["sea-orm-migration"], &["tenantry-testkit"]);
    }

    #[test]
    fn the_domain_does_no_io() {
        for outside in ["tokio", "actix-web", "sea-orm", "sqlx", "redis", "reqwest", "lettre", "rand", "getrandom"] {
            assert_refused("tenantry-tenancy", outside, "does no I/O");
        }
        assert_refused("tenantry-identity", "tenantry-store", "declares ports");
        assert_refused("tenantry-identity", "tenantry-migration", "declares ports");
    }

    #[test]
    fn domain_crates_follow_the_table() {
        assert_refused("tenantry-kernel", "tenantry-tenancy", "form a DAG");
        assert_refused("tenantry-tenancy", "tenantry-identity", "form a DAG");
        assert_refused("tenantry-audit", "tenantry-tenancy", "form a DAG");
        let backwards = violations(&workspace("tenantry-tenancy", &[], &["tenantry-identity"]));
        assert_eq!(backwards.len(), 1, "a dev-dependency is held to the table too: {backwards:?}");
    }

    #[test]
    fn the_table_has_no_way_round() {
        for (index, (name, allowed)) in DOMAIN.iter().enumerate() {
            for below in *allowed {
                assert!(DOMAIN[..index].iter().any(|(above, _)| above == below), "{name} names {below}");
            }
        }
    }

    #[test]
    fn adapters_stand_alone() {
        assert_refused("tenantry-crypto", "tenantry-store", "never see each other");
        assert_refused("tenantry-store", "tenantry-app", "never the reverse");
        assert_refused("tenantry-crypto", "tenantry-migration", "only `store`");
        assert_refused("tenantry-store", "tenantry-testkit", "for tests");
    }

    #[test]
    fn the_services_know_ports_and_no_program() {
        for adapter in ["tenantry-mail", "tenantry-worker"] {
            assert_refused("tenantry-service", adapter, "reach them as ports");
        }
        assert_refused("tenantry-service", "tenantry-app", "is a program");
        assert_refused("tenantry-service", "tenantry-migration", "only `store`");
        assert_refused("tenantry-service", "tenantry-operator", "never the reverse");
        assert_refused("tenantry-store", "tenantry-service", "never the reverse");
        assert_refused("tenantry-identity", "tenantry-service", "declares ports");
        assert_refused("tenantry-testkit", "tenantry-service", "knows ports");
        assert_refused("tenantry-bench", "tenantry-service", "from outside");
    }

    #[test]
    fn the_operators_commands_open_no_unit() {
        assert_refused("tenantry-operator", "tenantry-store", "open no unit");
        assert_refused("tenantry-operator", "tenantry-app", "is a program");
    }

    #[test]
    fn the_http_api_opens_no_unit_and_reads_no_configuration() {
        for adapter in ["tenantry-store", "tenantry-worker", "tenantry-mail"] {
            assert_refused("tenantry-http", adapter, "open no unit");
        }
        for outside in ["sea-orm", "sqlx", "config", "clap"] {
            assert_refused("tenantry-http", outside, "from `app`");
        }
        assert_refused("tenantry-http", "tenantry-app", "is a program");
        assert_refused("tenantry-http", "tenantry-operator", "know nothing of each other");
        assert_refused("tenantry-operator", "tenantry-http", "know nothing of each other");
        assert_refused("tenantry-service", "tenantry-http", "never the reverse");
    }

    #[test]
    fn the_others_keep_their_places() {
        assert_refused("tenantry-app", "tenantry-migration", "through `store`");
        assert_refused("tenantry-app", "tenantry-testkit", "for tests");
        assert_refused("tenantry-app", "xtask", "is a program");
        assert_refused("tenantry-testkit", "tenantry-store", "knows ports");
        assert_refused("tenantry-migration", "tenantry-kernel", "always mean the same");
        assert_refused("xtask", "tenantry-kernel", "stay small");
        assert_refused("tenantry-bench", "tenantry-app", "from outside");
        assert_refused("tenantry-example-invoices", "tenantry-store", "for its tests");
        assert_refused("tenantry-app", "tenantry-example-invoices", "nothing builds on it");
    }

    #[test]
    fn a_crate_that_no_rule_knows_is_refused() {
        let mut members = workspace("tenantry-kernel", &[], &[]);
        members[0].folder = "crates/utils".to_owned();
        members[1].name = "tenantry-gadgets".to_owned();
        let found = violations(&members);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`crates/utils`, a folder that the dependency rule does not know"));
        assert!(found[1].starts_with("tenantry-gadgets is a domain crate without an entry in DOMAIN"));
    }
}
