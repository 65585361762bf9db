"""Sends events and reads a score, its metrics and its records through the client that openapi-python-client made."""

import datetime
import json
import sys
import time

from shopscore_client import AuthenticatedClient
from shopscore_client.api.events import post_events
from shopscore_client.api.registry import put_subject
from shopscore_client.api.runs import get_run, post_run
from shopscore_client.api.scores import get_changes, get_metrics, get_records, get_score
from shopscore_client.models import BatchAnswer, EventAnswer, Problem, RunBody, SubjectBody
from shopscore_client import models

base, key, events_file = sys.argv[1:]
client = AuthenticatedClient(base_url=base, token=key)


def ok(response, *expected):
    """The parsed answer, which must be of an expected type."""
    assert isinstance(response.parsed, expected), (response.status_code, response.content)
    return response.parsed


def event(line):
    """An event as the class of its type."""
    members = json.loads(line)
    name = "".join(word.capitalize() for word in members["type"].replace(".", "_").split("_")) + "Event"
    return getattr(models, name).from_dict(members)


with open(events_file, encoding="utf-8") as lines:
    events = [event(line) for line in lines]
single = ok(post_events.sync_detailed(client=client, body=events[0]), EventAnswer)
assert single.outcome.value == "accepted", single
again = post_events.sync_detailed(client=client, body=events[0])
assert again.status_code == 200 and ok(again, EventAnswer).outcome.value == "duplicate", again
batch = ok(post_events.sync_detailed(client=client, body=events), BatchAnswer)
assert (batch.accepted, batch.duplicates, batch.rejected) == (len(events) - 1, 1, 0), batch

subject = ok(put_subject.sync_detailed("shops", "shop-7", client=client, body=SubjectBody(category_id="food")), models.Subject)
assert subject.category_id == "food", subject

for day in (19, 20):
    run = ok(post_run.sync_detailed(client=client, body=RunBody(date=datetime.date(2026, 11, day))), models.Run)
    while run.state.value in ("queued", "running"):
        time.sleep(0.1)
        run = ok(get_run.sync_detailed(run.run_id, client=client), models.Run)
    assert run.state.value == "published", run

score = ok(get_score.sync_detailed("shops", "shop-7", client=client), models.ScoreAnswer)
assert score.status.value == "scored" and 3 <= score.score <= 5, score
metrics = ok(get_metrics.sync_detailed("shops", "shop-7", client=client), models.MetricsAnswer)
metric = next(metric for metric in metrics.metrics if metric.id == "negative_feedback_rate")
records = ok(
    get_records.sync_detailed("shops", "shop-7", metric.id, client=client, side=models.GetRecordsSide.NUMERATOR), models.RecordsAnswer
)
assert sum(record.amount for record in records.items) == metric.numerator > 0, (metric, records)
changes = ok(get_changes.sync_detailed("shops", "shop-7", client=client), models.ChangesAnswer)
assert changes.change < 0, changes
problem = ok(get_score.sync_detailed("shops", "nobody", client=client), Problem)
assert problem.type_ == "urn:shopscore:problem:subject-not-found", problem
print(f"python: {len(events)} events, score {score.score}, {len(metrics.metrics)} metrics, {len(records.items)} records")
