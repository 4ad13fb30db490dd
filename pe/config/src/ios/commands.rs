//! The table of commands. A row is all there is to know of a command: where it stands, its pattern,
//! what it sets, what its `no` form undoes and how it is read back for printing.

/// A command of one argument, kept as an `Option` field of what the place stands for.
macro_rules! value {
    ($level:expr, $pattern:expr, $at:ident.$($field:ident).+, $name:literal) => {
        crate::ios::commands::Command::set(
            $level,
            $pattern,
            |s, a| {
                s.$at().$($field).+ = Some(a.get($name)?);
                Ok(())
            },
            |s, _| {
                s.$at().$($field).+ = None;
                Ok(())
            },
            |v| crate::ios::commands::opt($name, v.$at()?.$($field).+.as_ref()),
        )
    };
}

/// A command without arguments, kept as a `bool` field of what the place stands for.
macro_rules! switch {
    ($level:expr, $pattern:expr, $at:ident.$field:ident) => {
        crate::ios::commands::Command::set(
            $level,
            $pattern,
            |s, _| {
                s.$at().$field = true;
                Ok(())
            },
            |s, _| {
                s.$at().$field = false;
                Ok(())
            },
            |v| crate::ios::commands::flag(v.$at()?.$field),
        )
    };
}

/// A command that opens a place and is one of a list of things with names.
macro_rules! named {
    ($level:expr, $pattern:expr, $at:ident, $($list:ident).+) => {
        crate::ios::commands::Command::set(
            crate::ios::scope::Level::Global,
            $pattern,
            |s, a| {
                let place = crate::ios::scope::Place::at($level, a.get::<String>("NAME")?);
                s.enter(&place).$at();
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.$($list).+.retain(|it| it.name != name);
                Ok(())
            },
            |v| {
                let names = v.config.$($list).+.iter().map(|it| &it.name);
                crate::ios::commands::many(names.map(|name| crate::ios::args::Args::new().with("NAME", name)))
            },
        )
        .opens(|_, a| Ok(crate::ios::scope::Place::at($level, a.get::<String>("NAME")?)))
    };
}

mod acl;
mod admission;
mod algorithms;
mod bfd;
mod bgp;
mod certificate;
mod dpd;
mod dynamic;
mod entry;
mod ikev2;
mod interface;
mod ipsec;
mod isakmp;
mod keyring;
mod ldp;
mod lists;
mod map;
mod mpls;
mod names;
mod peer;
mod policy;
mod profile;
mod route;
mod route_map;
mod system;
mod transform;
mod trustpoint;
mod tunnel;
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
        names::commands(),
        vrf::commands(),
        trustpoint::commands(),
        certificate::commands(),
        keyring::commands(),
        policy::commands(),
        isakmp::commands(),
        peer::commands(),
        admission::commands(),
        profile::commands(),
        ikev2::commands(),
        transform::commands(),
        ipsec::commands(),
        entry::commands(),
        dynamic::commands(),
        map::commands(),
        bfd::commands(),
        vec![ldp::protocol()],
        interface::commands(),
        bgp::commands(),
        route::commands(),
        mpls::commands(),
        ldp::commands(),
        acl::commands(),
        lists::commands(),
        route_map::commands(),
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
