"""The command `vendor`: copies the SDK into a project, under any name, and looks after the copy.

    myapp/_vendor/llm_stream/
        VENDORED                                    the version, the date, and the SHA-256 of each file
        __init__.py  client.py  LICENSE  py.typed   the files beside the folders, but for __main__.py
        _core/  providers/
        server/  testing/                           only after `--with testing`

The apps and the command line are never copied; an installed g4flite checks and updates a copy.  Three rules hold:

- Nothing of the owner's is lost.  If the hash of a file is neither in VENDORED nor that of the new version, the owner
  has changed the file, and nothing at all is written.  Files that the owner added stay.
- VENDORED is written last.  If an update is killed half-way, each file is the old or the new one, so that the next
  update finds nothing that the owner changed, and completes the copy.
- Nothing is written through a symbolic link, nor outside of the folder, also if somebody has tampered with the copy.
"""

import argparse
import errno
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from keyword import iskeyword
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from .. import G4fliteError, UsageError, __version__
from .cli import PACKAGE, program

CORE = ("_core", "providers")
TESTING = ("server", "testing")

LISTING = "VENDORED"
HEAD = "# A copy of g4flite.  `g4flite vendor --check` and `--update` read this list; `sha256sum --check` does as well."

# A line of VENDORED: a fact, a file, or a comment.  No part of a file's name begins with a dot, so that a list that
# somebody has tampered with cannot name ../../file; nor can it name /file or C:\file.
LINE = re.compile(r"# (version|date|with) (\S+)|([0-9a-f]{64})  (\w[\w.-]*(?:/\w[\w.-]*)*)|# .*")

# A link or a device has this in place of a hash: it is neither read nor replaced.
NO_FILE = "no file"

# A copy under one of these names would hide a module that the copy itself imports.
TAKEN = {*sys.stdlib_module_names, "anyio", "httpx"}


class Listing(NamedTuple):
    """What a VENDORED says; `hashes` has the SHA-256 of each file by its name."""

    version: str
    date: str
    testing: bool
    hashes: dict[str, str]


def add(commands: Any) -> None:
    """Add the command `vendor`."""
    text = "copy this package into a project under a name of its own, or look after such a copy"
    example = """example:
  %(prog)s myapp/_vendor/llm_stream
  %(prog)s --check myapp/_vendor/llm_stream
  %(prog)s --update --with testing myapp/_vendor/llm_stream"""
    command = commands.add_parser("vendor", help=text, description=text, epilog=example)
    command.set_defaults(run=run)
    command.add_argument("folder", metavar="FOLDER", help="the folder of the copy; its name is the name to import")
    either = command.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="list the files that differ from the list VENDORED")
    either.add_argument("--update", action="store_true", help="bring the copy to this version")
    command.add_argument(
        "--with", dest="extra", metavar="PART", choices=["testing"], help="testing: copy the emulator and recorder too"
    )


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command and print what was done.

    Raises `G4fliteError` if the check finds a changed or a missing file, or if the copy cannot be read or written.
    """
    folder, testing = Path(arguments.folder), arguments.extra is not None
    if arguments.check and testing:
        raise UsageError("--check reads from VENDORED what the copy holds; leave out --with")
    try:
        if arguments.check:
            lines, complaint = check(folder)
        else:
            lines, complaint = copy(folder, today(), update=arguments.update, testing=testing), ""
    except OSError as error:
        # `cli.run` would take an OSError for one of standard output.
        raise G4fliteError(f"{error}; mend that and type the same again") from error
    print(*lines, sep="\n", flush=True)
    if complaint:
        raise G4fliteError(complaint)


def today() -> str:
    """Return the date in UTC, like 2026-01-31."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def check(folder: Path) -> tuple[list[str], str]:
    """Return a line for each file that is changed, missing or added, and a complaint about changed and missing ones.

    The complaint is "" if there are none.  Raises as `copy` does.
    """
    root = real(folder)
    listing, found = read_listing(root), hashes(root)
    if listing is None:
        raise no_copy(folder)
    known = listing.hashes
    lines = [f"changed  {name}" for name in sorted(found) if known.get(name, found[name]) != found[name]]
    lines += [f"missing  {name}" for name in sorted(known.keys() - found.keys())]
    added = [f"added    {name}" for name in sorted(found.keys() - known.keys())]
    if not lines:
        return [f"{folder}: as it was copied, version {listing.version} of {listing.date}", *added], ""
    advice = "restore the files from version control, or delete the folder and copy it anew"
    return lines + added, f"{folder} is not as it was copied, version {listing.version} of {listing.date}: {advice}"


