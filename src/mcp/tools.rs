//! The tools, one row each: a name, what it is for, the operation of the API that it asks, and its parameters.

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    /// What it asks; names in braces are parameters.
    pub path: &'static str,
    pub is_post: bool,
    pub parameters: &'static [Parameter],
    /// What it asks besides, and the member of the answer that this goes into; where that is not there, it is left out.
    pub besides: Option<(&'static str, &'static str)>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub shape: Shape,
    /// What counts where it is left out; `None`: the API's own default.
    pub default: Option<&'static str>,
    pub is_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
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
