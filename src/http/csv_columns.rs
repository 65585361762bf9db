//! The lists that are answered as CSV, too: the columns of each, and where their cells are in the answer in JSON.

/// A list that can be a table.
#[derive(Debug)]
pub(crate) struct CsvList {
    /// The file's name, without its ending.
    pub name: &'static str,
    /// The member of its answer that has the rows.
    pub rows: &'static str,
    pub is_paged: bool,
    pub columns: &'static [Column],
}

/// A column's name, and where its cells are.
pub(super) type Column = (&'static str, Place);

/// A JSON pointer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Into the row.
    Row(&'static str),
    /// Into the answer, and the same in all rows of a page.
    Answer(&'static str),
}
use Place::{Answer, Row};

pub(crate) static FLEET: CsvList = CsvList {
    name: "scores",
    rows: "items",
    is_paged: true,
    columns: &[
        ("date", Answer("/date")),
        ("revision", Answer("/revision")),
        ("rule_set", Answer("/rule_set")),
        ("kind", Answer("/kind")),
        ("shop_id", Row("/shop_id")),
        ("creator_id", Row("/creator_id")),
        ("name", Row("/name")),
        ("category_id", Row("/category_id")),
        ("status", Row("/status")),
        ("signed_orders", Row("/signed_orders")),
        ("score", Row("/score")),
        ("tier_level", Row("/tier_level")),
        ("change", Row("/change")),
        ("previous_tier_level", Row("/previous_tier_level")),
        ("gap", Row("/gap")),
        ("margin", Row("/margin")),
    ],
};

pub(crate) static HISTORY: CsvList = CsvList {
    name: "history",
    rows: "scores",
    is_paged: false,
    columns: &[
        ("date", Row("/date")),
        ("revision", Row("/revision")),
        ("rule_set", Row("/rule_set")),
        ("shop_id", Answer("/shop_id")),
        ("creator_id", Answer("/creator_id")),
        ("category_id", Row("/category_id")),
        ("in_force", Row("/in_force")),
        ("status", Row("/status")),
        ("signed_orders", Row("/signed_orders")),
        ("score", Row("/score")),
        ("tier_level", Row("/tier_level")),
        ("published_at", Row("/published_at")),
    ],
};

pub(crate) static METRICS: CsvList = CsvList {
    name: "metrics",
    rows: "metrics",
    is_paged: false,
    columns: &[
        ("date", Answer("/date")),
        ("revision", Answer("/revision")),
        ("rule_set", Answer("/rule_set")),
        ("shop_id", Answer("/shop_id")),
        ("creator_id", Answer("/creator_id")),
        ("metric", Row("/id")),
        ("title_en", Row("/title/en")),
        ("title_zh", Row("/title/zh")),
        ("dimension", Row("/dimension")),
        ("numerator", Row("/numerator")),
        ("denominator", Row("/denominator")),
        ("value", Row("/value")),
        ("unit", Row("/unit")),
        ("better", Row("/better")),
        ("window_from", Row("/window/from")),
        ("window_to", Row("/window/to")),
        ("assessed", Row("/assessed")),
        ("basis", Row("/basis")),
        ("peers", Row("/peers")),
        ("better_peers", Row("/better_peers")),
        ("standing", Row("/standing")),
        ("points", Row("/points")),
        ("weight", Row("/weight")),
        ("effective_weight", Row("/effective_weight")),
    ],
};

pub(crate) static RECORDS: CsvList = CsvList {
    name: "records",
    rows: "items",
    is_paged: true,
    columns: &[
        ("date", Answer("/date")),
        ("revision", Answer("/revision")),
        ("rule_set", Answer("/rule_set")),
        ("metric", Answer("/metric")),
        ("side", Answer("/side")),
        ("kind", Row("/kind")),
        ("shop_id", Row("/shop_id")),
        ("order_id", Row("/order_id")),
        ("aftersale_id", Row("/aftersale_id")),
        ("session_id", Row("/session_id")),
        ("product_id", Row("/product_id")),
        ("creator_id", Row("/creator_id")),
        ("time", Row("/time")),
        ("day", Row("/day")),
        ("amount", Row("/amount")),
        ("facts", Row("/facts")),
    ],
};

pub(crate) static PRODUCTS: CsvList = CsvList {
    name: "products",
    rows: "items",
    is_paged: true,
    columns: &[
        ("date", Answer("/date")),
        ("revision", Answer("/revision")),
        ("rule_set", Answer("/rule_set")),
        ("as_of", Answer("/as_of")),
        ("shop_id", Row("/shop_id")),
        ("product_id", Row("/product_id")),
        ("on_shelf", Row("/on_shelf")),
        ("in_base_score", Row("/in_base_score")),
        ("bad_review_rate_numerator", Row("/bad_review_rate/numerator")),
        ("bad_review_rate_denominator", Row("/bad_review_rate/denominator")),
        ("bad_review_rate", Row("/bad_review_rate/value")),
        ("quality_return_rate_numerator", Row("/quality_return_rate/numerator")),
        ("quality_return_rate_denominator", Row("/quality_return_rate/denominator")),
        ("quality_return_rate", Row("/quality_return_rate/value")),
        ("complaint_rate_numerator", Row("/complaint_rate/numerator")),
        ("complaint_rate_denominator", Row("/complaint_rate/denominator")),
        ("complaint_rate", Row("/complaint_rate/value")),
        ("mean_stars", Row("/mean_stars")),
        ("reviews", Row("/reviews")),
        ("signed_orders", Row("/signed_orders")),
        ("paid_orders", Row("/paid_orders")),
    ],
};
