//! Writes figures as a table and compares them with their bars.

use anyhow::{Context, Result};
use std::{fmt, fs, path::Path};

/// The bar of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// No bar; the figure is reported only.
    None,
    /// Maximum of ours divided by the reference.
    RatioAtMost(f64),
    /// Minimum of ours divided by the reference.
    RatioAtLeast(f64),
    /// Maximum of the figure itself.
    Under(f64),
    /// Maximum of the figure itself, and of ours divided by the reference.
    UnderAndRatioAtMost(f64, f64),
    /// Minimum of the figure itself.
    Over(f64),
}

/// A figure with one value per round, beside its reference.
pub(crate) struct Figure {
    what: &'static str,
    place: &'static str,
    unit: &'static str,
    /// Name of the reference.
    beside: &'static str,
    bar: Bar,
    rounds: Vec<(f64, Option<f64>)>,
}

impl Figure {
    pub(crate) fn new(what: &'static str, place: &'static str, unit: &'static str, bar: Bar) -> Self {
        Self { what, place, unit, beside: "", bar, rounds: Vec::new() }
    }

    pub(crate) fn beside(self, beside: &'static str) -> Self {
        Self { beside, ..self }
    }

    /// Adds the values of a round.
    pub(crate) fn add(&mut self, ours: f64, reference: Option<f64>) {
        self.rounds.push((ours, reference));
    }

    fn ours(&self) -> f64 {
        median(self.rounds.iter().map(|(ours, _)| *ours))
    }

    fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().filter_map(|(ours, reference)| Some(ours / (*reference)?))
    }

    /// Returns whether the figure reaches its bar.
    pub(crate) fn reaches_its_bar(&self) -> bool {
        match self.bar {
            Bar::None => true,
            Bar::RatioAtMost(most) => self.ratio() <= most,
            Bar::RatioAtLeast(least) => self.ratio() >= least,
            Bar::Under(limit) => self.ours() < limit,
            Bar::UnderAndRatioAtMost(limit, most) => self.ours() < limit && self.ratio() <= most,
            Bar::Over(limit) => self.ours() > limit,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, place, unit, beside, .. } = self;
        let (mut reference, mut ratio) = (String::new(), String::new());
        if self.ratios().next().is_some() {
            let median = median(self.rounds.iter().filter_map(|(_, reference)| *reference));
            reference = format!("{} {unit}, {beside}", digits(median));
            let (least, most) = self.ratios().fold((f64::MAX, f64::MIN), |(l, m), r| (r.min(l), r.max(m)));
            ratio = format!("**{:.2}** ({least:.2} to {most:.2})", self.ratio());
        }
        let bar = match self.bar {
            Bar::None => String::new(),
            Bar::RatioAtMost(most) => format!("at most {most}"),
            Bar::RatioAtLeast(least) => format!("at least {least:.2}"),
            Bar::Under(limit) => format!("under {limit} {unit}"),
            Bar::UnderAndRatioAtMost(limit, most) => format!("under {limit} {unit}, and at most {most}"),
            Bar::Over(limit) => format!("over {limit} {unit}"),
        };
        let verdict = if self.reaches_its_bar() { "" } else { ": **missed**" };
        write!(f, "| {what} | {place} | {} {unit} | {reference} | {ratio} | {bar}{verdict} |", digits(self.ours()))
    }
}

/// Returns the table of all figures in Markdown.
pub(crate) fn table(figures: &[Figure]) -> String {
    let head = "| what | where | ours | beside | ratio (least to greatest) | bar |\n|---|---|---|---|---|---|\n";
    figures.iter().fold(head.to_owned(), |table, figure| table + &format!("{figure}\n"))
}

/// Markers of a document around the table of the server.
pub(crate) const SERVER: [&str; 2] = ["<!-- the last run -->\n", "<!-- end -->\n"];
/// And that of the queue.
pub(crate) const QUEUE: [&str; 2] = ["<!-- the last run of jobs -->\n", "<!-- end of jobs -->\n"];
/// And that of files.
pub(crate) const FILES: [&str; 2] = ["<!-- the last run of files -->\n", "<!-- end of files -->\n"];

/// And that of lists.
pub(crate) const LISTS: [&str; 2] = ["<!-- the last run of lists -->\n", "<!-- end of lists -->\n"];

/// And that of the audit log.
pub(crate) const AUDIT: [&str; 2] = ["<!-- the last run of audit -->\n", "<!-- end of audit -->\n"];

/// Puts the report between these marks of a document.
pub(crate) fn put_into(document: &Path, marks: [&str; 2], report: &str) -> Result<()> {
    let text = fs::read_to_string(document)?;
    let parts = text.split_once(marks[0]).and_then(|(head, rest)| Some((head, rest.split_once(marks[1])?.1)));
    let (head, tail) = parts.with_context(|| format!("{} has no markers", document.display()))?;
    fs::write(document, format!("{head}{}\n{report}\n{}{tail}", marks[0], marks[1]))?;
    Ok(())
}

/// Three significant digits are more than a busy machine deserves.
fn digits(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_held_to_its_bar() {
        let mut figure = Figure::new("x", "here", "µs", Bar::RatioAtMost(1.7)).beside("bare");
        [(16.0, 10.0), (40.0, 10.0), (15.0, 10.0)].into_iter().for_each(|(ours, bare)| figure.add(ours, Some(bare)));
        assert!(figure.reaches_its_bar());
        let line = "| x | here | 16.0 µs | 10.0 µs, bare | **1.60** (1.50 to 4.00) | at most 1.7 |";
        assert_eq!(figure.to_string(), line);
        figure.add(18.9, Some(10.0));
        assert!(!figure.reaches_its_bar(), "{figure}");
    }
}
