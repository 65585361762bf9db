//! The kinds of problems: one row each, from which status, type, titles and documentation come.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($variant:ident = $status:ident, $slug:literal, $title:literal, $title_zh:literal;)+) => {
        /// Every kind of problem: its status, the end of its `type`, its title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($variant,)+ }

        impl Kind {
            pub const ALL: [Kind; [$($slug),+].len()] = [$(Kind::$variant),+];

            pub fn status(self) -> StatusCode {
                match self { $(Kind::$variant => StatusCode::$status,)+ }
            }

            pub fn slug(self) -> &'static str {
                match self { $(Kind::$variant => $slug,)+ }
            }

            /// In English and in the sellers' own language.
            pub fn titles(self) -> (&'static str, &'static str) {
                match self { $(Kind::$variant => ($title, $title_zh),)+ }
            }
        }
    };
}

kinds! {
    InvalidParameter = BAD_REQUEST, "invalid-parameter", "A parameter is unknown or wrong", "参数未知或有误";
    UnreadableBody = BAD_REQUEST, "unreadable-body", "The body cannot be read; nothing was written", "请求体无法读取；未写入任何数据";
    Unauthorized = UNAUTHORIZED, "unauthorized", "A valid API key is needed", "需要有效的 API 密钥";
    WrongSignature = UNAUTHORIZED, "wrong-signature", "The message is not signed by the platform", "消息未经平台签名";
    Forbidden = FORBIDDEN, "forbidden", "The key is not allowed to do this", "密钥无权执行此操作";
    NotFound = NOT_FOUND, "not-found", "Not found", "未找到";
    SubjectNotFound = NOT_FOUND, "subject-not-found", "Unknown shop or creator", "店铺或达人不存在";
    ScoreNotPublished = NOT_FOUND, "score-not-published", "No score is published", "尚未发布体验分";
    EventsNotFound = NOT_FOUND, "events-not-found", "No events of it are stored", "没有该对象的事件";
    AdjustmentNotFound = NOT_FOUND, "adjustment-not-found", "Unknown adjustment", "加减分记录不存在";
    PreviewNotFound = NOT_FOUND, "preview-not-found", "Unknown preview", "预演不存在";
    ExclusionNotFound = NOT_FOUND, "exclusion-not-found", "Unknown exclusion", "剔除记录不存在";
    KeyNotFound = NOT_FOUND, "key-not-found", "Unknown key", "密钥不存在";
    WebhookNotFound = NOT_FOUND, "webhook-not-found", "Unknown webhook", "Webhook 不存在";
    DeliveryNotFound = NOT_FOUND, "delivery-not-found", "Unknown delivery", "投递记录不存在";
    AlertNotFound = NOT_FOUND, "alert-not-found", "Unknown alert rule", "预警规则不存在";
    ConnectorNotFound = NOT_FOUND, "connector-not-found", "Unknown connector", "连接器不存在";
    RuleSetNotFound = NOT_FOUND, "rule-set-not-found", "Unknown rule set", "规则集不存在";
    MetricNotFound = NOT_FOUND, "metric-not-found", "The rule set has no such metric", "规则集中没有该指标";
    RunNotFound = NOT_FOUND, "run-not-found", "Unknown run", "计算任务不存在";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", "不支持该请求方法";
    EventConflict = CONFLICT, "event-conflict", "A different event is stored under this id", "该 id 已存储了内容不同的事件";
    AdjustmentConflict = CONFLICT, "adjustment-conflict", "The id names another adjustment", "该 id 已用于另一条加减分记录";
    TooManyPreviews = CONFLICT, "too-many-previews", "Too many previews wait", "等待中的预演过多";
    AlreadyExcluded = CONFLICT, "already-excluded", "The target is already excluded", "该目标已被剔除";
    KeyNotActive = CONFLICT, "key-not-active", "The key is revoked or has expired", "密钥已吊销或已过期";
    KeyReplaced = CONFLICT, "key-replaced", "Another key takes the place of the key already", "该密钥已有后继密钥";
    WebhookDisabled = CONFLICT, "webhook-disabled", "The webhook is told nothing any more", "该 Webhook 已停用";
    TooManyWebhooks = CONFLICT, "too-many-webhooks", "There are as many as there may be", "数量已达上限";
    RunUnderWay = CONFLICT, "run-under-way", "A run of this date is under way", "该日期的计算任务正在进行";
    Misdirected = MISDIRECTED_REQUEST, "misdirected-request", "The request is addressed to another host", "请求发往了其他主机名";
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "The URL and headers are too large", "URL 和请求头过大";
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "The request is too large; nothing was written", "请求过大；未写入任何数据";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type or encoding", "不支持的媒体类型或编码";
    InvalidBody = UNPROCESSABLE_ENTITY, "invalid-body", "The body is not valid; nothing was written", "请求体无效；未写入任何数据";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Another request was sent with this Idempotency-Key", "该 Idempotency-Key 已用于另一请求";
    EventRejected = UNPROCESSABLE_ENTITY, "event-rejected", "The event is rejected", "事件被拒绝";
    BatchRejected = UNPROCESSABLE_ENTITY, "batch-rejected", "The batch is rejected as a whole; nothing was written", "整个批次被拒绝；未写入任何数据";
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests; nothing was written", "请求过于频繁；未写入任何数据";
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "The request took too long to arrive", "请求传输超时";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal error", "内部错误";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service is unavailable", "服务暂不可用";
}
