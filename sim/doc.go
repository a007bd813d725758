// Package sim is a provider simulator: one http.Handler that speaks the wire protocols of OpenAI (chat completions,
// embeddings, models, files, batches), Anthropic (messages, count_tokens, models, message batches), vLLM and Text Generation Inference as their own servers
// do, down to ids, usage, response headers, error bodies and load metrics. Answers are deterministic: the same request gets
// the same answer. A script of words, from the configuration or from the request, adds latency and faults; README.md lists
// them.
package sim
