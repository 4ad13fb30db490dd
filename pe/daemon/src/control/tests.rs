//! The loop with an engine and a dataplane that do what they are told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, UdpSocket};
use std::rc::Rc;

use base::{PolicyId, SaId, VrfId};
use config::Config;
use config::model::Backend;
use dataplane::{Counters, Facts, Object, Rejected, TtlModel, Vrf};

use super::*;
use crate::io::sockets::tests::{opened, place};
use crate::queue::Queue;
use crate::queue::tests::queue;

#[derive(Default)]
struct Seen {
    inputs: Vec<String>,
    outputs: VecDeque<Output>,
    applied: Vec<usize>,
    events: VecDeque<Event>,
}

struct Scripted(Rc<RefCell<Seen>>);

impl Engine for Scripted {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, _: base::Instant, input: Input) {
        let mut seen = self.0.borrow_mut();
        let name = match input {
            Input::Configure(config, _) => {
                let answer = match config.hostname.as_deref() {
                    Some("bad") => Err("no such device".to_owned()),
                    _ => Ok(Summary { ops: 3 }),
                };
                let keys = [Key::Sa(SaId(1)), Key::Vrf(VrfId(1)), Key::Policy(PolicyId(1))];
                seen.outputs.push_back(Output::Apply(keys.map(Op::Unset).to_vec()));
                seen.outputs.push_back(Output::Configured(answer));
                "configure"
            }
            Input::Request(id, api::Request::Reload) => {
                seen.outputs.push_back(Output::Reload(id));
                "reload"
            }
            Input::Request(id, _) => {
                seen.outputs.push_back(Output::Reply(id, api::Response::Done { count: 1 }));
                "request"
            }
            Input::Counters(_) => "counters",
            Input::Stream(..) => "stream",
            Input::Hello(_) => "hello",
            Input::Bfd(_) => "bfd",
            Input::Kept(_) => "kept",
            Input::Resumed => "resumed",
            Input::Event(_) => "event",
            Input::Ike(datagram) => {
                seen.outputs.push_back(Output::Ike(datagram));
                seen.outputs.push_back(Output::Apply(vec![Op::Unset(Key::Vrf(VrfId(1))); 2]));
                "ike"
            }
            Input::Close => {
                seen.outputs.push_back(Output::Apply(vec![Op::Unset(Key::Sa(SaId(1)))]));
                "close"
            }
            Input::Answer(..) => "answer",
            Input::Load(_) => "load",
            Input::Device(_) | Input::DeviceGone(_) | Input::Neighbour { .. } => "kernel",
        };
        seen.inputs.push(name.to_owned());
    }

    fn tick(&mut self, _: base::Instant) {}

    fn poll(&mut self) -> Option<Output> {
        self.0.borrow_mut().outputs.pop_front()
    }

    fn deadline(&self) -> Option<base::Instant> {
        None
    }
}

/// Refuses the second op of a list of three.
struct Picky(Rc<RefCell<Seen>>, bool);

impl Dataplane for Picky {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>> {
        self.0.borrow_mut().applied.push(ops.len());
        match ops.len() {
            3 if self.1 => Err(vec![Rejected { index: 1, reason: "no such port".to_owned() }]),
            _ => Ok(()),
        }
    }

    fn facts(&self) -> Facts {
        Facts { backend: "picky", ..Facts::default() }
    }

