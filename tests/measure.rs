//! Limits on the size and the shape of the code. A limit is raised by a
//! decision, not by accident.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// At most one function in a hundred is longer than this.
const FUNCTION_LINES_MAX: usize = 60;

struct Function {
    file: String,
    name: String,
    parameters: String,
    lines: usize,
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The workspace crates other than the gateway itself. The path of a file of
/// theirs starts with the crate's name.
const CRATES: [&str; 7] = ["kernel", "store", "peer", "web", "lab", "identity", "shop"];

/// The product's code: each file without its tests.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates =
        CRATES.iter().map(|name| (format!("{name}/"), root.join("crates").join(name).join("src")));
    let is_test = |name: &str| name.contains("tests") || name.ends_with("conformance.rs");
    let mut all = Vec::new();
    for (prefix, folder) in crates.chain([(String::new(), root.join("src"))]) {
        let mut paths = Vec::new();
        sources(&folder, &mut paths);
        let read = |path: PathBuf| {
            let name = path.strip_prefix(&folder).expect("inside").to_string_lossy();
            let text = fs::read_to_string(&path).expect("a source file");
            (format!("{prefix}{name}"), without_tests(&text))
        };
        all.extend(paths.into_iter().map(read).filter(|(name, _)| !is_test(name)));
    }
    all
}

/// The source without the code that is compiled only for tests: a test module
/// is the end of its file, any other test item is one line.
fn without_tests(text: &str) -> String {
    let mut own = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            own.push_str(line);
            own.push('\n');
        } else if lines.next().is_some_and(|line| line.ends_with('{') && line.contains("mod ")) {
            break;
        }
    }
    own
}

/// The text with comments and quoted strings replaced by spaces, so that
/// brackets can be counted.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if first == '\'' && rest[1..].starts_with('\\') {
            rest[2..].find('\'').map_or(1, |end| end + 3)
        } else if first == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(place, _)| place)
        } else {
            bare.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        bare.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[skipped..];
    }
    bare
}

/// The position of the bracket that closes the one at the beginning of `text`.
fn closed(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(place);
            }
        }
    }
    None
}

fn functions() -> Vec<Function> {
    let mut found = Vec::new();
    for (file, text) in code() {
        let text = bare(&text);
        for (place, _) in text.match_indices("fn ") {
            if text[..place].chars().next_back().is_some_and(|before| before.is_alphanumeric()) {
                continue;
            }
            let after = &text[place + 3..];
            let name: String =
                after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let mut at = place + 3 + name.len();
            if name.is_empty() {
                continue;
            }
            if text[at..].starts_with('<') {
                // The `>` of `->` is not a closing bracket.
                let generics = text[at..].replace("->", "  ");
                at += closed(&generics, '<', '>').map_or(0, |end| end + 1);
            }
            if !text[at..].starts_with('(') {
                continue;
            }
            let Some(end) = closed(&text[at..], '(', ')') else { continue };
            let parameters = text[at + 1..at + end].to_owned();
            let head = at + end;
            let (body, semicolon) = (text[head..].find('{'), text[head..].find(';'));
            let Some(body) =
                body.filter(|body| semicolon.is_none_or(|semicolon| *body < semicolon))
            else {
                continue;
            };
            let Some(end) = closed(&text[head + body..], '{', '}') else { continue };
            let lines = text[place..head + body + end].matches('\n').count() + 1;
            found.push(Function { file: file.clone(), name, parameters, lines });
        }
    }
    found
}

/// Splits a comma-separated list, such as the parameters of a function.
fn split(list: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for c in list.replace("->", "  ").chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("at least one").push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[test]
fn at_most_one_function_in_a_hundred_is_long() {
    let functions = functions();
    assert!(functions.len() > 1500, "only {} functions were found", functions.len());
    let long: Vec<String> = functions
        .iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|function| format!("{} {}: {} lines", function.file, function.name, function.lines))
        .collect();
    assert!(
        long.len() * 100 <= functions.len(),
        "{} of {}:\n{}",
        long.len(),
        functions.len(),
        long.join("\n")
    );
}

