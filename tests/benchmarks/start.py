"""What a start costs: an import, a fresh process, a client for one call; and what has to be installed."""

import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from statistics import median

from tests.benchmarks.contenders import PEERS, SYNC, Figures, Skipped, prompt, settings
from tests.benchmarks.programs import FIRST, IMPORT, MODULES, MOMENT


def imported(who: str, roots: dict[str, str]) -> Figures:
    """Return the milliseconds of an import and the number of modules that it loads, above the bare interpreter."""
    command = [sys.executable, "-c", IMPORT.format(module=MODULES[who])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, modules = map(float, done.stdout.split())
    return {"taken": taken, "modules": modules}


def first_chunk(who: str, roots: dict[str, str], scheme: str) -> Figures:
    """Return the milliseconds from the start of a process to its first chunk: the median of five for httpx and g4flite.

    One process alone takes up to a third longer than the next one, which is as much as the difference that is measured.
    All load the same certificates over https, those of SSL_CERT_FILE; over plain http, httpx loads them as well, as its
    users' programs do.
    """
    if scheme not in roots:
        raise Skipped("no certificate for https: trustme is not installed")
    command = [sys.executable, "-c", FIRST[who] + MOMENT, f"{roots[scheme]}/openai/drip"]
    taken = []
    # The other SDKs take seconds, and differ from httpx by a multiple.
    for _ in range(1 if who in PEERS else 5):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append(float(done.stdout.split()[-1]) - began)
    return {"taken": median(taken) * 1e3}


def one_shot(who: str, roots: dict[str, str], count: int) -> Figures:
    """Return the milliseconds that a call with its own client takes above a call on a live client; in turns."""
    import g4flite

    url, own = f"{roots['http']}/openai/drip", SYNC[who]

    def single() -> None:
        if who == "g4flite":
            g4flite.stream(messages=prompt(1), **settings("openai", url)).text()
        else:
            with own("openai", url) as (opened, iterated), opened(prompt(1)) as reply:
                list(iterated(reply))

    extra = []
    with own("openai", url) as (opened, iterated):
        for _ in range(count + 5):
            began = time.perf_counter()
            with opened(prompt(1)) as reply:
                list(iterated(reply))
            between = time.perf_counter()
            single()
            extra.append(time.perf_counter() - between - (between - began))
    return {"extra": median(extra[5:]) * 1e3}


def installed(who: str, roots: dict[str, str]) -> Figures:
    """Return the number of distributions that an installation brings, and their MB without compiled bytecode."""
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name

    wanted, found = [MODULES[who]], {}
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name not in found:
            found[name] = metadata.distribution(name)
            needs = map(Requirement, found[name].requires or ())
            wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    files = [Path(file.locate()) for name, one in found.items() if name != "g4flite" for file in one.files or ()]
    # The installation of g4flite is a link to this checkout.
    if who == "g4flite":
        files += Path(__file__).parents[2].joinpath("g4flite").rglob("*.py")
    size = sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.exists())
    return {"distributions": float(len(found)), "size": size / 1e6}
