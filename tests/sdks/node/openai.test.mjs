// OpenAI's own SDK, asking every kind of provider: only the base URL and the key differ from talking to OpenAI.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { apiKey, asOpenAI, clock, collect, every, faults, instruction, openai, pdf, png, question, Recipe, url, weather } from "./common.mjs";

const chat = openai.chat.completions;
const withUsage = { stream_options: { include_usage: true } };
const tools = [asOpenAI(weather), asOpenAI(clock)];
const saying = (content) => [{ role: "user", content }];

async function both(params) {
  const whole = await chat.create(params);
  const streamed = await chat.stream({ ...params, ...withUsage }).finalChatCompletion();
  return [whole, streamed];
}

function assertSameAnswer(streamed, whole) {
  assert.equal(streamed.choices.length, whole.choices.length);
  assert.equal(streamed.choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.equal(streamed.choices[0].message.content, whole.choices[0].message.content);
  for (const count of ["prompt_tokens", "completion_tokens", "total_tokens"]) {
    assert.equal(streamed.usage[count], whole.usage[count], count);
  }
}

every("says the same to OpenAI's SDK whole and streamed", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question });
  assert.match(whole.choices[0].message.content, /You said "Explain RAG"/);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.equal(whole.object, "chat.completion");
  assert.ok(whole.id);
  assert.ok(whole.usage.prompt_tokens > 0 && whole.usage.completion_tokens > 0);
  assertSameAnswer(streamed, whole);
});

every("streams one id, one role and one finish, and no usage that wasn't asked for", async ({ model }) => {
  const chunks = await collect(await chat.create({ model, messages: question, stream: true }));
  assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
  assert.ok(chunks[0].id);
  assert.deepEqual(new Set(chunks.map((c) => c.object)), new Set(["chat.completion.chunk"]));
  assert.ok(chunks.every((c) => c.choices.length === 1 && !c.usage));
  assert.equal(chunks.filter((c) => c.choices[0].delta.role).length, 1);
  assert.equal(chunks.filter((c) => c.choices[0].finish_reason).length, 1);
});

every("streams usage last, in a chunk of its own", async ({ model }) => {
  const chunks = await collect(await chat.create({ model, messages: question, stream: true, ...withUsage }));
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
  assert.ok(chunks.slice(0, -1).every((c) => !c.usage && c.choices.length === 1));
});

every("gets the instructions of OpenAI's SDK", async ({ model }) => {
  const plain = await chat.create({ model, messages: question });
  const system = await chat.create({ model, messages: [{ role: "system", content: instruction }, ...question] });
  assert.ok(system.usage.prompt_tokens >= plain.usage.prompt_tokens + 12);
  assert.match(system.choices[0].message.content, /You said "Explain RAG"/);
  const parts = saying([{ type: "text", text: "Explain" }, { type: "text", text: " RAG" }]);
  const developer = await chat.create({ model, messages: [{ role: "developer", content: instruction }, ...parts] });
  assert.ok(developer.usage.prompt_tokens >= plain.usage.prompt_tokens + 12);
});

every("stops at the limit that OpenAI's SDK sets", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question, max_completion_tokens: 7 });
  assert.equal(whole.choices[0].finish_reason, "length");
  assert.equal(whole.usage.completion_tokens, 7);
  assertSameAnswer(streamed, whole);
});

every("stops at the words that OpenAI's SDK gives", async ({ model }) => {
  const [whole, streamed] = await both({ model, messages: question, stop: ["RAG"] });
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.equal(whole.choices[0].message.content.trim(), 'You said "Explain');
  assertSameAnswer(streamed, whole);
});

function assertCall(call, tool) {
  assert.equal(call.type, "function");
  assert.ok(call.id);
  assert.equal(call.function.name, tool.name);
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), [...tool.schema.required].sort());
}

every("calls a tool of OpenAI's SDK, whole and streamed", async ({ model }) => {
  for (const message of await both({ model, messages: saying("Please use tool clock"), tools })) {
    const { finish_reason, message: said } = message.choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.equal(said.tool_calls.length, 1);
    assertCall(said.tool_calls[0], clock);
    assert.match(JSON.parse(said.tool_calls[0].function.arguments).zone, /^(UTC|CET)$/);
  }
});

every("calls a tool without parameters for OpenAI's SDK", async ({ model }) => {
  const tool = asOpenAI({ name: "now", description: "The time.", schema: { type: "object", properties: {} } });
  for (const message of await both({ model, messages: saying("Please use tool now"), tools: [tool] })) {
    assert.deepEqual(JSON.parse(message.choices[0].message.tool_calls[0].function.arguments), {});
  }
});

