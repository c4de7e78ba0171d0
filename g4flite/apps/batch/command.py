"""The command `batch`: the rows of a file are asked, and what became of each goes into files.

It goes on where it has ended, if it is typed again.  The exit code is 0, or 1 if a row has failed, if a row that is
done asks something else now, or if the job has ended by an error; 2 if nothing was asked, 3 if a limit of the budget
has ended the job.
"""

import argparse
import math
import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ... import G4fliteError, Ledger, OptionError, Usage, UsageError, providers
from ..._core.request import resolve_base_url, resolve_model
from ..._core.response.waits import seconds_of
from ..._core.secrets import redact, secrets_of
from ..._core.urls import public_url
from ..cli import add_settings, flag, option, program, settings, tell, warnings_as_lines
from . import run, vendor_batch
from .files import count, read
from .job import ANSWER, ended
from .journal import Journal, files_of, told_by_name
from .progress import Progress, shown
from .results import Result
from .rows import FIELD, Row, tokens_of
from .shared import Shared
from .vendor_batch import VendorBatch
from .vendors import PRICE

# What `-o` means: an option has a name before its first equals sign, a path has not.
OPTION = re.compile(r"\w+=")
NAMES = ("concurrency", "rpm", "tpm", "retries", "max_cost", "max_tokens_total", "deadline")
FLAGS = {name: f"--{name.replace('_', '-')}" for name in NAMES}


def add(commands: Any) -> None:
    """Add the command `batch`."""
    text = "ask the rows of a file, many at a time"
    example = f"""A row is {{"id": ..., "prompt": ...}}, or has "messages", or any fields; it may have "options".
The answers go to OUT.jsonl, what fails to OUT.failed.jsonl, which is an input, too.  Type the same again to go on.

example, while `{program()} emulate --port 8765 --no-keys` runs in another shell:
  printf 'text\\nHello\\nGood morning\\n' > in.csv
  %(prog)s in.csv --provider llamacpp --base-url http://127.0.0.1:8765/v1 --prompt "Translate: {{text}}" -o out.jsonl"""
    command = commands.add_parser("batch", help=text, description=text, epilog=example)
    command.set_defaults(run=batch, spelled=lambda name: FLAGS.get(name) or flag(name))
    command.add_argument("input", metavar="INPUT", help="JSON lines, .csv, .tsv or .parquet; - is standard input")
    command.add_argument("--provider", required=True, metavar="PROVIDER", help="see the command `providers`")
    command.add_argument("--prompt", metavar="TEMPLATE", help='the prompt of each row, like "Translate {text}"')
    text = "OUT.jsonl, or an option, whose value is JSON or text; repeatable"
    add_settings(command, read_option=output_or_option, help_on_option=text)
    command.add_argument("--output", metavar="OUT.jsonl", help="where the results go, like -o OUT.jsonl")
    text = "go on with the job of OUT.jsonl, which must be there, or must not; default: go on if it is there"
    command.add_argument("--resume", action=argparse.BooleanOptionalAction, help=text)
    command.add_argument("--ordered", action="store_true", help="keep the order of the rows")
    text = "calls at a time, or auto: as many as the service takes; default: 16"
    command.add_argument("--concurrency", metavar="N", type=number_or_auto, default=16, help=text)
    command.add_argument("--rpm", metavar="N", type=float, help="requests per minute, of all processes together")
    command.add_argument("--tpm", metavar="N", type=float, help="tokens per minute, of all processes together")
    command.add_argument("--retries", metavar="N", type=int, default=2, help="further attempts of a row; default: 2")
    command.add_argument("--max-cost", metavar="DOLLARS", type=float, help="stop before it costs more")
    command.add_argument("--max-tokens-total", metavar="N", type=float, help="stop before it takes more tokens")
    command.add_argument(
        "--deadline", metavar="TIME", type=duration, help="ask nothing after this time, like 90 or 2h30m"
    )
    text = "dollars for a million tokens of prompts and of answers; default: what genai-prices says, if it is installed"
    command.add_argument("--price", metavar="PROMPT,ANSWER", type=price, help=text)
    command.add_argument("--on", choices=("ray",), help="ask on a cluster of Ray; --concurrency is that of each actor")
    text = "let the vendor's own batches ask, at half the price and within a day"
    command.add_argument("--vendor-batch", action="store_true", help=text)
    command.add_argument("--dry-run", action="store_true", help="ask nothing; say how many rows, tokens and dollars")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def output_or_option(text: str) -> tuple[str, Any]:
    """Return the name and the value of an option, or "" and the path of the output."""
    return option(text) if OPTION.match(text) else ("", text)


