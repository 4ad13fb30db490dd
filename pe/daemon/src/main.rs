//! `onrampd`: the box at work. Sockets, threads, files and signals around `pe` and a dataplane.
#![forbid(unsafe_code)]

mod args;
mod control;
mod fatal;
mod file;
mod host;
mod io;
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
use std::thread::Builder;

use anyhow::{Context as _, anyhow};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tracing::{error, info, warn};

use args::{Args, Invocation};
use control::{Beside, Control};
use file::{Loaded, Source};
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
    fatal::end_on_panic();
    match serve(&args, source, loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args, source: Source, loaded: Loaded) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut net = io::Net::open(&args.control).await?;
        let (queue, arrivals) = queue::queue();
        let (errands, waiting) = mpsc::channel(ERRANDS);
        let names = Arc::new(Names::default());
        let validator = Arc::new(Validator::new(names::resolve));
        let judge = Arc::clone(&validator);
        let validate = Arc::new(move |request: &pki::Request| judge.validate(request));
        let workers = Workers::start(&queue, validate, Arc::clone(&names)).context("the worker threads")?;
        let beside = Beside { workers, validator, names };
        let engine = pe::Pe::new(seed().context("/dev/urandom")?);
        let devices = std::mem::take(&mut net.devices);
        let dataplane = dp_user::User::start(dp_user::nic::open).context("the packet thread")?;
        let box_itself = Control::new(engine, dataplane, source, arrivals, errands, beside);
        let control = Builder::new()
            .name("control".to_owned())
            .spawn(move || box_itself.run(devices, loaded))
            .context("the control thread")?;
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        net.run(queue, waiting).await?;
        // The errands end with the control thread, so this does not wait.
        let ended = control.join().map_err(|_| anyhow!("the control thread died"))?;
        if let Err(error) = std::fs::remove_file(&args.control) {
            warn!("control socket: {error}");
        }
        info!("stopped; the guard rules stay, so that nothing is forwarded in clear");
        ended.map_err(anyhow::Error::msg)
    })
}

fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}
