"""Structured output: the answer is an object of a class, and its value so far can be shown while it comes."""

import os
from contextlib import ExitStack
from dataclasses import dataclass

import g4flite
from g4flite.testing import Emulator


@dataclass
class City:
    name: str
    people: int
    sights: list[str]


# Stands for a model.
ANSWER = '{"name": "Oslo", "people": 717710, "sights": ["Fram", "Opera", "Vigeland"]}'

with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or f"{stack.enter_context(Emulator(lambda _: ANSWER, keys=False)).url}/v1"
    question = "Which city has Fram?"
    stream = g4flite.stream("openai-compatible", question, model="any", base_url=url, response_format=City)
    for value in stream.partials():
        print(value)
    city = stream.parsed()
    print(f"{city.name}: {city.people} people, {len(city.sights)} sights")
