//! `key config-key password-encryption`: asks for the master keys that IOS would ask for, unseen.

use std::io::{BufRead as _, Write as _};
use std::process::{Command, Stdio};

use api::{Hidden, Request};

/// Whoever answers questions on a terminal.
pub(crate) trait Console {
    /// A line that is not shown while it is typed.
    fn secret(&mut self, question: &str) -> Result<String, String>;
    /// A line that is.
    fn line(&mut self, question: &str) -> Result<String, String>;
}

const LEAST: usize = 8;

/// The order to set a master key (T6-01): the old key is asked for where there is one, the new one where it
/// was not typed with the command.
pub(crate) fn set(
    console: &mut impl Console,
    is_set: bool,
    typed: Option<Hidden>,
) -> Result<Request, String> {
    let old = if is_set { Some(Hidden(console.secret("Old key: ")?)) } else { None };
    let new = match typed {
        Some(new) => new,
        None => {
            let new = console.secret("New key: ")?;
            if console.secret("Confirm key: ")? != new {
                return Err("the two keys differ; nothing was changed".to_owned());
            }
            Hidden(new)
        }
    };
    if new.0.chars().count() < LEAST {
        return Err(format!("a master key has at least {LEAST} characters; nothing was changed"));
    }
    Ok(Request::MasterKey { old, new: Some(new) })
}

/// The order to delete it, once the operator has said yes (T6-04).
pub(crate) fn delete(console: &mut impl Console) -> Result<Request, String> {
    let question = "WARNING: all keys of type 6 in the configuration will be of no use\n\
                    Continue with master key deletion? [yes/no]: ";
    match console.line(question)?.trim() {
        "yes" | "y" => Ok(Request::MasterKey { old: None, new: None }),
        _ => Err("the master key stays".to_owned()),
    }
}

/// The terminal, or whatever standard input is.
pub(crate) struct Terminal;

impl Console for Terminal {
    fn secret(&mut self, question: &str) -> Result<String, String> {
        let hidden = echo("-echo");
        let line = self.line(question);
        if hidden {
            echo("echo");
            eprintln!();
        }
        line
    }

    fn line(&mut self, question: &str) -> Result<String, String> {
        eprint!("{question}");
        std::io::stderr().flush().map_err(|error| error.to_string())?;
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) => Err("no answer".to_owned()),
            Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether standard input is a terminal that obeyed.
fn echo(word: &str) -> bool {
    let stty = Command::new("stty").arg(word).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    stty.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Vec<(&'static str, &'static str)>);

    impl Console for Script {
        fn secret(&mut self, question: &str) -> Result<String, String> {
            self.line(question)
        }

        fn line(&mut self, question: &str) -> Result<String, String> {
            let (wanted, answer) = self.0.remove(0);
            assert!(question.ends_with(wanted), "{question}");
            Ok(answer.to_owned())
        }
    }

    fn hidden(text: &str) -> Option<Hidden> {
        Some(Hidden(text.to_owned()))
    }

    #[test]
    fn what_is_asked_for_depends_on_what_is_there_and_what_was_typed() {
        let (old, new) = (("Old key: ", "old-master"), ("New key: ", "new-master"));
        let again = ("Confirm key: ", "new-master");
        for (is_set, typed, script) in [
            (false, hidden("new-master"), vec![]),
            (true, hidden("new-master"), vec![old]),
            (false, None, vec![new, again]),
            (true, None, vec![old, new, again]),
        ] {
            let request = set(&mut Script(script), is_set, typed).unwrap();
            let old = if is_set { hidden("old-master") } else { None };
            assert_eq!(request, Request::MasterKey { old, new: hidden("new-master") });
        }
    }

    #[test]
    fn a_short_key_or_two_that_differ_change_nothing() {
        assert!(set(&mut Script(vec![]), false, hidden("short")).unwrap_err().contains("8 characters"));
        let script = vec![("New key: ", "new-master"), ("Confirm key: ", "other")];
        assert!(set(&mut Script(script), false, None).unwrap_err().contains("differ"));
    }

    #[test]
    fn only_a_yes_deletes_the_master_key() {
        let answer = |answer| delete(&mut Script(vec![("[yes/no]: ", answer)]));
        assert_eq!(answer("yes"), Ok(Request::MasterKey { old: None, new: None }));
        assert!(answer("no").is_err() && answer("").is_err());
    }
}