def copy(folder: Path, date: str, *, update: bool = False, testing: bool = False) -> list[str]:
    """Make the folder a copy of this version, or bring a copy to it, and return lines that say what was done.

    A copy that was made with testing is updated with testing.  Files that the owner added stay; files that are missing
    come back.  Raises `UsageError` if the folder cannot be a copy, or if `update` is set and the folder is no copy yet;
    `G4fliteError` if a change of the owner's would be lost; and `OSError`.
    """
    refuse_place(folder)
    root = real(folder)
    listing = read_listing(root)
    if listing is None and update:
        raise no_copy(folder)
    old = listing or Listing("", "", False, {})
    testing = testing or old.testing
    new = original(testing=testing)
    written = Listing(__version__, date, testing, {name: digest(data) for name, data in new.items()})
    found = hashes(root)
    if listing is None:
        refuse_others(folder, found, written.hashes)
    refuse_changes(folder, found, old.hashes, written.hashes)
    files: dict[str, bytes | None] = {name: new[name] for name in new if found.get(name) != written.hashes[name]}
    removed = dict.fromkeys(name for name in old.hashes if name in found and name not in new)
    if not files and not removed and written._replace(date=old.date) == old:
        return [f"{folder}: up to date, version {__version__}"]
    write(root, {**files, **removed, LISTING: text_of(written)})
    versions = f"{old.version} -> {__version__}" if old.version not in ("", __version__) else __version__
    return [f"{folder}: version {versions}, {len(files)} files written, {len(removed)} removed"]


def original(*, testing: bool) -> dict[str, bytes]:
    """Return the files of this package that a copy holds, by their names in it.

    Raises `G4fliteError` if this package runs from an archive, or if its licence is missing.
    """
    source = package()
    if not source.is_dir():
        raise G4fliteError(f"this package runs from {source.parent}, which is no folder; install it as files")
    files = {name: path for name, path in walk(source) if "/" not in name and name != "__main__.py"}
    for name in (*CORE, *(TESTING if testing else ())):
        files.update(walk(real(source / name), f"{name}/"))
    kept = {name: path for name, path in files.items() if path.suffix == ".py" or name == "py.typed"}
    kept["LICENSE"] = licence(source)
    return {name: kept[name].read_bytes() for name in sorted(kept)}


def licence(source: Path) -> Path:
    """Return the file of this package's licence, which stands beside the package, not in it.

    An installer puts the licence into the metadata; in a checkout it stands at the root.  Raises `G4fliteError`.
    """
    # Before setuptools 77 the metadata had no folder for licences.
    installed = source.parent.glob(f"{PACKAGE}-{__version__}.dist-info/**/LICENSE")
    found = next(iter(installed), source.parent / "LICENSE")
    if not found.is_file():
        raise G4fliteError(f"the licence of this package is missing from {source.parent}; install the package anew")
    return found


def package() -> Path:
    """Return the folder of this package."""
    return real(Path(sys.modules[PACKAGE].__path__[0]))


def real(path: Path) -> Path:
    """Return the path with all links resolved.

    `Path.resolve` does the same, but raises `RuntimeError` for a loop of links before Python 3.13.
    """
    return Path(os.path.realpath(path))


def is_link(path: Path) -> bool:
    """Return whether a path below a folder that `real` returned is a link, or leads through one.

    Junctions of Windows count as links; `Path.is_symlink` does not know them.
    """
    return real(path) != path


def refuse_place(folder: Path) -> None:
    """Raise `UsageError` if no copy can stand in this folder: nobody could import it, or it is part of this package.

    The folder that the user names may be a link to a folder: the user has chosen it.
    """
    target = real(folder)
    if package() in (target, *target.parents):
        raise UsageError(f"{folder} lies inside the package itself; name a folder of your project")
    if folder.is_symlink() and not folder.is_dir():
        raise UsageError(f"{folder} is a link that leads to no folder; name a folder")
    if not target.name.isidentifier() or iskeyword(target.name) or target.name in TAKEN:
        raise UsageError(f"nobody can import {target.name!r}; use letters, digits and _, and no name of another module")


