// Batches over the vendors' own SDKs: files and lines of OpenAI, requests of Anthropic, each for models of both.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { anthropic, collect, openai, targets } from "./common.mjs";

const models = [...targets.map((t) => t.model), "nobody-knows"];
const good = targets.length;
const messages = (i) => [{ role: "user", content: `question ${i}` }];
const asked = (model, i) => ({ model, max_completion_tokens: 1024, messages: messages(i) });
const message = (model, i) => ({ model, max_tokens: 1024, messages: messages(i) });

async function over(look, ended) {
  for (let i = 0; i < 600; i++) {
    const batch = await look();
    if (ended(batch)) return batch;
    await wait(50);
  }
  assert.fail("the batch isn't over");
}

async function make(endpoint, bodies) {
  const lines = bodies.map((body, i) => `${JSON.stringify({ custom_id: `l${i}`, method: "POST", url: endpoint, body })}\n`).join("");
  const file = await openai.files.create({ file: await toFile(Buffer.from(lines), "lines.jsonl"), purpose: "batch" });
  return openai.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
}

const ended = ({ id }) =>
  over(() => openai.batches.retrieve(id), (b) => ["completed", "failed", "expired", "cancelled"].includes(b.status));

const results = async (file) => (await (await openai.files.content(file)).text()).trim().split("\n").map((line) => JSON.parse(line));

test("OpenAI's SDK makes a batch of lines for every kind of provider", async () => {
  const batch = await ended(await make("/v1/chat/completions", models.map(asked)));
  assert.equal(batch.status, "completed");
  assert.deepEqual(batch.request_counts, { total: good + 1, completed: good, failed: 1 });
  const answers = await results(batch.output_file_id);
  answers.forEach((a, i) => {
    assert.equal(a.custom_id, `l${i}`);
    assert.match(a.response.body.choices[0].message.content, new RegExp(`"question ${i}"`));
  });
  assert.equal(answers.length, good);
  assert.equal((await results(batch.error_file_id))[0].response.status_code, 404);
  assert.ok((await collect(await openai.batches.list({ limit: 1 }))).some((b) => b.id === batch.id));
  assert.equal((await openai.files.delete(batch.output_file_id)).deleted, true);
  await assert.rejects(openai.files.retrieve(batch.output_file_id), OpenAI.NotFoundError);
});

test("OpenAI's SDK is told what is wrong with lines by their numbers", async () => {
  const batch = await ended(await make("/v1/chat/completions", [asked("gpt-5", 0), {}]));
  assert.equal(batch.status, "failed");
  assert.deepEqual(batch.errors.data.map((e) => [e.line, e.param]), [[2, "body.model"]]);
});

test("OpenAI's SDK gets vectors from a batch", async () => {
  const batch = await ended(await make("/v1/embeddings", ["text-embedding-3-small", "vllm/bge-m3"].map((model) => ({ model, input: "gate" }))));
  for (const line of await results(batch.output_file_id)) assert.ok(line.response.body.data[0].embedding.length > 1);
});

test("OpenAI's SDK cancels a batch", async () => {
  const batch = await make("/v1/chat/completions", Array.from({ length: 50 }, (_, i) => asked("gpt-5#ttft=300ms", i)));
  assert.equal((await openai.batches.cancel(batch.id)).status, "cancelling");
  assert.equal((await ended(batch)).status, "cancelled");
});

test("Anthropic's SDK makes a batch of requests for every kind of provider", async () => {
  const { batches } = anthropic.messages;
  const made = await batches.create({ requests: models.map((m, i) => ({ custom_id: `l${i}`, params: message(m, i) })) });
  const batch = await over(() => batches.retrieve(made.id), (b) => b.processing_status === "ended");
  assert.deepEqual([batch.request_counts.succeeded, batch.request_counts.errored], [good, 1]);
  const answers = await collect(await batches.results(batch.id));
  assert.deepEqual(answers.map((a) => a.custom_id), models.map((_, i) => `l${i}`));
  answers.slice(0, good).forEach((a, i) => {
    const said = a.result.message.content.filter((b) => b.type === "text").map((b) => b.text).join("");
    assert.match(said, new RegExp(`"question ${i}"`));
  });
  assert.equal(answers[good].result.type, "errored");
  assert.equal(answers[good].result.error.error.type, "not_found_error");
  assert.ok((await collect(await batches.list({ limit: 1 }))).some((b) => b.id === batch.id));
  assert.equal((await batches.delete(batch.id)).type, "message_batch_deleted");
  await assert.rejects(batches.retrieve(batch.id), Anthropic.NotFoundError);
});

test("Anthropic's SDK is told at once what is wrong with requests", async () => {
  const twice = [0, 1].map((i) => ({ custom_id: "twice", params: message("claude-opus-4-6", i) }));
  await assert.rejects(anthropic.messages.batches.create({ requests: twice }), (e) => e instanceof Anthropic.BadRequestError && /requests\.1\.custom_id/.test(e.message));
});
