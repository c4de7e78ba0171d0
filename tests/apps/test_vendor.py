"""The command `vendor`: what a copy holds, what differs from it, what is never lost, and where it never writes.

Two helpers are used throughout:

    run("--check")      # exit code, standard output and standard error of `vendor --check COPY`
    contents(COPY)      # the bytes of each file, by name
"""

import ast
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import g4flite
from g4flite.__main__ import main
from g4flite.apps import cli, vendor

PACKAGE = Path(g4flite.__file__).parent
LICENCE = (PACKAGE.parent / "LICENSE").read_bytes()
COPY = Path("myapp/_vendor/llm_stream")
KINDS = pytest.mark.parametrize("kind", [[], ["--with", "testing"]], ids=["core", "with testing"])
LINKS = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")

Captured = pytest.CaptureFixture[str]
Run = Callable[..., tuple[int, str, str]]


# They stand for all files of the package, which take ten times as long to copy.
SOME = """
    __init__.py __main__.py client.py py.typed _core/errors.py _core/events.py _core/headers.py _core/messages.py
    _core/options.py _core/stream.py _core/response/framing.py providers/__init__.py providers/gemini.py
    providers/gprochat.py providers/openai.py server/checks.py testing/__init__.py testing/script.py apps/cli.py
""".split()


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vendor, "today", lambda: "2026-02-03")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of some files."""
    source = tmp_path_factory.mktemp("small") / "g4flite"
    for name in SOME:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, source / name)
    (source.parent / "LICENSE").write_bytes(LICENCE)
    return source


@pytest.fixture(autouse=True)
def _small_package(request: pytest.FixtureRequest, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small package stand for the package, unless the test has the fixture `whole`."""
    if "whole" not in request.fixturenames:
        stand_for_the_package(small, monkeypatch)


@pytest.fixture
def whole() -> Path:
    """The package itself."""
    return PACKAGE


def stand_for_the_package(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder be copied in place of the package, whose modules can still be imported."""
    monkeypatch.setattr(g4flite, "__path__", [str(source), str(PACKAGE)])


@pytest.fixture
def run(capsys: Captured) -> Run:
    """Run `vendor` with these arguments on COPY or another folder."""

    def run(*arguments: object, folder: object = COPY) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["vendor", *map(str, arguments), str(folder)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def copied() -> Path:
    """A copy of the core, made a month ago."""
    vendor.copy(COPY, "2026-01-02")
    return COPY


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def copied_from(package: Path, *, testing: bool = False) -> dict[str, bytes]:
    """What a copy of this package holds, but for VENDORED."""
    left_out = {"apps", "__main__.py", *(() if testing else ("server", "testing"))}
    code = {
        name: data
        for name, data in contents(package).items()
        if name.split("/")[0] not in left_out and not name.endswith(".pyc")
    }
    return code | {"LICENSE": LICENCE}


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The package a version later: a file has changed, a file is gone, and each folder has a new file."""
    source = tmp_path / "newer" / "g4flite"
    shutil.copytree(vendor.package(), source)
    (source.parent / "LICENSE").write_bytes(LICENCE)
    (source / "_core/errors.py").write_text('"""Other errors."""\n')
    (source / "providers" / "gprochat.py").unlink()
    for name in ("new.py", "_core/new.py", "providers/new.py", "server/new.py", "testing/new.py", "apps/new.py"):
        (source / name).write_text('"""New."""\n')
    stand_for_the_package(source, monkeypatch)
    monkeypatch.setattr(vendor, "__version__", "0.2.0")
    return source


# What a copy holds


@KINDS
def test_a_copy_holds_its_part_of_the_package_and_a_list_of_hashes(kind: list[str], run: Run, whole: Path) -> None:
    code, out, err = run(*kind)
    files = contents(COPY)
    assert (code, err) == (0, "")
    assert out == f"{COPY}: version {g4flite.__version__}, {len(files) - 1} files written, 0 removed\n"
    head, version, date, *lines = files.pop("VENDORED").decode().splitlines()
    assert head.startswith("# ")
    assert (version, date) == (f"# version {g4flite.__version__}", "# date 2026-02-03")
    if kind:
        assert lines.pop(0) == "# with testing"
    assert lines == [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(files.items())]
    assert files == copied_from(whole, testing=bool(kind))


@KINDS
def test_a_copy_holds_these_folders_and_no_command_line(kind: list[str], run: Run, whole: Path) -> None:
    run(*kind)
    folders = {path.name for path in COPY.iterdir() if path.is_dir()}
    assert folders == {"_core", "providers", *(("server", "testing") if kind else ())}
    assert {"__init__.py", "client.py", "py.typed", "LICENSE", "VENDORED"} <= {path.name for path in COPY.iterdir()}
    assert not (COPY / "__main__.py").exists()


@pytest.mark.parametrize("place", ["LICENSE", "{}.dist-info/LICENSE", "{}.dist-info/licenses/LICENSE"])
def test_the_licence_travels_with_the_code(place: str, newer: Path, run: Run) -> None:
    home = newer.parent / place.format("g4flite-0.2.0")
    home.parent.mkdir(parents=True, exist_ok=True)
    (newer.parent / "LICENSE").write_text("of another package")
    home.write_text("You may.")
    assert run()[0] == 0
    assert (COPY / "LICENSE").read_text() == "You may."


def test_nothing_is_copied_without_the_licence(newer: Path, run: Run) -> None:
    (newer.parent / "LICENSE").unlink()
    code, _, err = run()
    assert (code, COPY.exists()) == (1, False)
    assert f"the licence of this package is missing from {newer.parent}" in err


def test_a_copy_imports_no_other_package_than_httpx_and_anyio(run: Run, whole: Path) -> None:
    known = {"httpx", "anyio", *sys.stdlib_module_names}
    # pytest is there if the plugin is loaded, the others if the caller has chosen a SOCKS proxy.
    known |= {"pytest", "socksio"}
    run("--with", "testing")
    for path in COPY.rglob("*.py"):
        # Top-level statements only: an import inside a function may be of an extra.
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module or "")
            assert known.issuperset(name.split(".")[0] for name in names), path


