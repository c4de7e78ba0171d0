"""Installs what tests can do without, beside this Python; what cannot be installed is noted, and fails nothing.

    .venv-servers/bin/python -m tests.installs STAMP xllamacpp llmock aimock

STAMP is a file that is made if all of it could be installed: without the file, the next `make` tries again.  `REASONS`
holds a file for each name that could not be installed: its tests are skipped, and say what stands in the file.
"""

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
REASONS = Path(sys.prefix, "not-installed")
# Where packages from npm are installed, in `node_modules`; programs have a folder of their own.
NODE = Path(sys.prefix, "npm")
# Only wheels: building llama.cpp takes half an hour, and a compiler.
PIP = [
    *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--only-binary", ":all:"),
    *("--constraint", str(TESTS / "constraints.txt")),
]
NPM = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
PACKAGES = {"xllamacpp": ["xllamacpp", "gguf", "numpy"], "llmock": ["llmock"]}
# The folders with the package.json and the lock file of each, and where they are installed.
FOLDERS = {
    "aimock": (TESTS / "servers" / "npm", NODE),
    "npm-clients": (TESTS / "clients" / "npm", NODE),
    "agents": (TESTS / "clients" / "agents", Path(sys.prefix, "agents")),
}
# Programs that pin what they need to versions of their own, and so have a virtual environment each, of their name.
PROGRAMS = {"aider": "aider-chat==0.86.2", "llm": "llm==0.36"}


def failure(name: str) -> str:
    """Install this, and return why that failed, in one line; "" if it did not."""
    if name in PACKAGES:
        return failure_of([*PIP, *PACKAGES[name]], TESTS)
    if name in PROGRAMS:
        own = Path(sys.prefix, name)
        pip = [str(own / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        return failure_of([sys.executable, "-m", "venv", str(own)], TESTS) or failure_of([*pip, PROGRAMS[name]], TESTS)
    source, place = FOLDERS[name]
    place.mkdir(exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(source / file, place)
    return failure_of(NPM, place)


def failure_of(command: list[str], folder: Path) -> str:
    """Run the command in this folder, and return why it failed, in one line; "" if it did not."""
    program = shutil.which(command[0])
    if program is None:
        return f"{command[0]} is not installed"
    # A registry that does not answer is one that cannot be reached.
    try:
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than ten minutes"
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"{Path(program).name}: {said[-1] if said else 'no message'}" if done.returncode else ""


def main(stamp: str, *names: str) -> None:
    """Install these; make the stamp if that succeeds."""
    REASONS.mkdir(exist_ok=True)
    failures = {name: why for name in names if (why := failure(name))}
    for name in names:
        (REASONS / name).unlink(missing_ok=True)
    for name, why in failures.items():
        (REASONS / name).write_text(why)
        print(f"== {name} cannot be installed ({why}); its tests are skipped")
    if not failures:
        Path(stamp).touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
