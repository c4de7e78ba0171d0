"""The command `vendor`: what a copy holds, what differs from it, and what is never lost."""

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
COPY = Path("myapp/_vendor/llm_stream")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vendor, "today", lambda: "2026-02-03")


@pytest.fixture
def run(capsys: Captured) -> Callable[..., tuple[int, str, str]]:
    """Exit code, standard output and standard error of `vendor` with the arguments, the folder being COPY's."""

    def run(*arguments: object, folder: object = COPY) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["vendor", *map(str, arguments), str(folder)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def copied() -> Path:
    vendor.copy(COPY, "2026-01-02")
    return COPY


Run = Callable[..., tuple[int, str, str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This package a version later: a file has changed, one is gone, one is new in each folder."""
    source = tmp_path / "newer" / "g4flite"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "_core/errors.py").write_text('"""Other errors."""\n')
    (source / "providers" / "gprochat.py").unlink()
    for name in ("_new.py", "providers/new.py", "testing/_new.py"):
        (source / name).write_text('"""New."""\n')
    monkeypatch.setattr(g4flite, "__path__", [str(source)])
    monkeypatch.setattr(vendor, "__version__", "0.2.0")
    return source


def test_a_copy_holds_the_package_and_a_list_of_its_hashes(run: Run) -> None:
    code, out, err = run()
    files = contents(COPY)
    assert (code, err) == (0, "")
    assert out == f"{COPY}: version {g4flite.__version__}, {len(files) - 1} files written, 0 removed\n"
    head, version, date, *lines = files.pop("VENDORED").decode().splitlines()
    assert head.startswith("# ")
    assert (version, date) == (f"# version {g4flite.__version__}", "# date 2026-02-03")
    assert lines == [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(files.items())]
    original = {name: data for name, data in contents(PACKAGE).items() if not name.endswith(".pyc")}
    assert set(original) - set(files) == set(vendor.LEFT_OUT) & set(original)
    assert files.items() <= original.items()
    assert {"LICENSE", "py.typed", "apps/cli.py", "apps/vendor.py", "testing/__init__.py"} <= files.keys()


def test_the_licence_travels_with_the_code() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (PACKAGE.parent / "LICENSE").read_bytes()


def test_what_needs_an_extra_is_left_out_and_nothing_else() -> None:
    known = {"httpx", "anyio", *sys.stdlib_module_names}
    known |= {"socksio", "pytest", "aiohttp", "httpx_aiohttp"}  # which a copy does without until they are asked for
    needy = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:  # what a function imports, it can do without
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module or "")
            if not known.issuperset(name.split(".")[0] for name in names):
                needy.add(path.relative_to(PACKAGE).as_posix())
    assert needy == {name for name in vendor.LEFT_OUT if (PACKAGE / name).exists()}


def test_the_date_is_that_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", vendor.today())


def test_the_examples_work_as_printed(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["vendor", "--help"])
    lines = re.findall(r"^  (.+)$", capsys.readouterr().out.partition("\nexample")[2], re.MULTILINE)
    assert [line.removeprefix(f"{cli.program()} vendor ") for line in lines] == [
        str(COPY), f"--check {COPY}", f"--update {COPY}",
    ]  # fmt: skip
    for line in lines:
        assert main(shlex.split(line.removeprefix(cli.program()))) == 0


def test_check_says_what_differs(run: Run, copied: Path) -> None:
    assert run("--check") == (0, f"{COPY}: as it was copied, version {g4flite.__version__} of 2026-01-02\n", "")
    (copied / "providers" / "mine.py").touch()
    code, out, err = run("--check")
    assert (code, out.splitlines()[1:], err) == (0, ["added    providers/mine.py"], "")
    with (copied / "_core/errors.py").open("a") as file:
        file.write("# mine\n")
    (copied / "providers" / "gemini.py").unlink()
    code, out, err = run("--check")
    assert code == 1
    assert out == "changed  _core/errors.py\nmissing  providers/gemini.py\nadded    providers/mine.py\n"
    assert err.startswith(f"g4flite: error: {COPY} is not as it was copied, version {g4flite.__version__} of 2026-01")
    assert err.endswith(": restore the files from version control, or delete the folder and copy it anew\n")


def test_what_git_and_other_tools_leave_behind_is_no_difference(run: Run, copied: Path) -> None:
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


def test_a_copy_that_is_up_to_date_keeps_its_date(run: Run, copied: Path) -> None:
    before = contents(copied)
    assert run("--update")[1] == run()[1] == f"{COPY}: up to date, version {g4flite.__version__}\n"
    assert contents(copied) == before


def test_an_update_brings_the_new_version(run: Run, copied: Path, newer: Path) -> None:
    (copied / "mine.py").write_text("MINE = 1\n")
    assert run("--update")[:2] == (0, f"{COPY}: version {g4flite.__version__} -> 0.2.0, 4 files written, 1 removed\n")
    files = contents(copied)
    assert files.pop("mine.py") == b"MINE = 1\n"
    assert b"# version 0.2.0\n# date 2026-02-03\n" in files.pop("VENDORED")
    assert files == {name: data for name, data in contents(newer).items() if name not in vendor.LEFT_OUT}


def test_a_file_that_is_missing_comes_back_with_the_next_copy(run: Run, copied: Path) -> None:
    (copied / "providers" / "gemini.py").unlink()
    code, out, _ = run("--check")
    assert (code, out) == (1, "missing  providers/gemini.py\n")
    assert run("--update")[1].endswith(", 1 files written, 0 removed\n")
    assert run("--check")[0] == 0


@pytest.mark.parametrize("flags", [[], ["--update"]])
def test_what_was_changed_is_never_overwritten(flags: list[str], run: Run, copied: Path, newer: Path) -> None:
    changed = [
        *(f"_core/{name}.py" for name in ("errors", "events", "messages", "options", "provider", "stream")),
        "providers/gprochat.py",
    ]
    for name in changed[:1] + changed[-1:]:
        (copied / name).write_text("# mine\n")
    (copied / "_new.py").write_text("# mine as well\n")
    before = contents(copied)
    code, out, err = run(*flags)
    assert (code, out, contents(copied)) == (1, "", before)
    assert err.startswith(
        f"g4flite: error: {COPY} was changed: _core/errors.py, _new.py, providers/gprochat.py; keep your "
    )
    assert err.endswith(f"all that differs lists: {cli.program()} vendor --check {COPY}\n")
    for name in changed:
        (copied / name).write_text("# mine\n")
    assert (
        "_core/errors.py, _core/events.py, _core/messages.py, _core/options.py, _core/provider.py and 3 more; keep"
        in run(*flags)[2]
    )


@pytest.mark.skipif(os.name != "posix", reason="symlinks and pipes of POSIX")
def test_a_link_is_neither_followed_nor_replaced(run: Run, copied: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (copied / "providers").rename(elsewhere)
    (copied / "providers").symlink_to(elsewhere)
    (copied / "_core/errors.py").rename(tmp_path / "errors.py")
    (copied / "_core/errors.py").symlink_to(tmp_path / "errors.py")
    os.mkfifo(copied / "pipe.py")
    before = contents(elsewhere)
    _, out, _ = run("--check")
    assert {"added    providers", "missing  providers/openai.py", "changed  _core/errors.py", "added    pipe.py"} <= {
        *out.splitlines()
    }
    for flags in ([], ["--update"]):
        assert "was changed: _core/errors.py, pipe.py, providers; keep" in run(*flags)[2]
    assert contents(elsewhere) == before
    assert (copied / "_core/errors.py").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="symlinks of POSIX")
def test_a_copy_may_stand_behind_a_link(run: Run, copied: Path) -> None:
    Path("link").symlink_to(copied)
    assert run("--check", folder="link")[0] == run("--update", folder="link")[0] == 0


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


def test_an_empty_folder_will_do(run: Run) -> None:
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
def test_a_folder_inside_the_package_is_refused(folder: Path, run: Run) -> None:
    code, _, err = run(folder=folder)
    assert (code, err.startswith(f"g4flite: error: {folder} ")) == (2, True)
    assert err.endswith("lies inside the package itself; name a folder of your project\n")
    assert not (PACKAGE / "mine").exists()


HEAD = f"{vendor.HEAD}\n".encode()
ROW = b"0" * 64 + b"  _core/errors.py\n"


@pytest.mark.parametrize(
    "said",
    [b"", b"\n", b"\xff\xfe", b"0.1.0\n", HEAD, HEAD + b"# version 0.1.0\n# date 2026-01-02\n",
     HEAD + b"# version 0.1.0\n" + ROW, HEAD + b"# date 2026-01-02\n" + ROW, ROW],
)  # fmt: skip
def test_a_damaged_list_is_said_so(said: bytes, run: Run, copied: Path) -> None:
    (copied / "VENDORED").write_bytes(said)
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out) == (1, "")
        assert err.startswith(f"g4flite: error: {COPY / 'VENDORED'} is damaged; restore it from version control, or ")


def test_a_later_version_may_say_more_in_the_list(run: Run, copied: Path) -> None:
    (copied / "VENDORED").write_text("# Another head.\n# mood fine\n" + (copied / "VENDORED").read_text())
    assert run("--check")[0] == 0


def test_a_merge_conflict_in_the_list_is_damage(run: Run, copied: Path) -> None:
    listing = (copied / "VENDORED").read_text().splitlines(keepends=True)
    (copied / "VENDORED").write_text("".join([*listing[:5], "<<<<<<< HEAD\n", *listing[5:]]))
    assert "is damaged" in run("--check")[2]


def test_a_copy_that_cannot_be_written_leaves_nothing(run: Run) -> None:
    (COPY / "client.py").mkdir(parents=True)  # where a file belongs
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

    def interrupted(folder: Path, name: str, data: bytes | None) -> None:
        put(folder, name, data)
        if name == "VENDORED":
            monkeypatch.setattr(vendor, "put", put)
            raise KeyboardInterrupt

    monkeypatch.setattr(vendor, "put", interrupted)
    assert run("--update")[0] == 130
    assert contents(copied) == before


@pytest.mark.parametrize("existing", [True, False])
def test_a_copy_that_was_killed_half_way_is_noticed_and_can_be_made_again(
    existing: bool, run: Run, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if existing:
        with monkeypatch.context() as patch:
            patch.undo()
            patch.setattr(g4flite, "__path__", [str(PACKAGE)])
            patch.setattr(vendor, "__version__", "0.1.0")
            vendor.copy(Path(COPY).absolute(), "2026-01-02")
    for folder in ("_core", "providers"):
        (COPY / folder).mkdir(parents=True, exist_ok=True)
    for name in ("_core/errors.py", "providers/new.py"):
        shutil.copy(newer / name, COPY / name)
    (COPY / "VENDORED.part").write_text("half a li")
    assert run("--check")[0] == (1 if existing else 2)
    assert run(*["--update"] * existing)[0] == 0
    assert run("--check")[0] == 0
    assert not (COPY / "VENDORED.part").exists()


def test_an_emptied_folder_goes(run: Run, copied: Path, newer: Path) -> None:
    shutil.rmtree(newer / "testing")
    assert run("--update")[0] == 0
    assert not (copied / "testing").exists()


def test_a_file_in_the_way_is_an_error_of_one_line(run: Run) -> None:
    COPY.parent.mkdir(parents=True)
    COPY.touch()
    for flags in (["--check"], ["--update"], []):
        code, out, err = run(*flags)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert f"'{COPY / 'VENDORED'}'; mend that and type the same again" in err


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


def test_a_copy_checks_and_makes_no_copies(run: Run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g4flite, "__path__", [str(copied.resolve())])
    assert run("--check")[0] == 0
    for folder, flags in ((COPY, ["--update"]), ("other", [])):
        code, _, err = run(*flags, folder=folder)
        assert code == 2
        assert err.endswith(f"which can only --check; install g4flite and type: g4flite vendor {folder}\n")


def test_checking_and_updating_are_two_things(run: Run) -> None:
    code, _, err = run("--check", "--update")
    assert (code, "not allowed with argument --check" in err) == (2, True)
