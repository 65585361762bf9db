// Sends events and reads a score, its metrics and its records through the types that openapi-typescript made.

import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Event = components["schemas"]["Event"];

const [base, key, file] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: base, headers: { authorization: `Bearer ${key}` } });

function ok<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

function check(condition: boolean, about: unknown): asserts condition {
  if (!condition) throw new Error(JSON.stringify(about));
}

async function main(): Promise<void> {
  const events = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Event);
  const typed: components["schemas"]["OrderPaidEvent"] = {
    id: "ts-1",
    type: "order.paid",
    shop_id: "shop-ts",
    time: "2026-11-08T10:00:00+08:00",
    data: { order_id: "o-1", product_id: "p-1", kind: "physical" },
  };
  const single = ok(await client.POST("/v1/events", { body: typed }));
  check("outcome" in single && single.outcome === "accepted", single);
  const batch = ok(await client.POST("/v1/events", { body: events }));
  check("accepted" in batch && batch.accepted + batch.duplicates === events.length, batch);
  const run = ok(await client.POST("/v1/runs", { body: { date: "2026-11-20" } }));
  check("run_id" in run, run);
  for (let state = run.state; state !== "published"; ) {
    check(state !== "failed", run);
    await new Promise((resolve) => setTimeout(resolve, 100));
    state = ok(await client.GET("/v1/runs/{run_id}", { params: { path: { run_id: run.run_id } } })).state;
  }
  const path = { kind: "shops", id: "shop-7" } as const;
  const score = ok(await client.GET("/v1/{kind}/{id}/score", { params: { path } }));
  check(score.status === "scored" && score.score !== null, score);
  const { metrics } = ok(await client.GET("/v1/{kind}/{id}/metrics", { params: { path } }));
  const metric = metrics.find((one) => one.id === "negative_feedback_rate");
  check(metric !== undefined, metrics);
  const records = ok(
    await client.GET("/v1/{kind}/{id}/metrics/{metric}/records", {
      params: { path: { ...path, metric: "negative_feedback_rate" }, query: { side: "numerator" } },
    }),
  );
  const sum = records.items.reduce((total, record) => total + record.amount, 0);
  check(sum === metric.numerator && sum > 0, records);
  const missing = await client.GET("/v1/{kind}/{id}/score", { params: { path: { kind: "shops", id: "nobody" } } });
  check(missing.error?.type === "urn:shopscore:problem:subject-not-found", missing.error);
  console.log(`typescript: ${events.length} events, score ${score.score}, ${metrics.length} metrics, ${records.items.length} records`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
