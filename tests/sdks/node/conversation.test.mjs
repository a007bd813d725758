// Conversations that move from provider to provider: one model calls the tools, the next gets the results, with all that
// was said and thought before, passed back exactly as the SDK returned it.
import assert from "node:assert/strict";
import test from "node:test";
import { anthropic, asAnthropic, asOpenAI, clock, openai, weather } from "./common.mjs";

const gpt = "gpt-5", claude = "claude-opus-4-6", vllm = "vllm/qwen3-8b", tgi = "tgi/tgi";
const journeys = [
  [gpt, claude, vllm, gpt],
  [claude, gpt, claude],
  [vllm, claude, tgi, claude, gpt],
  [tgi, gpt, vllm, claude, tgi],
  [claude, claude, vllm, claude],
];
const ways = { whole: false, streamed: true };
const result = (name, i) => `${name} result ${i}`;

for (const journey of journeys) {
  for (const [way, stream] of Object.entries(ways)) {
    test(`OpenAI's SDK talks to ${journey.join(", then ")}, ${way}`, async () => {
      const tools = [weather, clock].map(asOpenAI);
      const messages = [{ role: "system", content: "Be brief." }];
      const ask = async (model) => {
        const params = { model, messages, tools, reasoning_effort: "low" };
        const answer = stream ? await openai.chat.completions.stream(params).finalChatCompletion() : await openai.chat.completions.create(params);
        const said = answer.choices[0].message;
        messages.push(said);
        return said;
      };
      for (const [i, model] of journey.entries()) {
        messages.push({ role: "user", content: model === tgi ? "Please use tool weather" : "Please use tools weather and clock" });
        const calls = (await ask(model)).tool_calls;
        assert.equal(calls.length, model === tgi ? 1 : 2, `${model} calls`);
        const results = calls.map((c) => ({ role: "tool", tool_call_id: c.id, content: result(c.function.name, i) }));
        messages.push(...results);
        const next = journey[(i + 1) % journey.length];
        const { content } = await ask(next);
        assert.ok(content.includes(`The tool answered`) && content.includes(results.at(-1).content), `${next} says ${content}`);
      }
    });

    test(`Anthropic's SDK talks to ${journey.join(", then ")}, ${way}`, async () => {
      const tools = [weather, clock].map(asAnthropic);
      const messages = [];
      const ask = async (model) => {
        const params = { model, messages, tools, system: "Be brief.", max_tokens: 4096, thinking: { type: "adaptive" } };
        const answer = stream ? await anthropic.messages.stream(params).finalMessage() : await anthropic.messages.create(params);
        messages.push({ role: answer.role, content: answer.content });
        return answer;
      };
      for (const [i, model] of journey.entries()) {
        messages.push({ role: "user", content: model === tgi ? "Please use tool weather" : "Please use tools weather and clock" });
        const calls = (await ask(model)).content.filter((b) => b.type === "tool_use");
        assert.equal(calls.length, model === tgi ? 1 : 2, `${model} calls`);
        const content = calls.map((c) => ({ type: "tool_result", tool_use_id: c.id, content: result(c.name, i) }));
        messages.push({ role: "user", content });
        const next = journey[(i + 1) % journey.length];
        const said = (await ask(next)).content.filter((b) => b.type === "text").map((b) => b.text).join("");
        assert.ok(said.includes("The tool answered") && said.includes(content.at(-1).content), `${next} says ${said}`);
      }
    });
  }
}

test("what claude-opus-4-6 thought comes back to it signed, whatever SDK carried it", async () => {
  const tools = [asOpenAI(weather)];
  for (const stream of [false, true]) {
    const messages = [{ role: "user", content: "Please use tool weather" }];
    const params = { model: claude, tools, reasoning_effort: "low" };
    const ask = () => {
      const all = { ...params, messages };
      return stream ? openai.chat.completions.stream(all).finalChatCompletion() : openai.chat.completions.create(all);
    };
    const said = (await ask()).choices[0].message;
    assert.ok(said.reasoning_details[0].signature);
    const after = [{ role: "tool", tool_call_id: said.tool_calls[0].id, content: "sunny" }];
    messages.push(said, ...after);
    const { data, response } = await openai.chat.completions.create({ ...params, messages }).withResponse();
    // Thinking would be switched off, with a warning, had the signature been lost.
    assert.equal(response.headers.get("x-headgate-warnings"), null);
    assert.ok(data.choices[0].message.reasoning_details[0].signature);
    // A forged signature reaches the vendor, which refuses it: so the true one was checked.
    said.reasoning_details[0].signature = "Zm9yZ2Vk";
    await assert.rejects(openai.chat.completions.create({ ...params, messages }), (e) => e.status === 400 && /signature/.test(e.message));
  }
});

test("without its signature, thinking is left out for claude-sonnet-4-5, and the SDKs are told", async () => {
  const messages = [
    { role: "user", content: "Please use tool weather" },
    { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Ulm"}' } }] },
    { role: "tool", tool_call_id: "call_1", content: "sunny" },
  ];
  const params = { model: "claude-sonnet-4-5", tools: [asOpenAI(weather)], messages, reasoning_effort: "low" };
  const { data, response } = await openai.chat.completions.create(params).withResponse();
  assert.match(response.headers.get("x-headgate-warnings"), /dropped reasoning_effort/);
  assert.match(data.choices[0].message.content, /The tool answered "sunny"/);
});

test("odd ids of tool calls reach every provider", async () => {
  const id = "chatcmpl-tool-0123456789abcdef0123456789abcdef:0";
  for (const model of [gpt, claude, vllm, tgi]) {
    const said = await openai.chat.completions.create({
      model, tools: [asOpenAI(weather)],
      messages: [
        { role: "user", content: "Please use tool weather" },
        { role: "assistant", tool_calls: [{ id, type: "function", function: { name: "weather", arguments: "" } }] },
        { role: "tool", tool_call_id: id, content: "sunny" },
      ],
    });
    assert.match(said.choices[0].message.content, /The tool answered "sunny"/, model);
  }
});
