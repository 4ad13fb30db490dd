//! The command tree: one graph of words for each level, and the search for a line in it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::args::{Arg, Args};
use super::commands::{self, Command, insert};
use super::kind::Kind;
use super::lex::Line;
use super::pattern::{self, Item};
use super::scope::Level;

pub(crate) struct Tree {
    pub(crate) commands: Vec<Command>,
    /// Each command's pattern, read.
    pub(crate) patterns: Vec<Vec<Item>>,
    levels: BTreeMap<Level, Graph>,
}

/// What a line is.
pub(crate) struct Found {
    /// Index into `Tree::commands`.
    pub(crate) command: usize,
    pub(crate) args: Args,
}

/// Why a line is none of the level's commands.
#[derive(Default)]
pub(crate) struct Mismatch {
    /// The word (an index into the line's words, or their number) up to which it fitted.
    pub(crate) at: usize,
    /// Several keywords begin like the word there.
    pub(crate) ambiguous: Vec<&'static str>,
    /// What could have stood there.
    pub(crate) keywords: Vec<&'static str>,
    pub(crate) arguments: Vec<Kind>,
}

/// Node 0 is the root.
struct Graph {
    nodes: Vec<Node>,
}

struct Node {
    edges: Vec<(Label, usize)>,
    command: usize,
    accepts: bool,
}

#[derive(Clone, Copy)]
enum Label {
    Keyword { word: &'static str, recorded: bool },
    Argument { name: &'static str, kind: Kind },
}

#[derive(Clone)]
struct Path {
    node: usize,
    args: Args,
}

/// The whole language.
pub(crate) static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::new(commands::all()));

/// As they are written in the table.
pub(crate) fn patterns() -> impl Iterator<Item = &'static str> {
    TREE.commands.iter().map(|command| command.pattern)
}

impl Tree {
    fn new(commands: Vec<Command>) -> Self {
        let patterns: Vec<_> = commands.iter().map(|command| pattern::read(command.pattern)).collect();
        let mut levels = BTreeMap::new();
        for level in Level::ALL {
            let rows = commands.iter().zip(&patterns).enumerate();
            let mine = rows.filter(|(_, (command, _))| command.level == level);
            levels.insert(level, Graph::new(mine.map(|(index, (_, items))| (index, items.as_slice()))));
        }
        Self { commands, patterns, levels }
    }

    /// Finds the command that the line is from its word `from` on. With `shortened`, a line that stops
    /// half-way is found too, if only one supported command goes on from there.
    pub(crate) fn find(
        &self,
        level: Level,
        line: &Line<'_>,
        from: usize,
        shortened: bool,
    ) -> Result<Found, Mismatch> {
        let Some(graph) = self.levels.get(&level) else {
            return Err(Mismatch { at: from, ..Mismatch::default() });
        };
        let ends = graph.walk(line, from)?;
        let accepted = ends.iter().find(|path| graph.nodes[path.node].accepts);
        let chosen = accepted.or_else(|| shortened.then(|| self.only(graph, &ends))?);
        match chosen {
            Some(path) => Ok(Found { command: graph.nodes[path.node].command, args: path.args.clone() }),
            None => Err(graph.mismatch(line.words.len(), &ends, Vec::new())),
        }
    }

    fn only<'p>(&self, graph: &Graph, ends: &'p [Path]) -> Option<&'p Path> {
        let command = |path: &Path| graph.nodes[path.node].command;
        let mut supported = ends.iter().filter(|path| !self.commands[command(path)].is_refused());
        let first = supported.next()?;
        supported.all(|other| command(other) == command(first)).then_some(first)
    }
}

