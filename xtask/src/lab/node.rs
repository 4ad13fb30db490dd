//! A node of a lab: namespaces of its own for network, mounts and processes, or a user-mode Linux in them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::console::Console;
use super::topology::Spec;

/// Lives as long as this value: the first process of its namespaces waits for its standard input, a pipe from us, to
/// close; with it everything in the node ends, however we end.
pub(crate) struct Node {
    pub(crate) name: String,
    spec: Spec,
    first: Child,
    /// The shell in user-mode Linux.
    console: Option<Mutex<Console>>,
}

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    /// Standard output and error.
    pub(crate) text: String,
}

impl Node {
    /// Makes the namespaces, with the directories that `binds` name mounted.
    pub(crate) fn create(name: &str, spec: &Spec, directory: &Path) -> Result<Self> {
        let mut first = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec"])
            .arg(first_process(spec, directory)?)
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let mut line = String::new();
        let output = first.stdout.take().context("no pipe")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line == "ready\n", "node {name} did not start; are we root?");
        Ok(Self { name: name.to_owned(), spec: spec.clone(), first, console: None })
    }

    /// Boots user-mode Linux where the node asks for it; `ports` become its interfaces. Takes some seconds.
    pub(crate) fn boot(&mut self, init: &Path, ports: &[String]) -> Result<()> {
        if self.spec.own_kernel() {
            self.outside(&bridges(ports))?;
            let console = Console::boot(self.enter(&self.kernel(init, ports)?))
                .with_context(|| format!("user-mode Linux of {} does not boot", self.name))?;
            self.console = Some(Mutex::new(console));
        }
        Ok(())
    }

    /// Whether it is a PE that forwards with its kernel.
    pub(crate) fn forwards_by_kernel(&self) -> bool {
        self.spec.is_pe() && self.console.is_some()
    }

    /// Starts what the node runs for its whole life; its output is in `/run/cmd.log`.
    pub(crate) fn start(&self) -> Result<()> {
        let Some(command) = &self.spec.cmd else { return Ok(()) };
        let daemon = format!(
            "setsid sh -c {} >>/run/cmd.log 2>&1 </dev/null & echo $! >/run/cmd.pid",
            quote(&format!("{UNCONFINED} exec {command}"))
        );
        self.demand(&daemon).map(drop)
    }

    /// Ends it without a word, as a crash would.
    pub(crate) fn kill(&self) -> Result<()> {
        self.end("KILL")
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(&self) -> Result<()> {
        self.end("TERM")
    }

    fn end(&self, signal: &str) -> Result<()> {
        let gone = "while kill -0 $(cat /run/cmd.pid) 2>/dev/null; do sleep 0.02; done";
        self.demand(&format!("kill -{signal} $(cat /run/cmd.pid); {gone}")).map(drop)
    }

    pub(crate) fn exec(&self) -> Result<()> {
        self.spec.exec.iter().try_for_each(|command| self.demand(command).map(drop))
    }

    /// What the node's own command has written so far.
    pub(crate) fn log(&self) -> Result<String> {
        self.demand("cat /run/cmd.log 2>/dev/null || true")
    }

    /// Runs a shell command in the node, at most three minutes.
    pub(crate) fn run(&self, command: &str) -> Result<Outcome> {
        let script = self.script(command);
        match &self.console {
            Some(console) => console.lock().unwrap_or_else(PoisonError::into_inner).run(&script),
            None => self.run_outside(&script, &[]),
        }
    }

    /// The same, and an error if it fails.
    pub(crate) fn demand(&self, command: &str) -> Result<String> {
        let outcome = self.run(command)?;
        if !outcome.success {
            bail!("{}: {command}: {}", self.name, outcome.text.trim());
        }
        Ok(outcome.text)
    }

    /// Runs it in the node's own kernel and prints each line as it comes, for as long as it takes; whether it succeeded.
    pub(crate) fn stream(&self, command: &str) -> Result<bool> {
        let console =
            self.console.as_ref().with_context(|| format!("{} has no kernel of its own", self.name))?;
        console.lock().unwrap_or_else(PoisonError::into_inner).stream(command, |line| print!("{line}"))
    }

    /// Runs in the namespaces, also where the node has a kernel of its own inside: for its cables.
    pub(crate) fn outside(&self, command: &str) -> Result<String> {
        self.feed(command, &[])
    }

    /// The same with bytes for the command's standard input.
    pub(crate) fn feed(&self, command: &str, input: &[u8]) -> Result<String> {
        let outcome = self.run_outside(command, input)?;
        ensure!(outcome.success, "{}: {command}: {}", self.name, outcome.text.trim());
        Ok(outcome.text)
    }

    /// The process whose namespaces these are.
    pub(crate) fn pid(&self) -> u32 {
        self.first.id()
    }

    fn script(&self, command: &str) -> String {
        let exports = self.spec.env.iter().map(|(name, value)| format!("export {name}={}; ", quote(value)));
        format!(
            "timeout 180 sh -c {}",
            quote(&(format!("{}{UNCONFINED} {command}", exports.collect::<String>())))
        )
    }

    /// The command line of user-mode Linux: the root is our own view of the host's files, and the console that we hold is
    /// its first terminal. No two nodes have a link address in common.
    fn kernel(&self, init: &Path, ports: &[String]) -> Result<String> {
        let [_, a, b, c] = self.pid().to_be_bytes();
        let vectors = ports.iter().enumerate().map(|(number, port)| {
            format!(" vec{number}:transport=tap,ifname=tap-{port},depth=64,mac=02:{a:02x}:{b:02x}:{c:02x}:{number:02x}:01")
        });
        let modules = match self.spec.own_modules() {
            true => format!(" MODULES={}", quote(&crate::modules::home()?.to_string_lossy())),
            false => String::new(),
        };
        Ok(format!(
            "TMPDIR=/dev/shm exec linux.uml mem={} uml_dir=/run/uml umid=node root=/dev/root rootfstype=hostfs \
             rootflags=/ rw init={} con=null con0=null con1=fd:0,fd:1 quiet PROGRAMS={}{modules}{} 2>/run/kernel.log",
            self.spec.memory(),
            quote(&init.to_string_lossy()),
            quote(&crate::build::programs().to_string_lossy()),
            vectors.collect::<String>()
        ))
    }

    fn run_outside(&self, command: &str, input: &[u8]) -> Result<Outcome> {
        let mut shell = self.enter(&format!("exec 2>&1; {command}"));
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("no pipe")?.write_all(input)?;
        let output = child.wait_with_output()?;
        Ok(Outcome {
            success: output.status.success(),
            text: String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
        })
    }

    fn enter(&self, script: &str) -> Command {
        let of = |kind: &str| format!("/proc/{}/ns/{kind}", self.pid());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", of("net")))
            .arg(format!("--mount={}", of("mnt")))
            .arg(format!("--pid={}", of("pid_for_children")))
            .args(["--wd=/", "sh", "-c", script])
            .env("PATH", search_path());
        command
    }
}