def test_the_date_is_today_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", vendor.today())


def test_the_examples_of_the_help_work_as_printed(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["vendor", "--help"])
    lines = re.findall(r"^  (.+)$", capsys.readouterr().out.partition("\nexample")[2], re.MULTILINE)
    assert [line.removeprefix(f"{cli.program()} vendor ") for line in lines] == [
        str(COPY), f"--check {COPY}", f"--update --with testing {COPY}",
    ]  # fmt: skip
    for line in lines:
        assert main(shlex.split(line.removeprefix(cli.program()))) == 0


# --check


@KINDS
def test_check_lists_the_files_that_differ(kind: list[str], run: Run) -> None:
    vendor.copy(COPY, "2026-01-02", testing=bool(kind))
    assert run("--check") == (0, f"{COPY}: as it was copied, version {g4flite.__version__} of 2026-01-02\n", "")
    (COPY / "providers" / "mine.py").touch()
    code, out, err = run("--check")
    assert (code, out.splitlines()[1:], err) == (0, ["added    providers/mine.py"], "")
    with (COPY / "_core/errors.py").open("a") as file:
        file.write("# mine\n")
    (COPY / "providers" / "gemini.py").unlink()
    code, out, err = run("--check")
    assert code == 1
    assert out == "changed  _core/errors.py\nmissing  providers/gemini.py\nadded    providers/mine.py\n"
    assert err.startswith(f"g4flite: error: {COPY} is not as it was copied, version {g4flite.__version__} of 2026-01")
    assert err.endswith(": restore the files from version control, or delete the folder and copy it anew\n")


