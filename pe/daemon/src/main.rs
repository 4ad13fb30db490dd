//! `onrampd`: the box at work. Sockets, threads, files and signals around `pe` and a dataplane.
#![forbid(unsafe_code)]

mod args;
mod control;
mod fatal;
mod file;
mod host;
mod io;
mod kept;
mod load;
mod log;
mod master;
mod names;
mod queue;
mod validate;
mod worker;

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, anyhow, bail};
use config::model::Backend;
use dataplane::Dataplane;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tracing::{error, info, warn};

use args::{Args, Invocation};
use control::{Beside, Control};
use file::{Loaded, Source};
use io::hold;
use io::sockets::Sockets;
use names::Names;
use validate::Validator;
use worker::Workers;

/// Errands that wait for the network thread.
const ERRANDS: usize = 4096;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Invocation::Help) => print!("{}", args::USAGE),
        Ok(Invocation::Version) => println!("onrampd {}", env!("CARGO_PKG_VERSION")),
        Ok(Invocation::Run(args)) => return run(args),
        Ok(Invocation::Hold(place)) => return ExitCode::from(u8::from(hold::serve(&place).is_err())),
        Err(fault) => {
            eprint!("onrampd: {fault}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(args: Args) -> ExitCode {
    let source = Source { path: args.config.clone(), ports: args.ports.clone() };
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::FAILURE;
        }
    };
    if !loaded.warnings.is_empty() {
        eprintln!("{}", loaded.warnings);
    }
    if args.check {
        return ExitCode::SUCCESS;
    }
    log::start(args.json, &args.level);
    fatal::end_on_panic(unattended(loaded.config.dataplane));
    match serve(&args, source, loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args, source: Source, loaded: Loaded) -> anyhow::Result<()> {
    if args.keep_forwarding && loaded.config.dataplane == Backend::User {
        bail!("--keep-forwarding is for `dataplane linux`: the userspace dataplane ends with the daemon");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut net = io::Net::open(&args.control).await?;
        let sockets = Sockets::new().context("the sockets of IKE")?;
        let (queue, arrivals) = queue::queue(sockets.waker());
        let (errands, waiting) = mpsc::channel(ERRANDS);
        let names = Arc::new(Names::default());
        let validator = Arc::new(Validator::new(names::resolve));
        let judge = Arc::clone(&validator);
        let validate = Arc::new(move |request: &pki::Request| judge.validate(request));
        let workers = Workers::start(&queue, validate, Arc::clone(&names)).context("the worker threads")?;
        let backend = loaded.config.dataplane;
        let beside = Beside {
            workers,
            validator,
            names,
            sockets: sockets.clone(),
            keeps_forwarding: args.keep_forwarding,
        };
        let engine = pe::Pe::new(seed().context("/dev/urandom")?);
        let devices = std::mem::take(&mut net.devices);
        let control = match backend {
            Backend::User => {
                let user = dp_user::User::start(dp_user::nic::open).context("the packet thread")?;
                start(Control::new(engine, user, source, arrivals, errands, beside), devices, loaded)
            }
            Backend::Linux => {
                let linux =
                    dp_linux::Linux::start().map_err(anyhow::Error::msg).context("dataplane linux")?;
                start(Control::new(engine, linux, source, arrivals, errands, beside), devices, loaded)
            }
        };
        let control = control.context("the control thread")?;
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        net.run(queue, waiting, sockets).await?;
        // The errands end with the control thread, so this does not wait.
        let ended = control.join().map_err(|_| anyhow!("the control thread died"))?;
        if let Err(error) = std::fs::remove_file(&args.control) {
            warn!("control socket: {error}");
        }
        if !args.keep_forwarding {
            hold::release(&hold::place(&args.control));
        }
        let left = if args.keep_forwarding { unattended(backend) } else { stopped(backend) };
        info!("stopped; {left}");
        ended.map_err(anyhow::Error::msg)
    })
}

fn start<D: Dataplane + Send + 'static>(
    control: Control<pe::Pe, D>,
    devices: Vec<pe::Device>,
    loaded: Loaded,
) -> std::io::Result<JoinHandle<Result<(), String>>> {
    Builder::new().name("control".to_owned()).spawn(move || control.run(devices, loaded))
}

/// What goes on where the daemon ends and nothing is taken away.
const fn unattended(backend: Backend) -> &'static str {
    match backend {
        Backend::User => "the guard rules stay, so that nothing is forwarded in clear",
        Backend::Linux => "the kernel forwards on",
    }
}

const fn stopped(backend: Backend) -> &'static str {
    match backend {
        Backend::User => unattended(backend),
        Backend::Linux => "the kernel's policies stay, so that nothing is forwarded in clear",
    }
}

fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}