impl Graph {
    fn new<'i>(commands: impl Iterator<Item = (usize, &'i [Item])>) -> Self {
        let mut graph = Self { nodes: vec![Node { edges: Vec::new(), command: 0, accepts: false }] };
        for (command, items) in commands {
            for end in graph.add(items, vec![0], command) {
                graph.nodes[end].accepts = true;
            }
        }
        graph
    }

    /// Adds a sequence after each of `starts`; returns the nodes where it ends.
    fn add(&mut self, items: &[Item], mut starts: Vec<usize>, command: usize) -> Vec<usize> {
        for item in items {
            starts = match item {
                Item::Keyword { word, recorded } => {
                    self.step(&starts, Label::Keyword { word, recorded: *recorded }, command)
                }
                Item::Argument { name, kind } => {
                    self.step(&starts, Label::Argument { name, kind: *kind }, command)
                }
                Item::Optional(inner) => {
                    let ends = self.add(inner, starts.clone(), command);
                    starts.into_iter().chain(ends).collect()
                }
                Item::Choice(all) => {
                    all.iter().flat_map(|inner| self.add(inner, starts.clone(), command)).collect()
                }
            };
        }
        starts
    }

    fn step(&mut self, starts: &[usize], label: Label, command: usize) -> Vec<usize> {
        let to = self.nodes.len();
        self.nodes.push(Node { edges: Vec::new(), command, accepts: false });
        for start in starts {
            self.nodes[*start].edges.push((label, to));
        }
        vec![to]
    }

    /// Every way through the line, those by keywords first.
    fn walk(&self, line: &Line<'_>, from: usize) -> Result<Vec<Path>, Mismatch> {
        let mut frontier = BTreeMap::from([(from, vec![Path { node: 0, args: Args::new() }])]);
        loop {
            let Some((at, paths)) = frontier.pop_first() else {
                return Err(self.mismatch(from, &[], Vec::new()));
            };
            let Some(word) = line.words.get(at) else { return Ok(paths) };
            let keyword = self.resolve(&paths, word.text);
            if let Ok(Some(keyword)) = keyword {
                self.take_keyword(&paths, keyword, (at, line), &mut frontier);
            }
            self.take_arguments(&paths, at, line, &mut frontier);
            if frontier.is_empty() {
                return Err(self.mismatch(at, &paths, keyword.err().unwrap_or_default()));
            }
        }
    }

    /// The keyword that `word` is or abbreviates; several: an error.
    fn resolve(&self, paths: &[Path], word: &str) -> Result<Option<&'static str>, Vec<&'static str>> {
        let mut candidates = Vec::new();
        for (_, (label, _)) in self.edges(paths) {
            if let Label::Keyword { word: known, .. } = label
                && known.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            {
                if known.len() == word.len() {
                    return Ok(Some(known));
                }
                insert(&mut candidates, *known);
            }
        }
        match candidates.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(candidates),
        }
    }

    fn edges<'g>(&'g self, paths: &'g [Path]) -> impl Iterator<Item = (&'g Path, &'g (Label, usize))> {
        paths.iter().flat_map(|path| self.nodes[path.node].edges.iter().map(move |edge| (path, edge)))
    }

    fn take_keyword(
        &self,
        paths: &[Path],
        keyword: &str,
        (at, line): (usize, &Line<'_>),
        frontier: &mut BTreeMap<usize, Vec<Path>>,
    ) {
        for (path, (label, to)) in self.edges(paths) {
            if let Label::Keyword { word, recorded } = label
                && *word == keyword
            {
                let mut args = path.args.clone();
                if *recorded {
                    args.push(Arg {
                        name: word,
                        text: (*word).to_owned(),
                        span: line.span(at..at + 1),
                        noun: None,
                    });
                }
                frontier.entry(at + 1).or_default().push(Path { node: *to, args });
            }
        }
    }

    fn take_arguments(
        &self,
        paths: &[Path],
        at: usize,
        line: &Line<'_>,
        frontier: &mut BTreeMap<usize, Vec<Path>>,
    ) {
        for (path, (label, to)) in self.edges(paths) {
            if let Label::Argument { name, kind } = label
                && let Some((words, text)) = kind.take(line, at)
            {
                let mut args = path.args.clone();
                args.push(Arg { name, text, span: line.span(at..at + words), noun: kind.noun() });
                frontier.entry(at + words).or_default().push(Path { node: *to, args });
            }
        }
    }

    fn mismatch(&self, at: usize, paths: &[Path], ambiguous: Vec<&'static str>) -> Mismatch {
        let mut found = Mismatch { at, ambiguous, ..Mismatch::default() };
        for (_, (label, _)) in self.edges(paths) {
            match label {
                Label::Argument { kind, .. } => insert(&mut found.arguments, *kind),
                Label::Keyword { word, .. } => insert(&mut found.keywords, *word),
            }
        }
        found
    }
}