def test_traces_of_git_and_other_tools_are_no_difference(run: Run, copied: Path) -> None:
    for path in list(copied.rglob("*.py")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (copied / "VENDORED").write_bytes((copied / "VENDORED").read_bytes().replace(b"\n", b"\r\n"))
    (copied / ".DS_Store").touch()
    for folder in ("__pycache__", "providers/__pycache__", ".mypy_cache"):
        (copied / folder).mkdir()
        (copied / folder / "x.pyc").touch()
    assert run("--check")[0] == 0
    before = contents(copied)
    assert run("--update") == (0, f"{COPY}: up to date, version {g4flite.__version__}\n", "")
    assert contents(copied) == before


def test_check_takes_no_other_flag(run: Run) -> None:
    code, _, err = run("--check", "--update")
    assert (code, "not allowed with argument --check" in err) == (2, True)
    code, _, err = run("--check", "--with", "testing")
    assert (code, err) == (2, "g4flite: error: --check reads from VENDORED what the copy holds; leave out --with\n")


# --update


def test_a_copy_that_is_up_to_date_keeps_its_date(run: Run, copied: Path) -> None:
    before = contents(copied)
    assert run("--update")[1] == run()[1] == f"{COPY}: up to date, version {g4flite.__version__}\n"
    assert contents(copied) == before


@KINDS
def test_an_update_brings_the_new_version_of_what_was_copied(
    kind: list[str], run: Run, request: pytest.FixtureRequest
) -> None:
    vendor.copy(COPY, "2026-01-02", testing=bool(kind))
    newer: Path = request.getfixturevalue("newer")
    (COPY / "mine.py").write_text("MINE = 1\n")
    written = 6 if kind else 4
    assert run("--update")[:2] == (
        0,
        f"{COPY}: version {g4flite.__version__} -> 0.2.0, {written} files written, 1 removed\n",
    )
    files = contents(COPY)
    assert files.pop("mine.py") == b"MINE = 1\n"
    listing = files.pop("VENDORED")
    assert b"# version 0.2.0\n# date 2026-02-03\n" in listing
    assert (b"# with testing\n" in listing) is bool(kind)
    assert files == copied_from(newer, testing=bool(kind))


@pytest.mark.parametrize("flags", [[], ["--update"]])
def test_a_copy_of_the_core_can_be_given_the_testing_part(flags: list[str], run: Run, copied: Path) -> None:
    code, out, _ = run(*flags, "--with", "testing")
    files = contents(copied)
    added = len(files) - 1 - len(copied_from(vendor.package()))
    assert (code, out) == (0, f"{COPY}: version {g4flite.__version__}, {added} files written, 0 removed\n")
    assert b"# date 2026-02-03\n# with testing\n" in files.pop("VENDORED")
    assert files == copied_from(vendor.package(), testing=True)
    for again in (["--check"], ["--update"], ["--update", "--with", "testing"], []):
        assert run(*again)[0] == 0
        assert len(contents(copied)) == len(files) + 1


def test_a_missing_file_comes_back_with_the_next_update(run: Run, copied: Path) -> None:
    (copied / "providers" / "gemini.py").unlink()
    code, out, _ = run("--check")
    assert (code, out) == (1, "missing  providers/gemini.py\n")
    assert run("--update")[1].endswith(", 1 files written, 0 removed\n")
    assert run("--check")[0] == 0


def test_a_folder_that_an_update_empties_is_removed(run: Run, newer: Path) -> None:
    run("--with", "testing")
    assert (COPY / "testing").is_dir()
    shutil.rmtree(newer / "testing")
    assert run("--update")[0] == 0
    assert not (COPY / "testing").exists()
    assert run("--check")[0] == 0


# Nothing of the owner's is lost


@pytest.mark.parametrize("flags", [[], ["--update"], ["--update", "--with", "testing"]])
def test_a_file_that_its_owner_changed_is_never_overwritten(
    flags: list[str], run: Run, copied: Path, newer: Path
) -> None:
    changed = [
        *(f"_core/{name}.py" for name in ("errors", "events", "headers", "messages", "options", "stream")),
        "providers/gprochat.py",
    ]
    for name in changed[:1] + changed[-1:]:
        (copied / name).write_text("# mine\n")
    (copied / "new.py").write_text("# mine as well\n")
    before = contents(copied)
    code, out, err = run(*flags)
    assert (code, out, contents(copied)) == (1, "", before)
    assert err.startswith(
        f"g4flite: error: {COPY} was changed: _core/errors.py, new.py, providers/gprochat.py; keep your "
    )
    assert err.endswith(f"; to list all that differs: {cli.program()} vendor --check {COPY}\n")
    for name in changed:
        (copied / name).write_text("# mine\n")
    assert re.search(r" was changed: (_core/\w+\.py, ){4}_core/\w+\.py and 3 more; keep", run(*flags)[2])


def test_a_file_of_the_owner_s_in_place_of_the_testing_part_is_never_overwritten(run: Run, copied: Path) -> None:
    (copied / "testing").mkdir()
    (copied / "testing/__init__.py").write_text("# mine\n")
    before = contents(copied)
    assert "was changed: testing/__init__.py; keep" in run("--update", "--with", "testing")[2]
    assert contents(copied) == before
    assert run("--update")[0] == 0


def test_a_folder_that_is_no_copy_is_left_alone(run: Run, tmp_path: Path) -> None:
    COPY.mkdir(parents=True)
    (COPY / "thesis.txt").write_text("all of it\n")
    wanted = f"g4flite: error: {COPY} is no copy and holds thesis.txt; name a folder that does not exist yet\n"
    assert run() == (1, "", wanted)
    assert "is no copy and holds " in run(folder=tmp_path / "myapp")[2]
    for flag in ("--check", "--update"):
        wanted = f"g4flite: error: {COPY} is no copy, as it has no file VENDORED; to make one: "
        assert run(flag) == (2, "", f"{wanted}{cli.program()} vendor {COPY}\n")
    assert contents(COPY) == {"thesis.txt": b"all of it\n"}


def test_a_file_of_another_package_is_never_overwritten(run: Run) -> None:
    COPY.mkdir(parents=True)
    (COPY / "__init__.py").write_text("# mine\n")
    assert f"{COPY} is no copy and holds __init__.py; name a folder" in run()[2]
    assert contents(COPY) == {"__init__.py": b"# mine\n"}


def test_an_empty_folder_can_become_a_copy(run: Run) -> None:
    COPY.mkdir(parents=True)
    (COPY / ".gitkeep").touch()
    assert (run()[0], run("--check")[0]) == (0, 0)


@pytest.mark.parametrize("folder", ["llm-stream", "2llm", "class", "llm.stream", "/", "httpx", "json"])
def test_a_name_that_cannot_be_imported_is_refused(folder: str, run: Run) -> None:
    code, out, err = run(folder=folder)
    assert (code, out) == (2, "")
    assert err == (
        f"g4flite: error: nobody can import {Path(folder).name!r}; "
        "use letters, digits and _, and no name of another module\n"
    )
    assert not list(Path().iterdir())


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "mine", PACKAGE / "providers" / ".." / "mine"])
def test_a_folder_inside_the_package_is_refused(folder: Path, run: Run, whole: Path) -> None:
    code, _, err = run(folder=folder)
    assert (code, err.startswith(f"g4flite: error: {folder} ")) == (2, True)
    assert err.endswith("lies inside the package itself; name a folder of your project\n")
    assert not (whole / "mine").exists()


