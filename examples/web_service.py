"""A web service that streams answers as server-sent events; if its client leaves, the answer upstream ends as well."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

import g4flite
from g4flite.testing import Emulator, Script


async def events(question: str) -> AsyncIterator[str]:
    try:
        async with g4flite.stream("gprochat", question, base_url=url) as stream:
            async for chunk in stream:
                yield f"data: {json.dumps(chunk)}\n\n"
    except g4flite.G4fliteError as error:
        yield f"event: error\ndata: {json.dumps(str(error))}\n\n"


async def chat(request: Request) -> StreamingResponse:
    return StreamingResponse(events((await request.body()).decode()), media_type="text/event-stream")


# To try it: curl -N http://127.0.0.1:8000/ -d "Why is the sky blue?"
with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or stack.enter_context(Emulator(script=Script(wait=0.2))).url
    uvicorn.run(Starlette(routes=[Route("/", chat, methods=["POST"])]))
