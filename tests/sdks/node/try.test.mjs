// The official TypeScript SDKs against Headgate: only the base URL and the key differ from talking to the vendors.
import assert from "node:assert/strict";
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const url = process.env.HEADGATE_URL;
const apiKey = process.env.HEADGATE_ADMIN_KEY;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Explain RAG" }];
const faults = ["cut=3", "cut_bytes=700", "reset=3", "no_terminal", "malformed=3", "error=3"];

test("openai: whole and streamed answers agree", async () => {
  const whole = await openai.chat.completions.create({ model: "gpt-5", messages });
  const stream = openai.chat.completions.stream({ model: "gpt-5", messages, stream_options: { include_usage: true } });
  const streamed = await stream.finalChatCompletion();
  assert.equal(streamed.choices[0].message.content, whole.choices[0].message.content);
  assert.equal((await stream.totalUsage()).total_tokens, whole.usage.total_tokens);
});

test("openai: a client that didn't ask for usage sees no chunk without choices", async () => {
  for await (const chunk of await openai.chat.completions.create({ model: "gpt-5", messages, stream: true })) {
    assert.equal(chunk.choices.length, 1);
  }
});

test("openai: tools, streamed", async () => {
  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];
  const stream = openai.chat.completions.stream({ model: "gpt-5", messages, tools, tool_choice: "required" });
  const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "weather");
  JSON.parse(call.function.arguments);
});

test("openai: models", async () => {
  const ids = [];
  for await (const m of openai.models.list()) ids.push(m.id);
  assert.ok(ids.includes("gpt-5"));
  assert.equal((await openai.models.retrieve("gpt-5")).id, "gpt-5");
});

test("openai: errors have the right class", async () => {
  await assert.rejects(openai.chat.completions.create({ model: "nobody-knows", messages }), OpenAI.NotFoundError);
  await assert.rejects(new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list(), OpenAI.AuthenticationError);
  await assert.rejects(openai.chat.completions.create({ model: "gpt-5#status=429", messages }), OpenAI.RateLimitError);
  await assert.rejects(openai.chat.completions.create({ model: "gpt-5", messages: "no" }), OpenAI.BadRequestError);
});

for (const fault of faults) {
  test(`openai: ${fault} is an error, not an answer`, async () => {
    await assert.rejects(async () => {
      for await (const _ of await openai.chat.completions.create({ model: `gpt-5#${fault}`, messages, stream: true }));
    });
  });
  test(`anthropic: ${fault} is an error, not an answer`, async () => {
    await assert.rejects(async () => {
      for await (const _ of await anthropic.messages.create({ model: `claude-opus-4-6#${fault}`, max_tokens: 1024, messages, stream: true }));
    });
  });
}

test("anthropic: whole and streamed answers agree", async () => {
  const whole = await anthropic.messages.create({ model: "claude-opus-4-6", max_tokens: 1024, messages });
  const streamed = await anthropic.messages.stream({ model: "claude-opus-4-6", max_tokens: 1024, messages }).finalMessage();
  assert.equal(streamed.content[0].text, whole.content[0].text);
  assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
});

test("anthropic: thinking, streamed", async () => {
  const m = await anthropic.messages.stream({ model: "claude-opus-4-6", max_tokens: 4096, messages, thinking: { type: "enabled", budget_tokens: 1024 } }).finalMessage();
  assert.equal(m.content[0].type, "thinking");
  assert.ok(m.content[0].signature);
});

test("anthropic: models", async () => {
  const ids = [];
  for await (const m of anthropic.models.list()) ids.push(m.id);
  assert.ok(ids.includes("claude-opus-4-6"));
});

test("anthropic: errors have the right class", async () => {
  await assert.rejects(anthropic.messages.create({ model: "nobody-knows", max_tokens: 9, messages }), Anthropic.NotFoundError);
  await assert.rejects(anthropic.messages.create({ model: "claude-opus-4-6#status=529", max_tokens: 9, messages }), (e) => e.status === 529);
  await assert.rejects(anthropic.messages.create({ model: "claude-opus-4-6#status=401", max_tokens: 9, messages }), (e) => e.status === 502);
});