# A list that is damaged


HEAD = f"{vendor.HEAD}\n".encode()
FACTS = b"# version 0.1.0\n# date 2026-01-02\n"
ROW = b"0" * 64 + b"  _core/errors.py\n"


@pytest.mark.parametrize(
    "said",
    [b"", b"\n", b"\xff\xfe", b"0.1.0\n", HEAD, HEAD + FACTS, HEAD + b"# version 0.1.0\n" + ROW,
     HEAD + b"# date 2026-01-02\n" + ROW, HEAD + FACTS + b"# date 2026-01-02\n" + ROW, ROW],
)  # fmt: skip
def test_a_damaged_list_is_an_error(said: bytes, run: Run, copied: Path) -> None:
    (copied / "VENDORED").write_bytes(said)
    before = contents(copied)
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out) == (1, "")
        assert err.startswith(f"g4flite: error: {COPY.absolute() / 'VENDORED'} is damaged; restore it from version con")
    assert contents(copied) == before


def test_a_merge_conflict_in_the_list_is_damage(run: Run, copied: Path) -> None:
    listing = (copied / "VENDORED").read_text().splitlines(keepends=True)
    (copied / "VENDORED").write_text("".join([*listing[:5], "<<<<<<< HEAD\n", *listing[5:]]))
    assert "is damaged" in run("--check")[2]


def test_a_later_version_may_say_more_in_the_list(run: Run, copied: Path) -> None:
    (copied / "VENDORED").write_text("# Another head.\n# mood fine\n" + (copied / "VENDORED").read_text())
    assert run("--check")[0] == 0


