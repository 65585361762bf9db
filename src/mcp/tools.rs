//! The tools, one row each: a name, what it is for, the operation of the API that it asks, and its parameters.

use serde_json::{Map, Value, json};

/// A question to the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// Path and query.
    pub target: String,
    /// The body of a POST; `None`: a GET.
    pub body: Option<Value>,
}

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    /// What it asks; names in braces are parameters.
    path: &'static str,
    is_post: bool,
    parameters: &'static [Parameter],
    /// What it asks besides, and the member of the answer that this goes into; where that is not there, it is left out.
    pub besides: Option<(&'static str, &'static str)>,
}

#[derive(Debug)]
struct Parameter {
    name: &'static str,
    about: &'static str,
    shape: Shape,
    /// What counts where it is left out; `None`: the API's own default.
    default: Option<&'static str>,
    is_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Text,
    OneOf(&'static [&'static str]),
    Integer,
    Number,
    Object,
}

const fn required(name: &'static str, about: &'static str, shape: Shape) -> Parameter {
    Parameter { name, about, shape, default: None, is_required: true }
}

const fn optional(name: &'static str, about: &'static str, shape: Shape) -> Parameter {
    Parameter { name, about, shape, default: None, is_required: false }
}

const KINDS: Shape = Shape::OneOf(&["shops", "creators"]);
const KIND: Parameter = Parameter {
    name: "kind",
    about: "Whose score: shops (default) or creators",
    shape: KINDS,
    default: Some("shops"),
    is_required: false,
};
const ID: Parameter = required("id", "Id of the shop or creator", Shape::Text);
const DATE: Parameter = optional("date", "Score date, YYYY-MM-DD; default the newest published one", Shape::Text);
const RULE_SET: Parameter = optional("rule_set", "Rule set; default the one in force on the date", Shape::Text);
const METRIC: Parameter =
    required("metric", "Id of a metric, as metrics lists it, such as negative_feedback_rate", Shape::Text);
const CURSOR: Parameter = optional("cursor", "next_cursor of the page before", Shape::Text);
const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "Items of a page, 1-1000; default 20",
    shape: Shape::Integer,
    default: Some("20"),
    is_required: false,
};

