// Anthropic's own SDK, asking every kind of provider: only the base URL and the key differ from talking to Anthropic.
import assert from "node:assert/strict";
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { anthropic, apiKey, asAnthropic, clock, collect, every, faults, instruction, pdf, png, question, Recipe, url, weather } from "./common.mjs";

const chat = anthropic.messages;
const max_tokens = 2048;
const tools = [asAnthropic(weather), asAnthropic(clock)];
const saying = (content) => [{ role: "user", content }];
const text = (m) => m.content.filter((b) => b.type === "text").map((b) => b.text).join("");
const uses = (m) => m.content.filter((b) => b.type === "tool_use");

async function both(params) {
  const whole = await chat.create({ max_tokens, ...params });
  const streamed = await chat.stream({ max_tokens, ...params }).finalMessage();
  return [whole, streamed];
}

function assertSameAnswer(streamed, whole) {
  const bare = (blocks) => blocks.map(({ type, text, thinking, signature, name, input }) => ({ type, text, thinking, signature, name, input }));
  assert.deepEqual(bare(streamed.content), bare(whole.content));
  assert.equal(streamed.stop_reason, whole.stop_reason);
  assert.equal(streamed.usage.input_tokens, whole.usage.input_tokens);
  assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
}

every("says the same to Anthropic's SDK whole and streamed", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question });
  assert.match(text(whole), /You said "Explain RAG"/);
  assert.equal(whole.stop_reason, "end_turn");
  assert.equal(whole.type, "message");
  assert.equal(whole.role, "assistant");
  assert.ok(whole.id);
  assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
  assertSameAnswer(streamed, whole);
});

every("streams the events of Anthropic's dialect in their order", async ({ model }) => {
  const events = await collect(await chat.create({ model, max_tokens, messages: question, stream: true }));
  const order = events.map((e) => e.type).filter((type, i, all) => type !== "ping" && type !== all[i - 1]);
  assert.deepEqual(order, ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
  assert.ok(events.find((e) => e.type === "message_delta").usage.output_tokens > 0);
});

every("gets the instructions of Anthropic's SDK", async ({ model }) => {
  const plain = await chat.create({ model, max_tokens, messages: question });
  for (const system of [instruction, [{ type: "text", text: instruction }]]) {
    const answer = await chat.create({ model, max_tokens, system, messages: question });
    assert.ok(answer.usage.input_tokens >= plain.usage.input_tokens + 12);
    assert.match(text(answer), /You said "Explain RAG"/);
  }
});

every("stops at the limit that Anthropic's SDK sets", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question, max_tokens: 7 });
  assert.equal(whole.stop_reason, "max_tokens");
  assert.equal(whole.usage.output_tokens, 7);
  assertSameAnswer(streamed, whole);
});

every("stops at the words that Anthropic's SDK gives", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question, stop_sequences: ["RAG"] });
  assert.ok(["stop_sequence", "end_turn"].includes(whole.stop_reason));
  assert.equal(text(whole).trim(), 'You said "Explain');
  assertSameAnswer(streamed, whole);
});

function assertUse(use, tool) {
  assert.ok(use.id);
  assert.equal(use.name, tool.name);
  assert.deepEqual(Object.keys(use.input).sort(), [...tool.schema.required].sort());
}

every("calls a tool of Anthropic's SDK, whole and streamed", async ({ model }) => {
  for (const message of await both({ model, messages: saying("Please use tool clock"), tools })) {
    assert.equal(message.stop_reason, "tool_use");
    assert.equal(uses(message).length, 1);
    assertUse(uses(message)[0], clock);
    assert.match(uses(message)[0].input.zone, /^(UTC|CET)$/);
    assert.match(uses(message)[0].id, /^[a-zA-Z0-9_-]+$/);
  }
});

every("calls a tool without parameters for Anthropic's SDK", async ({ model }) => {
  const tool = asAnthropic({ name: "now", description: "The time.", schema: { type: "object", properties: {} } });
  for (const message of await both({ model, messages: saying("Please use tool now"), tools: [tool] })) {
    assert.deepEqual(uses(message).map((use) => use.input), [{}]);
  }
});