def number_or_auto(text: str) -> Any:
    """Return the number that a text means, or "auto"."""
    return text if text == "auto" else int(text)


def duration(text: str) -> float:
    """Return the seconds of a text like `90` or `2h30m`."""
    if (seconds := seconds_of(text)) is None:
        raise argparse.ArgumentTypeError("a time is a number of seconds, or like 2h30m")
    return seconds


def price(text: str) -> tuple[float, ...]:
    """Return the prices of a text like `0.15,0.60`."""
    try:
        prompt, answer = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("the prices are two numbers, like 0.15,0.60") from None
    return prompt, answer


def batch(arguments: argparse.Namespace) -> None:
    """Carry out `batch`.  Raises `SystemExit` with the exit code if it is not 0."""
    outputs = [value for name, value in arguments.option if not name] + [arguments.output] * bool(arguments.output)
    arguments.option = [(name, value) for name, value in arguments.option if name]
    if len(outputs) != 1:
        raise UsageError("name one output: -o OUT.jsonl")
    out = Path(outputs[0])
    if out.suffix != ".jsonl":
        raise UsageError(f"the output is JSON lines; its name ends with .jsonl, not {out.suffix or 'so'!r}")
    # Its file descriptor would be that of the next file that is opened: one of the job's own.
    if arguments.input == "-" and sys.stdin is None:
        raise UsageError("standard input is closed; name a file, or pipe the rows in")
    if arguments.input != "-" and not os.access(arguments.input, os.R_OK):
        raise UsageError(f"{arguments.input} cannot be read")
    if any(is_same(arguments.input, path) for path in files_of(out)):
        raise UsageError(f"{arguments.input} is a file of the job of {out}; name another output for its rows")
    if arguments.prompt is not None and not FIELD.search(arguments.prompt):
        tell("warning", 'each row asks the same, as --prompt names no field, like {text}; quote it as in "Say {text}"')
    provider = providers.find(arguments.provider)
    model = resolve_model(provider, arguments.model)
    prices = None if arguments.price is None else {model or "": arguments.price}
    url = resolve_base_url(provider, arguments.base_url)[0]
    asked = {
        "provider": provider.name,
        "model": model,
        "base_url": redact(public_url(url), secrets_of({}, (), "", url)),
        "system": arguments.system,
        "prompt": arguments.prompt,
        "options": dict(arguments.option),
    }
    if arguments.vendor_batch:
        # The rows that the vendor has are not asked by a command without the flag.
        asked["vendor_batch"] = True
    if arguments.dry_run:
        # What the job would refuse is refused.
        if arguments.vendor_batch:
            vendor_of(arguments, out, asked, prices).close()
        else:
            job_of(arguments, (), prices, None)
        if not arguments.resume and not any(path.exists() for path in files_of(out)):
            print(rehearsal(read(arguments.input, arguments.prompt), asked, prices))
            return
    elif arguments.vendor_batch:
        with warnings_as_lines():
            let_vendor_ask(arguments, out, asked, prices)
        return
    with closing(Journal(out, asked, resume=arguments.resume)) as journal, warnings_as_lines():
        if arguments.dry_run:
            print(rehearsal(journal.to_ask(read(arguments.input, arguments.prompt)), asked, prices))
            tell_changed(journal)
        else:
            ask(arguments, journal, prices, limits_of(provider.name, url))


