"""The command `vendor`: copies this package into a project, under any name, and looks after the copy.

The copy's file VENDORED holds the version, the date, and the SHA-256 of every file in the form of `sha256sum`.  Left
out are the files that need more than httpx and anyio (`LEFT_OUT`).
"""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from keyword import iskeyword
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from .._core.errors import G4fliteError, UsageError
from .cli import PACKAGE, program

LEFT_OUT = ("apps/chat/markdown.py",)
TAKEN = {*sys.stdlib_module_names, "anyio", "httpx"}  # which a folder of the name may hide from the copy itself
LISTING = "VENDORED"
PART = "VENDORED.part"  # what every file is written to before it takes its name
NO_FILE = "no file"  # in place of the hash of a symlink or a device, which is neither followed nor replaced
LINE = re.compile(r"# (version|date) (\S+)|([0-9a-f]{64})  (\S+)|# .*")  # of VENDORED
HEAD = "# A copy of g4flite.  `g4flite vendor --check` and `--update` read this list; `sha256sum --check` does as well."


class Listing(NamedTuple):
    """What a VENDORED says: `hashes` by file."""

    version: str
    date: str
    hashes: dict[str, str]


def add(commands: Any) -> None:
    """Adds the command to the parser of all commands."""
    text = "copy this package into a project under a name of its own, or look after such a copy"
    example = """example:
  %(prog)s myapp/_vendor/llm_stream
  %(prog)s --check myapp/_vendor/llm_stream
  %(prog)s --update myapp/_vendor/llm_stream"""
    command = commands.add_parser("vendor", help=text, description=text, epilog=example)
    command.set_defaults(run=run)
    command.add_argument("folder", metavar="FOLDER", help="the folder of the copy; its name is the name to import")
    either = command.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="list what is not as it was copied; exit code 1 then")
    either.add_argument("--update", action="store_true", help="bring the copy to this version")


def run(arguments: argparse.Namespace) -> None:
    """Prints what was done.  Raises `G4fliteError` where the copy is not as it was copied, or cannot be written."""
    folder = Path(arguments.folder)
    try:
        if arguments.check:
            lines, complaint = check(folder)
        else:
            lines, complaint = copy(folder, today(), update=arguments.update), ""
    except OSError as error:  # not of standard output, as cli.run would take it
        raise G4fliteError(f"{error}; mend that and type the same again") from error
    print(*lines, sep="\n", flush=True)
    if complaint:
        raise G4fliteError(complaint)


def today() -> str:
    """The date, of UTC."""
    from datetime import datetime, timezone  # noqa: PLC0415 - each command imports this module

    return datetime.now(timezone.utc).date().isoformat()


def check(folder: Path) -> tuple[list[str], str]:
    """A line for each file that is changed, missing or added, and a complaint of the first two.  Raises as `copy`."""
    listing, found = read_listing(folder), hashes(folder)
    if listing is None:
        raise UsageError(f"{folder} is no copy, as it has no file {LISTING}; to make one: {command(folder)}")
    known = listing.hashes
    lines = [f"changed  {name}" for name in sorted(found) if known.get(name, found[name]) != found[name]]
    lines += [f"missing  {name}" for name in sorted(known.keys() - found.keys())]
    added = [f"added    {name}" for name in sorted(found.keys() - known.keys())]
    if not lines:
        return [f"{folder}: as it was copied, version {listing.version} of {listing.date}", *added], ""
    advice = "restore the files from version control, or delete the folder and copy it anew"
    return lines + added, f"{folder} is not as it was copied, version {listing.version} of {listing.date}: {advice}"


def copy(folder: Path, date: str, *, update: bool = False) -> list[str]:
    """Makes the folder a copy of this package; what was done, in lines.

    Files that were added stay, files that are missing come back.  Raises `UsageError` for a folder that cannot be a
    copy, `G4fliteError` if the owner's changes would be lost, and `OSError`.
    """
    new, listing = original(folder), read_listing(folder)
    if listing is None and update:
        raise UsageError(f"{folder} is no copy, as it has no file {LISTING}; to make one: {command(folder)}")
    old, wanted = listing or Listing("", "", {}), {name: digest(data) for name, data in new.items()}
    if listing is None:
        refuse_others(folder, wanted)
    found = hashes(folder)
    refuse(folder, found, old.hashes, wanted)
    written = Listing(__version__, date, wanted)
    files: dict[str, bytes | None] = {n: new[n] for n, d in written.hashes.items() if found.get(n) != d}
    removed = dict.fromkeys(name for name in old.hashes if name in found and name not in written.hashes)
    if not files and not removed and written._replace(date=old.date) == old:
        return [f"{folder}: up to date, version {__version__}"]
    write(folder, {**files, **removed, LISTING: text_of(written)})
    versions = f"{old.version} -> {__version__}" if old.version not in ("", __version__) else __version__
    return [f"{folder}: version {versions}, {len(files)} files written, {len(removed)} removed"]