every("says what a tool of Anthropic's SDK failed at", async ({ model }) => {
  const { data, response } = await chat.create({ model, max_tokens, tools, messages: [
    ...saying("Please use tool weather"),
    { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Ulm" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", is_error: true, content: "no such city" }] },
  ] }).withResponse();
  assert.match(text(data), /The tool answered "no such city"/);
  if (!model.startsWith("claude")) assert.match(response.headers.get("x-headgate-warnings"), /dropped messages\[2\]\.content\[0\]\.is_error/);
});

every("calls the tool that Anthropic's SDK demands", async ({ model }) => {
  for (const tool_choice of [{ type: "tool", name: "clock" }, { type: "any" }]) {
    for (const message of await both({ model, messages: question, tools: tools.slice(1), tool_choice })) {
      assertUse(uses(message)[0], clock);
    }
  }
  const none = await chat.create({ model, max_tokens, messages: saying("Please use tool clock"), tools, tool_choice: { type: "none" } });
  assert.equal(none.stop_reason, "end_turn");
  assert.equal(uses(none).length, 0);
});

every("calls two tools of Anthropic's SDK at once, unless it may not", async ({ model }) => {
  const params = { model, messages: saying("Please use tools"), tools };
  for (const message of await both(params)) {
    assert.equal(uses(message).length, 2);
    assert.notEqual(uses(message)[0].id, uses(message)[1].id);
    for (const use of uses(message)) assertUse(use, use.name === "clock" ? clock : weather);
  }
  const single = await chat.create({ ...params, max_tokens, tool_choice: { type: "auto", disable_parallel_tool_use: true } });
  assert.equal(uses(single).length, 1);
}, (t) => t.parallel);

// By default the tool runner leaves the conversation with the server (thread), and goes on without when the server says that
// it can't hold it.
const runners = { "which sends the conversation": { thread: false }, "which would leave the conversation with the server": {} };
for (const [kind, options] of Object.entries(runners)) {
  every(`is served by Anthropic's tool runner, ${kind}`, async ({ model }) => {
    for (const stream of [false, true]) {
      const asked = [];
      const run = ({ city }) => { asked.push(city); return "sunny, 21 degrees"; };
      const tool = betaZodTool({ name: "weather", description: weather.description, inputSchema: z.object({ city: z.string() }), run });
      const params = { model, max_tokens, stream, messages: saying("Please use tool weather"), tools: [tool], max_iterations: 3, ...options };
      assert.match(text(await anthropic.beta.messages.toolRunner(params).runUntilDone()), /The tool answered "sunny, 21 degrees"/);
      assert.equal(asked.length, 1);
    }
  });
}

every("fills in a Zod schema for Anthropic's SDK, whole and streamed", async ({ model }) => {
  const params = { model, max_tokens, messages: question, output_config: { format: zodOutputFormat(Recipe) } };
  const whole = await chat.parse(params);
  const streamed = await chat.stream(params).finalMessage();
  assert.deepEqual(Recipe.parse(whole.parsed_output), whole.parsed_output);
  assert.deepEqual(streamed.parsed_output, whole.parsed_output);
});

every("gets the picture of Anthropic's SDK", async ({ model }) => {
  const words = { type: "text", text: "What is this?" };
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: png } };
  const without = await chat.create({ model, max_tokens, messages: saying([words]) });
  const [whole, streamed] = await both({ model, messages: saying([image, words]) });
  assert.ok(whole.usage.input_tokens >= without.usage.input_tokens + 85);
  assertSameAnswer(streamed, whole);
});

every("gets the document of Anthropic's SDK", async ({ model }) => {
  const words = { type: "text", text: "What is this?" };
  const document = { type: "document", source: { type: "base64", media_type: "application/pdf", data: pdf } };
  const without = await chat.create({ model, max_tokens, messages: saying([words]) });
  const whole = await chat.create({ model, max_tokens, messages: saying([document, words]) });
  assert.ok(whole.usage.input_tokens >= without.usage.input_tokens + 85);
}, (t) => t.hosted);

