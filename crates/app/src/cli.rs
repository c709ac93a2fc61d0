//! The command line: its commands, their arguments and their help. Other modules carry the commands out.

use clap::{Parser, Subcommand, ValueHint};
use std::path::PathBuf;
use tenantry_operator::{AuditCommand, JobsCommand, OperatorCommand};
use url::Url;

const AFTER_HELP: &str = "\
Settings come from the environment, from .env in development, from the file of --config, and from built-in defaults.
docs/configuration.md lists them; `tenantry doctor` checks them.

Examples:
  tenantry serve                              Try it out: SQLite in ./data, on http://127.0.0.1:3000
  PORT=0 LOG_LEVEL=debug tenantry serve       The same on a free port, with a longer log
  tenantry --config config/production.toml migrate
                                              Prepare the database before the new version starts";

/// A backend for business-to-business products: tenants, users, roles, sessions and an audit log.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    /// Also read settings from this TOML file; config/default.toml lists them [env: TENANTRY_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The command.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Serve the API until the process receives a signal to stop.
    ///
    /// Migrates the database first. On SIGTERM or Ctrl-C the server reports that it is not ready, finishes requests and
    /// jobs in progress, and exits with 0.
    #[command(after_help = "\
Environment:
  HOST, PORT       Address to listen on (127.0.0.1, 3000)
  DATABASE_URL     SQLite or PostgreSQL (a SQLite file in DATA_DIR)
  TENANTRY_ENV     development or production (development)
  LOG_LEVEL        Least severe level to log (info)")]
    Serve {
        /// Leave jobs, including emails, to other processes
        #[arg(long)]
        no_worker: bool,
    },
    /// Run jobs, including emails, without serving the API.
    ///
    /// `serve` also runs jobs. On SQLite one process does both; on PostgreSQL there may be many workers. On SIGTERM or
    /// Ctrl-C the worker takes no more jobs, finishes those in progress, and exits with 0.
    Worker,
    /// Migrate the database to the current schema, and exit.
    ///
    /// Several processes may do so at the same time: one migrates, the others wait.
    Migrate,
    /// Print the OpenAPI document of the API.
    #[command(after_help = "Example:\n  tenantry openapi > openapi.json")]
    Openapi,
    /// Check the settings and the services that the program uses, and say what to fix.
    ///
    /// Checks the keys, the folders and the disk, the storage of files, the mail server, the database and its queue, and Redis.
    /// Exits with 1 if there is a problem; a warning is not a problem.
    Doctor,
    /// Check whether a running server is ready, for containers; exits with 0 if it is.
    ///
    /// Without an address the command requests `/readyz` at HOST and PORT of the settings.
    #[command(after_help = "Examples:\n  tenantry healthcheck\n  tenantry healthcheck http://127.0.0.1:9464/livez")]
    Healthcheck {
        /// Address to request instead, for example /livez at METRICS_ADDR of a worker
        url: Option<Url>,
    },
    /// Manage tenants, users and keys as the operator of the installation.
    ///
    /// These commands work on the database directly, beside a running server, which applies the changes within a second.
    Admin {
        /// The command.
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Inspect, retry and cancel jobs, and clean up.
    ///
    /// These commands work on the database directly, beside a running server.
    Jobs {
        /// The command.
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Seal the audit log, and verify that it was not changed.
    ///
    /// These commands work on the database directly, beside a running server; an export is verified without a database.
    Audit {
        /// The command.
        #[command(subcommand)]
        command: AuditCommand,
    },
}

/// The commands of the operator of an installation.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// The commands for tenants and users.
    #[command(flatten)]
    Operator(OperatorCommand),
    /// Take the next step of rotating the signing keys and server secrets, and print what to do next.
    RotateKeys,
    /// Add a new first key for the seals of the audit log; the present keys stay.
    RenewSealKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};
    use tenantry_crypto::SealPublicKey;
    use tenantry_operator::{DisableUser, TenantSelector};

    fn parse(line: &str) -> Result<CliCommand, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    fn every_command(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(every_command);
        std::iter::once(command.clone()).chain(below).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_argument_is_explained() {
        for command in every_command(&Cli::command()) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn help_tells_of_the_first_password_and_of_the_file() {
        let help = |line: &str| parse(line).expect_err("help").to_string();
        assert!(help("tenantry --help").contains("TENANTRY_CONFIG"));
        assert!(help("tenantry admin create-tenant -h").contains("--print-link"));
        assert!(help("tenantry admin add-member --help").contains("--print-link"));
    }

    #[test]
    fn a_key_of_seals_may_begin_with_a_hyphen() {
        let key = format!("-{}", "A".repeat(42));
        let command = parse(&format!("tenantry audit verify --key {key} --export log.ndjson")).expect("good");
        let CliCommand::Audit { command: AuditCommand::Verify(verify) } = command else { panic!("{command:?}") };
        assert_eq!(verify.keys.iter().map(SealPublicKey::text).collect::<Vec<_>>(), [key]);
        assert_eq!(verify.export, Some(PathBuf::from("log.ndjson")));
    }

    #[test]
    fn the_file_may_be_named_before_and_after_the_command() {
        for line in ["tenantry --config a.toml serve", "tenantry serve --config a.toml"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("good");
            assert_eq!(cli.config, Some(PathBuf::from("a.toml")));
            assert!(matches!(cli.command, CliCommand::Serve { no_worker: false }));
        }
    }

    #[test]
    fn commands_for_operators_take_typed_values() {
        let line = "tenantry admin create-tenant --name Acme --owner-email Ada@Acme.example --slug acme --plan pro";
        let Ok(CliCommand::Admin { command: AdminCommand::Operator(OperatorCommand::CreateTenant(create)) }) =
            parse(line)
        else {
            panic!("{line}")
        };
        assert_eq!(create.owner_email.as_str(), "ada@acme.example");
        assert_eq!(create.plan.map(|plan| plan.name), Some("pro"));
        assert_eq!(create.owner_name, None);

        let line = "tenantry admin add-member --tenant acme --email b@acme.example --name Bob --role member";
        let Ok(CliCommand::Admin { command: AdminCommand::Operator(OperatorCommand::AddMember(add)) }) = parse(line)
        else {
            panic!("{line}")
        };
        assert!(matches!(add.tenant.tenant, TenantSelector::Slug(slug) if slug.as_str() == "acme"));

        let line = "tenantry admin disable-user --email b@acme.example --force";
        assert!(matches!(
            parse(line),
            Ok(CliCommand::Admin {
                command: AdminCommand::Operator(OperatorCommand::DisableUser(DisableUser { force: true, .. }))
            })
        ));
        for line in [
            "tenantry admin suspend-tenant --tenant acme",
            "tenantry admin resume-tenant --tenant acme",
            "tenantry admin set-plan --tenant acme --plan enterprise",
            "tenantry admin enable-user --email b@acme.example",
            "tenantry admin rotate-keys",
            "tenantry serve --no-worker",
            "tenantry worker",
            "tenantry migrate",
            "tenantry openapi",
            "tenantry doctor",
            "tenantry healthcheck",
            "tenantry healthcheck http://127.0.0.1:9464/livez",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        for (line, hint) in [
            ("tenantry admin set-plan --tenant acme --plan gold", "possible values: starter, pro, enterprise"),
            ("tenantry admin suspend-tenant --tenant A", "3 to 63 lower-case letters"),
            ("tenantry admin enable-user --email ada", "is not an email address"),
            ("tenantry admin add-member --tenant acme", "--role <ROLE>"),
            ("tenantry migrat", "'migrate'"),
        ] {
            let told = parse(line).expect_err("a mistake").to_string();
            assert!(told.contains(hint), "{line}: {told}");
        }
        assert_eq!(parse("tenantry").expect_err("help").kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    }
}