/// All of them.
pub(super) static TOOLS: [Tool; 9] = [
    Tool {
        name: "fleet",
        title: "Shops by score",
        about: "Scores of many shops or creators with tier, change since the date before, gap to the next threshold up and margin to the \
                one below. Filter by tier, score, category or text; sort by score, change, gap or margin.",
        path: "/v1/scores",
        is_post: false,
        parameters: &[
            KIND,
            DATE,
            RULE_SET,
            optional(
                "tier_level",
                "Only this tier: so many penalty thresholds are above the score, 0 for none",
                Shape::Integer,
            ),
            optional("below", "Only scores below this", Shape::Number),
            optional("category_id", "Only this category", Shape::Text),
            optional("q", "Only subjects with this in their id or name", Shape::Text),
            optional("moved", "Only those whose tier got better (up) or worse (down)", Shape::OneOf(&["up", "down"])),
            optional(
                "sort",
                "id (default), score (lowest first), -score, change (greatest fall first), -change, gap or margin (least first)",
                Shape::OneOf(&["id", "score", "-score", "change", "-change", "gap", "margin"]),
            ),
            CURSOR,
            LIMIT,
        ],
        besides: None,
    },
    Tool {
        name: "score",
        title: "Score with causes",
        about: "The score of one shop or creator: dimensions, tier with penalties, distance to the next threshold, and in `changes` why it \
                differs from the date before: what each metric did to it.",
        path: "/v1/{kind}/{id}/score",
        is_post: false,
        parameters: &[KIND, ID, DATE, RULE_SET],
        besides: Some(("changes", "/v1/{kind}/{id}/score/changes")),
    },
    Tool {
        name: "metrics",
        title: "Metrics behind a score",
        about: "Every metric of a score: counts, value, standing among peers, points, weight, and percentiles of the peers.",
        path: "/v1/{kind}/{id}/metrics",
        is_post: false,
        parameters: &[KIND, ID, DATE, RULE_SET],
        besides: None,
    },
    Tool {
        name: "records",
        title: "Records behind a count",
        about: "The orders, after-sale cases or sessions behind the numerator or denominator of a metric, newest first, each with the \
                events that made it count.",
        path: "/v1/{kind}/{id}/metrics/{metric}/records",
        is_post: false,
        parameters: &[
            KIND,
            ID,
            METRIC,
            optional("side", "numerator (default) or denominator", Shape::OneOf(&["numerator", "denominator"])),
            optional("day", "Only records of this business day, YYYY-MM-DD", Shape::Text),
            optional("product_id", "Only orders of this product", Shape::Text),
            DATE,
            RULE_SET,
            CURSOR,
            LIMIT,
        ],
        besides: None,
    },
    Tool {
        name: "forecast",
        title: "What the next days bring",
        about: "The score of coming dates if nothing more happens: what leaves the windows, what enters them, and when a threshold is crossed.",
        path: "/v1/{kind}/{id}/score/forecast",
        is_post: false,
        parameters: &[KIND, ID, optional("days", "How many days ahead", Shape::Integer), RULE_SET],
        besides: None,
    },
    Tool {
        name: "projected",
        title: "Score of the next run",
        about: "The score that the next run would publish from what is known now, and what it would change.",
        path: "/v1/{kind}/{id}/score/projected",
        is_post: false,
        parameters: &[KIND, ID, RULE_SET],
        besides: None,
    },
    Tool {
        name: "what_if",
        title: "What it would take",
        about: "What further counts would do to a score (`add`, by measure, such as {\"signed_orders\": 100, \"negative_orders_3\": -5}), and \
                how many good orders a target score takes (`target_score`). Nothing is stored.",
        path: "/v1/{kind}/{id}/score/what-if",
        is_post: true,
        parameters: &[
            KIND,
            ID,
            optional("add", "Counts to add, by measure", Shape::Object),
            optional("target_score", "The score that is wanted", Shape::Number),
            DATE,
            RULE_SET,
        ],
        besides: None,
    },
    Tool {
        name: "advice",
        title: "What to do about a score",
        about: "What costs a score most and what would help, with links to the records.",
        path: "/v1/{kind}/{id}/score/advice",
        is_post: false,
        parameters: &[KIND, ID, DATE, RULE_SET],
        besides: None,
    },
    Tool {
        name: "products",
        title: "Products to take off the shelf",
        about: "The products behind a score, worst first, with the rates of bad reviews, quality returns and complaints.",
        path: "/v1/{kind}/{id}/products",
        is_post: false,
        parameters: &[
            KIND,
            ID,
            optional(
                "sort",
                "bad_review_rate (default), quality_return_rate, complaint_rate or paid_orders",
                Shape::OneOf(&["bad_review_rate", "quality_return_rate", "complaint_rate", "paid_orders"]),
            ),
            DATE,
            RULE_SET,
            CURSOR,
            LIMIT,
        ],
        besides: None,
    },
];

impl Tool {
    pub(super) fn named(name: &str) -> Option<&'static Tool> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// The JSON Schema of its arguments.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let property = |parameter: &Parameter| {
            let mut schema = match parameter.shape {
                Shape::Text => json!({"type": "string"}),
                Shape::OneOf(words) => json!({"type": "string", "enum": words}),
                Shape::Integer => json!({"type": "integer"}),
                Shape::Number => json!({"type": "number"}),
                Shape::Object => json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            };
            schema["description"] = json!(parameter.about);
            (parameter.name.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.parameters.iter().map(property).collect();
        let required: Vec<&str> = self.parameters.iter().filter(|one| one.is_required).map(|one| one.name).collect();
        let schema =
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        schema.as_object().cloned().unwrap_or_default()
    }

