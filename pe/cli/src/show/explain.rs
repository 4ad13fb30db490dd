//! `show crypto session PEER explain`: the answer first, then what it rests on.

use std::fmt::Write as _;

use api::{Explanation, Known, Outcome, Story};

use super::none_or;

/// Longer lines are hard to read on a console.
const WIDTH: usize = 100;
/// What a line that goes on begins with, at most.
const INDENT: usize = 17;

pub(super) fn explanation(of: &Explanation) -> String {
    let mut text = verdict(of);
    text.push_str("\nConfigured:\n");
    if of.known.is_empty() {
        text.push_str("  no crypto-map entry names this peer; it could come by a dynamic map only\n");
    }
    of.known.iter().for_each(|known| place(&mut text, known));
    if !of.stories.is_empty() {
        text.push_str("\nWhat happened, the newest last:\n");
    }
    of.stories.iter().for_each(|one| story(&mut text, one));
    text
}

/// What to know if one reads no further.
fn verdict(of: &Explanation) -> String {
    let Some(last) = of.stories.last() else {
        let mut text = format!("{}: nothing happened yet\n", of.remote);
        text.push_str(&field(
            "What",
            "we did not open to it, and nothing of it arrived that could be told apart from junk",
        ));
        text.push_str(&field(
            "Do",
            "send traffic that the access list permits; else look at routing in its front VRF, and at \
             filters on UDP 500 and 4500 on the way",
        ));
        return text;
    };
    let mut text = String::new();
    // An attempt may fail beside a session that stands.
    let standing = of.stories.iter().rev().find(|story| story.outcome == Outcome::Up);
    if let Some(standing) = standing.filter(|standing| *standing != last) {
        let _ = writeln!(text, "{}: UP (begun {})", of.remote, ago(standing.began));
    }
    let _ = writeln!(text, "{}: {} (begun {})", of.remote, word(&last.outcome), ago(last.began));
    match &last.outcome {
        Outcome::Negotiating => text.push_str(&field("Now", last_step(last))),
        Outcome::Up => childless(of, last).into_iter().for_each(|why| text.push_str(&field("Why", why))),
        Outcome::Down { why } => text.push_str(&field("Why", why)),
        Outcome::Failed { blame, what, detail } => {
            text.push_str(&field("Why", what));
            text.push_str(&field("Who", blame));
            text.push_str(&field("Do", detail));
        }
    }
    text
}

/// Why no traffic flows though the IKE SA is up.
fn childless<'a>(of: &Explanation, story: &'a Story) -> Option<&'a str> {
    let is_active = of.known.iter().any(|known| known.status == "UP-ACTIVE");
    let mut reasons = story.steps.iter().rev().filter(|step| step.text.starts_with("no child: "));
    reasons.next().filter(|_| !is_active).map(|step| step.text.as_str())
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Negotiating => "NEGOTIATING",
        Outcome::Up => "UP",
        Outcome::Down { .. } => "DOWN",
        Outcome::Failed { .. } => "FAILED",
    }
}

fn last_step(story: &Story) -> &str {
    story.steps.last().map_or("the first message", |step| step.text.as_str())
}

fn place(text: &mut String, known: &Known) {
    let (front, inside) = (none_or(known.front.as_ref()), none_or(known.inside.as_ref()));
    let _ = writeln!(text, "  {}: {}", known.place, known.status);
    let _ = writeln!(
        text,
        "    IKEv{}, fvrf {front}, ivrf {inside}, profile {}",
        known.version,
        none_or(known.profile.as_ref())
    );
    if let Some(missing) = &known.missing {
        let _ = writeln!(text, "    lacks {missing}: it protects nothing");
    }
}

fn story(text: &mut String, story: &Story) {
    let who = if story.initiator { "we opened" } else { "the peer opened" };
    let connection = story.connection.map(|id| format!(", conn-id {id}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "\n  {}, IKEv{}: {who}, local {}, fvrf {}{connection}: {}",
        ago(story.began),
        story.version,
        story.local,
        none_or(story.front.as_ref()),
        word(&story.outcome)
    );
    for step in &story.steps {
        let seconds = format!("+{}.{:03}", step.after / 1000, step.after % 1000);
        text.push_str(&wrapped(&format!("    {seconds:>9} s  "), &step.text));
    }
    match &story.outcome {
        Outcome::Negotiating | Outcome::Up => {}
        Outcome::Down { why } => text.push_str(&wrapped("    then it went: ", why)),
        Outcome::Failed { blame, what, detail } => {
            text.push_str(&wrapped(&format!("    {what} ({blame}): "), detail));
        }
    }
}

fn field(name: &str, text: &str) -> String {
    wrapped(&format!("  {:<6}", format!("{name}:")), text)
}

/// `text` after `head`, in lines of at most [`WIDTH`] where its words allow it.
fn wrapped(head: &str, text: &str) -> String {
    let indent = " ".repeat(head.chars().count().min(INDENT));
    let mut lines = String::new();
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(lines, "{line}");
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(lines, "{}", line.trim_end());
    lines
}

/// As people say it.
fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min {:02} s ago", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min ago", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h ago", seconds / 86_400, seconds / 3600 % 24),
    }
}
