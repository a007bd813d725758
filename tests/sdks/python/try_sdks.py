"""The official Python SDKs against Headgate: only the base URL and the key differ from talking to the vendors."""
import os
import unittest

import anthropic
import openai

URL = os.environ["HEADGATE_URL"]
KEY = os.environ["HEADGATE_ADMIN_KEY"]
MESSAGES = [{"role": "user", "content": "Explain RAG"}]
FAULTS = ["cut=3", "cut_bytes=700", "reset=3", "no_terminal", "malformed=3", "error=3"]


class OpenAI(unittest.TestCase):
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)

    def test_whole_and_streamed_agree(self):
        whole = self.client.chat.completions.create(model="gpt-5", messages=MESSAGES)
        text, usage = "", None
        for chunk in self.client.chat.completions.create(
            model="gpt-5", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            usage = chunk.usage or usage
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(usage.total_tokens, whole.usage.total_tokens)

    def test_stream_helper(self):
        with self.client.chat.completions.stream(model="gpt-5", messages=MESSAGES) as stream:
            for _ in stream:
                pass
            self.assertTrue(stream.get_final_completion().choices[0].message.content)

    def test_models(self):
        self.assertIn("gpt-5", [m.id for m in self.client.models.list()])

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="nobody-knows", messages=MESSAGES)
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0).models.list()
        with self.assertRaises(openai.RateLimitError):
            self.client.chat.completions.create(model="gpt-5#status=429", messages=MESSAGES)

    def test_faults(self):
        for fault in FAULTS:
            with self.subTest(fault), self.assertRaises(Exception):
                for _ in self.client.chat.completions.create(model=f"gpt-5#{fault}", messages=MESSAGES, stream=True):
                    pass


class Anthropic(unittest.TestCase):
    client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)

    def test_whole_and_streamed_agree(self):
        whole = self.client.messages.create(model="claude-opus-4-6", max_tokens=1024, messages=MESSAGES)
        with self.client.messages.stream(model="claude-opus-4-6", max_tokens=1024, messages=MESSAGES) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)

    def test_models(self):
        self.assertIn("claude-opus-4-6", [m.id for m in self.client.models.list()])

    def test_errors(self):
        with self.assertRaises(anthropic.NotFoundError) as caught:
            self.client.messages.create(model="nobody-knows", max_tokens=9, messages=MESSAGES)
        self.assertTrue(caught.exception.request_id)
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.client.messages.create(model="claude-opus-4-6#status=529", max_tokens=9, messages=MESSAGES)
        self.assertEqual(caught.exception.status_code, 529)

    def test_faults(self):
        for fault in FAULTS:
            with self.subTest(fault), self.assertRaises(Exception):
                for _ in self.client.messages.create(
                    model=f"claude-opus-4-6#{fault}", max_tokens=1024, messages=MESSAGES, stream=True
                ):
                    pass


if __name__ == "__main__":
    unittest.main()
