// Vercel's AI SDK: each of its providers, pointed at Headgate, asks every kind of provider.
import assert from "node:assert/strict";
import test from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";
import { apiKey, faults, png, Recipe, targets, url } from "./common.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = `${url}/v1`;
// The package's providers. thinking asks for thoughts; shows tells whether the package hands them on.
const clients = {
  "@ai-sdk/openai": {
    model: createOpenAI({ baseURL, apiKey }).chat, // /v1/responses isn't served
    thinking: { openai: { reasoningEffort: "low", forceReasoning: true } },
    shows: false,
  },
  "@ai-sdk/anthropic": {
    model: createAnthropic({ baseURL, apiKey }),
    thinking: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } },
    shows: true,
  },
  "@ai-sdk/openai-compatible": {
    model: createOpenAICompatible({ name: "headgate", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
    thinking: { headgate: { reasoningEffort: "low" } },
    shows: true,
  },
};

function every(sentence, body) {
  for (const [name, client] of Object.entries(clients)) {
    for (const target of targets) {
      const ask = { model: client.model(target.model), maxRetries: 0 };
      test(`${name}: ${target.model} ${sentence}`, () => body({ ask: { ...ask, abortSignal: AbortSignal.timeout(30_000) }, client, target }));
    }
  }
}

// finish reads a stream to its end; the AI SDK keeps errors within the stream.
async function finish(result) {
  for await (const part of result.fullStream) if (part.type === "error") throw part.error;
  return result;
}

const quiet = { onError() {} };

every("says the same whole and streamed", async ({ ask }) => {
  const whole = await generateText({ ...ask, system: "Be brief.", prompt: "Explain RAG" });
  const streamed = await finish(streamText({ ...ask, ...quiet, system: "Be brief.", prompt: "Explain RAG" }));
  assert.match(whole.text, /You said "Explain RAG"/);
  assert.equal(whole.finishReason, "stop");
  assert.equal(await streamed.text, whole.text);
  assert.equal(await streamed.finishReason, whole.finishReason);
  const usage = await streamed.usage;
  assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0);
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [whole.usage.inputTokens, whole.usage.outputTokens]);
});

every("takes several steps with tools", async ({ ask }) => {
  const asked = [];
  const tools = {
    weather: tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => { asked.push(city); return "sunny, 21 degrees"; } }),
  };
  const params = { ...ask, ...quiet, tools, prompt: "Please use tool weather", stopWhen: stepCountIs(4) };
  const whole = await generateText(params);
  const streamed = await finish(streamText(params));
  assert.equal(asked.length, 2);
  for (const result of [whole, streamed]) {
    assert.equal((await result.steps).length, 2);
    assert.match(await result.text, /The tool answered "sunny, 21 degrees"/);
  }
});

every("calls the tool it has to", async ({ ask }) => {
  const tools = { weather: tool({ inputSchema: z.object({ city: z.string() }) }) };
  const { toolCalls } = await generateText({ ...ask, tools, toolChoice: "required", prompt: "Explain RAG" });
  assert.equal(toolCalls.length, 1);
  assert.equal(typeof toolCalls[0].input.city, "string");
});

every("gives objects", async ({ ask }) => {
  const { object } = await generateObject({ ...ask, schema: Recipe, prompt: "A recipe" });
  assert.deepEqual(Recipe.parse(object), object);
  const { output } = await generateText({ ...ask, output: Output.object({ schema: Recipe }), prompt: "A recipe" });
  assert.deepEqual(output, object);
  const streamed = streamObject({ ...ask, ...quiet, schema: Recipe, prompt: "A recipe" });
  for await (const _ of streamed.partialObjectStream);
  assert.deepEqual(await streamed.object, object);
});

every("sees pictures", async ({ ask }) => {
  const image = { type: "image", image: Buffer.from(png, "base64"), mediaType: "image/png" };
  const say = (...content) => generateText({ ...ask, messages: [{ role: "user", content: [...content, { type: "text", text: "What is this?" }] }] });
  const [without, shown] = [await say(), await say(image)];
  assert.ok(shown.usage.inputTokens >= without.usage.inputTokens + 85);
});

every("shows what it thought, and goes on thinking after a tool", async ({ ask, client, target }) => {
  const tools = { weather: tool({ inputSchema: z.object({ city: z.string() }), execute: () => "sunny, 21 degrees" }) };
  const params = { ...ask, ...quiet, tools, prompt: "Please use tool weather", stopWhen: stepCountIs(4), providerOptions: client.thinking };
  const whole = await generateText(params);
  const streamed = await finish(streamText(params));
  for (const result of [whole, streamed]) {
    assert.match(await result.text, /The tool answered "sunny, 21 degrees"/);
    const [first] = await result.steps;
    const thought = first.reasoningText ?? "";
    assert.equal(thought !== "", client.shows && ["signed", "open"].includes(target.thoughts));
  }
});

every("fails as an APICallError", async ({ ask, client, target }) => {
  for (const status of [400, 429, 503]) {
    const model = client.model(`${target.model}#status=${status}`);
    await assert.rejects(generateText({ ...ask, model, prompt: "x" }), (e) => {
      assert.ok(APICallError.isInstance(e), String(e));
      assert.equal(e.statusCode, status);
      assert.equal(e.isRetryable, status !== 400);
      assert.ok(e.message);
      return true;
    });
  }
});

every("never ends in silence", async ({ ask, client, target }) => {
  await Promise.all(faults.map(async (fault) => {
    const model = client.model(`${target.model}#${fault}`);
    await assert.rejects(finish(streamText({ ...ask, ...quiet, model, prompt: "x" })), (e) => ![400, 401, 404].includes(e.statusCode), fault);
  }));
});
