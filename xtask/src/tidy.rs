//! What no compiler checks: sizes, first sentences, names of files in the documents, paths of one machine.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::build;

/// Lines of a function, and of a file without its tests.
const FUNCTION: usize = 70;
const FILE: usize = 600;

/// Reports every fault and the sizes; whether there is no fault.
pub(crate) fn run() -> Result<bool> {
    let root = build::root().canonicalize()?;
    let mut faults = Vec::new();
    let (mut functions, mut files) = (Vec::new(), Vec::new());
    let all = listed(&root)?;
    for path in all.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let source = Source::read(&root, path)?;
        faults.extend(source.faults());
        if !source.test {
            functions.extend(source.functions.iter().map(|function| function.lines));
            files.push(source.lines);
        }
    }
    for path in &all {
        faults.extend(machine_paths(&root, path));
    }
    for path in all.iter().filter(|path| is_guide(path)) {
        faults.extend(missing_files(&root, path)?);
    }
    println!(
        "{} files, median {} lines, {} functions, median {} lines",
        files.len(),
        median(&mut files),
        functions.len(),
        median(&mut functions)
    );
    for fault in &faults {
        println!("{fault}");
    }
    Ok(faults.is_empty())
}

/// Everything that git knows or would take.
fn listed(root: &Path) -> Result<Vec<PathBuf>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = std::process::Command::new("git").current_dir(root).args(arguments).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut paths: Vec<PathBuf> =
        text.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

struct Source {
    path: PathBuf,
    first: String,
    /// Test code only.
    test: bool,
    /// Without the tests at the end.
    lines: usize,
    functions: Vec<Function>,
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(path))?;
        let body = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let test = path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|stem| stem == "tests");
        Ok(Self {
            path: path.to_owned(),
            first: text
                .lines()
                .find(|line| !line.starts_with("#!") && !line.is_empty())
                .unwrap_or_default()
                .to_owned(),
            test,
            lines: body.lines().count(),
            functions: functions(&text),
        })
    }

    fn faults(&self) -> Vec<String> {
        let path = self.path.display();
        let mut faults = Vec::new();
        if !self.first.starts_with("//! ") {
            faults.push(format!(
                "{path}:1: the file does not open with a `//!` sentence that says what it is for"
            ));
        }
        if self.lines > FILE && !self.test {
            faults.push(format!("{path}: {} lines, more than {FILE}: split it", self.lines));
        }
        for function in self.functions.iter().filter(|function| function.lines > FUNCTION) {
            let Function { name, line, lines } = function;
            faults.push(format!("{path}:{line}: {name} has {lines} lines, more than {FUNCTION}"));
        }
        faults
    }
}

/// As rustfmt lays them out: the closing brace stands under the `fn` line's first letter.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let rest = || lines[at..].iter().enumerate();
        let length = rest().find_map(|(count, line)| {
            let declaration = line.ends_with(';') && count == 0;
            let one_line = line.ends_with('}') && count == 0;
            let end = line.strip_prefix(indent).is_some_and(|line| line.starts_with('}'));
            (declaration || one_line || end).then_some(count + 1)
        });
        found.push(Function { name: name.to_owned(), line: at + 1, lines: length.unwrap_or(1) });
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let words = line.split(' ').take_while(|word| *word != "fn");
    let prefix = words.clone().all(|word| {
        word.starts_with("pub")
            || ["const", "async", "unsafe", "extern"].contains(&word)
            || word.starts_with('"')
    });
    let rest = line.split_once("fn ").filter(|_| prefix)?.1;
    rest.split(['(', '<']).next()
}

fn median(values: &mut [usize]) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Documents that tell a reader where things are.
fn is_guide(path: &Path) -> bool {
    let markdown = path.extension().is_some_and(|extension| extension == "md");
    let top = path.parent() == Some(Path::new("")) && !path.starts_with("CHANGELOG.md");
    markdown && (top || path.starts_with("docs") || path.starts_with("labs"))
}

/// Names in backticks that end like a file and do not exist.
fn missing_files(root: &Path, path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(path))?;
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_file_name(name)) {
            let beside = root.join(path).parent().is_some_and(|directory| directory.join(name).exists());
            if !beside && !root.join(name).exists() {
                faults.push(format!("{}:{}: there is no {name}", path.display(), number + 1));
            }
        }
    }
    Ok(faults)
}

/// A path that a document names, not a pattern or an example.
fn is_file_name(name: &str) -> bool {
    let ending = [".rs", ".md", ".yml"].iter().any(|ending| name.ends_with(ending));
    ending && name.contains('/') && !name.contains(['<', '*', '{', ' ', '…'])
}

/// Paths that exist on one machine only.
fn machine_paths(root: &Path, path: &Path) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(root.join(path)) else { return Vec::new() };
    // In two pieces, so that this file does not name them.
    let banned =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp", "/t/")];
    let lines = text.lines().enumerate().filter(|(_, line)| banned.iter().any(|place| line.contains(place)));
    lines
        .map(|(number, line)| {
            format!("{}:{}: a path of one machine: {}", path.display(), number + 1, line.trim())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_counted_from_its_name_to_its_brace() {
        let text = "impl X {\n    pub const fn one() -> u8 {\n        1\n    }\n}\nfn two() {}\nfn three();\nlet x = defn (1);\n";
        let counted: Vec<_> = functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(counted, [("one".to_owned(), 2, 3), ("two".to_owned(), 6, 1), ("three".to_owned(), 7, 1)]);
    }

    #[test]
    fn a_document_that_names_a_missing_file_is_a_fault() {
        let directory = std::env::temp_dir().join(format!("tidy-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("guide.md"), "see `a/b.rs` and `guide.md` and `./guide.md`\n").unwrap();
        let faults = missing_files(&directory, Path::new("guide.md")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(faults, ["guide.md:1: there is no a/b.rs"]);
    }
}
