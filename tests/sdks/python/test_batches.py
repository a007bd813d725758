"""Batches over the vendors' own SDKs: files and lines of OpenAI, requests of Anthropic, each for models of both."""
import io
import json
import time
import unittest

import anthropic
import openai
from common import ANTHROPIC, CLAUDE, GPT, OPENAI, TGI, VLLM

MODELS = [GPT, CLAUDE, VLLM, TGI]
EMBEDDINGS = ["text-embedding-3-small", "vllm/bge-m3"]


def lines(url, bodies):
    return "".join(json.dumps({"custom_id": f"l{i}", "method": "POST", "url": url, "body": body}) + "\n" for i, body in enumerate(bodies)).encode()


def asked(model, i, limit="max_completion_tokens"):
    return {"model": model, limit: 1024, "messages": [{"role": "user", "content": f"question {i}"}]}


def message(model, i):
    return asked(model, i, "max_tokens")


def over(look, ended):
    """Waits until a batch is over."""
    for _ in range(600):
        batch = look()
        if ended(batch):
            return batch
        time.sleep(0.05)
    raise AssertionError(batch)


class OpenAIBatches(unittest.TestCase):
    def make(self, url, bodies, **params):
        file = OPENAI.files.create(file=("lines.jsonl", io.BytesIO(lines(url, bodies))), purpose="batch")
        self.assertEqual((file.object, file.purpose, file.status), ("file", "batch", "processed"))
        return OPENAI.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h", **params)

    def ended(self, batch):
        return over(lambda: OPENAI.batches.retrieve(batch.id), lambda b: b.status in ("completed", "failed", "expired", "cancelled"))

    def test_a_batch_of_lines_for_every_kind_of_provider(self):
        batch = self.make("/v1/chat/completions", [asked(m, i) for i, m in enumerate(MODELS + ["nobody-knows"])], metadata={"night": "1"})
        self.assertIn(batch.status, ("validating", "in_progress", "finalizing", "completed"))
        batch = self.ended(batch)
        self.assertEqual((batch.status, batch.request_counts.completed, batch.request_counts.failed), ("completed", 4, 1))
        self.assertEqual(batch.metadata, {"night": "1"})
        results = [json.loads(line) for line in OPENAI.files.content(batch.output_file_id).iter_lines()]
        self.assertEqual([r["custom_id"] for r in results], ["l0", "l1", "l2", "l3"])
        for i, result in enumerate(results):
            said = openai.types.chat.ChatCompletion.model_validate(result["response"]["body"])
            self.assertIn(f'"question {i}"', said.choices[0].message.content)
        (failed,) = [json.loads(line) for line in OPENAI.files.content(batch.error_file_id).text.splitlines()]
        self.assertEqual((failed["custom_id"], failed["response"]["status_code"]), ("l4", 404))

    def test_embeddings(self):
        batch = self.ended(self.make("/v1/embeddings", [{"model": m, "input": ["gate", "river"]} for m in EMBEDDINGS]))
        for line in OPENAI.files.content(batch.output_file_id).text.splitlines():
            self.assertEqual(len(json.loads(line)["response"]["body"]["data"]), 2)

    def test_what_is_wrong_with_lines_is_told_by_their_numbers(self):
        batch = self.ended(self.make("/v1/chat/completions", [asked(GPT, 0), {"messages": []}]))
        self.assertEqual((batch.status, [(e.line, e.param) for e in batch.errors.data]), ("failed", [(2, "body.model")]))

    def test_files_and_batches_are_listed_and_deleted(self):
        batch = self.ended(self.make("/v1/chat/completions", [asked(GPT, 0)]))
        self.assertIn(batch.id, [b.id for b in OPENAI.batches.list(limit=1)])
        self.assertIn(batch.output_file_id, [f.id for f in OPENAI.files.list(purpose="batch_output", limit=1)])
        self.assertTrue(OPENAI.files.delete(batch.output_file_id).deleted)
        with self.assertRaises(openai.NotFoundError):
            OPENAI.files.retrieve(batch.output_file_id)

    def test_a_file_says_when_it_is_forgotten(self):
        expires = {"anchor": "created_at", "seconds": 3600}
        file = OPENAI.files.create(file=b"{}", purpose="batch", expires_after=expires)
        self.assertEqual(file.expires_at - file.created_at, 3600)
        with self.assertRaises(openai.BadRequestError) as caught:
            OPENAI.files.create(file=b"{}", purpose="assistants")
        self.assertEqual(caught.exception.param, "purpose")

    def test_a_batch_is_cancelled(self):
        batch = self.make("/v1/chat/completions", [asked(f"{GPT}#ttft=300ms", i) for i in range(50)])
        self.assertEqual(OPENAI.batches.cancel(batch.id).status, "cancelling")
        self.assertEqual(self.ended(batch).status, "cancelled")


class AnthropicBatches(unittest.TestCase):
    def ended(self, batch):
        return over(lambda: ANTHROPIC.messages.batches.retrieve(batch.id), lambda b: b.processing_status == "ended")

    def test_a_batch_of_requests_for_every_kind_of_provider(self):
        requests = [{"custom_id": f"l{i}", "params": message(m, i)} for i, m in enumerate(MODELS + ["nobody-knows"])]
        batch = ANTHROPIC.messages.batches.create(requests=requests)
        self.assertEqual(batch.type, "message_batch")
        batch = self.ended(batch)
        self.assertEqual((batch.request_counts.succeeded, batch.request_counts.errored), (4, 1))
        results = list(ANTHROPIC.messages.batches.results(batch.id))
        self.assertEqual([r.custom_id for r in results], ["l0", "l1", "l2", "l3", "l4"])
        for i, result in enumerate(results[:4]):
            said = "".join(b.text for b in result.result.message.content if b.type == "text")
            self.assertIn(f'"question {i}"', said)
        self.assertEqual((results[4].result.type, results[4].result.error.error.type), ("errored", "not_found_error"))
        self.assertIn(batch.id, [b.id for b in ANTHROPIC.messages.batches.list(limit=1)])
        self.assertEqual(ANTHROPIC.messages.batches.delete(batch.id).type, "message_batch_deleted")
        with self.assertRaises(anthropic.NotFoundError):
            ANTHROPIC.messages.batches.retrieve(batch.id)

    def test_what_is_wrong_with_requests_is_the_answer(self):
        requests = [{"custom_id": "twice", "params": message(CLAUDE, i)} for i in range(2)]
        with self.assertRaises(anthropic.BadRequestError) as caught:
            ANTHROPIC.messages.batches.create(requests=requests)
        self.assertIn("requests.1.custom_id", str(caught.exception))

    def test_a_batch_is_cancelled(self):
        requests = [{"custom_id": f"l{i}", "params": message(f"{CLAUDE}#ttft=300ms", i)} for i in range(50)]
        batch = ANTHROPIC.messages.batches.create(requests=requests)
        self.assertEqual(ANTHROPIC.messages.batches.cancel(batch.id).processing_status, "canceling")
        self.assertGreater(self.ended(batch).request_counts.canceled, 0)