/// A tuple as a function's parameter means that a type is missing.
#[test]
fn no_function_takes_a_tuple() {
    let takes_tuple = |parameter: &String| {
        let Some((pattern, of)) = parameter.split_once(':') else { return false };
        let of = of.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
        let is_tuple = of.starts_with('(') && !of.starts_with("()") && !of.starts_with("(dyn ");
        (pattern.trim().starts_with('(') || is_tuple) && !of.starts_with("()")
    };
    let tuples: Vec<String> = functions()
        .iter()
        .flat_map(|function| {
            let taken = split(&function.parameters).into_iter().filter(takes_tuple);
            taken
                .map(|parameter| format!("{} {}: {parameter}", function.file, function.name))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(tuples, Vec::<String>::new());
}

/// Only the transaction handles a conflict: no use case has a loop or a match
/// arm for it.
#[test]
fn no_use_case_handles_a_conflict() {
    let knows = |(file, text): &(String, String)| {
        file.starts_with("flows/")
            && file != "flows/transaction.rs"
            && text.contains("CommitError::Conflict")
    };
    let found: Vec<String> = code().into_iter().filter(knows).map(|(file, _)| file).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// Texts for people are not compared: see `texts::Text`.
#[test]
fn texts_cannot_be_compared() {
    let texts = code().into_iter().find(|(file, _)| file == "texts/words.rs").expect("the texts").1;
    let before = texts.split("pub struct Text(").next().expect("the type");
    let derived = before.rsplit("#[derive(").next().expect("its traits");
    assert!(!derived.contains("PartialEq"), "{derived}");
}

/// Nine files in ten have at most this many lines. No file has more than
/// `FILE_LINES_MAX`.
const NINE_IN_TEN_LINES_MAX: usize = 320;
const FILE_LINES_MAX: usize = 500;

/// A `mod.rs` describes its folder and is short.
const STORY_LINES_MAX: usize = 120;

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> =
        code().into_iter().map(|(file, text)| (text.lines().count(), file)).collect();
    lengths.sort();
    let nine_in_ten = lengths[lengths.len() * 9 / 10].0;
    assert!(
        nine_in_ten <= NINE_IN_TEN_LINES_MAX,
        "one file in ten has {nine_in_ten} lines or more, at most {NINE_IN_TEN_LINES_MAX} are \
         allowed"
    );
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > FILE_LINES_MAX).collect();
    assert!(long.is_empty(), "{long:?}");
    let stories: Vec<_> = lengths
        .iter()
        .filter(|(lines, file)| file.ends_with("mod.rs") && *lines > STORY_LINES_MAX)
        .collect();
    assert!(stories.is_empty(), "{stories:?}");
}

/// The path of a module, as a list of names.
type ModulePath = Vec<String>;

/// What a source imports, and what else it refers to by a path.
struct Named {
    /// Each imported name and the path that it refers to.
    imported: BTreeMap<String, ModulePath>,
    /// Every path that the source uses, except for what it only re-exports.
    paths: BTreeSet<ModulePath>,
}

fn module_of(file: &str) -> ModulePath {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|name| !["lib", "main"].contains(name)).map(str::to_owned).collect()
}

/// Resolves a path that is written in `module` to one from the root.
fn absolute(module: &ModulePath, written: &str) -> ModulePath {
    let mut names = written.split("::").map(str::trim).peekable();
    let of_crate = names.peek().and_then(|first| first.strip_prefix("tillgate_"));
    let mut path = match (names.peek(), of_crate) {
        (Some(&"crate"), _) => {
            names.next();
            module
                .iter()
                .take(1)
                .filter(|first| CRATES.contains(&first.as_str()))
                .cloned()
                .collect()
        }
        (_, Some(name)) => {
            names.next();
            vec![name.to_owned()]
        }
        _ => module.clone(),
    };
    for name in names {
        match name {
            "self" => {}
            "super" => drop(path.pop()),
            name => path.push(name.to_owned()),
        }
    }
    path
}

/// The single imports of a `use` tree, each with the name that it gets.
fn imports(prefix: &str, tree: &str, into: &mut Vec<(String, String)>) {
    for part in split(tree) {
        match part.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
                imports(&format!("{prefix}{head}"), inner, into);
            }
            None => {
                let (path, name) = part.split_once(" as ").unwrap_or_else(|| {
                    let last = part.rsplit("::").next().unwrap_or_default();
                    (part.as_str(), last)
                });
                into.push((format!("{prefix}{path}"), name.to_owned()));
            }
        }
    }
}

