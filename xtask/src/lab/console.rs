//! The shell inside user-mode Linux, spoken to over its console.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::node::Outcome;

/// Runs one command at a time. The kernel ends with this value.
pub(crate) struct Console {
    kernel: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Ends what a command prints; its exit status follows.
const END: &str = "=end-of-command= ";

impl Console {
    /// Starts the kernel and waits for its shell.
    pub(crate) fn boot(mut kernel: Command) -> Result<Self> {
        let mut kernel = kernel.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = kernel.stdin.take().context("no pipe")?;
        let output = BufReader::new(kernel.stdout.take().context("no pipe")?);
        let mut console = Self { kernel, input, output };
        while console.line()?.trim() != "ready" {}
        Ok(console)
    }

    pub(crate) fn run(&mut self, script: &str) -> Result<Outcome> {
        let mut text = String::new();
        let success = self.stream(script, |line| text += line)?;
        Ok(Outcome { success, text: text.trim_end().to_owned() })
    }

    /// The same, each line as it comes; whether it succeeded.
    pub(crate) fn stream(&mut self, script: &str, mut said: impl FnMut(&str)) -> Result<bool> {
        writeln!(self.input, "{{ {script}; }} </dev/null 2>&1; status=$?; echo; echo \"{END}$status\"")?;
        loop {
            let line = self.line()?;
            if let Some(status) = line.strip_prefix(END) {
                return Ok(status.trim() == "0");
            }
            said(&line);
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        if self.output.read_until(b'\n', &mut line)? == 0 {
            bail!("the kernel ended");
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.kernel.kill();
        let _ = self.kernel.wait();
    }
}
