"""Asks the provider through Headgate, with OpenAI's SDK and over plain HTTP in Anthropic's dialect. See test.sh."""

import json
import os
import unittest
import urllib.error
import urllib.request

import openai

URL, KEY = os.environ["HEADGATE_URL"], os.environ["HEADGATE_ADMIN_KEY"]
TOOL = {"type": "function", "function": {"name": "note", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}}


def messages(text, **more):
    """Asks in Anthropic's dialect; returns the status and the body."""
    body = {"model": "parrot", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(URL + "/v1/messages", json.dumps(body).encode(), {
        "Content-Type": "application/json", "X-Api-Key": KEY, "Anthropic-Version": "2023-06-01"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class ProviderTest(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)

    def ask(self, text, **more):
        return self.client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": text}], **more)

    def test_whole(self):
        answer = self.ask("say this again")
        self.assertEqual(answer.choices[0].message.content, "say this again")
        self.assertEqual((answer.choices[0].finish_reason, answer.usage.prompt_tokens, answer.usage.completion_tokens), ("stop", 3, 3))

    def test_stream(self):
        text, usage = "", None
        for chunk in self.ask("one word at a time", stream=True, stream_options={"include_usage": True}):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        self.assertEqual(text, "one word at a time")
        self.assertEqual(usage.completion_tokens, 5)

    def test_bound(self):
        answer = self.ask("one two three", max_tokens=2)
        self.assertEqual((answer.choices[0].message.content, answer.choices[0].finish_reason), ("one two", "length"))

    def test_tool(self):
        answer = self.ask("call me later", tools=[TOOL])
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("note", {"text": "me later"}))
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")

    def test_anthropic(self):
        status, body = messages("say this")
        answer = json.loads(body)
        self.assertEqual((status, answer["content"][0]["text"], answer["stop_reason"]), (200, "say this", "end_turn"))
        self.assertEqual(answer["usage"]["input_tokens"], 2)

    def test_anthropic_stream(self):
        status, body = messages("say this", stream=True)
        self.assertEqual(status, 200)
        self.assertIn("event: message_stop", body)

    def test_embeddings(self):
        answer = self.client.embeddings.create(model="mine/parrot", input=["a", "b"])
        self.assertEqual([len(one.embedding) for one in answer.data], [8, 8])

    def test_refusals(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}])
        self.assertIn("text only", str(raised.exception))
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="mine/other", messages=[{"role": "user", "content": "x"}])


if __name__ == "__main__":
    unittest.main()