/// Debian's AppArmor rules would keep strongSwan from the files of a lab. The next program that the shell or a child of
/// it starts goes without; where there is no AppArmor, nothing happens.
const UNCONFINED: &str = "{ echo exec unconfined >/proc/self/attr/apparmor/exec; } 2>/dev/null;";

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.console.take());
        drop(self.first.stdin.take());
        // Its namespaces end with it; should it hang, `--kill-child` does the rest.
        let _ = self.first.wait();
    }
}

/// `text` as one word of a shell.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Mounts, then waits. It is process 1 here, so it also buries orphans: `wait` of a shell does.
fn first_process(spec: &Spec, directory: &Path) -> Result<String> {
    let mut script = "mount -t sysfs sys /sys; mount -t tmpfs run /run; ".to_owned();
    for bind in &spec.binds {
        let mut parts = bind.split(':');
        let (source, target) =
            parts.next().zip(parts.next()).ok_or_else(|| anyhow!("bind {bind}: no target"))?;
        let source = directory.join(source);
        script += &format!("mount --bind {} {}; ", quote(&source.to_string_lossy()), quote(target));
    }
    Ok(script + "ip link set lo up; exec 3<&0; echo ready; cat <&3 >/dev/null & wait $!")
}

/// A bridge for each port: its cable on one side, a TAP for user-mode Linux on the other.
fn bridges(ports: &[String]) -> String {
    let bridge = |port: &String| {
        format!(
            "ip link add br-{port} type bridge mcast_snooping 0 && ip tuntap add tap-{port} mode tap \
             && ip link set {port} master br-{port} && ip link set tap-{port} master br-{port} \
             && ip link set tap-{port} up && ip link set br-{port} up"
        )
    };
    ports.iter().map(bridge).collect::<Vec<_>>().join(" && ")
}

/// Our own programs first, then the places of Debian's.
fn search_path() -> String {
    let own = crate::build::programs();
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", own.display())
}
