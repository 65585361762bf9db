//! Who changed what: the words of the audit trail.

use super::words::words;

words! {
    /// What was done.
    pub enum Action {
        KeyCreated = "key.created",
        KeyRotated = "key.rotated",
        KeyRevoked = "key.revoked",
        SubjectRegistered = "subject.registered",
        SubjectChanged = "subject.changed",
        SubjectErased = "subject.erased",
        ExclusionCreated = "exclusion.created",
        ExclusionRevoked = "exclusion.revoked",
        AdjustmentCreated = "adjustment.created",
        AdjustmentRevoked = "adjustment.revoked",
        RunRequested = "run.requested",
        PreviewRequested = "preview.requested",
        WebhookCreated = "webhook.created",
        WebhookChanged = "webhook.changed",
        WebhookRotated = "webhook.rotated",
        WebhookDeleted = "webhook.deleted",
        DeliveriesRetried = "deliveries.retried",
        AlertCreated = "alert.created",
        AlertDeleted = "alert.deleted",
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A caller with a key.
    Key(i32),
    /// Somebody on the machine of the service.
    CommandLine,
    /// A caller of a service that asks for no keys.
    Nobody,
}

impl Actor {
    pub fn key_id(self) -> Option<i32> {
        match self {
            Actor::Key(key_id) => Some(key_id),
            Actor::CommandLine | Actor::Nobody => None,
        }
    }

    pub fn kind(self) -> ActorKind {
        match self {
            Actor::Key(_) => ActorKind::Key,
            Actor::CommandLine => ActorKind::CommandLine,
            Actor::Nobody => ActorKind::Nobody,
        }
    }
}

words! {
    /// What kind of actor did something.
    pub enum ActorKind {
        Key = "key",
        CommandLine = "command_line",
        Nobody = "nobody",
    }
}
