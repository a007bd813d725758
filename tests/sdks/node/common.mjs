// What the tests share: the clients, the models they ask, and what they ask for.
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { z } from "zod";

export const url = process.env.HEADGATE_URL;
export const apiKey = process.env.HEADGATE_ADMIN_KEY;
export const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 20_000 });
export const anthropic = new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 20_000 });

// The models, each at another kind of provider. thoughts tells what a client sees of what the model thought: nothing but
// their number (counted), text with the vendor's seal (signed), text alone (open), or they can't be asked for (none).
export const targets = [
  { model: "gpt-5", thoughts: "counted", parallel: true, hosted: true },
  { model: "claude-opus-4-6", thoughts: "signed", parallel: true, hosted: true },
  { model: "vllm/qwen3-8b", thoughts: "open", parallel: true, hosted: false },
  { model: "tgi/tgi", thoughts: "none", parallel: false, hosted: false },
];

// every makes a test for each target (or those that a condition takes): "gpt-5 " and the rest of the sentence.
export function every(sentence, body, condition = () => true) {
  for (const target of targets.filter(condition)) test(`${target.model} ${sentence}`, () => body(target));
}

// Faults that a provider's stream can have, in the simulator's words.
export const faults = ["cut=3", "cut_bytes=500", "reset=3", "malformed=3", "error=3"];

export const question = [{ role: "user", content: "Explain RAG" }];
export const instruction = "Answer as the keeper of the gate would, and keep it to the point.";

export const weather = {
  name: "weather",
  description: "The weather in a city.",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
export const clock = {
  name: "clock",
  description: "The time in a time zone.",
  schema: {
    type: "object",
    properties: { zone: { type: "string", enum: ["UTC", "CET"] }, seconds: { type: "boolean" } },
    required: ["zone", "seconds"],
    additionalProperties: false,
  },
};
export const asOpenAI = ({ name, description, schema }) => ({ type: "function", function: { name, description, parameters: schema } });
export const asAnthropic = ({ name, description, schema }) => ({ name, description, input_schema: schema });

export const Recipe = z.object({ title: z.string(), minutes: z.int(), vegan: z.boolean(), steps: z.array(z.string()) });

// A picture of one pixel.
export const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

// A document of one empty page.
export const pdf = btoa("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n");

// collect reads a stream to its end.
export async function collect(stream) {
  const all = [];
  for await (const item of stream) all.push(item);
  return all;
}