every("calls the tool that OpenAI's SDK demands", async ({ model }) => {
  const demand = { type: "function", function: { name: "clock" } };
  for (const tool_choice of [demand, "required"]) {
    for (const message of await both({ model, messages: question, tools: tools.slice(1), tool_choice })) {
      assertCall(message.choices[0].message.tool_calls[0], clock);
    }
  }
  const none = await chat.create({ model, messages: saying("Please use tool clock"), tools, tool_choice: "none" });
  assert.equal(none.choices[0].finish_reason, "stop");
  assert.equal(none.choices[0].message.tool_calls?.length ?? 0, 0);
});

every("calls two tools of OpenAI's SDK at once, unless it may not", async ({ model }) => {
  const params = { model, messages: saying("Please use tools"), tools };
  for (const message of await both(params)) {
    const calls = message.choices[0].message.tool_calls;
    assert.equal(calls.length, 2);
    assert.notEqual(calls[0].id, calls[1].id);
    for (const call of calls) assertCall(call, call.function.name === "clock" ? clock : weather);
  }
  const single = await chat.create({ ...params, parallel_tool_calls: false });
  assert.equal(single.choices[0].message.tool_calls.length, 1);
}, (t) => t.parallel);

every("calls the tool that OpenAI's SDK demands, thinking or not", async ({ model }) => {
  const params = { model, messages: question, tools, tool_choice: "required", reasoning_effort: "low" };
  for (const message of await both(params)) assert.equal(message.choices[0].finish_reason, "tool_calls");
});

every("is served by runTools, whole and streamed", async ({ model }) => {
  for (const stream of [false, true]) {
    const asked = [];
    const runner = chat.runTools({
      model, stream, messages: saying("Please use tool weather"),
      tools: [{ type: "function", function: { ...asOpenAI(weather).function, parse: JSON.parse, function: ({ city }) => { asked.push(city); return "sunny, 21 degrees"; } } }],
    });
    assert.match(await runner.finalContent(), /The tool answered "sunny, 21 degrees"/);
    assert.equal(asked.length, 1);
    assert.equal(typeof asked[0], "string");
    assert.deepEqual(runner.messages.map((m) => m.role), ["user", "assistant", "tool", "assistant"]);
  }
});

every("fills in a Zod schema for OpenAI's SDK, whole and streamed", async ({ model }) => {
  const params = { model, messages: question, response_format: zodResponseFormat(Recipe, "recipe") };
  const whole = await chat.parse(params);
  const streamed = await chat.stream(params).finalChatCompletion();
  assert.deepEqual(Recipe.parse(whole.choices[0].message.parsed), whole.choices[0].message.parsed);
  assert.deepEqual(streamed.choices[0].message.parsed, whole.choices[0].message.parsed);
});

every("gets the picture of OpenAI's SDK", async ({ model }) => {
  const text = { type: "text", text: "What is this?" };
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } };
  const without = await chat.create({ model, messages: saying([text]) });
  const [whole, streamed] = await both({ model, messages: saying([text, image]) });
  assert.ok(whole.usage.prompt_tokens >= without.usage.prompt_tokens + 85);
  assertSameAnswer(streamed, whole);
});

every("gets the document of OpenAI's SDK", async ({ model }) => {
  const text = { type: "text", text: "What is this?" };
  const file = { type: "file", file: { filename: "a.pdf", file_data: `data:application/pdf;base64,${pdf}` } };
  const without = await chat.create({ model, messages: saying([text]) });
  const whole = await chat.create({ model, messages: saying([text, file]) });
  assert.ok(whole.usage.prompt_tokens >= without.usage.prompt_tokens + 85);
}, (t) => t.hosted);

every("tells OpenAI's SDK what came from the cache", async ({ model }) => {
  const plain = await chat.create({ model, messages: question });
  const [whole, streamed] = await both({ model: `${model}#cache=read`, messages: question });
  assertSameAnswer(streamed, whole);
  assert.equal(whole.usage.prompt_tokens, plain.usage.prompt_tokens);
  assert.ok(whole.usage.prompt_tokens_details.cached_tokens > 0);
  assert.equal(streamed.usage.prompt_tokens_details.cached_tokens, whole.usage.prompt_tokens_details.cached_tokens);
}, (t) => t.hosted);

every("refuses, and OpenAI's SDK can tell", async ({ model }) => {
  for (const { choices: [{ message, finish_reason }] } of await both({ model: `${model}#refuse`, messages: question })) {
    assert.ok(message.refusal || finish_reason === "content_filter", JSON.stringify(message));
  }
}, (t) => t.hosted);