every("tells Anthropic's SDK what came from the cache", async ({ model }) => {
  const plain = await chat.create({ model, max_tokens, messages: question });
  const [whole, streamed] = await both({ model: `${model}#cache=read`, messages: question });
  assertSameAnswer(streamed, whole);
  assert.ok(whole.usage.cache_read_input_tokens > 0);
  assert.equal(whole.usage.input_tokens + whole.usage.cache_read_input_tokens, plain.usage.input_tokens);
  assert.equal(streamed.usage.cache_read_input_tokens, whole.usage.cache_read_input_tokens);
}, (t) => t.hosted);

every("refuses, and Anthropic's SDK can tell", async ({ model }) => {
  for (const message of await both({ model: `${model}#refuse`, messages: question })) assert.equal(message.stop_reason, "refusal");
}, (t) => t.hosted);

every("gets the picture that a tool of Anthropic's SDK took", async ({ model }) => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: png } };
  const after = (content) => [
    ...saying("Please use tool weather"),
    { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Ulm" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content }] },
  ];
  const words = { type: "text", text: "as in the picture" };
  const without = await chat.create({ model, max_tokens, tools, messages: after([words]) });
  const whole = await chat.create({ model, max_tokens, tools, messages: after([words, image]) });
  assert.ok(whole.usage.input_tokens >= without.usage.input_tokens + 85);
});

every("thinks for Anthropic's SDK", async ({ model, thoughts }) => {
  const params = { model, max_tokens, messages: question, thinking: { type: "adaptive" }, output_config: { effort: "low" } };
  const { data: whole, response } = await chat.create(params).withResponse();
  const streamed = await chat.stream(params).finalMessage();
  const plain = await chat.create({ model, max_tokens, messages: question });
  assertSameAnswer(streamed, whole);
  const block = whole.content.find((b) => b.type === "thinking");
  if (thoughts === "none") {
    assert.match(response.headers.get("x-headgate-warnings"), /dropped (thinking|output_config\.effort)/);
  } else {
    assert.equal(response.headers.get("x-headgate-warnings"), null);
    assert.ok(whole.usage.output_tokens > plain.usage.output_tokens || thoughts === "open");
  }
  assert.equal(Boolean(block), thoughts === "signed" || thoughts === "open");
  if (block) {
    assert.equal(whole.content[0], block);
    assert.ok(block.thinking.length > 0);
    assert.equal(block.signature === "headgate-unsigned", thoughts === "open");
    assert.ok(block.signature);
  }
});

const statuses = [
  [400, Anthropic.BadRequestError, 400, "invalid_request_error"],
  [401, Anthropic.InternalServerError, 502, "api_error"], // Headgate's key, not the client's
  [404, Anthropic.NotFoundError, 404, "not_found_error"],
  [429, Anthropic.RateLimitError, 429, "rate_limit_error"],
  [500, Anthropic.InternalServerError, 500, "api_error"],
  [503, Anthropic.InternalServerError, 503, "overloaded_error"],
];
every("fails in the classes of Anthropic's SDK", async ({ model }) => {
  await Promise.all(statuses.flatMap(([status, Class, seen, type]) => [false, true].map((stream) =>
    assert.rejects(chat.create({ model: `${model}#status=${status}`, max_tokens, messages: question, stream }), (e) => {
      assert.ok(e instanceof Class, `${status}: ${e.constructor.name} ${e.status} ${e.message}`);
      assert.equal(e.status, seen);
      if (model !== "claude-opus-4-6") assert.equal(e.type, type);
      assert.ok(e.error.error.message && e.requestID, `${status}: ${JSON.stringify(e.error)}`);
      return true;
    }))));
});

every("is an error to Anthropic's SDK where the answer is damaged", async ({ model }) => {
  await Promise.all(["garbage", "garbage=text", "empty", "cut_bytes=60", "abort"].map((fault) =>
    assert.rejects(chat.create({ model: `${model}#${fault}`, max_tokens, messages: question }), (e) => {
      assert.ok(e instanceof Anthropic.InternalServerError, `${fault}: ${e}`);
      assert.equal(e.status, 502, fault);
      return true;
    })));
});

