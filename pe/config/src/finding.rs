//! Faults and doubts about a configuration text, and the report that underlines them.

use std::ops::Range;

use codespan_reporting::diagnostic::{Diagnostic, Label};
use codespan_reporting::files::SimpleFile;
use codespan_reporting::term;

use crate::ios;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is accepted, but the operator should know.
    Warning,
}

/// One thing to say about one place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// The offending words: bytes of the text.
    pub span: Range<usize>,
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

/// For people: each finding with file, line and column, the words underlined, and the hint. No colour,
/// and no secrets: a key in a line that is shown is starred out.
pub fn report(file: &str, text: &str, findings: &[Finding]) -> String {
    let text = ios::starred(text);
    let source = SimpleFile::new(file, text.as_str());
    let style = term::Config { chars: term::Chars::ascii(), ..term::Config::default() };
    let mut out = String::new();
    for finding in findings {
        // It fails only for a span outside the text, which then still has its message.
        let shown = term::emit_into_string(&style, &source, &diagnostic(finding));
        out.push_str(&shown.unwrap_or_else(|_| format!("{file}: {}\n", finding.message)));
    }
    out
}

fn diagnostic(finding: &Finding) -> Diagnostic<()> {
    let base = match finding.severity {
        Severity::Error => Diagnostic::error(),
        Severity::Warning => Diagnostic::warning(),
    };
    let notes = if finding.help.is_empty() { Vec::new() } else { vec![format!("hint: {}", finding.help)] };
    base.with_message(&finding.message)
        .with_labels(vec![Label::primary((), finding.span.clone())])
        .with_notes(notes)
}
