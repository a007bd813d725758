"""The model of this example: it says again what it was asked, one word at a time, and calls a tool when told to.

Put your own model here. It knows nothing of gRPC: it reads a headgate.llm.v1 Prompt and yields StreamEvents.
"""

import hashlib
import json
import uuid

from headgate.llm.v1 import chat_pb2, message_pb2, model_pb2, usage_pb2

NAME = "parrot"
VECTOR_LENGTH = 8


def models():
    return [model_pb2.Model(id=NAME, owned_by="python-provider")]


def question(prompt):
    """The text of the last message, or what the tools answered in it."""
    texts = []
    for part in prompt.messages[-1].parts:
        inner = part.tool_call_response.parts if part.HasField("tool_call_response") else [part]
        texts += [p.text.text for p in inner if p.HasField("text")]
    return " ".join(texts)


def count(prompt):
    """Words stand for tokens."""
    words = len(prompt.system.split())
    for message in prompt.messages:
        words += sum(len(part.text.text.split()) for part in message.parts)
    return words


def vector(text):
    digest = hashlib.sha256(text.encode()).digest()
    return [b / 255 for b in digest[:VECTOR_LENGTH]]


def answer(prompt):
    """Yields the steps of an answer in the order that headgate.llm.v1.StreamEvent promises: a start; for each part its
    start, deltas and end; a finish; usage."""
    yield chat_pb2.StreamEvent(start=chat_pb2.StreamStart(id="parrot-" + uuid.uuid4().hex, model=NAME))
    words = question(prompt).split()
    if prompt.tools and words[:1] == ["call"]:
        yield from call(prompt.tools[0].name, " ".join(words[1:]))
        reason, said = usage_pb2.FINISH_REASON_TOOL_CALL, words
    else:
        bound = prompt.sampling.max_output_tokens if prompt.sampling.HasField("max_output_tokens") else len(words)
        said = words[:bound]
        yield from say(said)
        cut = len(said) < len(words)
        reason = usage_pb2.FINISH_REASON_LENGTH if cut else usage_pb2.FINISH_REASON_STOP
    yield chat_pb2.StreamEvent(finish=chat_pb2.StreamFinish(reason=reason))
    yield chat_pb2.StreamEvent(usage=usage_pb2.TokenUsage(input_tokens=count(prompt), output_tokens=len(said)))


def say(words):
    yield part_start(message_pb2.Part(text=message_pb2.TextPart()))
    for i, word in enumerate(words):
        yield delta(text=word if i == 0 else " " + word)
    yield part_end()


def call(tool, text):
    yield part_start(message_pb2.Part(tool_call=message_pb2.ToolCallPart(id="call_" + uuid.uuid4().hex[:24], name=tool)))
    yield delta(arguments=json.dumps({"text": text}))
    yield part_end()


def part_start(part):
    return chat_pb2.StreamEvent(part_start=chat_pb2.PartStart(part=part))


def delta(**what):
    return chat_pb2.StreamEvent(part_delta=chat_pb2.PartDelta(**what))


def part_end():
    return chat_pb2.StreamEvent(part_end=chat_pb2.PartEnd())


def whole(events):
    """Puts the steps of an answer together, for those who want it at once."""
    completion = chat_pb2.Completion(message=message_pb2.Message(role=message_pb2.ROLE_ASSISTANT))
    parts = completion.message.parts
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "start":
            completion.id, completion.model = event.start.id, event.start.model
        elif kind == "part_start":
            parts.add().CopyFrom(event.part_start.part)
        elif kind == "part_delta" and event.part_delta.text:
            parts[-1].text.text += event.part_delta.text
        elif kind == "part_delta":
            parts[-1].tool_call.arguments += event.part_delta.arguments
        elif kind == "finish":
            completion.finish_reason = event.finish.reason
        elif kind == "usage":
            completion.usage.CopyFrom(event.usage)
    return completion
