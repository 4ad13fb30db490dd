//! From text to a typed `Config`: each line goes to the innermost level whose tree knows it.

use std::ops::Range;

use base::Secret;

use crate::check::check;
use crate::finding::{Finding, Severity};
use crate::model::Config;

use super::args::Args;
use super::commands::Action;
use super::lex::{self, Line};
use super::pattern::{fixed, leading};
use super::scope::{Fault, Index, Level, Memory, Place, Scope};
use super::suggest::nearest;
use super::tree::{Found, Mismatch, TREE};
use crate::secrets::Open;

/// Everything the text says, and every finding in the order of the text. The configuration means
/// something only if none of them is an error.
pub(crate) fn parse(text: &str, open: Open<'_>) -> (Config, Vec<Finding>) {
    let mut reader = Reader::new(open);
    reader.read(text);
    let Reader { mut config, index, mut findings, .. } = reader;
    findings.extend(check(&mut config, &index));
    findings.sort_by_key(|finding| finding.span.start);
    (config, findings)
}

/// Every key in the text: its place, with the type before it; what stands there; and whether it is of type 6.
pub(crate) fn keys(text: &str) -> Vec<(Range<usize>, String, bool)> {
    let mut reader = Reader::new(&|_| Ok(Secret::default()));
    reader.read(text);
    reader.index.keys
}

struct Reader<'o> {
    config: Config,
    memory: Memory,
    index: Index,
    findings: Vec<Finding>,
    place: Place,
    /// The indent of a line that was not understood: deeper lines belong to it, and have
    /// nothing to say without it.
    lost: Option<usize>,
    open: Open<'o>,
}

impl<'o> Reader<'o> {
    fn new(open: Open<'o>) -> Self {
        Self {
            config: Config::default(),
            memory: Memory::default(),
            index: Index::default(),
            findings: Vec::new(),
            place: Place::GLOBAL,
            lost: None,
            open,
        }
    }

