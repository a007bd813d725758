"""What the tests share: the clients, the models they ask, and what they ask for."""
import os
import unittest

import anthropic
import openai
from pydantic import BaseModel

URL = os.environ["HEADGATE_URL"]
KEY = os.environ["HEADGATE_ADMIN_KEY"]
OPENAI = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=20)
ANTHROPIC = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=20)

# The models, each at another kind of provider, and what a client sees of what they thought: nothing but the number of
# tokens (counted), text with the vendor's seal (signed), text alone (open), or they can't be asked to think (none).
GPT, CLAUDE, VLLM, TGI = "gpt-5", "claude-opus-4-6", "vllm/qwen3-8b", "tgi/tgi"
TARGETS = {GPT: "counted", CLAUDE: "signed", VLLM: "open", TGI: "none"}

# Faults that a provider's stream can have, in the simulator's words.
FAULTS = ["cut=3", "cut_bytes=500", "reset=3", "malformed=3", "error=3"]

QUESTION = [{"role": "user", "content": "Explain RAG"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "The weather.", "input_schema": SCHEMA}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Recipe(BaseModel):
    """A recipe."""

    title: str
    minutes: int
    vegan: bool
    steps: list[str]


class Every(unittest.TestCase):
    """Makes a test of each method that begins with each_ for every one of the subjects: a name, and the arguments."""

    subjects = {model: (model,) for model in TARGETS}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in [n for n in vars(cls) if n.startswith("each_")]:
            for subject, args in cls.subjects.items():
                spelt = "".join(c if c.isalnum() else "_" for c in subject)
                setattr(cls, f"test_{spelt}_{name.removeprefix('each_')}", lambda self, n=name, a=args: getattr(self, n)(*a))
