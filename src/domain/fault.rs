//! One thing wrong with what a client sent, and where: the kinds of faults are the rows of a table.

use super::words::words;

macro_rules! codes {
    ($($variant:ident = $code:literal, $about:literal, $about_zh:literal;)+) => {
        words! {
            /// Stable words for the kinds of faults.
            pub enum Code { $($variant = $code,)+ }
        }

        impl Code {
            /// What is wrong and what to do, in English and in the sellers' own language.
            pub fn about(self) -> (&'static str, &'static str) {
                match self { $(Code::$variant => ($about, $about_zh),)+ }
            }
        }
    };
}

codes! {
    MissingField = "missing_field", "A required field is absent or null.", "缺少必填字段，或其值为 null。";
    WrongType = "wrong_type", "The value has another JSON type than the field.", "值的 JSON 类型与字段要求不符。";
    InvalidValue = "invalid_value", "The value is none that the field or parameter takes; the detail says which it does.", "取值不被接受；detail 说明可接受的取值。";
    InvalidId = "invalid_id", "An id is 1-128 characters of printable ASCII without spaces and commas, and neither `.` nor `..`.", "id 须为 1-128 个可打印 ASCII 字符，不含空格和逗号，也不能是 `.` 或 `..`。";
    InvalidTime = "invalid_time", "A time is RFC 3339 with an offset, such as 2026-11-08T10:00:00+08:00.", "时间须为带时区偏移的 RFC 3339 格式，如 2026-11-08T10:00:00+08:00。";
    TimeInFuture = "time_in_future", "The time is more than 5 minutes ahead of the clock of the service. Check the clock and the offset.", "时间比服务时钟晚 5 分钟以上。请检查发送方时钟和时区偏移。";
    TooOld = "too_old", "The time is before `--oldest-time` (2010), or its data are no longer kept. Correct the time or leave the event out.", "时间早于 `--oldest-time`（默认 2010 年），或该时段数据已不再保留。请更正时间，或不再发送该事件。";
    UnknownType = "unknown_type", "No event type has this name. `docs/events.md` lists all of them.", "没有该名称的事件类型。全部类型见 events.md。";
    MalformedJson = "malformed_json", "The text is no JSON. Send it again as one JSON object.", "文本不是合法 JSON。请按一个 JSON 对象重新发送。";
    NotAnObject = "not_an_object", "An event must be a JSON object.", "事件必须是 JSON 对象。";
    DuplicateMember = "duplicate_member", "An object names a member twice; it cannot be told which one is meant.", "对象中同一成员出现两次，无法判断以哪个为准。";
    NulCharacter = "nul_character", "Text must not contain the character U+0000.", "文本不得包含字符 U+0000。";
    EventTooLarge = "event_too_large", "An event has at most 65,536 bytes. Leave out what the score does not need.", "单个事件最多 65,536 字节。请去掉评分不需要的内容。";
    SelfRetraction = "self_retraction", "A retraction cannot name itself.", "撤回事件不能指向自身。";
    Contradiction = "contradiction", "Fields exclude each other: a retraction names exactly one of order_id, session_id and product_id.", "字段互斥：撤回事件只能填写 order_id、session_id、product_id 之一。";
    ForbiddenShop = "forbidden_shop", "The key is bound to other shops.", "密钥绑定的是其他店铺。";
    ForbiddenType = "forbidden_type", "A key bound to shops, without the scope `events:relay`, may not send this type, or not take back this event.", "绑定店铺的密钥没有 `events:relay` 权限范围时，不能发送该类型，或不能撤回该事件。";
    AggregateFull = "aggregate_full", "The order, session or product holds as many events or bytes as it may.", "该订单、会话或商品的事件数或数据量已达上限。";
    RefusedByStore = "refused_by_store", "The database cannot store this event. Tell the operator.", "数据库无法存储该事件。请联系运营方。";
    UnknownMetric = "unknown_metric", "The rule set does not have this metric.", "规则集中没有该指标。";
    UnknownParameter = "unknown_parameter", "The operation has no parameter of this name.", "该接口没有此名称的参数。";
    RepeatedParameter = "repeated_parameter", "A parameter is given more than once.", "参数重复出现。";
    UnknownMember = "unknown_member", "A warning: `data` has a member that the type does not know and that looks like a misspelt one. It was ignored; with `strict=true` the event is rejected.", "警告：`data` 中有该类型不认识、且疑似拼错的成员，已被忽略；`strict=true` 时拒绝该事件。";
    UnlikelyOrder = "unlikely_order", "A warning: the event lies before one that should come first, such as a signature before the payment. Check both times; with `strict=true` the event is rejected.", "警告：事件时间早于本应在前的事件，例如签收早于支付。请核对两个时间；`strict=true` 时拒绝该事件。";
    NoCategory = "no_category", "A warning: the shop has no category, so it is compared with the whole market. `PUT /v1/shops/{shop_id}` sets it. It is said once for each shop of a request, of at most 20, and rejects no event, with `strict=true` neither.", "警告：店铺没有类目，因此与全平台比较。用 `PUT /v1/shops/{shop_id}` 设置。每个请求中每家店铺只提示一次，最多 20 家；即使 `strict=true` 也不会因此拒绝事件。";
    CreatorNotCredited = "creator_not_credited", "A warning: the event is stored, and credits no creator.", "警告：事件已存储，但不计入任何达人。";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the event or body.
    pub pointer: String,
    /// Stable, documented word for the kind of fault.
    pub code: Code,
    /// What is wrong and what to do, in a sentence.
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// The pointer to a member or an item below another pointer.
pub(crate) fn pointer_to(base: &str, name: &str) -> String {
    format!("{base}/{}", name.replace('~', "~0").replace('/', "~1"))
}