    fn read(&mut self, text: &str) {
        for line in lex::lines(text) {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        if self.lost.is_some_and(|indent| line.indent > indent) {
            return;
        }
        self.lost = None;
        match self.find(line) {
            Ok((place, found)) => {
                self.place = place;
                self.obey(line, &found);
            }
            Err(mismatch) => {
                self.lost = Some(line.indent);
                let finding = explain(line, &mismatch, &self.place);
                self.findings.push(finding);
            }
        }
    }

    /// The command, and the place (this one or one around it) that knows it. Otherwise the mismatch
    /// that came furthest into the line.
    fn find(&self, line: &Line<'_>) -> Result<(Place, Found), Mismatch> {
        let negated = line.is_negated();
        let from = usize::from(negated);
        let mut best: Option<Mismatch> = None;
        for shortened in [false, true] {
            if shortened && !negated {
                break;
            }
            let mut place = Some(self.place.clone());
            while let Some(here) = place {
                match TREE.find(here.level, line, from, shortened) {
                    Ok(found) => return Ok((here, found)),
                    Err(other) if best.as_ref().is_none_or(|best| other.at > best.at) => best = Some(other),
                    Err(_) => {}
                }
                place = here.parent();
            }
        }
        Err(best.unwrap_or_default())
    }

    fn obey(&mut self, line: &Line<'_>, found: &Found) {
        let Some(command) = TREE.commands.get(found.command) else { return };
        let negated = line.is_negated();
        match command.action {
            Action::Set { set, unset, .. } => {
                let verb = if negated { unset } else { set };
                let Self { config, memory, place, open, .. } = self;
                let done = verb(&mut Scope { config, memory, place, open: *open }, &found.args);
                self.index.keys.extend(key(&found.args));
                self.conclude(line, found, done);
            }
            Action::Refuse(_) if negated => {}
            Action::Refuse(instead) => {
                self.lost = Some(line.indent);
                let fault =
                    Fault::new(format!("`{}` is not supported", said(command.pattern, &found.args)), instead);
                let keyword = found.args.iter().filter(|arg| arg.name == arg.text).last();
                self.fault(
                    Severity::Error,
                    line,
                    found,
                    Fault { argument: keyword.map(|arg| arg.name), ..fault },
                );
            }
            Action::Always if negated => {
                let fault = Fault::new("this is always in force", "leave the line out");
                self.fault(Severity::Error, line, found, fault);
            }
            Action::Always | Action::Comment => {}
            Action::Exit => self.place = self.place.parent().unwrap_or(Place::GLOBAL),
            Action::End => self.place = Place::GLOBAL,
        }
    }

    /// Remembers where things were said, and goes where the command leads.
    fn conclude(&mut self, line: &Line<'_>, found: &Found, done: Result<(), Fault>) {
        let Some(command) = TREE.commands.get(found.command) else { return };
        let span = line.span(0..line.words.len());
        let mark = (self.place.clone(), leading(command.pattern));
        for warning in std::mem::take(&mut self.memory.warnings) {
            self.fault(Severity::Warning, line, found, warning);
        }
        if let Err(fault) = done {
            self.fault(Severity::Error, line, found, fault);
        }
        if line.is_negated() {
            self.index.marks.remove(&mark);
            return;
        }
        if let Some(peer) = found.args.find("PEER").or_else(|| found.args.find("HOST")) {
            let each = (mark.0.clone(), format!("{} {}", mark.1, peer.text));
            self.index.marks.insert(each, span.clone());
        }
        self.index.marks.insert(mark, span.clone());
        let named = found.args.iter().filter_map(|arg| Some((arg.noun?, arg.text.clone(), arg.span.clone())));
        self.index.mentions.extend(named);
        if let Some(Ok(place)) = command.enter.map(|enter| enter(&self.place, &found.args)) {
            self.index.homes.entry(place.clone()).or_insert(span);
            self.place = place;
        }
    }

    fn fault(&mut self, severity: Severity, line: &Line<'_>, found: &Found, fault: Fault) {
        let argument = fault.argument.and_then(|name| found.args.find(name)).map(|arg| arg.span.clone());
        let span = argument.unwrap_or_else(|| line.span(0..line.words.len()));
        self.findings.push(Finding { severity, span, message: fault.message, help: fault.help });
    }
}

/// The key that a command holds.
fn key(args: &Args) -> Option<(Range<usize>, String, bool)> {
    let key = args.find("KEY")?;
    let kind = args.find("6").or_else(|| args.find("0"));
    let start = kind.map_or(key.span.start, |kind| kind.span.start);
    Some((start..key.span.end, key.text.clone(), args.has("6")))
}

/// What was refused: the command's fixed words, and the number or keyword that makes it another.
fn said(pattern: &'static str, args: &Args) -> String {
    let leading = fixed(pattern);
    let keyword = args.iter().filter(|arg| arg.name == arg.text).last();
    match (args.find("N"), keyword) {
        (_, Some(keyword)) => format!("{leading} … {}", keyword.text),
        (Some(number), None) => format!("{leading} {}", number.text),
        (None, None) => leading,
    }
}

/// The finding for a line that no level around `place` knows.
fn explain(line: &Line<'_>, mismatch: &Mismatch, place: &Place) -> Finding {
    let first = usize::from(line.is_negated());
    let Some(word) = line.words.get(mismatch.at) else {
        let span = line.span(0..line.words.len());
        return error(span, "incomplete command".to_owned(), format!("next: {}", expected(mismatch)));
    };
    let span = word.span.clone();
    if !mismatch.ambiguous.is_empty() {
        let help = format!("it may be {}", mismatch.ambiguous.join(", "));
        return error(span, format!("`{}` is ambiguous", word.text), help);
    }
    if mismatch.at == first {
        let help = belongs(line, first).or_else(|| meant(word.text, place)).unwrap_or_default();
        return error(span, format!("unknown command `{}`", word.text), help);
    }
    let near = nearest(word.text, mismatch.keywords.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if mismatch.keywords.is_empty() && mismatch.arguments.is_empty() => {
            "the command ends before it".to_owned()
        }
        None => format!("expected {}", expected(mismatch)),
    };
    // A key is nobody's business, even where it is misplaced.
    let word = if line.secrets().contains(&mismatch.at) { "this" } else { &format!("`{}`", word.text) };
    error(span, format!("{word} does not fit here"), help)
}

fn error(span: Range<usize>, message: String, help: String) -> Finding {
    Finding { severity: Severity::Error, span, message, help }
}

fn expected(mismatch: &Mismatch) -> String {
    let arguments = mismatch.arguments.iter().map(|kind| kind.describe());
    let all: Vec<_> = mismatch.keywords.iter().map(|word| (*word).to_owned()).chain(arguments).collect();
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Where a line stands that is a command of another level.
fn belongs(line: &Line<'_>, first: usize) -> Option<String> {
    let knows = |level: &Level| TREE.find(*level, line, first, false).is_ok();
    let level = Level::ALL.into_iter().find(knows)?;
    Some(format!("it stands under {}", level.head()))
}

/// The first word of a command, here or at the top, that is spelled nearly so.
fn meant(word: &str, place: &Place) -> Option<String> {
    let levels = [place.level, Level::Global];
    let rows = TREE.commands.iter().filter(|command| levels.contains(&command.level));
    let near = nearest(word, rows.filter_map(|command| command.pattern.split([' ', '<', '[', '{']).next()))?;
    Some(format!("did you mean `{near}`?"))
}
