"""A program of a project with a plain copy of the core: python core_program.py URL-OF-AN-EMULATOR

It prints an answer in sync, on asyncio and on trio.  Then it makes every import of one part of the copy from another,
also those inside functions and those for a type checker alone, and prints how many there are.
"""

import ast
import sys
from importlib import import_module
from pathlib import Path

import anyio
from myapp._vendor import llm_stream


async def ask() -> str:
    return await llm_stream.stream("cromicle", "Hello", base_url=sys.argv[1]).atext()


print(llm_stream.stream("cromicle", "Hello", base_url=sys.argv[1]).text())
for backend in ("asyncio", "trio"):
    print(anyio.run(ask, backend=backend))

for name in llm_stream.__all__:
    getattr(llm_stream, name)

count = 0
root = Path(llm_stream.__path__[0])
for path in root.rglob("*.py"):
    package = ".".join((llm_stream.__name__, *path.relative_to(root).parent.parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = import_module("." * node.level + (node.module or ""), package)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    import_module(f".{alias.name}", module.__name__)
                count += 1
print(count)