every("thinks for OpenAI's SDK", async ({ model, thoughts }) => {
  const params = { model, messages: question, reasoning_effort: "low" };
  const { data: whole, response } = await chat.create(params).withResponse();
  const chunks = await collect(await chat.create({ ...params, stream: true, ...withUsage }));
  const said = whole.choices[0].message;
  const deltas = chunks.flatMap((c) => c.choices).map((c) => c.delta);
  const streamed = deltas.map((d) => d.reasoning ?? "").join("");
  assert.equal(deltas.map((d) => d.content ?? "").join(""), said.content);
  assert.equal(streamed, said.reasoning ?? "");
  assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
  const details = deltas.flatMap((d) => d.reasoning_details ?? []);
  assert.deepEqual(details, said.reasoning_details ?? []);
  if (thoughts === "none") assert.match(response.headers.get("x-headgate-warnings"), /reasoning_effort/);
  else assert.equal(response.headers.get("x-headgate-warnings"), null);
  if (thoughts === "counted") assert.ok(whole.usage.completion_tokens_details.reasoning_tokens > 0);
  assert.equal(Boolean(said.reasoning), thoughts === "signed" || thoughts === "open");
  assert.equal(details.length, thoughts === "signed" ? 1 : 0);
  if (thoughts === "signed") {
    assert.equal(details[0].type, "reasoning.text");
    assert.equal(details[0].text, said.reasoning);
    assert.ok(details[0].signature);
  }
});

const statuses = [
  [400, OpenAI.BadRequestError, 400],
  [401, OpenAI.InternalServerError, 502], // Headgate's key, not the client's
  [404, OpenAI.NotFoundError, 404],
  [429, OpenAI.RateLimitError, 429],
  [500, OpenAI.InternalServerError, 500],
  [503, OpenAI.InternalServerError, 503],
];
every("fails in the classes of OpenAI's SDK", async ({ model }) => {
  await Promise.all(statuses.flatMap(([status, Class, seen]) => [false, true].map((stream) =>
    assert.rejects(chat.create({ model: `${model}#status=${status}`, messages: question, stream }), (e) => {
      assert.ok(e instanceof Class, `${status}: ${e.constructor.name} ${e.status} ${e.message}`);
      assert.equal(e.status, seen);
      assert.ok(e.error.message && e.type, `${status}: ${JSON.stringify(e.error)}`);
      assert.ok(e.requestID);
      return true;
    }))));
});

every("tells OpenAI's SDK when to come back", async ({ model }) => {
  await assert.rejects(chat.create({ model: `${model}#status=429,retry_after=7`, messages: question }), (e) => {
    assert.equal(e.status, 429);
    assert.equal(e.headers.get("retry-after"), "7");
    return true;
  });
});

every("is an error to OpenAI's SDK where the answer is damaged", async ({ model }) => {
  await Promise.all(["garbage", "garbage=text", "empty", "cut_bytes=60", "abort"].map((fault) =>
    assert.rejects(chat.create({ model: `${model}#${fault}`, messages: question }), (e) => {
      assert.ok(e instanceof OpenAI.InternalServerError, `${fault}: ${e}`);
      assert.equal(e.status, 502, fault);
      return true;
    })));
});

every("never ends in silence for OpenAI's SDK", async ({ model }) => {
  await Promise.all(faults.map(async (fault) => {
    const params = { model: `${model}#${fault}`, messages: question };
    const broken = (e) => e instanceof OpenAI.OpenAIError && ![400, 401, 404].includes(e.status);
    await assert.rejects(async () => collect(await chat.create({ ...params, stream: true })), broken, `${fault}, chunks`);
    await assert.rejects(chat.stream(params).finalChatCompletion(), broken, `${fault}, helper`);
  }));
});

const refused = [
  ["claude-opus-4-6", { n: 2 }, "n"],
  ["claude-opus-4-6", { logprobs: true }, "logprobs"],
  ["claude-opus-4-6", { logit_bias: { 50256: -100 } }, "logit_bias"],
  ["claude-opus-4-6", { frequency_penalty: 0.5 }, "frequency_penalty"],
  ["claude-opus-4-6", { temperature: 1.5 }, "temperature"],
  ["claude-opus-4-6", { response_format: { type: "json_object" } }, "response_format"],
  ["claude-opus-4-6", { modalities: ["text", "audio"] }, "modalities"],
  ["claude-opus-4-6", { web_search_options: {} }, "web_search_options"],
  ["tgi/tgi", { n: 2 }, "n"],
  ["tgi/tgi", { logit_bias: { 5: -100 } }, "logit_bias"],
];
for (const [model, field, name] of refused) {
  test(`${model} refuses ${JSON.stringify(field)} of OpenAI's SDK by its name`, async () => {
    for (const stream of [false, true]) {
      await assert.rejects(chat.create({ model, messages: question, stream, ...field }), (e) => {
        assert.ok(e instanceof OpenAI.BadRequestError, String(e));
        assert.deepEqual([e.status, e.param, e.code], [400, name, "UNSUPPORTED"]);
        assert.ok(e.message.includes(name));
        return true;
      });
    }
  });
}

