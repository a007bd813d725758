"""Anthropic's own SDK, asking every kind of provider: only the base URL and the key differ from talking to Anthropic."""
import anthropic
from common import ANTHROPIC, ANTHROPIC_TOOL, CLAUDE, FAULTS, GPT, KEY, PNG, QUESTION, TARGETS, URL, Every, Recipe

CHAT = ANTHROPIC.messages
MAX = {"max_tokens": 2048}


def stream(**params):
    with CHAT.stream(**MAX, **params) as events:
        events.until_done()
        return events.get_final_message()


def whole(**params):
    return CHAT.create(**MAX, **params)


def text(message):
    return "".join(b.text for b in message.content if b.type == "text")


class Anthropic(Every):
    def same(self, streamed, answer):
        bare = {"id", "citations", "parsed_output", "caller"}
        self.assertEqual([b.model_dump(exclude=bare) for b in streamed.content], [b.model_dump(exclude=bare) for b in answer.content])
        self.assertEqual(streamed.stop_reason, answer.stop_reason)
        self.assertEqual(streamed.usage.input_tokens, answer.usage.input_tokens)
        self.assertEqual(streamed.usage.output_tokens, answer.usage.output_tokens)

    def each_says_the_same_whole_and_streamed(self, model):
        answer = whole(model=model, messages=QUESTION)
        self.assertIn('You said "Explain RAG"', text(answer))
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertGreater(answer.usage.output_tokens, 0)
        self.same(stream(model=model, messages=QUESTION), answer)

    def each_streams_its_text(self, model):
        with CHAT.stream(model=model, messages=QUESTION, **MAX) as events:
            pieces = list(events.text_stream)
            self.assertGreater(len(pieces), 1)
            self.assertEqual("".join(pieces), text(events.get_final_message()))

    def each_calls_a_tool(self, model):
        params = {"model": model, "messages": [{"role": "user", "content": "Please use tool weather"}], "tools": [ANTHROPIC_TOOL]}
        for ask in (whole, stream):
            answer = ask(**params)
            self.assertEqual(answer.stop_reason, "tool_use")
            (call,) = [b for b in answer.content if b.type == "tool_use"]
            self.assertEqual((call.name, list(call.input)), ("weather", ["city"]))

    def each_takes_back_what_it_said_with_the_results(self, model):
        params = {"model": model, "tools": [ANTHROPIC_TOOL], "thinking": {"type": "adaptive"}}
        for ask in (whole, stream):
            messages = [{"role": "user", "content": "Please use tool weather"}]
            said = ask(messages=messages, **params)
            (call,) = [b for b in said.content if b.type == "tool_use"]
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
            messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
            self.assertIn('The tool answered "sunny"', text(ask(messages=messages, **params)))

    def each_is_served_by_the_tool_runner(self, model):
        self.run_tools(model, thread=False)

    def each_is_served_by_the_tool_runner_which_would_leave_the_conversation_with_the_server(self, model):
        self.run_tools(model)

    def run_tools(self, model, **params):
        asked = []

        @anthropic.beta_tool
        def weather(city: str) -> str:
            """The weather in a city."""
            asked.append(city)
            return "sunny"

        messages = [{"role": "user", "content": "Please use tool weather"}]
        runner = ANTHROPIC.beta.messages.tool_runner(model=model, messages=messages, tools=[weather], **MAX, **params)
        self.assertIn('The tool answered "sunny"', text(runner.until_done()))
        self.assertEqual(len(asked), 1)

    def each_fills_in_a_model_of_pydantic(self, model):
        answer = CHAT.parse(model=model, messages=QUESTION, output_format=Recipe, **MAX)
        self.assertIsInstance(answer.parsed_output, Recipe)
        self.assertEqual(stream(model=model, messages=QUESTION, output_format=Recipe).parsed_output, answer.parsed_output)

    def each_sees_a_picture(self, model):
        words = {"type": "text", "text": "What is this?"}
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        without = whole(model=model, messages=[{"role": "user", "content": [words]}])
        shown = whole(model=model, messages=[{"role": "user", "content": [image, words]}])
        self.assertGreaterEqual(shown.usage.input_tokens, without.usage.input_tokens + 85)

    def each_shows_what_it_thought(self, model):
        params = {"model": model, "messages": QUESTION, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
        answer = whole(**params)
        self.same(stream(**params), answer)
        thoughts = [b for b in answer.content if b.type == "thinking"]
        self.assertEqual(bool(thoughts), TARGETS[model] in ("signed", "open"))
        for block in thoughts:
            self.assertEqual(block.signature == "headgate-unsigned", TARGETS[model] == "open")

    def each_counts_tokens(self, model):
        short = CHAT.count_tokens(model=model, messages=QUESTION).input_tokens
        long = CHAT.count_tokens(model=model, messages=QUESTION, tools=[ANTHROPIC_TOOL]).input_tokens
        self.assertGreater(short, 0)
        self.assertGreater(long, short)

    def each_fails_in_the_right_class(self, model):
        cases = {
            400: anthropic.BadRequestError, 404: anthropic.NotFoundError, 429: anthropic.RateLimitError,
            503: anthropic.InternalServerError,
        }
        for status, error in cases.items():
            for streamed in (False, True):
                with self.subTest(status, stream=streamed), self.assertRaises(error) as caught:
                    whole(model=f"{model}#status={status}", messages=QUESTION, stream=streamed)
                self.assertEqual(caught.exception.status_code, status)
                self.assertTrue(caught.exception.request_id)
                self.assertTrue(caught.exception.api_message)

    def each_never_ends_in_silence(self, model):
        for fault in FAULTS:
            with self.subTest(fault), self.assertRaises(anthropic.AnthropicError) as caught:
                stream(model=f"{model}#{fault}", messages=QUESTION)
            self.assertNotIn(getattr(caught.exception, "status_code", None), (400, 401, 404))

    def test_what_cant_be_expressed_is_refused_by_its_name(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            whole(model=GPT, messages=QUESTION, extra_body={"container": "c_1"})
        self.assertEqual((caught.exception.error_code, caught.exception.body["error"]["details"]["field"]), ("UNSUPPORTED", "container"))

    def test_what_is_dropped_is_told(self):
        cached = [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]
        answer = CHAT.with_raw_response.create(model=GPT, messages=cached, **MAX)
        self.assertIn("dropped messages[0].content[0].cache_control", answer.headers["x-headgate-warnings"])

    def test_models_are_listed(self):
        self.assertIn(CLAUDE, [m.id for m in ANTHROPIC.models.list()])

    def test_the_client_is_told_what_it_did_wrong(self):
        with self.assertRaises(anthropic.NotFoundError) as caught:
            whole(model="nobody-knows", messages=QUESTION)
        self.assertTrue(caught.exception.request_id)
        with self.assertRaises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0).models.list()
        with self.assertRaises(anthropic.APIStatusError) as caught:
            whole(model=f"{CLAUDE}#status=529", messages=QUESTION)
        self.assertEqual(caught.exception.status_code, 529)
