//! From a tool's arguments to questions for the API.

use serde_json::{Map, Value, json};

use super::tools::{Parameter, Shape, TOOLS, Tool};

/// A question to the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// Path and query.
    pub target: String,
    /// The body of a POST; `None`: a GET.
    pub body: Option<Value>,
}

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

    use super::Question;
    use crate::mcp::tools::{TOOLS, Tool};

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
