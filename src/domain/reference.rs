//! The tables of the law as a page: every event, measure and metric, written from the rows that the code goes by.

use std::fmt::Write;

use super::event::{EventDefinition, EventType, Speaker};
use super::fields::{FieldDefinition, Presence, Shape};
use super::measure::Measure;
use super::metric::{Definition, Metric, Numerator, Population};

const HEAD: &str = "# Events, measures and metrics

Written by `shopscore reference` from the tables that the code goes by; a test keeps it current (`make reference`).

Every event has `id`, `type`, `shop_id`, `time` (RFC 3339 with offset: when it happened) and `data`. The fields below are
those of `data`. A field that is null is absent; unknown fields are kept and ignored.
";

/// The whole page as Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Events\n");
    EventType::ALL.into_iter().for_each(|event_type| event(&mut page, &event_type.definition()));
    page.push_str(
        "\n## Measures\n\nWhat is counted per subject and business day. A metric is a quotient of sums of these.\n\n",
    );
    page.push_str("| measure | counts | day of | per product |\n|---|---|---|---|\n");
    Measure::ALL.into_iter().for_each(|one| measure(&mut page, one));
    page.push_str("\n## Metrics\n\n");
    page.push_str(
        "| metric | 中文 | numerator | denominator | day of | better | unit |\n|---|---|---|---|---|---|---|\n",
    );
    Metric::ALL.into_iter().for_each(|one| metric(&mut page, one.definition()));
    page
}

/// Appends formatted text; writing to a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}

fn event(page: &mut String, definition: &EventDefinition) {
    let EventDefinition { event_type, about, fields } = definition;
    let said_by = match event_type.speaker() {
        Speaker::Merchant => "the merchant",
        Speaker::Others => "buyers or the platform (scope `events:relay` for keys bound to shops)",
        Speaker::WhoSaidIt => "whoever sent the event that it takes back",
    };
    put(page, format_args!("\n### `{event_type}`\n\n{about} Said by {said_by}.\n\n"));
    page.push_str("| field | value | |\n|---|---|---|\n");
    match event_type.aggregate_kind() {
        Some(kind) => put(page, format_args!("| `{}` | id | required |\n", kind.field())),
        None => page.push_str("| `order_id`, `session_id` or `product_id` | id | required, one of them |\n"),
    }
    fields.iter().for_each(|one| field(page, one));
}

fn field(page: &mut String, field: &FieldDefinition) {
    let value = match field.shape {
        Shape::Id => "id".to_owned(),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Stars => "1 to 5".to_owned(),
        Shape::Word(words) => words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
    };
    let presence = match &field.presence {
        Presence::Required => "required".to_owned(),
        Presence::Optional => "optional".to_owned(),
        Presence::Default(default) => format!("default `{default}`"),
    };
    put(page, format_args!("| `{}` | {value} | {presence}. {} |\n", field.name, field.about));
}

fn measure(page: &mut String, measure: Measure) {
    let per_product = if Measure::OF_PRODUCT.contains(&measure) { "yes" } else { "" };
    let (column, about, cohort) = (measure.column(), measure.about(), measure.cohort());
    put(page, format_args!("| `{column}` | {about} | {cohort} | {per_product} |\n"));
}

fn metric(page: &mut String, definition: &Definition) {
    let named = |measures: &[Measure], joint: &str| {
        measures.iter().map(|measure| format!("`{}`", measure.column())).collect::<Vec<_>>().join(joint)
    };
    let numerator = match definition.numerator {
        Numerator::Of(measure) => named(&[measure], ""),
        Numerator::ByBadStars(measures) => format!("{}, by the rule set's `bad_stars_max`", named(measures, ", ")),
    };
    let scale = if definition.denominator_scale == 1 { "" } else { " × 100" };
    let population = match definition.population {
        Population::All => "",
        Population::QualifyingProducts => {
            " of products that are on the shelf at the end of the day before the score date and have a paid order in the window"
        }
    };
    let Definition { id, en, zh, better, unit, .. } = definition;
    let (denominator, cohort) = (named(definition.denominator, " + "), definition.cohort());
    put(
        page,
        format_args!(
            "| `{id}` {en} | {zh} | {numerator}{population} | {denominator}{scale} | {cohort} | {better} | {unit} |\n"
        ),
    );
}