    /// The question that arguments make, and what is asked besides. Fails with what is wrong with them.
    pub(super) fn ask(&self, arguments: &Map<String, Value>) -> Result<(Question, Option<Question>), String> {
        if let Some(unknown) = arguments.keys().find(|name| !self.parameters.iter().any(|one| one.name == **name)) {
            let known: Vec<&str> = self.parameters.iter().map(|one| one.name).collect();
            return Err(format!("{} has no argument {unknown}; it has {}", self.name, known.join(", ")));
        }
        let (mut path, mut besides) = (self.path.to_owned(), self.besides.map(|(_, path)| path.to_owned()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut body = Map::new();
        for parameter in self.parameters {
            let given = arguments.get(parameter.name).filter(|value| !value.is_null());
            let text = match (given, parameter.default) {
                (Some(value), _) => parameter.text(value)?,
                (None, Some(default)) => default.to_owned(),
                (None, None) if parameter.is_required => return Err(format!("{} is required", parameter.name)),
                (None, None) => continue,
            };
            let place = format!("{{{}}}", parameter.name);
            let segment = || form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            if path.contains(&place) {
                path = path.replace(&place, &segment());
                besides = besides.map(|path| path.replace(&place, &segment()));
            } else if self.is_post && !["date", "rule_set"].contains(&parameter.name) {
                body.extend(given.map(|value| (parameter.name.to_owned(), value.clone())));
            } else {
                query.append_pair(parameter.name, &text);
            }
        }
        let query = query.finish();
        let target = |path: String| if query.is_empty() { path } else { format!("{path}?{query}") };
        let besides = besides.map(|path| Question { target: target(path), body: None });
        Ok((Question { target: target(path), body: self.is_post.then_some(Value::Object(body)) }, besides))
    }
}

impl Parameter {
    /// The value as a query writes it.
    fn text(&self, value: &Value) -> Result<String, String> {
        let wrong = |wanted: &str| Err(format!("{} must be {wanted}", self.name));
        match (self.shape, value) {
            (Shape::Text, Value::String(text)) => Ok(text.clone()),
            (Shape::OneOf(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(text.clone()),
            (Shape::OneOf(words), _) => wrong(&format!("one of {}", words.join(", "))),
            (Shape::Integer, Value::Number(number)) if number.as_i64().is_some() => Ok(number.to_string()),
            (Shape::Number, Value::Number(number)) => Ok(number.to_string()),
            (Shape::Object, Value::Object(_)) => Ok(String::new()),
            (Shape::Text, _) => wrong("a text"),
            (Shape::Integer, _) => wrong("a whole number"),
            (Shape::Number, _) => wrong("a number"),
            (Shape::Object, _) => wrong("an object"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Question, TOOLS, Tool};

    fn ask(name: &str, arguments: &Value) -> Result<(Question, Option<Question>), String> {
        Tool::named(name).expect(name).ask(arguments.as_object().expect("an object"))
    }

    #[test]
    fn arguments_become_the_path_the_query_and_the_body_and_keep_to_their_places() {
        let target = |name: &str, arguments: Value| ask(name, &arguments).expect("a question").0.target;
        assert_eq!(
            target("fleet", json!({"tier_level": 1, "below": 4.6, "sort": "-score"})),
            "/v1/scores?kind=shops&tier_level=1&below=4.6&sort=-score&limit=20"
        );
        assert_eq!(target("metrics", json!({"id": "a/b?c#d%2e"})), "/v1/shops/a%2Fb%3Fc%23d%252e/metrics");
        assert_eq!(
            target(
                "records",
                json!({"kind": "creators", "id": "c", "metric": "m", "limit": 3, "day": "2026-11-20&x=1"})
            ),
            "/v1/creators/c/metrics/m/records?day=2026-11-20%26x%3D1&limit=3"
        );
        let (question, besides) =
            ask("score", &json!({"id": "s", "date": "2026-11-20", "rule_set": null})).expect("a question");
        assert_eq!(question.target, "/v1/shops/s/score?date=2026-11-20");
        assert_eq!(
            besides.map(|question| question.target).as_deref(),
            Some("/v1/shops/s/score/changes?date=2026-11-20")
        );
        let (what_if, _) =
            ask("what_if", &json!({"id": "s", "add": {"signed_orders": 5}, "target_score": 4.6, "date": "2026-11-20"}))
                .expect("a question");
        assert_eq!(what_if.target, "/v1/shops/s/score/what-if?date=2026-11-20");
        assert_eq!(what_if.body, Some(json!({"add": {"signed_orders": 5}, "target_score": 4.6})));
    }

    #[test]
    fn wrong_arguments_are_told() {
        for (name, arguments, part) in [
            ("score", json!({}), "id is required"),
            ("score", json!({"id": 7}), "id must be a text"),
            ("score", json!({"id": "s", "colour": "red"}), "score has no argument colour; it has kind, id"),
            ("fleet", json!({"kind": "whales"}), "kind must be one of shops, creators"),
            ("fleet", json!({"limit": 1.5}), "limit must be a whole number"),
            ("what_if", json!({"id": "s", "add": []}), "add must be an object"),
        ] {
            let fault = ask(name, &arguments).expect_err(part);
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn every_tool_has_a_name_of_its_own_and_says_which_arguments_it_needs() {
        for tool in &TOOLS {
            assert_eq!(TOOLS.iter().filter(|other| other.name == tool.name).count(), 1, "{}", tool.name);
            let schema = tool.schema();
            for place in tool.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(schema["properties"].get(place).is_some(), "{} {place}", tool.name);
            }
        }
    }
}
