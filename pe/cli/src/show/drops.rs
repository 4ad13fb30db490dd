//! `show drops` and `trace packet`: why packets died, and where one would go.

use std::fmt::Write as _;

use api::{Drop, TraceStep};

/// What happened, then what did not; with the advice only where it is needed.
pub(super) fn drops(drops: &[Drop]) -> String {
    let mut text = format!("{:<28} {:>12}  Meaning\n", "Drop", "Packets");
    let (met, never): (Vec<_>, Vec<_>) = drops.iter().partition(|drop| drop.packets > 0);
    for drop in met {
        let _ = writeln!(text, "{:<28} {:>12}  {}", drop.name, drop.packets, drop.meaning);
    }
    if !never.is_empty() {
        let names: Vec<_> = never.iter().map(|drop| drop.name.as_str()).collect();
        let _ = writeln!(text, "\nNever: {}", names.join(", "));
    }
    text
}

pub(super) fn trace(steps: &[TraceStep]) -> String {
    let mut text = String::new();
    for (number, step) in (1..).zip(steps) {
        let _ = writeln!(text, "{number:>3}  {:<10} {}", step.stage, step.text);
        if let Some(drop) = &step.drop {
            let _ = writeln!(text, "     dropped: {drop}");
        }
    }
    text
}
