"""What a stream leaves behind on a connection of the caller's client, which serves other requests afterwards."""

from typing import Any

import g4flite
from g4flite.testing import Emulator
from tests.conftest import Driver


def test_a_request_of_the_caller_s_own_is_not_bound_by_the_timers_of_a_stream_before_it(
    driver: Driver, server: Emulator
) -> None:
    """The caller's client has no timeouts, so that its request names none to the connection."""
    client: Any = driver.client(timeout=None)
    stream = g4flite.stream("openai", "Hi", base_url=f"{server.url}/v1", api_key="sk-test-1", model="m", client=client)

    def is_over() -> None:
        assert stream.partial == "You said: Hi"
        # Long after the stream, so that each of its timers is over.
        stream._run.timers._clock = lambda: 1e9

    def read() -> int:
        with client, stream:
            assert list(stream)
            is_over()
            return int(client.get(f"{server.url}/v1/models").status_code)

    async def aread() -> int:
        async with client, stream:
            assert [chunk async for chunk in stream]
            is_over()
            return int((await client.get(f"{server.url}/v1/models")).status_code)

    assert (read() if driver.name == "sync" else driver.run(aread)) == 200
    assert server.connections == 1
