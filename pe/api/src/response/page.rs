//! Answers that come in pages.

use super::{BgpTable, Response};

impl Response {
    /// What `Request::More` gets the next page with; `None`: this is all.
    pub fn more(&self) -> Option<&str> {
        let more = if let Self::Routes(tables) = self {
            &tables.last()?.more
        } else if let Self::MplsForwarding(table) = self {
            &table.more
        } else if let Self::Bgp(routes) = self {
            &routes.more
        } else if let Self::LdpBindings(bindings) = self {
            &bindings.more
        } else {
            &None
        };
        more.as_deref()
    }

    /// Puts the next page behind this one. Of another kind, such as a refusal, it replaces what is there.
    pub fn join(&mut self, page: Self) {
        match (self, page) {
            (Self::Routes(tables), Self::Routes(next)) => {
                for (table, next) in tables.iter_mut().zip(next) {
                    table.routes.extend(next.routes);
                    table.more = next.more;
                }
            }
            (Self::MplsForwarding(table), Self::MplsForwarding(next)) => {
                table.entries.extend(next.entries);
                table.more = next.more;
            }
            (Self::Bgp(routes), Self::Bgp(next)) => {
                next.tables.into_iter().for_each(|table| join(&mut routes.tables, table));
                routes.more = next.more;
            }
            (Self::LdpBindings(bindings), Self::LdpBindings(next)) => {
                bindings.bindings.extend(next.bindings);
                bindings.more = next.more;
            }
            (whole, other) => *whole = other,
        }
    }
}

fn join(tables: &mut Vec<BgpTable>, table: BgpTable) {
    match tables.last_mut().filter(|last| (&last.rd, &last.vrf) == (&table.rd, &table.vrf)) {
        Some(last) => last.routes.extend(table.routes),
        None => tables.push(table),
    }
}