def original(folder: Path) -> dict[str, bytes]:
    """The files of this package, by name, as they are copied.  Raises `UsageError`: they cannot go into that folder."""
    source, target = Path(sys.modules[PACKAGE].__path__[0]).resolve(), folder.resolve()
    if not source.is_dir():
        raise G4fliteError(f"this package runs from {source.parent}, which is no folder; install it as files")
    if (source / LISTING).exists():
        told = f"install g4flite and type: g4flite vendor {shlex.quote(str(folder))}"
        raise UsageError(f"this is a copy itself, which can only --check; {told}")
    if source in (target, *target.parents):
        raise UsageError(f"{folder} lies inside the package itself; name a folder of your project")
    if not target.name.isidentifier() or iskeyword(target.name) or target.name in TAKEN:
        raise UsageError(f"nobody can import {target.name!r}; use letters, digits and _, and no name of another module")
    code = {name: path for name, path in walk(source) if path.suffix == ".py" or name in ("py.typed", "LICENSE")}
    return {name: path.read_bytes() for name, path in sorted(code.items()) if name not in LEFT_OUT}


def refuse_others(folder: Path, wanted: Mapping[str, str]) -> None:
    """Raises `G4fliteError` where a folder without VENDORED holds more than what a copy begun there would have left."""
    for name, path in walk(folder):
        if name != PART and (name not in wanted or hash_of(path) != wanted[name]):
            raise G4fliteError(f"{folder} is no copy and holds {name}; name a folder that does not exist yet")


def refuse(folder: Path, found: Mapping[str, str], known: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raises `G4fliteError` where a file that would be written or removed is neither the old nor the new one.

    So an update that was killed half-way can be made again.
    """
    mine = [name for name in found if name in known or name in wanted or found[name] == NO_FILE]
    changed = sorted(name for name in mine if found[name] not in (known.get(name), wanted.get(name)))
    if changed:
        names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise G4fliteError(
            f"{folder} was changed: {names}; keep your changes elsewhere and restore the files from version control, "
            f"or delete the folder; all that differs lists: {command(folder, '--check')}"
        )


def command(folder: Path, *flags: str) -> str:
    """What to type."""
    return " ".join((program(), "vendor", *flags, shlex.quote(str(folder))))


def walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """The files below the folder, each with its name there, but hidden ones; symlinks are files.  Raises `OSError`."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from walk(path, f"{prefix}{path.name}/")
        else:
            yield f"{prefix}{path.name}", path


def hashes(folder: Path) -> dict[str, str]:
    """The hash of each file of a copy.  Raises `OSError`."""
    return {name: hash_of(path) for name, path in walk(folder) if name not in (LISTING, PART)}


def hash_of(path: Path) -> str:
    """The hash of a file, `NO_FILE` for what is none."""
    return digest(path.read_bytes()) if path.is_file() and not path.is_symlink() else NO_FILE


def digest(data: bytes) -> str:
    """The SHA-256 in hexadecimal, whichever line ends version control has put in."""
    return sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def text_of(listing: Listing) -> bytes:
    """The contents of VENDORED."""
    lines = [HEAD, f"# version {listing.version}", f"# date {listing.date}"]
    lines += [f"{is_hash}  {name}" for name, is_hash in listing.hashes.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def read_listing(folder: Path) -> Listing | None:
    """What the folder's VENDORED says, None where there is none.  Raises `G4fliteError` where it is damaged."""
    try:
        lines = (folder / LISTING).read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    said = [match.groups() for match in map(LINE.fullmatch, lines) if match]
    files = {name: is_hash for _, _, is_hash, name in said if name}
    version, date = ([text for key, text, *_ in said if key == k] for k in ("version", "date"))
    if len(said) != len(lines) or not files or len(version) != 1 or len(date) != 1:
        raise G4fliteError(
            f"{folder / LISTING} is damaged; restore it from version control, or delete the folder and copy it anew"
        )
    return Listing(version[0], date[0], files)


def write(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Writes the files, in order, None removing one; where that fails or is interrupted, puts the old ones back."""
    before: dict[str, bytes | None] = {}
    try:
        for name, data in files.items():
            before[name] = (folder / name).read_bytes() if (folder / name).is_file() else None
            put(folder, name, data)
    except BaseException:
        for name, data in {PART: None, **before}.items():
            with suppress(OSError):  # it is said already, and the next --check says the rest
                put(folder, name, data)
        raise


def put(folder: Path, name: str, data: bytes | None) -> None:
    """Replaces a file at once, or removes it and the folders that it leaves empty.  Raises `OSError`."""
    path = folder / name
    if data is None:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            while path.parent != folder:
                path = path.parent
                path.rmdir()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / PART).write_bytes(data)
    (folder / PART).replace(path)
