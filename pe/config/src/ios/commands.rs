//! The table of commands. A row is all there is to know of a command: where it stands, its pattern,
//! what it sets, what its `no` form undoes and how it is read back for printing.

mod acl;
mod interface;
mod ipsec;
mod isakmp;
mod keyring;
mod map;
mod mpls;
mod policy;
mod profile;
mod route;
mod system;
mod vrf;

use base::Prefix;

use super::args::Args;
use super::scope::{Done, Fault, Level, Place, Scope, View};

pub(crate) type Setter = fn(&mut Scope<'_>, &Args) -> Done;
/// The command's arguments, once for each time it is printed.
pub(crate) type Getter = for<'a> fn(View<'a>) -> Option<Vec<Args>>;
/// The place that a command opens, from the place where it stands.
pub(crate) type Enter = fn(&Place, &Args) -> Result<Place, Fault>;

#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub(crate) level: Level,
    pub(crate) pattern: &'static str,
    pub(crate) action: Action,
    pub(crate) enter: Option<Enter>,
}

#[derive(Clone, Copy)]
pub(crate) enum Action {
    Set {
        set: Setter,
        unset: Setter,
        get: Getter,
    },
    /// What it asks for is always so; there is nothing to remember, and `no` is refused.
    Always,
    /// It says something to people only.
    Comment,
    /// Not supported, with what to do instead. Its `no` form asks for what is so already.
    Refuse(&'static str),
    /// `exit`: to the place above.
    Exit,
    /// `end`: to the top.
    End,
}

/// Every command, in the order in which they are printed.
pub(crate) fn all() -> Vec<Command> {
    let families = [
        system::commands(),
        vrf::commands(),
        keyring::commands(),
        policy::commands(),
        isakmp::commands(),
        profile::commands(),
        ipsec::commands(),
        map::commands(),
        interface::commands(),
        route::commands(),
        mpls::commands(),
        acl::commands(),
    ];
    families.into_iter().flatten().collect()
}

impl Command {
    const fn new(level: Level, pattern: &'static str, action: Action) -> Self {
        Self { level, pattern, action, enter: None }
    }

    const fn set(level: Level, pattern: &'static str, set: Setter, unset: Setter, get: Getter) -> Self {
        Self::new(level, pattern, Action::Set { set, unset, get })
    }

    /// Another way to say what a later row prints.
    const fn synonym(level: Level, pattern: &'static str, set: Setter, unset: Setter) -> Self {
        Self::set(level, pattern, set, unset, |_| None)
    }

    /// A row that exists for its `no` form.
    const fn no(level: Level, pattern: &'static str, unset: Setter) -> Self {
        Self::synonym(level, pattern, incomplete, unset)
    }

    const fn always(level: Level, pattern: &'static str) -> Self {
        Self::new(level, pattern, Action::Always)
    }

    const fn comment(level: Level, pattern: &'static str) -> Self {
        Self::new(level, pattern, Action::Comment)
    }

    const fn refuse(level: Level, pattern: &'static str, instead: &'static str) -> Self {
        Self::new(level, pattern, Action::Refuse(instead))
    }

    /// The commands of another place stand under this one.
    const fn opens(mut self, enter: Enter) -> Self {
        self.enter = Some(enter);
        self
    }

    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.action, Action::Refuse(_))
    }
}

fn incomplete(_: &mut Scope<'_>, _: &Args) -> Done {
    Err(Fault::new("incomplete command", "alone it means something only after `no`"))
}

/// For commands that are printed at most once.
fn one(args: Option<Args>) -> Option<Vec<Args>> {
    args.map(|args| vec![args])
}

/// For commands without arguments.
fn flag(set: bool) -> Option<Vec<Args>> {
    set.then(|| vec![Args::new()])
}

fn many(all: impl Iterator<Item = Args>) -> Option<Vec<Args>> {
    Some(all.collect())
}

/// For a command of one optional argument.
fn opt(name: &'static str, value: Option<impl std::fmt::Display>) -> Option<Vec<Args>> {
    one(value.map(|value| Args::new().with(name, value)))
}

/// Adds at the end of those of its family: IPv4 stands first, for so it is printed.
fn insert_by_family<T>(list: &mut Vec<T>, item: T, prefix: fn(&T) -> Prefix) {
    let at = list.partition_point(|known| prefix(known).family() <= prefix(&item).family());
    list.insert(at, item);
}

/// Adds what is not there yet.
pub(crate) fn insert<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
