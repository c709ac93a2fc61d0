//! Templates of the emails: a layout, and a template for each name, as text and as HTML.

use minijinja::{Environment, Error, UndefinedBehavior};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tenantry_mails::{Email, EmailTemplate};

use crate::{
    examples::{self, examples},
    values::{one_line, values},
};

/// Maximum length of a subject, in characters.
const MAX_SUBJECT_CHARS: usize = 200;

/// The layout around every email, by the names of the templates.
pub(crate) const LAYOUT: [(&str, &str); 2] = [
    ("layout.txt", include_str!("../templates/layout.txt")),
    ("layout.html", include_str!("../templates/layout.html")),
];

/// The loaded templates of every email.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// The emails by name.
    emails: BTreeMap<&'static str, EmailTemplate>,
    /// The files that replace embedded templates.
    replaced: BTreeMap<String, PathBuf>,
}

/// Errors of loading and rendering templates.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder, or a file in it, cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file that would have no effect, because no template has its name.
    #[error("{} is not the name of a template", .0.display())]
    Unknown(PathBuf),
    /// Two crates declare an email of this name, or it is the name of the layout.
    #[error("the email {0:?} is declared twice")]
    DeclaredTwice(&'static str),
    /// No crate of this program declares the email.
    #[error("no email {0:?} is declared")]
    Undeclared(String),
    /// A payload lacks a field that its template needs.
    #[error("the payload of the email {email:?} lacks the field {field:?}")]
    Incomplete {
        /// The email.
        email: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A template is wrong.
    #[error("{}: {what}", place(.file, *.line))]
    Mistake {
        /// The template.
        file: String,
        /// The line, if it is known.
        line: Option<usize>,
        /// The mistake.
        what: String,
    },
}

fn place(file: &str, line: Option<usize>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

/// The parts of an email. They may hold the secret of a link, so they have no `Debug` output.
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Templates {
    /// Loads the declared emails. A file in the folder replaces the part of the same name. Renders each email with its
    /// examples. Skips files whose name begins with a dot, which mounted folders contain.
    pub fn load(emails: &[EmailTemplate], folder: Option<&Path>) -> Result<Self, TemplateError> {
        let mut templates = Self { environment: environment(), emails: BTreeMap::new(), replaced: BTreeMap::new() };
        let mut sources: BTreeMap<String, &'static str> =
            LAYOUT.into_iter().map(|(name, source)| (name.to_owned(), source)).collect();
        for email in emails {
            for (ending, source) in [("txt", email.text), ("html", email.html)] {
                if sources.insert(format!("{}.{ending}", email.name), source).is_some() {
                    return Err(TemplateError::DeclaredTwice(email.name));
                }
            }
            templates.emails.insert(email.name, *email);
        }
        let mut files = folder.map(|folder| read(folder, &sources)).transpose()?.unwrap_or_default();
        for (name, embedded) in sources {
            let source = match files.remove(&name) {
                None => Cow::Borrowed(embedded),
                Some((file, source)) => {
                    templates.replaced.insert(name.clone(), file);
                    Cow::Owned(source)
                }
            };
            let added = templates.environment.add_template_owned(name.clone(), source.clone());
            added.map_err(|error| templates.mistake(&name, &source, &error))?;
        }
        templates.rehearse()?;
        Ok(templates)
    }

    /// Renders the parts of an email.
    pub(crate) fn render(&self, email: &Email, link: Option<&str>, product: &str) -> Result<Rendered, TemplateError> {
        let name = email.template.as_str();
        let template = self.emails.get(name).ok_or_else(|| TemplateError::Undeclared(name.to_owned()))?;
        let (txt, html) = (format!("{name}.txt"), format!("{name}.html"));
        let mut values = values(template, email, link, product)?;
        let text = || -> Result<_, Error> {
            let mut captured = self.environment.get_template(&txt)?.render_captured(&values)?;
            let subject = captured.with_state_mut(|state| state.render_block("subject"))?;
            Ok((one_line(&subject, MAX_SUBJECT_CHARS), captured.into_output()))
        };
        let (subject, text) = text().map_err(|error| self.render_mistake(&txt, &error))?;
        values.insert("subject".to_owned(), subject.clone().into());
        let page = self.environment.get_template(&html).and_then(|template| template.render(&values));
        let html = page.map_err(|error| self.render_mistake(&html, &error))?;
        Ok(Rendered { subject, text, html })
    }

    /// Renders every email with its examples, so that no template fails when its email is due, and checks the results.
    fn rehearse(&self) -> Result<(), TemplateError> {
        for email in self.emails.values().flat_map(examples) {
            let link = email.link.as_ref().map(|_| examples::LINK);
            let mail = self.render(&email, link, examples::PRODUCT)?;
            let wrong = |ending, what: &str| {
                let (own, layout) = (format!("{}.{ending}", email.template), format!("layout.{ending}"));
                let is_of_layout = self.replaced.contains_key(&layout) && !self.replaced.contains_key(&own);
                let file = self.file(if is_of_layout { &layout } else { &own });
                Err(TemplateError::Mistake { file, line: None, what: what.to_owned() })
            };
            if mail.subject.is_empty() {
                return wrong("txt", "the subject is empty");
            }
            if mail.html.contains(examples::MARKUP) {
                return wrong("html", "a value is shown without escaping");
            }
            for (ending, part) in [("txt", &mail.text), ("html", &mail.html)] {
                if link.is_some() && !part.contains(examples::TOKEN) {
                    return wrong(ending, "the link is not shown");
                }
            }
        }
        Ok(())
    }

    fn render_mistake(&self, name: &str, error: &Error) -> TemplateError {
        let error = innermost(error);
        let name = error.name().unwrap_or(name);
        let template = self.environment.get_template(name);
        self.mistake(name, template.as_ref().map_or("", |template| template.source()), error)
    }

    /// Returns the error with the line quoted: the engine does not report which name in it is unknown.
    fn mistake(&self, name: &str, source: &str, error: &Error) -> TemplateError {
        let mut what = error.kind().to_string();
        if let Some(detail) = error.detail() {
            what = format!("{what}: {detail}");
        }
        let line = error.line();
        if let Some(quoted) = line.and_then(|line| source.lines().nth(line.saturating_sub(1))) {
            what = format!("{what}, in: {}", quoted.trim());
        }
        TemplateError::Mistake { file: self.file(name), line, what }
    }

    /// Returns the name under which the operator finds a template.
    fn file(&self, name: &str) -> String {
        let file = self.replaced.get(name).map(|file| file.display().to_string());
        file.unwrap_or_else(|| format!("embedded {name}"))
    }
}

/// Creates an engine that escapes in `.html`, refuses unknown names and gives templates neither time nor files.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment
}

/// Reads the files of a folder, by the template that they replace.
fn read(
    folder: &Path,
    known: &BTreeMap<String, &'static str>,
) -> Result<BTreeMap<String, (PathBuf, String)>, TemplateError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |error| TemplateError::Unreadable(path, error)
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let name = name.into_string().ok().filter(|name| known.contains_key(name));
        let Some(name) = name else { return Err(TemplateError::Unknown(path)) };
        let source = fs::read_to_string(&path).map_err(unreadable(&path))?;
        files.insert(name, (path, source));
    }
    Ok(files)
}

