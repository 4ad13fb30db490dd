//! `onramp`: what an operator types, sent to `onrampd`, and the answer as IOS would print it.
#![forbid(unsafe_code)]

mod client;
mod commands;
mod grammar;
mod master;
mod show;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use api::{Request, Response};
use commands::{Action, Look};
use grammar::Fault;

const USAGE: &str = "\
usage: onramp [--json] [--socket PATH] COMMAND...

Words may be shortened as long as they are unambiguous. A `?` lists what can follow, for instance
  onramp show crypto ?

  --json          the answer as JSON
  --socket PATH   where onrampd listens (default /run/onramp/onramp.sock)

exit status: 0 done, 1 refused or failed, 2 not understood
";

struct Options {
    json: bool,
    socket: PathBuf,
    words: Vec<String>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Ok(options) if options.words.is_empty() => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
        Ok(options) => run(&options),
        Err(fault) => {
            eprint!("onramp: {fault}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Options may stand anywhere among the words.
fn options(words: impl IntoIterator<Item = String>) -> Result<Options, String> {
    let mut words = words.into_iter();
    let mut options =
        Options { json: false, socket: PathBuf::from("/run/onramp/onramp.sock"), words: Vec::new() };
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("json") => options.json = true,
            Some("help") => options.words = vec!["?".to_owned()],
            Some("socket") => options.socket = words.next().ok_or("--socket needs a path")?.into(),
            Some(option) => match option.strip_prefix("socket=") {
                Some(path) => options.socket = path.into(),
                None => return Err(format!("unknown option {word}")),
            },
            None => options.words.push(word),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> ExitCode {
    match grammar::parse(commands::ALL, &options.words) {
        Ok(matched) => match commands::action(&matched) {
            Action::Ask(request, look) => ask(options, &request, look),
            Action::Check(path) => check(&path, options.json),
            Action::SetMasterKey(typed) => order(
                options,
                is_set(options).and_then(|is_set| master::set(&mut master::Terminal, is_set, typed)),
            ),
            Action::DropMasterKey => order(options, master::delete(&mut master::Terminal)),
        },
        Err(Fault::Help(text)) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(Fault::Wrong(text)) => {
            eprint!("{text}");
            ExitCode::from(2)
        }
    }
}

/// Carries out what was made of questions to the operator.
fn order(options: &Options, request: Result<Request, String>) -> ExitCode {
    match request {
        Ok(request) => ask(options, &request, Look::Plain),
        Err(fault) => {
            eprintln!("onramp: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Whether there is a master key.
fn is_set(options: &Options) -> Result<bool, String> {
    match client::ask(&options.socket, &Request::ShowMasterKey) {
        Ok(Response::MasterKey { is_set }) => Ok(is_set),
        Ok(_) => Err("an answer of another version of onrampd".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    }
}

fn ask(options: &Options, request: &Request, look: Look) -> ExitCode {
    let response = match client::ask_all(&options.socket, request) {
        Ok(response) => response,
        Err(error) => {
            eprintln!("onramp: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let failed = matches!(response, Response::Failed { .. });
    if options.json {
        match serde_json::to_string_pretty(&response) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => eprintln!("onramp: {error}"),
        }
    } else {
        let text = show::render(request, &response, look);
        if failed { eprint!("{text}") } else { say(&text) }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whoever reads it may have read enough: `onramp show … | head`.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = said.or_else(enough) {
        eprintln!("onramp: {error}");
    }
}

fn enough(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

/// Looks at a configuration file alone; nothing of the network or the daemon is touched.
fn check(path: &Path, json: bool) -> ExitCode {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| error.to_string());
    let text = match bytes.and_then(config::text) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("onramp: {file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (faulty, findings) = match config::parse(&text) {
        Ok(parsed) => (false, parsed.warnings),
        Err(findings) => (true, findings),
    };
    if json {
        say(&format!("{:#}\n", show::findings(&findings)));
    } else {
        say(&config::report(&file, &text, &findings));
        say(&format!("{file}: {}\n", show::verdict(&findings)));
    }
    if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        options(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_may_stand_anywhere_among_the_words() {
        let options = read("show --json drops --socket /tmp/x").ok().unwrap();
        assert!(options.json);
        assert_eq!(options.words, ["show", "drops"]);
        assert_eq!(options.socket, PathBuf::from("/tmp/x"));
    }

    #[test]
    fn an_option_nobody_knows_is_named() {
        assert_eq!(read("--frob show").err(), Some("unknown option --frob".to_owned()));
    }
}