every("never ends in silence for Anthropic's SDK", async ({ model }) => {
  await Promise.all(faults.map(async (fault) => {
    const params = { model: `${model}#${fault}`, max_tokens, messages: question };
    const broken = (e) => e instanceof Anthropic.AnthropicError && ![400, 401, 404].includes(e.status);
    await assert.rejects(async () => collect(await chat.create({ ...params, stream: true })), broken, `${fault}, events`);
    await assert.rejects(chat.stream(params).finalMessage(), broken, `${fault}, helper`);
  }));
});

const refused = [
  ["gpt-5", { container: "c_1" }, "container"],
  ["gpt-5", { mcp_servers: [{ type: "url", url: "https://example.com", name: "x" }] }, "mcp_servers"],
  ["gpt-5", { tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0]"],
  ["gpt-5", { stop_sequences: ["a", "b", "c", "d", "e"] }, "stop_sequences"],
  ["vllm/qwen3-8b", { tools: [{ type: "bash_20250124", name: "bash" }] }, "tools[0]"],
  ["tgi/tgi", { stop_sequences: ["a", "b", "c", "d", "e"] }, "stop_sequences"],
  ["tgi/tgi", { tools, output_config: { format: { type: "json_schema", schema: weather.schema } } }, "output_config.format"],
];
for (const [model, field, name] of refused) {
  test(`${model} refuses ${JSON.stringify(field).slice(0, 60)} of Anthropic's SDK by its name`, async () => {
    for (const stream of [false, true]) {
      await assert.rejects(chat.create({ model, max_tokens, messages: question, stream, ...field }), (e) => {
        assert.ok(e instanceof Anthropic.BadRequestError, String(e));
        assert.deepEqual([e.status, e.type, e.details.field, e.errorCode], [400, "invalid_request_error", name, "UNSUPPORTED"]);
        assert.ok(e.message.includes(name));
        return true;
      });
    }
  });
}

const cached = { cache_control: { type: "ephemeral" } };
const dropped = [
  [{ messages: saying([{ type: "text", text: "Explain RAG", ...cached }]) }, "messages[0].content[0].cache_control"],
  [{ system: [{ type: "text", text: instruction, ...cached }] }, "system[0].cache_control"],
  [{ tools: [{ ...tools[0], ...cached }] }, "tools[0].cache_control"],
  [{ service_tier: "auto" }, "service_tier"],
];
for (const [field, name] of dropped) {
  every(`answers without ${name}, and says so to Anthropic's SDK`, async ({ model }) => {
    for (const stream of [false, true]) {
      const { data, response } = await chat.create({ model, max_tokens, messages: question, stream, ...field }).withResponse();
      assert.ok(response.headers.get("x-headgate-warnings")?.includes(`dropped ${name}`), response.headers.get("x-headgate-warnings"));
      if (stream) await collect(data);
    }
  }, (t) => t.model !== "claude-opus-4-6");
}

every("counts tokens for Anthropic's SDK", async ({ model }) => {
  const count = async (params) => (await chat.countTokens({ model, ...params })).input_tokens;
  const short = await count({ messages: question });
  const long = await count({ messages: question, system: instruction, tools });
  assert.ok(short > 0 && long > short + 20);
  if (model.startsWith("claude")) {
    assert.equal(short, (await chat.create({ model, max_tokens, messages: question })).usage.input_tokens);
  }
});

test("Anthropic's SDK lists the models", async () => {
  const ids = (await collect(await anthropic.models.list())).map((m) => m.id);
  assert.ok(ids.includes("claude-opus-4-6"));
});

test("Anthropic's SDK is told what the client did wrong", async () => {
  await assert.rejects(chat.create({ model: "nobody-knows", max_tokens, messages: question }), Anthropic.NotFoundError);
  await assert.rejects(new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 }).models.list(), Anthropic.AuthenticationError);
  await assert.rejects(chat.create({ model: "claude-opus-4-6#status=529", max_tokens, messages: question }), (e) => e.status === 529);
});

every("tells Anthropic's SDK which message is wrong", async ({ model }) => {
  const messages = [...question, { role: "assistant", content: "Yes?" }, { role: "user", content: [{ type: "hologram" }] }];
  await assert.rejects(chat.create({ model, max_tokens, messages }), (e) => e instanceof Anthropic.BadRequestError && e.message.includes("messages[2]"));
}, (t) => t.model !== "claude-opus-4-6");
