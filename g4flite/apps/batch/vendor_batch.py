"""`--vendor-batch`: the rows of a job go through a vendor's own batches, in sync, and a kill at any moment loses none.

    out.vendor.json         the name of the job, and for each part: its model, the vendor's id, whether it is fetched
    out.part-0.jsonl        the rows of a part: [id, fields, messages, options] each; the number of its line is the id
                            that the vendor is given

    prepare    all rows go into parts, then the file of the job is written: if it is there, the parts are whole
    submit     for each part without an id: its name is looked for in the vendor's list, else it is uploaded; the
               vendor's id is stored before it is asked for
    fetch      once a part is over, its results go into the journal; a row that is there is not written again

A part is asked for by its own name.  So a batch is found again if a kill fell between its making and the note of it;
but with Anthropic, whose batches have no names: there such a batch is made, and paid, twice.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ... import Client, G4fliteError, Ledger, MalformedReplyError, NotFoundError, ProviderError, UsageError, stream
from ..._core.provider import Request
from ..._core.response.service_errors import status_error
from ..._core.settings import may_pass
from ..cli import tell
from .job import told
from .journal import Journal, sync_folder, told_by_name
from .results import answered, failed
from .rows import Row, as_json
from .vendors import VENDORS, Ask, Outcome, State, whole

# Seconds between two questions how far a batch is: the first, and the most.
SOON: Final = 1.0
SELDOM: Final = 60.0
# How often in a row such a question may fail.
FAILURES: Final = 10
# Bytes of a reply that is no file of results.
LONGEST: Final = 16 * 2**20

# What comes of JSON of another form than expected.
UNEXPECTED: Final = (ValueError, LookupError, TypeError, AttributeError)

Read = TypeVar("Read")


class VendorBatch:
    """A job that a vendor carries out.  `settings` are those of `Client`, and of each row's answer.

    Raises `UsageError` for a provider whose batches are not known, and what `Client` raises.
    """

    def __init__(self, out: Path, provider: str, settings: Mapping[str, Any], prices: Any = None) -> None:
        if provider not in VENDORS:
            known = ", ".join(VENDORS)
            raise UsageError(f"{provider}: no interface for batches is known; --vendor-batch is for {known}")
        self.vendor, self.provider, self.settings = VENDORS[provider], provider, settings
        self._client = Client(provider, retries=0, **settings)
        self._state = out.with_name(f"{out.stem}.vendor.json")
        self.out = out
        self.ledger = Ledger(prices)
        self.answered = self.failed = 0
        # For requests that belong to no row.
        self._route: Any = None
        self._job: dict[str, Any] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # Prepare.

    def prepare(self, rows: Iterable[Row], journal: Journal) -> bool:
        """Write the parts, and return whether that was done now: not if there are parts that an earlier run has made.

        A row that cannot be asked goes into the journal.
        """
        if self._state.exists():
            self._job = json.loads(self._state.read_text(encoding="utf-8"))
            return False
        with told_by_name(self.out):
            self._job = {"name": f"g4flite-{secrets.token_hex(8)}", "parts": self._parts(rows, journal)}
            self._save()
        return True

    def _parts(self, rows: Iterable[Row], journal: Journal) -> list[dict[str, Any]]:
        """Write the rows into parts, and return what the file of the job says of these."""
        parts: list[dict[str, Any]] = []
        # The part that each model has open, as a file takes requests of one model alone: its file, lines and bytes.
        open_parts: dict[str | None, tuple[Any, list[int]]] = {}
        try:
            for row in rows:
                try:
                    if row.error is not None:
                        raise row.error
                    # As it will be read when it is sent.
                    line = json.dumps(row[:4], default=as_json)
                    model, size = self._size(Row(*json.loads(line)))
                except G4fliteError as error:
                    self.failed += 1
                    journal.write(failed(row.fields, error, 0, 0.0))
                    continue
                file, counts = open_parts.get(model, (None, [0, 0]))
                if file is None or counts[0] == self.vendor.lines or counts[1] + size > self.vendor.size:
                    if file is not None:
                        finish(file)
                    file, counts = self._part(len(parts)).open("w", encoding="utf-8"), [0, 0]
                    open_parts[model] = file, counts
                    parts.append({"model": model, "batch": None, "fetched": False})
                file.write(line + "\n")
                counts[0] += 1
                counts[1] += size
        finally:
            for file, _ in open_parts.values():
                finish(file)
        journal.sync()
        return parts

    def _size(self, row: Row) -> tuple[str | None, int]:
        """Return the model that a row asks, and the bytes of its line.  Raises what a stream of it would raise."""
        request, model = self._request(row)
        return model, len(self._line(0, request)) + 8

    def _request(self, row: Row) -> tuple[Request, str | None]:
        """Return the request of a row's stream, and the model on the wire."""
        route = self._client.stream(row.messages, **row.options)._run.routes[0]
        return route.request(0, route.call.now_ms), route.call.model

    def _line(self, number: int, request: Request) -> bytes:
        body = whole(json.loads(request.body))
        line = self.vendor.line(str(number), urlsplit(request.url).path, body)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def _part(self, number: int) -> Path:
        return self.out.with_name(f"{self.out.stem}.part-{number}.jsonl")

    def _rows(self, number: int) -> list[Row]:
        with self._part(number).open(encoding="utf-8") as file:
            return [Row(*json.loads(line)) for line in file]

    def _save(self) -> None:
        """Replace the file of the job by one that is whole, on the disk."""
        new = self._state.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(self._job, file, indent=1)
            finish(file)
        new.replace(self._state)
        sync_folder(self._state.parent)

    # Submit.

    def submit(self) -> None:
        """Give the vendor each part that it does not have, and note the ids."""
        waiting = [number for number, part in enumerate(self._job["parts"]) if part["batch"] is None]
        if not waiting:
            return
        made = {state.name: state.id for state in self._listed(self.vendor.list)} if self.vendor.list else {}
        for number in waiting:
            name = f"{self._job['name']}-{number}"
            self._job["parts"][number]["batch"] = made.get(name) or self._submitted(number, name)
            with told_by_name(self.out):
                self._save()

    def _listed(self, page: Callable[[str], Ask]) -> Iterator[State]:
        after, more = "", True
        while more:
            states, after = self._asked(page(after), self.vendor.listed, after)
            yield from states
            more = bool(after)

    def _submitted(self, number: int, name: str) -> str:
        requests = [self._request(row)[0] for row in self._rows(number)]
        data = b"".join(self._line(at, request) for at, request in enumerate(requests))
        upload = self.vendor.upload
        file = data if upload is None else self._asked(upload(name, data), self.vendor.uploaded)
        path = urlsplit(requests[0].url).path
        model = self._job["parts"][number]["model"]
        return self._asked(self.vendor.create(file, name, path, model), self.vendor.state).id

    # Fetch.

    def fetch(self, journal: Journal, until: float, say: Callable[[str], None]) -> bool:
        """Wait for the parts, and write their results.  Return whether all is done; not if `until` came before.

        `until` is a time of the monotonic clock.  `journal` has met no row yet.
        """
        wait, said = SOON, ""
        while open_parts := [n for n, part in enumerate(self._job["parts"]) if not part["fetched"]]:
            try:
                states = {number: self._state_of(number) for number in open_parts}
                for number, state in states.items():
                    if state.over:
                        self._write(number, state, journal)
                        wait = SOON
            except NotFoundError:
                # Vendors delete results after some weeks, and the key of another account sees no batch.
                tell("vendor", f"if the batch is gone, delete {self._state}: its rows are then asked, and paid, again")
                raise
            now = ", ".join(f"{state.id}: {state.status}" for state in states.values())
            if now != said:
                said = now
                say(now)
            if all(state.over for state in states.values()):
                continue
            if time.monotonic() + wait > until:
                return False
            time.sleep(wait)
            wait = min(2 * wait, SELDOM)
        with suppress(FileNotFoundError):
            self._state.unlink()
        for number in range(len(self._job["parts"])):
            self._part(number).unlink(missing_ok=True)
        return True

    def _state_of(self, number: int) -> State:
        """Return the state of a part.  A question that fails on the way is asked again."""
        failures = 0
        while True:
            try:
                return self._asked(self.vendor.check(self._job["parts"][number]["batch"]), self.vendor.state)
            except G4fliteError as error:
                failures += 1
                if failures == FAILURES or not may_pass(error):
                    raise
            time.sleep(min(SOON * 2**failures, SELDOM))

    def _write(self, number: int, state: State, journal: Journal) -> None:
        """Write the results of a part that is over."""
        rows = self._rows(number)
        # By their place in the part: the rows that are not in the journal.
        places = {row.id: str(at) for at, row in enumerate(rows)}
        open_rows = {places[row.id]: row for row in journal.to_ask(rows)}
        lines = (line for path in state.files for line in self._lines(path))
        strange = 0
        for result in chain(state.results, lines):
            try:
                outcome = self.vendor.result(json.loads(result) if isinstance(result, bytes) else result)
            except UNEXPECTED:
                # Nobody knows whose it is: the row fails below.
                strange += 1
                continue
            if (row := open_rows.pop(str(outcome.custom_id), None)) is not None:
                with told_by_name(self.out):
                    self._write_row(row, outcome, journal)
        said = f", and {strange} of them cannot be read" if strange else ""
        with told_by_name(self.out):
            for row in open_rows.values():
                error = state.error or ProviderError(f"the results of {state.id} ({state.status}) lack this row{said}")
                self._write_row(row, Outcome("", error=copy(error)), journal)
            journal.sync()
            self._job["parts"][number]["fetched"] = True
            self._save()

    def _write_row(self, row: Row, outcome: Outcome, journal: Journal) -> None:
        """Write what became of a row; the provider's own parser reads its answer."""
        try:
            if outcome.error is not None:
                raise outcome.error
            with answers(outcome, self.vendor.stream) as client:
                # No proxy is asked by a client that answers out of memory.
                settings = {**self.settings, **row.options, "proxy": None}
                answer = stream(self.provider, row.messages, client=client, retries=0, **settings)
                answer.text()
                self.ledger.end(answer._run.call, told(answer, 0.0, None))
                typed = settings.get("response_format") is not None and not answer.tool_calls
                parsed = (answer.parsed(),) if typed else ()
        except G4fliteError as error:
            error.provider = error.provider or self.provider
            self.failed += 1
            journal.write(failed(row.fields, error, 1, 0.0))
        else:
            self.answered += 1
            journal.write(answered(row.fields, answer, parsed, 1, 0.0))

    # The wire.

    def _lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file of results."""
        rest = b""
        for piece in self._sent(Ask("GET", path)):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line for line in lines if line.strip())
        if rest.strip():
            yield rest

    def _asked(self, ask: Ask, read: Callable[..., Read], *more: str) -> Read:
        """Return what `read` reads in the JSON of a reply; `more` are its other arguments."""
        body = b"".join(self._sent(ask))
        try:
            reply = json.loads(body)
        except ValueError:
            raise MalformedReplyError("the reply is no JSON", provider=self.provider) from None
        try:
            return read(reply, *more)
        except UNEXPECTED as error:
            said = f"{ask.method} {ask.path}: the reply has not the form of the interface for batches: {reply!r:.200}"
            raise MalformedReplyError(said, provider=self.provider) from error

    def _sent(self, ask: Ask) -> Iterator[bytes]:
        """Yield the pieces of a reply.  Raises what a failure on the way, or a status that is no success, means."""
        from ..._core.transport.driver import fetch  # noqa: PLC0415 - httpx is imported with the first request

        if self._route is None:
            # A stream that is never read: its headers are those of every request, and no header names the model.
            self._route = self._client.stream("-", model=self._client._call.model or "-")._run.routes[0]
        call = self._route.call
        headers = {**self._route.request(0, call.now_ms).headers, "accept": "*/*", "accept-encoding": "identity"}
        headers["content-type"] = ask.content_type
        if ask.method == "GET":
            del headers["content-type"]
        with fetch(self._route, Request(call.base_url + ask.path, headers, ask.body, ask.method)) as fetched:
            head = fetched.response.head
            if head.status == 200:
                yield from fetched.pieces
                return
            text = b"".join(fetched.pieces)[:LONGEST].decode("utf-8", "replace")
            raise status_error(
                head.status,
                head.headers,
                text,
                rules=call.provider.errors,
                key_variables=call.provider.key_variables,
                now_ms=time.time_ns() // 1_000_000,
            )


def answers(outcome: Outcome, as_stream: Callable[[Any], bytes]) -> Any:
    """Return a client of httpx that answers each request with a reply that came before."""
    import httpx  # noqa: PLC0415 - imported with the first answer

    good = outcome.status == 200
    data = as_stream(outcome.body) if good else json.dumps(outcome.body).encode()
    headers = {"content-type": "text/event-stream" if good else "application/json", "content-length": str(len(data))}
    transport = httpx.MockTransport(lambda _: httpx.Response(outcome.status, headers=headers, content=data))
    return httpx.Client(transport=transport, trust_env=False)


def finish(file: Any) -> None:
    """Write a file to the disk, and close it."""
    with file:
        file.flush()
        os.fsync(file.fileno())


def shown(*, quiet: bool) -> Callable[[str], None]:
    """Return what tells how far the batches are, on standard error."""
    return (lambda _: None) if quiet or not sys.stderr else (lambda text: tell("vendor", text))
