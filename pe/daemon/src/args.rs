//! What `onrampd` is told on its command line.

use std::path::PathBuf;

use crate::io::hold;

pub(crate) const USAGE: &str = "\
usage: onrampd --config FILE [--port NAME=DEV]... [--control PATH] [--log-format text|json] [--log LEVEL]
               [--keep-forwarding] [--check]

  --config FILE        the configuration, read at start and at each SIGHUP or `onramp reload`
  --port NAME=DEV      interface NAME of the configuration is the Linux device DEV
  --control PATH       the socket that `onramp` talks to (default /run/onramp/onramp.sock)
  --log-format FORMAT  text (default) or json, one line an event, on standard error
  --log LEVEL          error, warn, info (default), debug or trace
  --keep-forwarding    at the end, leave SAs and routes to the kernel and tell no peer: a restart takes them over
                       (with `dataplane linux`)
  --check              report the configuration's faults and end, without touching the network
";

/// One run of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) config: PathBuf,
    /// Interface name and Linux device.
    pub(crate) ports: Vec<(String, String)>,
    pub(crate) control: PathBuf,
    pub(crate) json: bool,
    pub(crate) level: String,
    pub(crate) keep_forwarding: bool,
    pub(crate) check: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Run(Args),
    /// Not for people: a holder of sockets (`io/hold.rs`).
    Hold(PathBuf),
    Help,
    Version,
}

/// Reads the words after the program's name; the error says which word is wrong.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Invocation, String> {
    let mut words = words.into_iter();
    let mut config = None;
    let mut args = Args {
        config: PathBuf::new(),
        ports: Vec::new(),
        control: PathBuf::from("/run/onramp/onramp.sock"),
        json: false,
        level: "info".to_owned(),
        keep_forwarding: false,
        check: false,
    };
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value =
            || value.clone().or_else(|| words.next()).ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--config" => config = Some(PathBuf::from(value()?)),
            "--port" => args.ports.push(port(&value()?)?),
            "--control" => args.control = PathBuf::from(value()?),
            "--log-format" => args.json = json(&value()?)?,
            "--log" => args.level = level(&value()?)?,
            "--keep-forwarding" => args.keep_forwarding = true,
            "--check" => args.check = true,
            hold::OPTION => return Ok(Invocation::Hold(PathBuf::from(value()?))),
            "--help" | "-h" => return Ok(Invocation::Help),
            "--version" | "-V" => return Ok(Invocation::Version),
            unknown => return Err(format!("unknown option {unknown}")),
        }
    }
    args.config = config.ok_or("--config FILE is missing")?;
    Ok(Invocation::Run(args))
}

fn port(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, device)) if !name.is_empty() && !device.is_empty() => {
            Ok((name.to_owned(), device.to_owned()))
        }
        Some(_) | None => Err(format!("--port wants NAME=DEV, not {text:?}")),
    }
}

fn json(text: &str) -> Result<bool, String> {
    match text {
        "json" => Ok(true),
        "text" => Ok(false),
        other => Err(format!("--log-format is text or json, not {other:?}")),
    }
}

fn level(text: &str) -> Result<String, String> {
    match text {
        "error" | "warn" | "info" | "debug" | "trace" => Ok(text.to_owned()),
        other => Err(format!("--log is error, warn, info, debug or trace, not {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Invocation, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_is_read_with_a_space_or_an_equals_sign() {
        let Ok(Invocation::Run(args)) = run(
            "--config=a.conf --port Gi0/0=eth0 --port=Gi0/1=eth1 --control /tmp/s --log-format json --log=debug --keep-forwarding --check",
        ) else {
            panic!("refused")
        };
        assert_eq!(args.config, PathBuf::from("a.conf"));
        assert_eq!(args.ports, [("Gi0/0".into(), "eth0".into()), ("Gi0/1".into(), "eth1".into())]);
        assert_eq!(
            (args.control, args.json, args.level, args.keep_forwarding, args.check),
            ("/tmp/s".into(), true, "debug".into(), true, true)
        );
    }

    #[test]
    fn a_wrong_word_is_named() {
        assert_eq!(run("--config a --frob"), Err("unknown option --frob".into()));
        assert_eq!(run("--config"), Err("--config needs a value".into()));
        assert_eq!(run("--check"), Err("--config FILE is missing".into()));
        assert_eq!(run("--config a --port eth0"), Err("--port wants NAME=DEV, not \"eth0\"".into()));
        assert!(run("--config a --log loud").is_err());
    }
}
