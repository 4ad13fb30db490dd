//! `show dataplane`.

use std::fmt::Write as _;

use api::Dataplane;

pub(super) fn dataplane(of: &Dataplane) -> String {
    let who = if of.backend == "linux" { "the Linux kernel" } else { "onrampd itself" };
    let mut text = format!("Dataplane: {} ({who} forwards)\n", of.backend);
    let width = of.features.iter().map(|feature| feature.name.len()).max().unwrap_or_default();
    for feature in &of.features {
        let found = if feature.found { "yes" } else { "no " };
        let line = format!("  {:<width$}  {found}  {}", feature.name, feature.state);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    list(&mut text, "Done otherwise than asked for", &of.problems);
    list(&mut text, "Refused, and not in force", &of.refused);
    text
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "{title}:");
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}
