//! The pages under docs: generated parts are current, the Chinese pages name what the English ones do, links lead somewhere,
//! and the quick start does what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shopscore::http::service::pages::{Language, refreshed};

use crate::support::TestService;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of a directory.
fn pages(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(directory)).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

#[test]
fn generated_parts_of_pages_are_what_the_code_says() {
    let mut parts = 0;
    for (directory, language) in [("docs", Language::English), ("docs/zh", Language::Chinese)] {
        for path in pages(directory) {
            let page = read(&path);
            parts += page.matches("<!-- generated: ").count();
            let current = refreshed(&page, language).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            assert!(page == current, "{}: run make reference", path.display());
        }
    }
    assert!(parts >= 8, "only {parts} generated parts");
}

#[test]
fn every_page_is_there_in_chinese_too() {
    let names = |directory: &str| -> BTreeSet<String> {
        pages(directory).iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
    };
    // The readings of the law and the tables of measures are for those who work on the code.
    let mut english = names("docs");
    english.retain(|name| name != "law.md" && name != "reference.md");
    assert_eq!(names("docs/zh"), english);
    assert!(read("README.zh-CN.md").contains("docs/zh/quick-start.md"));
}

#[test]
fn the_chinese_page_of_events_has_every_name_and_example_of_the_english_one() {
    let (english, chinese) = (read("docs/events.md"), read("docs/zh/events.md"));
    let (_, generated) = english.split_once("<!-- generated: event overview -->").expect("the generated parts");
    let outside_blocks = generated.split("```").step_by(2);
    let names: BTreeSet<&str> = outside_blocks.flat_map(|text| text.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        assert!(chinese.contains(&format!("`{name}`")), "`{name}` is not in docs/zh/events.md");
    }
    for (_, example) in blocks(generated) {
        assert!(chinese.contains(example), "docs/zh/events.md lacks {example}");
    }
}

#[test]
fn links_between_pages_lead_to_files() {
    let mut links = 0;
    let mut all = [pages("docs"), pages("docs/zh"), pages("docs/decisions")].concat();
    all.extend(["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for path in all {
        let page = read(&path);
        for (_, rest) in page.match_indices("](").map(|(place, _)| page.split_at(place + 2)) {
            let target = rest.split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let found = path.parent().expect("a directory").join(file);
            assert!(found.exists(), "{} links to {target}", path.display());
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links");
}

/// The fenced blocks of a page, each with its language.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').expect("a block");
        let (block, after) = after.split_once("\n```").expect("the end of the block");
        blocks.push((language, block));
        rest = after;
    }
    blocks
}

/// Whether an answer has all that a shortened one shows: its members, and its items in their order.
fn shows(shown: &Value, answer: &Value) -> bool {
    match (shown, answer) {
        (Value::Object(shown), Value::Object(answer)) => {
            shown.iter().all(|(name, value)| answer.get(name).is_some_and(|answer| shows(value, answer)))
        }
        (Value::Array(shown), Value::Array(answer)) => {
            let mut rest = answer.iter();
            shown.iter().all(|item| rest.any(|answer| shows(item, answer)))
        }
        (Value::Number(shown), Value::Number(answer)) => shown.as_f64() == answer.as_f64(),
        _ => shown == answer,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_quick_start_answer_as_the_page_shows() {
    for page in ["docs/quick-start.md", "docs/zh/quick-start.md"] {
        let service = TestService::start().await;
        let address = service.base.trim_start_matches("http://").to_owned();
        let text = read(page);
        let (mut commands, mut compared, mut answered) = (0, 0, String::new());
        for (language, block) in blocks(&text) {
            match language {
                "bash" => {
                    let script = block.replace("localhost:8080", &address);
                    let run =
                        || Command::new("bash").args(["-euo", "pipefail", "-c", &script]).current_dir(root()).output();
                    let output = tokio::task::block_in_place(run).expect("bash");
                    let errors = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{page}: {block}\n{errors}");
                    answered = String::from_utf8(output.stdout).expect("text");
                    commands += 1;
                }
                "json" => {
                    let Ok(shown) = serde_json::from_str::<Value>(block) else {
                        panic!("{page} shows what is no JSON: {block}")
                    };
                    let answers: Vec<Value> = serde_json::Deserializer::from_str(&answered)
                        .into_iter::<Value>()
                        .map_while(Result::ok)
                        .collect();
                    let is_shown = answers.iter().any(|answer| shows(&shown, answer));
                    assert!(is_shown, "{page} shows {block}\nand the answer is {answered}");
                    compared += 1;
                }
                _ => {}
            }
        }
        assert!(commands >= 10 && compared >= 10, "{page}: {commands} commands, {compared} answers");
        service.stop().await;
    }
}