    fn poll(&mut self) -> Option<Event> {
        self.0.borrow_mut().events.pop_front()
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn read(&mut self, question: u64, sas: &[SaId]) {
        self.0.borrow_mut().events.push_back(Event::Counted(question, vec![None; sas.len()]));
    }
}

struct Bench {
    seen: Rc<RefCell<Seen>>,
    control: Control<Scripted, Picky>,
    queue: Queue,
    errands: mpsc::Receiver<Errand>,
}

fn bench(path: &str, picky: bool) -> Bench {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let (queue, arrivals) = queue();
    let (sender, errands) = mpsc::channel(64);
    let refuse = |_: &pki::Request| Err(pki::Refusal { what: "unknown-ca", detail: String::new() });
    let workers = Workers::start(&queue, Arc::new(refuse), Arc::default()).unwrap();
    let validator = Arc::new(Validator::new(|_| Vec::new()));
    let (names, sockets) = (Arc::default(), Sockets::new().unwrap());
    let beside = Beside { workers, validator, names, sockets, keeps_forwarding: false };
    let source = Source { path: path.into(), ports: Vec::new() };
    let (engine, dataplane) = (Scripted(Rc::clone(&seen)), Picky(Rc::clone(&seen), picky));
    Bench { seen, control: Control::new(engine, dataplane, source, arrivals, sender, beside), queue, errands }
}

fn config(hostname: &str) -> Loaded {
    let config = Config { hostname: Some(hostname.to_owned()), ..Config::default() };
    Loaded { config: Arc::new(config), trustpoints: pe::Trustpoints::default(), warnings: String::new() }
}

fn linux() -> Loaded {
    let config = Config { dataplane: Backend::Linux, ..Config::default() };
    Loaded { config: Arc::new(config), ..self::config("pe") }
}

#[test]
fn a_stop_clears_every_session() {
    let mut bench = bench("/nonexistent", false);
    bench.queue.send_blocking(Arrival::Stop(None));
    assert_eq!(bench.control.run(Vec::new(), config("pe")), Ok(()));
    assert_eq!(bench.seen.borrow().inputs, ["configure", "request", "request", "request"]);
    assert!(matches!(bench.errands.try_recv(), Ok(Errand::Ready)));
}

#[test]
fn at_a_stop_the_kernel_loses_what_it_forwards_by() {
    let bench = bench("/nonexistent", false);
    bench.queue.send_blocking(Arrival::Stop(None));
    assert_eq!(bench.control.run(Vec::new(), linux()), Ok(()));
    assert_eq!(bench.seen.borrow().inputs, ["configure", "request", "request", "request", "close"]);
    assert_eq!(bench.seen.borrow().applied, [3, 1]);
}

#[test]
fn where_the_kernel_is_to_forward_on_a_stop_takes_nothing_away_and_tells_nobody() {
    let mut bench = bench("/nonexistent", false);
    bench.control.beside.keeps_forwarding = true;
    bench.queue.send_blocking(Arrival::Stop(None));
    assert_eq!(bench.control.run(Vec::new(), linux()), Ok(()));
    assert_eq!(bench.seen.borrow().inputs, ["configure"]);
    assert_eq!(bench.seen.borrow().applied, [3]);
}

#[test]
fn another_dataplane_needs_a_restart() {
    let path = std::env::temp_dir().join(format!("onrampd-dataplane-{}.conf", std::process::id()));
    std::fs::write(&path, "dataplane linux\n").unwrap();
    let mut bench = bench(path.to_str().unwrap(), false);
    let api::Response::Failed { error, hint } = bench.control.reload() else { panic!("not refused") };
    std::fs::remove_file(&path).unwrap();
    assert!(error.contains("another dataplane") && hint.unwrap().contains("restart"), "{error}");
    assert!(bench.seen.borrow().inputs.is_empty());
}

#[test]
fn what_the_dataplane_refused_is_asked_for_again_at_a_reload() {
    let mut bench = bench("/nonexistent", true);
    bench.control.configure(config("pe")).unwrap_err();
    let api::Dataplane { refused, .. } = bench.control.facts();
    assert_eq!(refused, ["no such port"]);
    bench.control.configure(config("pe")).unwrap_err();
    assert_eq!(bench.seen.borrow().applied, [3, 1, 3], "the refused one alone comes again, then the news");
}

#[test]
fn a_first_configuration_that_is_refused_ends_the_run_with_its_reason() {
    let bench = bench("/nonexistent", false);
    assert_eq!(bench.control.run(Vec::new(), config("bad")), Err("no such device".to_owned()));
}

#[test]
fn a_refusal_is_told_until_its_object_is_set_with_success_or_goes() {
    let mut bench = bench("/nonexistent", true);
    let refusal = bench.control.configure(config("pe")).unwrap_err();
    assert_eq!(refusal, "the dataplane refuses: no such port");
    bench.control.apply(&[Op::Unset(Key::Vrf(VrfId(2)))]);
    assert_eq!(bench.control.refused.len(), 1, "another's success says nothing");
    bench.control.apply(&[Op::Set(Object::Vrf(Vrf { id: VrfId(1), name: None, ttl: TtlModel::Pipe }))]);
    assert!(bench.control.refused.is_empty());
    assert_eq!(bench.seen.borrow().applied, [3, 1, 1]);
}

#[test]
fn counters_come_before_each_request_and_the_answer_reaches_who_asked() {
    let mut bench = bench("/nonexistent", false);
    let (reply, mut answer) = oneshot::channel();
    bench.control.take(Arrival::Request(api::Request::ShowDrops, reply));
    assert_eq!(bench.seen.borrow().inputs, ["counters", "request"]);
    assert_eq!(answer.try_recv(), Ok(api::Response::Done { count: 1 }));
}

#[test]
fn a_reload_of_a_file_that_is_not_there_configures_nothing_and_says_so() {
    let mut bench = bench("/nonexistent/pe.conf", false);
    let (reply, mut answer) = oneshot::channel();
    bench.control.take(Arrival::Request(api::Request::Reload, reply));
    let Ok(api::Response::Failed { error, hint }) = answer.try_recv() else { panic!("not refused") };
    assert!(error.contains("/nonexistent/pe.conf"), "{error}");
    assert!(hint.unwrap().contains("nothing was changed"));
    assert!(!bench.seen.borrow().inputs.contains(&"configure".to_owned()));
}

#[test]
fn a_neighbour_that_the_dataplane_wants_is_asked_of_the_kernel() {
    let mut bench = bench("/nonexistent", false);
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    bench.seen.borrow_mut().events.push_back(Event::Resolve(PortId(4), address));
    bench.control.dataplane_events();
    let Ok(Errand::Resolve(port, asked)) = bench.errands.try_recv() else { panic!("nobody asked") };
    assert_eq!((port, asked), (PortId(4), address));
    assert_eq!(bench.seen.borrow().inputs, ["event"]);
}

#[test]
fn what_arrives_together_changes_the_dataplane_once_and_before_any_peer_hears_of_it() {
    let mut bench = bench("/nonexistent", false);
    let (sockets, ports) = opened([place(0, 500, false)]);
    bench.control.beside.sockets = sockets;
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    assert!((0..3).all(|_| peer.send_to(&[7], ports[0]).is_ok()));
    assert_eq!(bench.control.burst(), None);
    peer.recv(&mut [0; 8]).unwrap_err();
    assert!(bench.seen.borrow().applied.is_empty());
    bench.control.flush();
    assert_eq!(bench.seen.borrow().applied, [6]);
    assert!((0..3).all(|_| peer.recv(&mut [0; 8]).is_ok_and(|length| length == 1)));
}

#[test]
fn what_sas_counted_comes_back_as_an_event() {
    let mut bench = bench("/nonexistent", false);
    bench.seen.borrow_mut().outputs.push_back(Output::Read(9, vec![SaId(1), SaId(2)]));
    bench.control.drain();
    bench.control.dataplane_events();
    assert_eq!(bench.seen.borrow().inputs, ["event"]);
}
