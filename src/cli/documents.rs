//! What the program tells of itself: the contract, the generated parts of the documentation, completions, manual pages.

use std::path::Path;

use super::exit::CommandError;
use super::help::command;
use super::report::print;
use crate::domain::reference;
use crate::http;
use crate::http::service::pages::{Language, refreshed};

pub(super) fn openapi() -> Result<(), CommandError> {
    print(http::service::docs::yaml(&http::routes::description())?);
    Ok(())
}

/// Prints the reference, or writes the generated parts of a directory of documentation.
pub(super) fn reference(docs: Option<&Path>) -> Result<(), CommandError> {
    let Some(directory) = docs else {
        print(reference::markdown());
        return Ok(());
    };
    std::fs::write(directory.join("reference.md"), reference::markdown())?;
    refresh(directory, Language::English)?;
    refresh(&directory.join("zh"), Language::Chinese)
}

/// Writes the generated parts of all pages of a directory anew.
fn refresh(directory: &Path, language: Language) -> Result<(), CommandError> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let page = std::fs::read_to_string(&path)?;
            let fault = |fault| CommandError::failed(format!("{}: {fault}", path.display()));
            std::fs::write(&path, refreshed(&page, language).map_err(fault)?)?;
        }
    }
    Ok(())
}

pub(super) fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "shopscore", &mut script);
    print(String::from_utf8_lossy(&script));
}

/// Prints the manual page, or writes the pages of all commands to a directory.
pub(super) fn man(out: Option<&Path>) -> Result<(), CommandError> {
    if let Some(directory) = out {
        std::fs::create_dir_all(directory)?;
        return Ok(clap_mangen::generate_to(command(), directory)?);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page)?;
    print(String::from_utf8_lossy(&page));
    Ok(())
}
