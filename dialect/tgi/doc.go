// Package tgi is the dialect of Hugging Face's Text Generation Inference: its Messages API, which is nearly OpenAI's, and
// its own /generate for models without a chat template. Source: huggingface/text-generation-inference, router/src (chat,
// validation, server), v3.
package tgi
