//! Prometheus' text format (version 0.0.4), as far as a Tenantry server writes it.

use std::collections::BTreeMap;

/// One series and its value.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    /// Returns every series of the text. Fails on a line that is neither a series nor a comment.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| Self::parse(line).unwrap_or_else(|| panic!("no series: {line}"))).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut found = BTreeMap::new();
        let mut rest = labels;
        while let Some((label, begun)) = rest.split_once("=\"") {
            // No label value of Tenantry contains a quote or a backslash, which would be escaped.
            let (value, others) = begun.split_once('"').filter(|(value, _)| !value.contains('\\'))?;
            found.insert(label.to_owned(), value.to_owned());
            rest = others.trim_start_matches(',');
        }
        let is_whole = rest == if labels.is_empty() { "" } else { "}" };
        is_whole.then_some(Self { name: name.to_owned(), labels: found, value: value.parse().ok()? })
    }
}
