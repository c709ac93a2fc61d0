//! Declarations of the emails that a crate sends.

use crate::EmailPayload;

/// Declares one email: the name of its template, the fields that the template receives, the links that it may carry,
/// and its text in both forms. [`emails!`](crate::emails) creates one for each payload type.
///
/// The text and the HTML are templates in the syntax of minijinja. They extend `layout.txt` and `layout.html`, define
/// the blocks `subject` (text only) and `body`, and may define `greeting`, `action` (the label of the link) and
/// `closing`. Besides their fields they receive `product`, `link`, `link_purpose` and `link_lasts`.
#[derive(Debug, Clone, Copy)]
pub struct EmailTemplate {
    /// The name, which jobs store. The meaning of a name never changes.
    pub name: &'static str,
    /// The fields of the payload.
    pub fields: &'static [TemplateField],
    /// The purposes of the links that the email may carry; `None` stands for an email without a link.
    pub links: &'static [Option<&'static str>],
    /// The template of the text part, which also holds the subject.
    pub text: &'static str,
    /// The template of the HTML part.
    pub html: &'static str,
}

/// One field of a template's payload.
#[derive(Debug, Clone, Copy)]
pub struct TemplateField {
    /// The name of the field. A field `at` holds a time in RFC 3339, which readers see as a date and a time.
    pub name: &'static str,
    /// Example values, with which the template is rendered as a check at the start; `None` for a field that may be
    /// missing.
    pub examples: &'static [Option<&'static str>],
}

impl TemplateField {
    /// Returns whether every payload must have the field.
    pub const fn is_required(&self) -> bool {
        let mut n = 0;
        while n < self.examples.len() {
            if self.examples[n].is_none() {
                return false;
            }
            n += 1;
        }
        true
    }
}

/// The typed payload of one template. [`emails!`](crate::emails) implements it.
pub trait TemplatePayload {
    /// The template.
    const TEMPLATE: EmailTemplate;

    /// Returns the fields in the order of the declaration.
    fn into_payload(self) -> EmailPayload;
}

/// Declares the emails of a crate: one payload type for each, and a constant that lists their templates.
///
/// A declaration names the payload type, the template (`"order_shipped"`), the purposes of its links
/// (`[None]` without a link) and the fields, each with its type and example values. The two texts are the files
/// `templates/NAME.txt` and `templates/NAME.html` beside the folder of the calling file: a missing file stops the
/// compiler.
///
/// ```ignore
/// tenantry_mails::emails! {
///     /// The emails of the shop.
///     pub const SHOP_EMAILS;
///
///     /// An order is on its way.
///     pub struct OrderShippedEmail = "order_shipped", links: [Some("order")] => {
///         /// The name of the customer.
///         name: String = [Some("Ada")],
///         /// The number of the parcel, where there is one.
///         parcel: Option<String> = [Some("1Z999"), None],
///     }
/// }
/// ```
#[macro_export]
macro_rules! emails {
    (
        $(#[$list_doc:meta])*
        $list_visibility:vis const $list:ident;
        $(
            $(#[$doc:meta])*
            $visibility:vis struct $payload:ident = $name:literal, links: $links:expr => {
                $($(#[$field_doc:meta])* $field:ident: $type:ty = $examples:expr),* $(,)?
            }
        )+
    ) => {
        $(#[$list_doc])*
        $list_visibility const $list: &[$crate::EmailTemplate] =
            &[$(<$payload as $crate::TemplatePayload>::TEMPLATE),+];

        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            $visibility struct $payload {
                $($(#[$field_doc])* $visibility $field: $type),*
            }

            impl $crate::TemplatePayload for $payload {
                const TEMPLATE: $crate::EmailTemplate = $crate::EmailTemplate {
                    name: $name,
                    fields: &[$($crate::TemplateField { name: stringify!($field), examples: &$examples }),*],
                    links: &$links,
                    text: include_str!(concat!("../templates/", $name, ".txt")),
                    html: include_str!(concat!("../templates/", $name, ".html")),
                };

                fn into_payload(self) -> $crate::EmailPayload {
                    $crate::EmailPayload::default()$(.with(stringify!($field), $crate::Value::from(self.$field)))*
                }
            }
        )+
    };
}
