//! Many tunnels at once: strongSwan's load tester as a thousand gateways, and what a responder says of itself.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::node::Node;
use super::{Lab, until};

/// How the gateways of a run talk.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) version: u8,
    /// `psk` or `pubkey`.
    pub(crate) authentication: &'static str,
    pub(crate) proposal: &'static str,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) tunnels: usize,
    /// From the first message to the last tunnel.
    pub(crate) seconds: f64,
    /// The responder's processor time for all of them.
    pub(crate) processor: Duration,
    /// What the responder's memory grew by, in bytes.
    pub(crate) memory: i64,
}

/// The authority of the gateways that sign, and the responders' certificate; the load tester makes the gateways' own as
/// it goes. They lie as swanctl wants them.
pub(crate) fn prepare(out: &Path) -> Result<()> {
    let place = out.join("pki");
    for folder in ["x509", "x509ca", "private"] {
        std::fs::create_dir_all(place.join(folder))?;
    }
    std::fs::write(place.join("swanctl.conf"), "")?;
    crate::build::step(&place, "sh", &["-ec", CERTIFICATES])
}

const CERTIFICATES: &str = "\
new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 30 \"$@\"; }
new -keyout ca.key -out x509ca/ca.pem -subj '/CN=The authority of the gateways'
new -keyout private/srv.key -out x509/srv.pem -subj /CN=srv -extensions usr_cert -addext subjectAltName=DNS:srv.strongswan.org \
 -CA x509ca/ca.pem -CAkey ca.key
";

/// A program whose processor time and memory are of interest, by its number in its node.
pub(crate) struct Process<'a> {
    node: &'a Node,
}

impl<'a> Process<'a> {
    /// What the node runs for its whole life.
    pub(crate) const fn of(node: &'a Node) -> Self {
        Self { node }
    }

    /// User and system time so far.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let stat = self.node.demand("cat /proc/$(cat /run/cmd.pid)/stat")?;
        let fields: Vec<&str> = stat.rsplit_once(") ").context("not a stat line")?.1.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident bytes.
    pub(crate) fn memory(&self) -> Result<i64> {
        self.bytes("VmRSS")
    }

    /// The most bytes that ever were resident.
    pub(crate) fn largest(&self) -> Result<i64> {
        self.bytes("VmHWM")
    }

    fn bytes(&self, word: &str) -> Result<i64> {
        let line = self.node.demand(&format!("grep {word} /proc/$(cat /run/cmd.pid)/status"))?;
        let kilobytes: i64 = line.split_whitespace().nth(1).with_context(|| format!("no {word}"))?.parse()?;
        Ok(kilobytes * 1024)
    }
}

/// The driver's daemon, running: its gateways open their tunnels when told, and keep them.
pub(crate) struct Driver<'a> {
    node: &'a Node,
}

impl<'a> Driver<'a> {
    /// Starts it against the responder at this address; every gateway gets an address of its own.
    pub(crate) fn ready(lab: &'a Lab, kind: &Kind, responder: &str) -> Result<Self> {
        Self::start(lab, kind, responder, 5)
    }

    /// The same, but between a tunnel's beginning and its end its gateway says nothing.
    pub(crate) fn quiet(lab: &'a Lab, kind: &Kind, responder: &str) -> Result<Self> {
        Self::start(lab, kind, responder, 0)
    }

    fn start(lab: &'a Lab, kind: &Kind, responder: &str, dpd: u32) -> Result<Self> {
        let node = lab.node("driver")?;
        let port = if responder.starts_with("192.0.2.") { "eth1" } else { "eth2" };
        let load = format!(
            "responder = {responder}\n dpd_delay = {dpd}\n addrs_prefix = 32\n addrs {{\n {port} = 10.64.0.0/16\n }}\n"
        );
        configure(&lab.out, "driver", kind, &load)?;
        launch(node, "driver")?;
        until(10, || Ok(node.run("test -S /run/charon.ldt")?.success))
            .context("the load tester does not start")?;
        Ok(Self { node })
    }

    /// Has so many more gateways open their tunnels, one after the other without waiting.
    pub(crate) fn open(&self, count: usize) -> Result<()> {
        self.paced(count, PACE)
    }

    /// So many milliseconds lie between two of them.
    pub(crate) fn paced(&self, count: usize, pace: u32) -> Result<()> {
        let tool = crate::load_tester::home()?.join("libexec/ipsec/load-tester");
        let command = format!("{} initiate {count} {pace} >/run/open.log 2>&1 </dev/null &", tool.display());
        self.node.demand(&command).map(drop)
    }

    /// Ends the tunnel that was opened as this one, counted from 1.
    pub(crate) fn close(&self, number: usize) -> Result<()> {
        let swanctl = crate::load_tester::home()?.join("sbin/swanctl");
        let end = format!("SWANCTL_DIR=/srv/pki {} --terminate --ike-id {number}", swanctl.display());
        self.node.demand(&end).map(drop)
    }

