//! The size and the shape of the code, counted. A figure that gets worse is a decision, not an accident.

use std::fs;
use std::path::{Path, PathBuf};

/// Functions longer than this are few.
const FUNCTION_LINES_MAX: usize = 60;

/// One function.
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

/// The product's own code: each file without its tests.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let is_test = |name: &str| name.contains("tests") || name.ends_with("conformance.rs");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a source file");
        (name, without_tests(&text))
    };
    paths.into_iter().map(read).filter(|(name, _)| !is_test(name)).collect()
}

/// A source without what is compiled for tests alone: a module of tests ends its file, anything else is one line.
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

/// The text with spaces for comments and for what stands in quotes, so that brackets count.
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

/// Where the bracket at the beginning of `text` is closed.
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
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let mut at = place + 3 + name.len();
            if name.is_empty() {
                continue;
            }
            if text[at..].starts_with('<') {
                // A `>` of `->` closes nothing.
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
            let Some(body) = body.filter(|body| semicolon.is_none_or(|semicolon| *body < semicolon)) else {
                continue;
            };
            let Some(end) = closed(&text[head + body..], '{', '}') else { continue };
            let lines = text[place..head + body + end].matches('\n').count() + 1;
            found.push(Function { file: file.clone(), name, parameters, lines });
        }
    }
    found
}

/// The parameters of a function, one by one.
fn split(parameters: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for c in parameters.replace("->", "  ").chars() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' | '>' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("one at least").push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[test]
fn at_most_one_function_in_a_hundred_is_long() {
    let functions = functions();
    assert!(functions.len() > 1500, "they are found: {}", functions.len());
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

/// A tuple in a function's parameters stands where a type is missing.
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

/// The unit of work owns what a conflict means: no use case has a loop or an arm of its own for it.
#[test]
fn no_use_case_knows_a_conflict() {
    let knows = |(file, text): &(String, String)| {
        file.starts_with("flows/") && file != "flows/transaction.rs" && text.contains("CommitError::Conflict")
    };
    let found: Vec<String> = code().into_iter().filter(knows).map(|(file, _)| file).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// What is said to people is not compared: see `texts::Text`.
#[test]
fn words_cannot_be_compared() {
    let texts = code().into_iter().find(|(file, _)| file == "texts/words.rs").expect("the texts").1;
    let before = texts.split("pub struct Text(").next().expect("the type");
    let derived = before.rsplit("#[derive(").next().expect("its traits");
    assert!(!derived.contains("PartialEq"), "{derived}");
}