const dropped = [
  ["claude-opus-4-6", { seed: 7 }, "seed"],
  ["claude-opus-4-6", { store: true }, "store"],
  ["claude-opus-4-6", { metadata: { team: "search" } }, "metadata"],
  ["claude-opus-4-6", { service_tier: "flex" }, "service_tier"],
  ["claude-opus-4-6", { verbosity: "low" }, "verbosity"],
  ["tgi/tgi", { store: true }, "store"],
  ["tgi/tgi", { user: "somebody" }, "user"],
];
for (const [model, field, name] of dropped) {
  test(`${model} answers without ${JSON.stringify(field)}, and says so to OpenAI's SDK`, async () => {
    for (const stream of [false, true]) {
      const { data, response } = await chat.create({ model, messages: question, stream, ...field }).withResponse();
      assert.ok(response.headers.get("x-headgate-warnings")?.includes(`dropped ${name}`), response.headers.get("x-headgate-warnings"));
      if (stream) await collect(data);
    }
  });
}

every("says nothing about fields that change nothing", async ({ model }) => {
  const nothing = { n: 1, frequency_penalty: 0, presence_penalty: 0, logprobs: false, logit_bias: {}, temperature: 1, top_p: 1 };
  const { response } = await chat.create({ model, messages: question, ...nothing }).withResponse();
  assert.equal(response.headers.get("x-headgate-warnings"), null);
});

for (const model of ["text-embedding-3-small", "vllm/bge-m3"]) {
  test(`${model} gives OpenAI's SDK the same vectors in base64 and in numbers`, async () => {
    const input = ["the gate", "the river"];
    const packed = await openai.embeddings.create({ model, input });
    const plain = await openai.embeddings.create({ model, input, encoding_format: "float" });
    assert.equal(packed.data.length, 2);
    assert.ok(packed.data[0].embedding.length > 1);
    assert.notDeepEqual(packed.data[0].embedding, packed.data[1].embedding);
    for (const [i, { embedding, index }] of packed.data.entries()) {
      assert.equal(index, i);
      assert.deepEqual(embedding.map(Math.fround), plain.data[i].embedding.map(Math.fround));
    }
    assert.equal(packed.usage.prompt_tokens, plain.usage.prompt_tokens);
    assert.ok(packed.usage.prompt_tokens > 0);
  });
}

test("claude-opus-4-6 has no vectors for OpenAI's SDK", async () => {
  await assert.rejects(openai.embeddings.create({ model: "claude-opus-4-6", input: "the gate" }), OpenAI.BadRequestError);
});

every("notices that OpenAI's SDK has left", async ({ model }) => {
  const stream = await chat.create({ model: `${model}#chunk_delay=50ms,chunks=100`, messages: question, stream: true });
  let seen = 0;
  for await (const _ of stream) if (++seen === 3) stream.controller.abort();
  assert.ok(seen >= 3 && seen < 50);
});

test("OpenAI's SDK lists the models", async () => {
  const ids = (await collect(await openai.models.list())).map((m) => m.id);
  assert.ok(ids.includes("gpt-5"));
  assert.equal((await openai.models.retrieve("gpt-5")).id, "gpt-5");
});

test("OpenAI's SDK is told what the client did wrong", async () => {
  await assert.rejects(chat.create({ model: "nobody-knows", messages: question }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  await assert.rejects(new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list(), OpenAI.AuthenticationError);
  await assert.rejects(chat.create({ model: "gpt-5", messages: "no" }), OpenAI.BadRequestError);
});

every("tells OpenAI's SDK which message is wrong", async ({ model }) => {
  const messages = [...question, { role: "assistant", content: "Yes?" }, { role: "user", content: [{ type: "hologram" }] }];
  await assert.rejects(chat.create({ model, messages }), (e) => e instanceof OpenAI.BadRequestError && /messages\[2\]/.test(e.param ?? e.message));
}, ({ model }) => model !== "gpt-5" && !model.startsWith("vllm/"));