def vendor_of(arguments: argparse.Namespace, out: Path, asked: dict[str, Any], prices: Any) -> VendorBatch:
    """Return the job that the vendor carries out.  Raises what is wrong in the arguments."""
    names = ("on", "rpm", "tpm", "ordered", "max_cost", "max_tokens_total")
    if given := [name for name in names if getattr(arguments, name)]:
        raise UsageError(f"--{given[0].replace('_', '-')} does not go with --vendor-batch: the vendor asks as it likes")
    own = {"system": arguments.system, "model": arguments.model, **settings(arguments)}
    return VendorBatch(out, asked["provider"], own, prices)


def let_vendor_ask(arguments: argparse.Namespace, out: Path, asked: dict[str, Any], prices: Any) -> None:
    """Let the vendor's own batches ask the rows, and write the results."""
    vendor = vendor_of(arguments, out, asked, prices)
    until = math.inf if arguments.deadline is None else time.monotonic() + arguments.deadline
    journal = first = taken = Journal(out, asked, resume=arguments.resume)
    over, new = True, False
    try:
        # What an earlier run has begun is fetched first; then the rows are asked that the input has besides.
        while over and not new:
            taken = journal
            new = vendor.prepare(journal.to_ask(read(arguments.input, arguments.prompt)), journal)
            vendor.submit()
            # Opened anew, it has met no row yet.
            journal.close()
            journal = Journal(out, asked)
            over = vendor.fetch(journal, until, vendor_batch.shown(quiet=arguments.quiet))
            journal.close()
            journal = Journal(out, asked)
    finally:
        journal.close()
        vendor.close()
    if not arguments.quiet:
        print(summary(vendor, first, PRICE), file=sys.stderr)
    tell_changed(taken)
    if not over:
        tell("stopped", "--deadline is reached, and the vendor goes on; type the same again for the results")
        raise SystemExit(3)
    if vendor.failed:
        tell("failed", hint(vendor.failed, vendor.failed + vendor.answered, journal))
    if vendor.failed or taken.changed:
        raise SystemExit(1)


def job_of(arguments: argparse.Namespace, rows: Iterable[Row], prices: Any, limits: Path | None) -> Any:
    """Return what asks the rows, a `Batch` or the like.  Raises what is wrong in the arguments."""
    asked_by: Any = run
    if arguments.on is not None:
        from .ray import OnRay  # noqa: PLC0415 - asyncio is imported for it alone

        asked_by = OnRay
    return asked_by(
        rows,
        arguments.provider,
        concurrency=arguments.concurrency,
        rpm=arguments.rpm,
        tpm=arguments.tpm,
        retries=arguments.retries,
        ordered=arguments.ordered,
        prices=prices,
        max_cost=arguments.max_cost,
        max_tokens_total=arguments.max_tokens_total,
        deadline=arguments.deadline,
        shared=limits,
        system=arguments.system,
        model=arguments.model,
        **settings(arguments),
    )


def ask(arguments: argparse.Namespace, journal: Journal, prices: Any, limits: Path | None) -> None:
    """Ask the rows that are not done, write the results, and say how it has ended."""
    began, now = time.monotonic(), 0
    rows = job_of(arguments, journal.to_ask(read(arguments.input, arguments.prompt)), prices, limits)
    total = None if arguments.quiet else count(arguments.input)

    def progress() -> Progress:
        sums = rows.ledger.total
        tokens = sums.prompt_tokens.known + sums.completion_tokens.known
        spent = time.monotonic() - began
        return Progress(journal.done, now, rows.failed, total, spent, tokens, sums.cost.known, rows.waits)

    try:
        with shown(progress, quiet=arguments.quiet), rows:
            for result in rows:
                write(journal, result)
                now += 1
    except KeyboardInterrupt:
        # Those that wait for an earlier one, with --ordered, are paid.
        for result in rows.unread:
            write(journal, result)
        raise
    except UsageError as error:
        # As if a later line of the input cannot be read.  Its exit code would say that nothing was asked.
        if not rows.answered:
            raise
        raise G4fliteError(error.spelled(arguments.spelled)) from error
    finally:
        write(journal)
        if not arguments.quiet:
            print(summary(rows, journal), file=sys.stderr)
    tell_changed(journal)
    if rows.stopped is not None:
        limit = f"--{rows.stopped.replace('_', '-')}"
        tell("stopped", f"{limit} is reached; type the same again to go on, with as much again")
        raise SystemExit(3)
    if rows.failed:
        tell("failed", hint(rows.failed, now, journal))
    if rows.failed or journal.changed:
        raise SystemExit(1)


