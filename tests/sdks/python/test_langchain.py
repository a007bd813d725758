"""LangChain: its OpenAI and Anthropic classes, pointed at Headgate, ask every kind of provider."""
import anthropic as anthropic_sdk
import openai as openai_sdk
from common import CLAUDE, GPT, KEY, PNG, TARGETS, TGI, URL, VLLM, Every, Recipe
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def openai(model, **more):
    return ChatOpenAI(
        model=model, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=20, stream_usage=True, use_responses_api=False, **more
    )


def anthropic(model, **more):
    return ChatAnthropic(model=model, base_url=URL, api_key=KEY, max_retries=0, timeout=20, max_tokens=4096, **more)


CLIENTS = {"ChatOpenAI": openai, "ChatAnthropic": anthropic}
THINKING = {"ChatOpenAI": {"reasoning_effort": "low"}, "ChatAnthropic": {"thinking": {"type": "adaptive"}, "effort": "low"}}


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def text(message):
    return str(message.text)


def streamed(model, messages):
    """All chunks of an answer, added up as LangChain does."""
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return whole


class LangChain(Every):
    subjects = {f"{name} {model}": (name, model) for name in CLIENTS for model in TARGETS}

    def each_says_the_same_whole_and_streamed(self, client, target):
        messages = [SystemMessage("Be brief."), HumanMessage("Explain RAG")]
        model = CLIENTS[client](target)
        whole, added = model.invoke(messages), streamed(model, messages)
        self.assertIn('You said "Explain RAG"', text(whole))
        self.assertEqual(text(added), text(whole))
        for count in ("input_tokens", "output_tokens", "total_tokens"):
            self.assertGreater(whole.usage_metadata[count], 0)
            self.assertEqual(added.usage_metadata[count], whole.usage_metadata[count], count)

    def each_calls_tools_and_gets_their_results(self, client, target):
        model = CLIENTS[client](target).bind_tools([weather])
        for ask in (model.invoke, lambda m: streamed(model, m)):
            messages = [HumanMessage("Please use tool weather")]
            said = ask(messages)
            (call,) = said.tool_calls
            self.assertEqual((call["name"], list(call["args"])), ("weather", ["city"]))
            messages += [said, weather.invoke(call)]
            self.assertIn('The tool answered "sunny in', text(ask(messages)))

    def each_gives_structured_output(self, client, target):
        for method in ("function_calling", "json_schema"):
            with self.subTest(method):
                model = CLIENTS[client](target).with_structured_output(Recipe, method=method)
                self.assertIsInstance(model.invoke("A recipe"), Recipe)

    def each_sees_pictures(self, client, target):
        words = {"type": "text", "text": "What is this?"}
        image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
        without = CLIENTS[client](target).invoke([HumanMessage([words])])
        shown = CLIENTS[client](target).invoke([HumanMessage([words, image])])
        self.assertGreaterEqual(shown.usage_metadata["input_tokens"], without.usage_metadata["input_tokens"] + 85)

    def each_goes_on_thinking_after_a_tool(self, client, target):
        model = CLIENTS[client](target, **THINKING[client]).bind_tools([weather])
        for ask in (model.invoke, lambda m: streamed(model, m)):
            messages = [HumanMessage("Please use tool weather")]
            said = ask(messages)
            messages += [said, *(weather.invoke(c) for c in said.tool_calls)]
            self.assertIn('The tool answered "sunny in', text(ask(messages)))
            if client == "ChatAnthropic":  # ChatOpenAI hands no thoughts on
                thoughts = [b for b in said.content_blocks if b["type"] == "reasoning"]
                self.assertEqual(bool(thoughts), TARGETS[target] in ("signed", "open"))

    def each_never_ends_in_silence(self, client, target):
        for fault in ("cut=3", "reset=3", "error=3"):
            with self.subTest(fault), self.assertRaises(Exception) as caught:
                streamed(CLIENTS[client](f"{target}#{fault}"), "Explain RAG")
            self.assertIsInstance(caught.exception, (anthropic_sdk.AnthropicError, openai_sdk.OpenAIError))
            self.assertNotIn(getattr(caught.exception, "status_code", None), (400, 401, 404))

    def test_a_conversation_moves_from_provider_to_provider(self):
        for client, make in CLIENTS.items():
            with self.subTest(client):
                messages = [SystemMessage("Be brief.")]
                for i, (target, following) in enumerate(zip([GPT, CLAUDE, VLLM, TGI], [CLAUDE, VLLM, TGI, GPT])):
                    messages.append(HumanMessage("Please use tool weather"))
                    said = make(target, **THINKING[client]).bind_tools([weather]).invoke(messages)
                    messages += [said, ToolMessage(f"sunny, {i}", tool_call_id=said.tool_calls[0]["id"])]
                    answer = make(following, **THINKING[client]).bind_tools([weather]).invoke(messages)
                    self.assertIn(f'The tool answered "sunny, {i}"', text(answer))
                    messages.append(answer)

    def test_a_conversation_moves_from_client_to_client(self):
        messages = [HumanMessage("Please use tool weather")]
        said = openai(CLAUDE).bind_tools([weather]).invoke(messages)
        messages += [said, weather.invoke(said.tool_calls[0])]
        answer = anthropic(GPT).bind_tools([weather]).invoke(messages)
        self.assertIn('The tool answered "sunny in', text(answer))

    def test_embeds(self):
        for model in ("text-embedding-3-small", "vllm/bge-m3"):
            with self.subTest(model):
                embed = OpenAIEmbeddings(model=model, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, check_embedding_ctx_length=False)
                first, second = embed.embed_documents(["the gate", "the river"])
                self.assertNotEqual(first, second)
                self.assertEqual(embed.embed_query("the gate"), first)
