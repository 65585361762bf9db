//! The generated parts of the documentation: what stands between two markers in a page is written from the tables that the
//! code goes by.

use crate::domain::event::EventType;
use crate::domain::fault::Code;
use crate::domain::measure::Measure;
use crate::domain::metric::{Metric, Numerator};
use crate::domain::reference::{self, put};

pub use crate::domain::reference::Language;
use crate::http::event_schemas::{event_example, said_by};
use crate::http::problem::Kind;

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end of generated part -->";

/// A page with its generated parts as the code has them now. `Err` names a part that there is not, or that does not end.
pub fn refreshed(page: &str, language: Language) -> Result<String, String> {
    let (mut written, mut rest) = (String::new(), page);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->\n").ok_or("a marker does not end")?;
        let (_, after) = after.split_once(END).ok_or_else(|| format!("the part {name:?} does not end"))?;
        let part = part(name, language).ok_or_else(|| format!("no part is named {name:?}"))?;
        written.push_str(before);
        written.push_str(&format!("{BEGIN}{name} -->\n{part}{END}"));
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}

fn part(name: &str, language: Language) -> Option<String> {
    match name {
        "metrics" => Some(reference::metrics(language)),
        "event overview" => Some(event_overview()),
        "events" => Some(events()),
        "problems" => Some(problems(language)),
        "codes" => Some(codes(language)),
        _ => None,
    }
}

/// The metrics whose counts have their day from events of a type, or count one of them as a fault.
pub(super) fn fed_by(event_type: EventType) -> Vec<&'static str> {
    let feeds = |measure: &Measure| {
        measure.cohort().event_types().contains(&event_type) || measure.faults().contains(&event_type)
    };
    let is_fed = |metric: &Metric| {
        let definition = metric.definition();
        let numerators: &[Measure] = match &definition.numerator {
            Numerator::Of(measure) => std::slice::from_ref(measure),
            Numerator::ByBadStars(measures) => measures,
        };
        numerators.iter().chain(definition.denominator).any(feeds)
    };
    Metric::ALL.into_iter().filter(is_fed).map(|metric| metric.definition().id).collect()
}

fn event_overview() -> String {
    let mut page =
        "| type | said by | metrics that go by its day, or count it as a fault |\n|---|---|---|\n".to_owned();
    for event_type in EventType::ALL {
        let feeds = fed_by(event_type).iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        put(
            &mut page,
            format_args!("| [`{event_type}`](#{}) | {} | {feeds} |\n", anchor(event_type), said_by(event_type)),
        );
    }
    page
}

/// As sites make anchors of headings.
fn anchor(event_type: EventType) -> String {
    event_type.as_str().replace('.', "")
}

fn events() -> String {
    let mut page = String::new();
    for event_type in EventType::ALL {
        reference::event(&mut page, &event_type.definition(), said_by(event_type));
        put(&mut page, format_args!("\n```json\n{}\n```\n", event_example(event_type)));
    }
    page.trim_start().to_owned()
}

fn problems(language: Language) -> String {
    let mut page = language
        .of("| type | status | title |\n|---|---|---|\n", "| type | 状态码 | 标题 |\n|---|---|---|\n")
        .to_owned();
    let mut kinds = Kind::ALL;
    kinds.sort_by_key(|kind| kind.status());
    for kind in kinds {
        let (english, chinese) = kind.titles();
        let title = language.of(english, chinese);
        let (slug, status) = (kind.slug(), kind.status().as_u16());
        put(&mut page, format_args!("| `urn:shopscore:problem:{slug}` | {status} | {title} |\n"));
    }
    page
}

fn codes(language: Language) -> String {
    let mut page = language
        .of("| code | what it means, and what to do |\n|---|---|\n", "| code | 含义与处理办法 |\n|---|---|\n")
        .to_owned();
    for code in Code::ALL {
        let (english, chinese) = code.about();
        let about = language.of(english, chinese);
        put(&mut page, format_args!("| `{code}` | {about} |\n"));
    }
    page
}
