"""Installs the servers of `make test-servers` beside this Python; what cannot be installed is noted, and fails nothing.

    .venv-servers/bin/python tests/servers/install.py

Two come from PyPI, one from npm.  `REASONS` holds a file for each server that could not be installed: its tests are
skipped, and say what stands in the file.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REASONS = Path(sys.prefix, "not-installed")
NODE = Path(sys.prefix, "npm")
# Only wheels: building llama.cpp takes half an hour, and a compiler.
PIP = [
    *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--only-binary", ":all:"),
    *("--constraint", str(HERE.parent / "constraints.txt")),
]
SERVERS = {
    "xllamacpp": [*PIP, "xllamacpp", "gguf", "numpy"],
    "llmock": [*PIP, "llmock"],
    "aimock": ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
}


def failure(command: list[str], folder: Path) -> str:
    """Run the command, and return why it failed, in one line; "" if it did not."""
    program = shutil.which(command[0])
    if program is None:
        return f"{command[0]} is not installed"
    # npm may ask for what a program cannot answer; and a registry that does not answer is one that cannot be reached.
    try:
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than ten minutes"
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"{Path(command[0]).name}: {said[-1] if said else 'no message'}" if done.returncode else ""


def main() -> int:
    """Install the servers, and return how many could not be."""
    NODE.mkdir(exist_ok=True)
    REASONS.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "npm" / name, NODE)
    failed = 0
    for server, command in SERVERS.items():
        why = failure(command, NODE if command[0] == "npm" else HERE)
        reason = REASONS / server
        if why:
            failed += 1
            reason.write_text(why)
            print(f"== {server} cannot be installed ({why}); its tests are skipped")
        else:
            reason.unlink(missing_ok=True)
    return failed


if __name__ == "__main__":
    # The exit code is 0 in any case: make must go on.  Without the stamp, the next run tries again.
    if not main():
        Path(sys.prefix, "servers").touch()