    /// Waits until so many tunnels are up in all; how many are, and in how many seconds.
    pub(crate) fn wait(&self, count: usize, patience: Duration) -> Result<(usize, f64)> {
        let begun = Instant::now();
        loop {
            let established = self.counted("CHILD_SA .* established")?;
            if established >= count || begun.elapsed() > patience {
                return Ok((established, begun.elapsed().as_secs_f64()));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the log tells of tunnels that ended or are in doubt.
    pub(crate) fn lost(&self) -> Result<Vec<String>> {
        let words = "received DELETE for\\|giving up after\\|deleting IKE_SA";
        let lines = self.node.demand(&format!("grep '{words}' /srv/driver.log || true"))?;
        Ok(lines.lines().map(str::to_owned).collect())
    }

    fn counted(&self, words: &str) -> Result<usize> {
        Ok(self.node.demand(&format!("grep -c '{words}' /srv/driver.log || true"))?.trim().parse()?)
    }

    /// Ends it without a word to the responder.
    pub(crate) fn kill(self) -> Result<()> {
        let end = "kill -9 $(cat /run/load.pid); while kill -0 $(cat /run/load.pid) 2>/dev/null; do sleep 0.1; done; \
                   ip address flush to 10.64.0.0/16; rm -f /run/charon.*";
        self.node.demand(end).map(drop)
    }
}

/// Milliseconds between two openings.
const PACE: u32 = 1;

const FIRST: usize = 100;

/// strongSwan as responder, as what the node `theirs` runs for its life.
pub(crate) fn respond(lab: &Lab, kind: &Kind) -> Result<()> {
    configure(&lab.out, "theirs", kind, " responder = 192.0.3.1\n responder_tsr = 10.1.0.0/24\n")?;
    let node = lab.node("theirs")?;
    launch(node, "theirs")?;
    node.demand("cp /run/load.pid /run/cmd.pid")?;
    until(10, || Ok(node.run("test -S /run/charon.ldt -a -S /run/charon.vici")?.success))
        .context("strongSwan does not start")?;
    let swanctl = crate::load_tester::home()?.join("sbin/swanctl");
    node.demand(&format!("SWANCTL_DIR=/srv/pki {} --load-creds --noprompt", swanctl.display())).map(drop)
}

/// What either side of a run authenticates with. The responder's certificate is a file, as an operator has it; what its own
/// load tester would make for every tunnel is left out.
fn credentials(kind: &Kind, word: &str) -> &'static str {
    match (kind.authentication, word) {
        ("psk", _) => " preshared_key = sekret123\n",
        (_, "driver") => {
            " issuer_cert = /srv/pki/x509ca/ca.pem\n issuer_key = /srv/pki/ca.key\n digest = sha256\n \
             initiator_id = c%d-r%d.signed.example\n responder_id = srv.strongswan.org\n"
        }
        _ => {
            " issuer_cert = /dev/null\n issuer_key = /dev/null\n initiator_id = *.signed.example\n \
             responder_id = srv.strongswan.org\n"
        }
    }
}

fn configure(out: &Path, word: &str, kind: &Kind, load: &str) -> Result<()> {
    let mut text = String::new();
    let keys = credentials(kind, word);
    write!(
        text,
        "charon {{\n load = openssl random nonce aes sha1 sha2 hmac kdf pem pkcs1 pkcs8 x509 pubkey constraints socket-default \
         load-tester kernel-netlink vici\n threads = 16\n reuse_ikesa = no\n dos_protection = no\n init_limit_half_open = 0\n \
         half_open_timeout = 60\n ikesa_table_size = 4096\n ikesa_table_segments = 64\n retransmit_timeout = 2\n \
         filelog {{\n f {{\n path = /srv/{word}.log\n default = 0\n ike = {3}\n time_format = %s\n \
         time_add_ms = yes\n flush_line = yes\n }}\n }}\n plugins {{\n load-tester {{\n enable = yes\n fake_kernel = yes\n \
         version = {}\n initiator_auth = {2}\n responder_auth = {2}\n{keys} proposal = {}\n esp = aes128gcm16\n \
         initiators = 0\n \
         initiator_tsr = 10.1.0.0/24\n {load} }}\n }}\n}}\n",
        kind.version,
        kind.proposal,
        kind.authentication,
        // The driver's log counts its tunnels; a responder's would only cost it time.
        u8::from(word == "driver"),
    )?;
    std::fs::write(out.join(format!("{word}.conf")), text)?;
    Ok(())
}

fn launch(node: &Node, word: &str) -> Result<()> {
    let charon = crate::load_tester::home()?.join("libexec/ipsec/charon");
    node.demand(&format!(
        "rm -f /run/charon.*; : >/srv/{word}.log; STRONGSWAN_CONF=/srv/{word}.conf setsid {} >/srv/{word}.out 2>&1 </dev/null & \
         echo $! >/run/load.pid",
        charon.display()
    ))
    .map(drop)
}

/// One run against the responder in `node`; the tunnels stay up until the driver is killed at the end. The first few tunnels
/// are not counted: what a program sets up once is not what a tunnel costs.
pub(crate) fn run(lab: &Lab, kind: &Kind, node: &str, address: &str, count: usize) -> Result<Run> {
    let process = Process::of(lab.node(node)?);
    let driver = Driver::ready(lab, kind, address)?;
    driver.open(FIRST)?;
    driver.wait(FIRST, Duration::from_secs(10))?;
    let before = (process.memory()?, process.processor()?);
    driver.open(count)?;
    let (tunnels, seconds) = driver.wait(FIRST + count, Duration::from_secs(30 + count as u64 / 20))?;
    let tunnels = tunnels.saturating_sub(FIRST);
    let run = Run {
        tunnels,
        seconds,
        processor: process.processor()?.saturating_sub(before.1),
        memory: process.memory()? - before.0,
    };
    driver.kill()?;
    ensure!(tunnels >= count, "{tunnels} of {count} tunnels came up");
    Ok(run)
}
