"""OpenAI's own SDK, asking every kind of provider: only the base URL and the key differ from talking to OpenAI."""
import json

import openai
from common import CLAUDE, FAULTS, KEY, OPENAI, OPENAI_TOOL, PNG, QUESTION, TARGETS, URL, Every, Recipe

CHAT = OPENAI.chat.completions
USAGE = {"include_usage": True}


def stream(**params):
    with CHAT.stream(**params, stream_options=USAGE) as events:
        for _ in events:
            pass
        return events.get_final_completion()


class OpenAI(Every):
    def same(self, streamed, whole):
        self.assertEqual(streamed.choices[0].message.role, "assistant")
        self.assertEqual(streamed.choices[0].message.content, whole.choices[0].message.content)
        self.assertEqual(streamed.choices[0].finish_reason, whole.choices[0].finish_reason)
        for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(getattr(streamed.usage, count), getattr(whole.usage, count), count)

    def each_says_the_same_whole_and_streamed(self, model):
        whole = CHAT.create(model=model, messages=QUESTION)
        self.assertIn('You said "Explain RAG"', whole.choices[0].message.content)
        self.assertGreater(whole.usage.total_tokens, 0)
        self.same(stream(model=model, messages=QUESTION), whole)

    def each_calls_a_tool(self, model):
        params = {"model": model, "messages": [{"role": "user", "content": "Please use tool weather"}], "tools": [OPENAI_TOOL]}
        for answer in (CHAT.create(**params), stream(**params)):
            self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
            (call,) = answer.choices[0].message.tool_calls
            self.assertEqual((call.type, call.function.name), ("function", "weather"))
            self.assertTrue(call.id)
            self.assertEqual(list(json.loads(call.function.arguments)), ["city"])

    def each_takes_back_what_it_said_with_the_results(self, model):
        params = {"model": model, "tools": [OPENAI_TOOL], "reasoning_effort": "low"}
        for ask in (CHAT.create, stream):
            messages = [{"role": "user", "content": "Please use tool weather"}]
            said = ask(messages=messages, **params).choices[0].message
            messages += [said, {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "sunny"}]
            self.assertIn('The tool answered "sunny"', ask(messages=messages, **params).choices[0].message.content)

    def each_fills_in_a_model_of_pydantic(self, model):
        params = {"model": model, "messages": QUESTION, "response_format": Recipe}
        whole = CHAT.parse(**params).choices[0].message.parsed
        self.assertIsInstance(whole, Recipe)
        self.assertEqual(stream(**params).choices[0].message.parsed, whole)

    def each_sees_a_picture(self, model):
        text = {"type": "text", "text": "What is this?"}
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        without = CHAT.create(model=model, messages=[{"role": "user", "content": [text]}])
        shown = CHAT.create(model=model, messages=[{"role": "user", "content": [text, image]}])
        self.assertGreaterEqual(shown.usage.prompt_tokens, without.usage.prompt_tokens + 85)

    def each_shows_what_it_thought(self, model):
        params = {"model": model, "messages": QUESTION, "reasoning_effort": "low"}
        whole, streamed = CHAT.create(**params), stream(**params)
        thought = getattr(whole.choices[0].message, "reasoning", None)
        self.assertEqual(bool(thought), TARGETS[model] in ("signed", "open"))
        self.same(streamed, whole)
        self.assertEqual(getattr(streamed.choices[0].message, "reasoning", None), thought)
        details = getattr(whole.choices[0].message, "reasoning_details", None)
        self.assertEqual(getattr(streamed.choices[0].message, "reasoning_details", None), details)
        self.assertEqual(bool(details), TARGETS[model] == "signed")

    def each_fails_in_the_right_class(self, model):
        cases = {400: openai.BadRequestError, 404: openai.NotFoundError, 429: openai.RateLimitError, 503: openai.InternalServerError}
        for status, error in cases.items():
            for streamed in (False, True):
                with self.subTest(status, stream=streamed), self.assertRaises(error) as caught:
                    CHAT.create(model=f"{model}#status={status}", messages=QUESTION, stream=streamed)
                self.assertEqual(caught.exception.status_code, status)
                self.assertTrue(caught.exception.request_id)
                self.assertTrue(caught.exception.body["message"])

    def each_never_ends_in_silence(self, model):
        for fault in FAULTS:
            with self.subTest(fault), self.assertRaises(openai.OpenAIError) as caught:
                stream(model=f"{model}#{fault}", messages=QUESTION)
            self.assertNotIn(getattr(caught.exception, "status_code", None), (400, 401, 404))

    def test_what_cant_be_expressed_is_refused_by_its_name(self):
        for name, field in {"n": {"n": 2}, "logprobs": {"logprobs": True}, "presence_penalty": {"presence_penalty": 0.5}}.items():
            with self.subTest(name), self.assertRaises(openai.BadRequestError) as caught:
                CHAT.create(model=CLAUDE, messages=QUESTION, **field)
            self.assertEqual((caught.exception.param, caught.exception.code), (name, "UNSUPPORTED"))

    def test_what_is_dropped_is_told(self):
        answer = CHAT.with_raw_response.create(model=CLAUDE, messages=QUESTION, seed=7)
        self.assertIn("dropped seed", answer.headers["x-headgate-warnings"])
        self.assertTrue(answer.parse().choices[0].message.content)

    def test_vectors_are_the_same_packed_and_plain(self):
        for model in ("text-embedding-3-small", "vllm/bge-m3"):
            with self.subTest(model):
                packed = OPENAI.embeddings.create(model=model, input=["the gate", "the river"])
                plain = OPENAI.embeddings.create(model=model, input=["the gate", "the river"], encoding_format="float")
                self.assertEqual([d.index for d in packed.data], [0, 1])
                for a, b in zip(packed.data, plain.data):
                    self.assertGreater(len(a.embedding), 1)
                    for x, y in zip(a.embedding, b.embedding, strict=True):
                        self.assertAlmostEqual(x, y, places=6)

    def test_models_are_listed(self):
        self.assertIn("gpt-5", [m.id for m in OPENAI.models.list()])

    def test_the_client_is_told_what_it_did_wrong(self):
        with self.assertRaises(openai.NotFoundError):
            CHAT.create(model="nobody-knows", messages=QUESTION)
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0).models.list()