/// Returns the innermost source of an error, which describes the mistake inside a block.
fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while let Some(inner) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref()) {
        innermost = inner;
    }
    innermost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{email, templates};
    use serde_json::json;
    use tempfile::TempDir;
    use tenantry_identity::IDENTITY_EMAILS;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, source) in files {
            fs::write(folder.path().join(name), source).unwrap();
        }
        folder
    }

    /// Returns the error without the folder's path, with which it must begin.
    fn refused(files: &[(&str, &str)]) -> String {
        let folder = folder(files);
        let told = Templates::load(IDENTITY_EMAILS, Some(folder.path())).map(|_| ()).unwrap_err().to_string();
        let prefix = format!("{}/", folder.path().display());
        told.strip_prefix(&prefix).unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    fn welcome(templates: &Templates) -> Rendered {
        templates.render(&examples(&IDENTITY_EMAILS[0])[0], None, "Tenantry").unwrap()
    }

    #[test]
    fn a_file_replaces_the_template_of_its_name() {
        let welcome_txt = "{% extends 'layout.txt' %}{% block subject %}Ahoy\n {{ name }}{% endblock %}\
                           {% block body %}Come aboard.{% endblock %}";
        let folder = folder(&[("welcome.txt", welcome_txt), (".hidden", "")]);
        let mail = welcome(&Templates::load(IDENTITY_EMAILS, Some(folder.path())).unwrap());
        assert_eq!(mail.subject, "Ahoy Ada <example>");
        assert!(mail.text.contains("Come aboard.") && mail.text.contains("sent automatically by Tenantry"));
        assert!(mail.html.contains("<title>Ahoy Ada &lt;example&gt;</title>"));
    }

    #[test]
    fn an_empty_folder_changes_nothing() {
        let folder = folder(&[]);
        let mail = welcome(&Templates::load(IDENTITY_EMAILS, Some(folder.path())).unwrap());
        assert_eq!(mail.text, welcome(&templates()).text);
    }

    #[test]
    fn a_subject_is_cut() {
        let long = format!("{{% block subject %}}{}{{% endblock %}}", "é".repeat(300));
        let folder = folder(&[("welcome.txt", &format!("{long}{{{{ link }}}}"))]);
        let mail = welcome(&Templates::load(IDENTITY_EMAILS, Some(folder.path())).unwrap());
        assert_eq!(mail.subject.chars().count(), MAX_SUBJECT_CHARS);
    }

    #[test]
    fn a_mistake_names_file_line_and_what_is_wrong() {
        let welcome =
            |body: &str| format!("{{% extends 'layout.html' %}}\n{{% block body %}}\n{body}\n{{% endblock %}}");
        for (name, source, told) in [
            ("welcome.html", welcome("<p>{{ nmae }}"), "welcome.html:3: undefined value, in: <p>{{ nmae }}"),
            ("welcome.html", welcome("{% if link %}"), "welcome.html:4: syntax error: "),
            ("welcome.html", welcome("{{ name | shout }}"), "welcome.html:3: unknown filter: "),
            ("welcome.html", welcome("{% if not ip %}x{% endif %}"), "welcome.html:3: undefined value, in: "),
            ("welcome.html", welcome("{% if link %}{{ lnk }}{% endif %}"), "welcome.html:3: undefined value, in: "),
            ("welcome.html", welcome("{% include 'foot.html' %}"), "welcome.html:3: "),
            ("layout.html", "\n{{ self.bdy() }}".to_owned(), "layout.html:2: unknown block: "),
            (
                "welcome.txt",
                "{% block subject %}\n{{ nmae }}{% endblock %}".to_owned(),
                "welcome.txt:2: undefined value, in: ",
            ),
            ("layout.html", "{% block body %}{% endblock %}".to_owned(), "layout.html: the link is not shown"),
            (
                "layout.txt",
                "{% block body %}{% endblock %}\n\n{{ now() }}".to_owned(),
                "layout.txt:3: unknown function: ",
            ),
        ] {
            let refused = refused(&[(name, &source)]);
            assert!(refused.starts_with(told), "{refused}");
        }
    }

    #[test]
    fn a_mail_without_subject_or_link_is_refused() {
        let link = "{{ link }}";
        for (name, source, told) in [
            ("welcome.txt", link.to_owned(), "welcome.txt: unknown block"),
            (
                "welcome.txt",
                format!("{link}{{% block subject %}} {{% endblock %}}"),
                "welcome.txt: the subject is empty",
            ),
            ("welcome.txt", "{% block subject %}Hi{% endblock %}".to_owned(), "welcome.txt: the link is not shown"),
            ("reset_password.html", "Hi".to_owned(), "reset_password.html: the link is not shown"),
        ] {
            let refused = refused(&[(name, &source)]);
            assert!(refused.starts_with(told), "{refused}");
        }
    }

    #[test]
    fn re6_a_template_that_does_not_escape_is_refused() {
        let told = "welcome.html: a value is shown without escaping";
        assert_eq!(refused(&[("welcome.html", "{{ link }}{{ name | safe }}")]), told);
        assert_eq!(refused(&[("welcome.html", "{{ link }}{% autoescape false %}{{ name }}{% endautoescape %}")]), told);
    }

    #[test]
    fn a_name_is_declared_once() {
        let twice = Templates::load(&[IDENTITY_EMAILS, &IDENTITY_EMAILS[..1]].concat(), None);
        assert_eq!(twice.map(drop).unwrap_err().to_string(), "the email \"welcome\" is declared twice");
        let layout = EmailTemplate { name: "layout", ..IDENTITY_EMAILS[0] };
        assert!(matches!(Templates::load(&[layout], None), Err(TemplateError::DeclaredTwice("layout"))));
    }

    #[test]
    fn an_email_that_nobody_declares_or_that_lacks_a_field_is_not_rendered() {
        for (template, payload, told) in [
            ("newer", json!({ "name": "Ada" }), "no email \"newer\" is declared"),
            ("welcome", json!({ "name": "Ada" }), "the payload of the email \"welcome\" lacks the field \"tenant\""),
            (
                "account_exists",
                json!({ "name": null }),
                "the payload of the email \"account_exists\" lacks the field \"name\"",
            ),
        ] {
            let refused = templates().render(&email(template, payload, None), None, "Tenantry").map(drop).unwrap_err();
            assert_eq!(refused.to_string(), told);
        }
        // An optional field may be missing, and an undeclared field has no effect.
        let payload = json!({ "name": "Ada", "at": "2026-11-24T13:41:37.123Z", "newer": 1 });
        assert!(templates().render(&email("password_changed", payload, None), None, "Tenantry").is_ok());
    }

    #[test]
    fn a_file_without_effect_is_refused() {
        assert_eq!(refused(&[("wellcome.txt", "")]), "wellcome.txt is not the name of a template");
        assert_eq!(refused(&[("welcome.txt~", "")]), "welcome.txt~ is not the name of a template");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = folder(&[]);
        fs::write(folder.path().join("welcome.txt"), b"\xff").unwrap();
        for path in [folder.path().join("welcome.txt"), folder.path().join("nowhere")] {
            let asked = if path.ends_with("nowhere") { path.as_path() } else { folder.path() };
            let told = Templates::load(IDENTITY_EMAILS, Some(asked)).map(|_| ()).unwrap_err();
            assert_eq!(told.to_string(), format!("{} cannot be read", path.display()));
        }
    }
}