# Nothing is written outside of the folder


@pytest.mark.parametrize(
    "name",
    ["../../thesis.py", "..", "_core/../../thesis.py", "_core/..", "./client.py", "/etc/passwd", "//host/x.py",
     "C:/x.py", r"C:\x.py", r"..\x.py", "_core//errors.py", "_core/", ".ssh/id"],
)  # fmt: skip
def test_a_list_that_names_a_file_outside_of_the_folder_is_damaged(name: str, run: Run, copied: Path) -> None:
    outside = copied.parents[1] / "thesis.py"
    outside.write_text("all of it\n")
    its_hash = hashlib.sha256(outside.read_bytes()).hexdigest()
    with (copied / "VENDORED").open("a") as file:
        file.write(f"{its_hash}  {name}\n")
    before = contents(Path())
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out) == (1, "")
        assert f"{COPY / 'VENDORED'} is damaged; " in err
    assert contents(Path()) == before


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that the copy may not touch, with files of the names that a copy writes."""
    folder = tmp_path / "elsewhere"
    (folder / "response").mkdir(parents=True)
    for name in ("VENDORED", "errors.py", "new.py", "response/framing.py"):
        (folder / name).write_text("precious\n")
    return folder


def linked(link: Path, target: Path) -> None:
    """Put a link in place of a file or folder."""
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@LINKS
@pytest.mark.parametrize("name", ["_core", "_core/response", "_core/errors.py", "new.py", "providers/new.py", "mine"])
def test_a_link_inside_the_copy_is_neither_followed_nor_replaced(
    name: str, run: Run, copied: Path, newer: Path, elsewhere: Path
) -> None:
    for target in (elsewhere / (copied / name).name if name.endswith(".py") else elsewhere, elsewhere / "nothing.py"):
        linked(copied / name, target)
        before = contents(elsewhere)
        assert re.search(rf"^(added  |changed)  {name}$", run("--check")[1], re.MULTILINE)
        for flags in ([], ["--update"], ["--update", "--with", "testing"]):
            code, _, err = run(*flags)
            assert (code, f" was changed: {name}; keep" in err) == (1, True)
        assert contents(elsewhere) == before
        assert (copied / name).readlink() == target


@LINKS
def test_a_link_to_a_file_with_the_right_contents_is_a_change_too(
    run: Run, copied: Path, newer: Path, elsewhere: Path
) -> None:
    (copied / "_core/errors.py").replace(elsewhere / "errors.py")
    linked(copied / "_core/errors.py", elsewhere / "errors.py")
    before = contents(elsewhere)
    assert run("--check")[1] == "changed  _core/errors.py\n"
    assert " was changed: _core/errors.py; keep" in run("--update")[2]
    assert contents(elsewhere) == before


@LINKS
def test_a_pipe_inside_the_copy_is_neither_read_nor_replaced(run: Run, copied: Path) -> None:
    os.mkfifo(copied / "pipe.py")
    assert "added    pipe.py\n" in run("--check")[1]
    assert " was changed: pipe.py; keep" in run("--update")[2]
    (copied / "VENDORED").unlink()
    os.mkfifo(copied / "VENDORED")
    assert "VENDORED is no plain file; restore it" in run("--check")[2]


@LINKS
def test_a_link_in_a_folder_that_is_no_copy_yet_is_not_followed(run: Run, elsewhere: Path) -> None:
    COPY.mkdir(parents=True)
    (COPY / "_core").symlink_to(elsewhere)
    before = contents(elsewhere)
    assert f"{COPY} is no copy and holds _core; name a folder" in run()[2]
    assert contents(elsewhere) == before


@LINKS
@pytest.mark.parametrize("real", [True, False])
def test_a_link_in_place_of_the_list_is_neither_followed_nor_replaced(
    real: bool, run: Run, copied: Path, newer: Path, elsewhere: Path
) -> None:
    if real:
        shutil.copy(copied / "VENDORED", elsewhere / "VENDORED")
    linked(copied / "VENDORED", elsewhere / "VENDORED" if real else elsewhere / "nothing")
    before = contents(elsewhere)
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out) == (1, "")
        assert err.startswith(f"g4flite: error: {COPY.absolute() / 'VENDORED'} is no plain file; restore it from versi")
    assert contents(elsewhere) == before
    assert (copied / "VENDORED").is_symlink()


@LINKS
@pytest.mark.parametrize("existing", [True, False])
def test_no_link_can_stand_where_a_temporary_file_is_written(
    existing: bool, run: Run, newer: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = elsewhere / "VENDORED"
    if existing:
        run()
        (newer / "client.py").write_text('"""Newer."""\n')
    COPY.mkdir(parents=True, exist_ok=True)
    # Somebody guesses the random name: the file is then not created.
    (COPY / f".VENDORED.{'00' * 8}").symlink_to(victim)
    before = contents(COPY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "urandom", bytes)
        patch.setattr(Path, "glob", lambda self, pattern: [])
        code, _, err = run()
    assert (code, "File exists" in err, contents(COPY)) == (1, True, before)
    # Nobody guesses it: a link of such a name is removed, like the file that a killed update leaves behind.
    assert run()[0] == 0
    assert run("--check")[0] == 0
    assert not list(COPY.glob(".*"))
    assert victim.read_text() == "precious\n"


@LINKS
@pytest.mark.parametrize("name", ["_core", "_core/response", "providers", "."])
def test_a_folder_that_becomes_a_link_during_the_update_is_not_followed(
    name: str, run: Run, copied: Path, newer: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (newer / "_core/response/framing.py").write_text('"""Newer."""\n')
    before, write = contents(elsewhere), vendor.write

    def late(root: Path, files: dict[str, bytes | None]) -> None:
        linked(root / name, elsewhere)
        write(root, files)

    monkeypatch.setattr(vendor, "write", late)
    code, out, err = run("--update")
    assert (code, out) == (1, "")
    assert "A link stands in place of a folder: " in err
    assert contents(elsewhere) == before


@LINKS
def test_a_file_that_becomes_a_link_during_the_update_is_replaced_itself(
    run: Run, copied: Path, newer: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = contents(elsewhere), vendor.write

    def late(root: Path, files: dict[str, bytes | None]) -> None:
        linked(root / "_core/errors.py", elsewhere / "errors.py")
        linked(root / "VENDORED", elsewhere / "VENDORED")
        write(root, files)

    monkeypatch.setattr(vendor, "write", late)
    assert run("--update")[0] == 0
    assert run("--check")[0] == 0
    assert contents(elsewhere) == before


@LINKS
def test_the_folder_that_the_user_names_may_be_a_link_to_a_folder(run: Run, copied: Path, newer: Path) -> None:
    Path("link").symlink_to(copied)
    assert (run("--check", folder="link")[0], run("--update", folder="link")[0], run("--check")[0]) == (0, 0, 0)
    assert Path("link").is_symlink()
    Path("inside").symlink_to(newer)
    assert "lies inside the package itself" in run(folder="inside")[2]


@LINKS
@pytest.mark.parametrize("target", ["nothing", "link", "file"])
def test_the_folder_that_the_user_names_may_not_be_another_link(target: str, run: Run) -> None:
    Path("file").touch()
    Path("link").symlink_to(target)
    for flags in ([], ["--update"]):
        assert run(*flags, folder="link") == (
            2,
            "",
            "g4flite: error: link is a link that leads to no folder; name a folder\n",
        )
    assert run("--check", folder="link")[0] in (1, 2)
    assert {path.name for path in Path().iterdir()} == {"file", "link"}


# What fails half-way


def test_a_copy_that_cannot_be_written_leaves_nothing_behind(run: Run) -> None:
    # A folder stands where a file belongs.
    (COPY / "client.py").mkdir(parents=True)
    code, out, err = run()
    assert (code, out) == (1, "")
    assert "client.py" in err
    assert err.endswith("; mend that and type the same again\n")
    assert [path.name for path in COPY.iterdir()] == ["client.py"]
    (COPY / "client.py").rmdir()
    assert (run()[0], run("--check")[0]) == (0, 0)


def test_an_update_that_cannot_be_written_leaves_the_old_copy(run: Run, copied: Path, newer: Path) -> None:
    (copied / "providers" / "new.py").mkdir()
    before = contents(copied)
    code, _, err = run("--update")
    assert (code, "new.py" in err) == (1, True)
    assert contents(copied) == before
    (copied / "providers" / "new.py").rmdir()
    assert (run("--update")[0], run("--check")[0]) == (0, 0)


def test_ctrl_c_leaves_the_old_copy(run: Run, copied: Path, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, put = contents(copied), vendor.put

    def interrupted(root: Path, name: str, data: bytes | None) -> None:
        put(root, name, data)
        if name == "VENDORED":
            monkeypatch.setattr(vendor, "put", put)
            raise KeyboardInterrupt

    monkeypatch.setattr(vendor, "put", interrupted)
    assert run("--update")[0] == 130
    assert contents(copied) == before


def test_as_much_of_the_old_copy_as_possible_is_put_back(
    run: Run, copied: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, failing = vendor.put, {"providers/new.py"}

    def full(root: Path, name: str, data: bytes | None) -> None:
        if name in failing:
            failing.add("_core/errors.py")
            raise OSError(28, "No space left on device", name)
        put(root, name, data)

    monkeypatch.setattr(vendor, "put", full)
    assert run("--update") == (
        1,
        "",
        "g4flite: error: [Errno 28] No space left on device: 'providers/new.py'; mend that and type the same again\n",
    )
    assert run("--check")[1] == "changed  _core/errors.py\n"
    failing.clear()
    assert run("--update")[0] == run("--check")[0] == 0


@KINDS
@pytest.mark.parametrize("existing", [True, False])
def test_a_copy_that_was_killed_half_way_is_noticed_and_completed_by_the_next(
    existing: bool, kind: list[str], run: Run, request: pytest.FixtureRequest
) -> None:
    if existing:
        vendor.copy(COPY, "2026-01-02")
    newer: Path = request.getfixturevalue("newer")
    written = ["_core/errors.py", "providers/new.py", *["testing/new.py"] * bool(kind)]
    for name in written:
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(newer / name, COPY / name)
    (COPY / ".VENDORED.0123456789abcdef").write_text("half a li")
    assert run("--check")[0] == (1 if existing else 2)
    assert run(*["--update"] * existing, *kind)[0] == 0
    assert run("--check")[0] == 0
    files = contents(COPY)
    del files["VENDORED"]
    assert files == copied_from(newer, testing=bool(kind))


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_process_that_is_killed_at_any_step_leaves_a_copy_that_the_next_update_completes(
    run: Run, copied: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, steps = contents(copied), 0

    def mortal(act: Callable[..., object]) -> Callable[..., object]:
        """The same, but once all steps are taken, nothing reaches the disk any more."""

        def step(path: Path, *args: object, **kwargs: object) -> object:
            nonlocal steps
            steps -= kwargs.get("mode") != "rb"
            if steps < 0:
                raise Killed
            return act(path, *args, **kwargs)

        return step

    for taken in range(50):
        shutil.rmtree(copied)
        for name, data in before.items():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            (copied / name).write_bytes(data)
        steps, killed = taken, False
        with monkeypatch.context() as patch:
            for name in ("open", "mkdir", "replace", "unlink", "rmdir"):
                patch.setattr(Path, name, mortal(getattr(Path, name)))
            try:
                vendor.copy(COPY, "2026-02-02", update=True)
            except Killed:
                killed = True
        if not killed:
            break
        assert run("--update")[0] == 0
        assert run("--check")[0] == 0
        files = contents(copied)
        del files["VENDORED"]
        assert files == copied_from(newer)
    assert 15 < taken < 49


def test_a_file_in_place_of_the_folder_is_an_error_of_one_line(run: Run) -> None:
    COPY.parent.mkdir(parents=True)
    COPY.touch()
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert f"{COPY / 'VENDORED'}'; mend that and type the same again" in err


def test_a_package_in_an_archive_is_an_error_of_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "app.zip"
    archive.touch()
    monkeypatch.setattr(g4flite, "__path__", [str(archive / "g4flite")])
    assert run() == (
        1,
        "",
        f"g4flite: error: this package runs from {archive}, which is no folder; install it as files\n",
    )