def hint(failed: int, now: int, journal: Journal) -> str:
    """Return how many rows have failed, and how they are asked again."""
    again = f"batch {journal.failed} -o {journal.out.stem}.again.jsonl"
    return f"{failed} of {now} rows, see {journal.failed}; ask them again, with the same flags: {again}"


def tell_changed(journal: Journal) -> None:
    """Tell which rows were not asked again although they ask something else now: their results are paid."""
    if count := journal.changed:
        ids = ", ".join([*map(repr, journal.changed_ids), *["..."] * (count > len(journal.changed_ids))])
        files = f"{journal.out} or {journal.failed}"
        tell(
            "changed",
            f"{count} of the rows that are done ask something else now: {ids}; they keep their results; "
            f"delete their lines in {files} to ask them, or give them other ids",
        )


def write(journal: Journal, result: Result | None = None) -> None:
    """Write a result, or all that was written to the disk.  Raises `G4fliteError` if that fails."""
    with told_by_name(journal.out):
        journal.sync() if result is None else journal.write(result)


def is_same(source: str, path: Path) -> bool:
    """Return whether both are one file, also by another name."""
    return source != "-" and path.exists() and path.samefile(source)


def summary(rows: Any, journal: Journal, price: float = 1.0) -> str:
    """Return what a run has done, as a line; `price` is the part of the usual price that was paid."""
    sums = rows.ledger.total
    tokens = sums.prompt_tokens.known + sums.completion_tokens.known
    cost = f", ${price * sums.cost.known:,.4f}" if sums.cost.known else ""
    before = f", {journal.done:,} done before" if journal.done else ""
    return f"{rows.answered:,} answered, {rows.failed:,} failed{before}, {tokens:,.0f} tokens{cost}: {journal.out}"


def rehearsal(rows: Iterable[Row], asked: dict[str, Any], prices: Any) -> str:
    """Return how many rows would be asked, and about how many tokens and dollars that is."""
    ledger, wrong = Ledger(prices), 0
    for row in rows:
        if row.error is not None:
            wrong += 1
            continue
        most = row.options.get("max_tokens", asked["options"].get("max_tokens"))
        usage = Usage(tokens_of(row, asked["system"]), most if isinstance(most, int) else ANSWER)
        model = row.options.get("model", asked["model"])
        ledger.end(None, ended(asked["provider"], model, usage))
    total = ledger.total
    price, said = (PRICE, ", at the price of the vendor's batches") if "vendor_batch" in asked else (1.0, "")
    cost = f"about ${price * total.cost.known:,.4f}{said}" if total.cost.known else "the cost is unknown: pass --price"
    if total.cost.known and total.cost.unknown:
        cost += f", without {total.cost.unknown:,} of unknown price"
    tokens = (
        f"about {total.prompt_tokens.known:,.0f} tokens of prompts and {total.completion_tokens.known:,.0f} of answers"
    )
    return f"{total.streams:,} rows to ask, {wrong:,} that cannot be asked; {tokens}; {cost}"


def limits_of(provider: str, url: str) -> Path | None:
    """Return the file through which the processes of this user share the limits of a service.

    None on Windows, and, with a warning, if the file cannot be made: as in a container whose files are read-only.
    """
    if os.name != "posix":
        return None
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "g4flite"
        path = folder / f"{provider}-{blake2b(url.encode(), digest_size=6).hexdigest()}.limits"
        Shared(path).close()
    # A RuntimeError if the user has no home.
    except (OptionError, RuntimeError) as error:
        tell("warning", f"{error}; they hold for this process alone: set XDG_CACHE_HOME to share them")
        return None
    return path
