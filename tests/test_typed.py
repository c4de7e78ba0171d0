"""`typed.py`, a file of a user's, is clean under mypy and pyright in their strict modes.

Both check it against the package as it is installed for a user: found in `site-packages`, typed by its `py.typed`.
pyright is basedpyright here, the same checker with Node.js from the package index; plain pyright downloads from npm.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

import g4flite
from tests.conftest import bare_environment

pytestmark = pytest.mark.typed
EXTRAS = ("httpx2", "rich", "socksio")
WITH_HTTPX2 = """

import httpx2

def over_httpx2(client: httpx2.Client, other: httpx2.AsyncClient) -> None:
    stream("openai", "Hi", client=client).text()
    stream("openai", "Hi", client=other).close()
"""


@pytest.fixture(scope="module", params=["with the extras", "without the extras"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's file and an environment `venv`, in which the extras are installed or not."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(Path(__file__).with_name("typed.py"), folder / "user.py")
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").rglob("site-packages")
    missing: tuple[str, ...] = EXTRAS
    if request.param == "with the extras":
        missing = ()
        with (folder / "user.py").open("a") as user:
            user.write(WITH_HTTPX2)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        name = path.name.partition("-")[0].partition(".")[0]
        # Not the file that finds the package under test, and no stubs of mypy's own.
        if name not in missing and path.suffix != ".pth" and "g4flite" not in path.name:
            (site / path.name).symlink_to(path)
    (site / "g4flite").symlink_to(Path(g4flite.__file__).parent)
    settings = {
        "include": ["user.py"],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.10",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--strict", "--cache-dir=cache", "--python-executable=venv/bin/python", "user.py"],
        ["basedpyright", "--pythonpath=venv/bin/python"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_users_file_is_clean(command: list[str], project: Path) -> None:
    if find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=project, capture_output=True, text=True, timeout=300,
        env=bare_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