fn names_in(module: &ModulePath, text: &str, modules: &BTreeSet<ModulePath>) -> Named {
    let (mut imported, mut paths) = (BTreeMap::new(), BTreeSet::new());
    let mut rest = String::new();
    for statement in text.split_inclusive(';') {
        let start = statement.rfind("use ").filter(|start| {
            let before = statement[..*start].trim_end();
            let before = before
                .strip_suffix(')')
                .map_or(before, |cut| cut.rsplit_once('(').map_or(cut, |(cut, _)| cut));
            before.is_empty()
                || before.ends_with([';', '}', ']', '{', '\n'])
                || before.ends_with("pub")
        });
        let Some(start) = start else {
            rest.push_str(statement);
            continue;
        };
        let is_passed_on = statement[..start].trim_end().ends_with([')', 'b']);
        rest.push_str(&statement[..start]);
        let tree = statement[start + 4..].trim_end_matches(';').replace('\n', " ");
        let mut single = Vec::new();
        imports("", &tree, &mut single);
        for (path, name) in single {
            let path = absolute(module, &path);
            if !is_passed_on {
                paths.insert(path.clone());
            }
            imported.insert(name, path);
        }
    }
    for (place, _) in rest.match_indices("::") {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let start = rest[..place].rfind(|c| !is_name(c)).map_or(0, |before| before + 1);
        let end = rest[place..].find(|c| !is_name(c)).map_or(rest.len(), |end| place + end);
        let written = rest[start..end].trim_end_matches(':');
        let first = written.split("::").next().unwrap_or_default();
        if ["crate", "super", "self"].contains(&first) || first.starts_with("tillgate_") {
            paths.insert(absolute(module, written));
        } else if let Some(path) = imported.get(first) {
            paths.insert(path.clone());
        } else if modules.contains(&absolute(module, first)) {
            paths.insert(absolute(module, first));
        }
    }
    Named { imported, paths }
}

/// The module that defines what `path` refers to. It follows re-exports.
fn home_of(
    path: &ModulePath,
    named: &BTreeMap<ModulePath, Named>,
    depth: u32,
) -> Option<ModulePath> {
    let length = (1..=path.len()).rev().find(|length| named.contains_key(&path[..*length]))?;
    let home = path[..length].to_vec();
    let next = path.get(length).and_then(|name| named.get(&home)?.imported.get(name));
    match next {
        Some(next) if depth < 8 && next != path => {
            let on: ModulePath = next.iter().chain(&path[length + 1..]).cloned().collect();
            home_of(&on, named, depth + 1).or(Some(home))
        }
        _ => Some(home),
    }
}

/// Files have no circular dependencies. A folder's `mod.rs` and the files in
/// the folder count as one.
#[test]
fn files_have_no_circular_dependencies() {
    let code = code();
    let modules: BTreeSet<ModulePath> = code.iter().map(|(file, _)| module_of(file)).collect();
    let named: BTreeMap<ModulePath, Named> = code
        .iter()
        .map(|(file, text)| (module_of(file), names_in(&module_of(file), &bare(text), &modules)))
        .collect();
    let needs = |module: &ModulePath, of: &Named| -> BTreeSet<ModulePath> {
        let homes = of.paths.iter().filter_map(|path| home_of(path, &named, 0));
        homes
            .filter(|home| {
                !home.is_empty() && !home.starts_with(module) && !module.starts_with(home)
            })
            .collect()
    };
    let mut edges: BTreeMap<ModulePath, BTreeSet<ModulePath>> =
        named.iter().map(|(module, of)| (module.clone(), needs(module, of))).collect();
    let count = edges.values().map(BTreeSet::len).sum::<usize>();
    assert!(count > 1500, "only {count} dependencies were found");
    // A file that needs nothing that is left is in no cycle.
    loop {
        let free: Vec<ModulePath> = edges
            .iter()
            .filter(|(_, needs)| needs.is_empty())
            .map(|(module, _)| module.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        edges.retain(|module, _| !free.contains(module));
        for needs in edges.values_mut() {
            needs.retain(|module| !free.contains(module));
        }
    }
    // Nor is a file that nothing that is left needs.
    loop {
        let needed: BTreeSet<ModulePath> = edges.values().flatten().cloned().collect();
        let before = edges.len();
        edges.retain(|module, _| needed.contains(module));
        if edges.len() == before {
            break;
        }
    }
    let circles: Vec<String> = edges
        .iter()
        .map(|(module, needs)| {
            let needs: Vec<String> = needs.iter().map(|module| module.join("/")).collect();
            format!("{} needs {}", module.join("/"), needs.join(", "))
        })
        .collect();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}