def refuse_others(folder: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise `G4fliteError` if a folder without VENDORED holds more than an unfinished copy of this version."""
    for name, its_hash in found.items():
        if wanted.get(name) != its_hash:
            raise G4fliteError(f"{folder} is no copy and holds {name}; name a folder that does not exist yet")


def refuse_changes(folder: Path, found: Mapping[str, str], known: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise `G4fliteError` if a file that would be written or removed is neither the old nor the new one."""
    concerned = [name for name in found if name in known or name in wanted or found[name] == NO_FILE]
    changed = sorted(name for name in concerned if found[name] not in (known.get(name), wanted.get(name)))
    if changed:
        names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise G4fliteError(
            f"{folder} was changed: {names}; keep your changes elsewhere and restore the files from version control, "
            f"or delete the folder; to list all that differs: {command(folder, '--check')}"
        )


def no_copy(folder: Path) -> UsageError:
    """Return the error for a folder without VENDORED."""
    return UsageError(f"{folder} is no copy, as it has no file {LISTING}; to make one: {command(folder)}")


def command(folder: Path, *flags: str) -> str:
    """Return what to type into a shell."""
    return " ".join((program(), "vendor", *flags, shlex.quote(str(folder))))


def walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the files below a real folder, each with its name there; a link counts as a file, and is not followed.

    Hidden files and __pycache__ are left out.  Raises `OSError`.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not is_link(path):
            yield from walk(path, f"{prefix}{path.name}/")
        else:
            yield f"{prefix}{path.name}", path


def hashes(root: Path) -> dict[str, str]:
    """Return the hash of each file of a copy, or `NO_FILE` for what is no plain file.  Raises `OSError`."""
    return {
        name: digest(path.read_bytes()) if path.is_file() and not is_link(path) else NO_FILE
        for name, path in walk(root)
        if name != LISTING
    }


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal.  The line ends that version control may have changed do not count."""
    return sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def text_of(listing: Listing) -> bytes:
    """Return the contents of VENDORED."""
    lines = [HEAD, f"# version {listing.version}", f"# date {listing.date}", *["# with testing"] * listing.testing]
    lines += [f"{its_hash}  {name}" for name, its_hash in listing.hashes.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def read_listing(root: Path) -> Listing | None:
    """Return what the folder's VENDORED says, None if there is none.  Raises `G4fliteError` if it is damaged."""
    path = root / LISTING
    advice = "restore it from version control, or delete the folder and copy it anew"
    try:
        if not S_ISREG(path.lstat().st_mode):
            raise G4fliteError(f"{path} is no plain file; {advice}")
    except FileNotFoundError:
        return None
    lines = path.read_bytes().decode(errors="replace").splitlines()
    said = [match.groups() for match in map(LINE.fullmatch, lines) if match]
    files = {name: its_hash for _, _, its_hash, name in said if name}
    version, date, extra = ([text for key, text, *_ in said if key == k] for k in ("version", "date", "with"))
    if len(said) != len(lines) or not files or len(version) != 1 or len(date) != 1:
        raise G4fliteError(f"{path} is damaged; {advice}")
    return Listing(version[0], date[0], "testing" in extra, files)


def write(root: Path, files: Mapping[str, bytes | None]) -> None:
    """Write the files in order, and remove those whose data is None.

    If that fails or is interrupted, the old files are put back before the error is raised.
    """
    # Remove the temporary file that an update leaves behind if it is killed.
    for part in root.glob(f".{LISTING}.{'[0-9a-f]' * 16}"):
        part.unlink()
    before: dict[str, bytes | None] = {}
    try:
        for name, data in files.items():
            before[name] = (root / name).read_bytes() if (root / name).is_file() else None
            put(root, name, data)
    except BaseException:
        for name, data in before.items():
            # The first error is raised already.  What cannot be put back, --check lists.
            with suppress(OSError):
                put(root, name, data)
        raise


def put(root: Path, name: str, data: bytes | None) -> None:
    """Replace one file in one step; or, if `data` is None, remove it and the folders that it leaves empty.

    Raises `OSError`, also if a folder on the way has become a link since the copy was read.
    """
    path = root / name
    if is_link(path.parent):
        raise NotADirectoryError(errno.ENOTDIR, "A link stands in place of a folder", str(path.parent))
    if data is None:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            while path.parent != root:
                path = path.parent
                path.rmdir()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Mode x creates the file, and fails if anything has this name, also a link that leads nowhere: O_CREAT | O_EXCL.
    # As nobody can guess the name, nobody can prepare that failure either.  `replace` then replaces a link, should one
    # stand at the target, and not the file that the link leads to.
    part = root / f".{LISTING}.{os.urandom(8).hex()}"
    file = part.open("xb")
    try:
        with file:
            file.write(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
