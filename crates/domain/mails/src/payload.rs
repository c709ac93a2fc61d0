//! The payload of an email.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use std::fmt;

/// The fields that a template receives, by name, in the order in which the template declares them. The order is kept so
/// that the same email is always stored as the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmailPayload(Vec<(String, Value)>);

impl EmailPayload {
    /// Returns the payload with one more field, which comes last.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// Returns the value of a field, or `None` when the payload lacks the field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl Serialize for EmailPayload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for EmailPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = EmailPayload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of an email")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EmailPayload, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(EmailPayload(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}
