# One command a target.  `make demo` and `make test` need Python 3.10 or newer and nothing else: they make .venv once.
unexport PYTHONDONTWRITEBYTECODE  # each of the many processes of a test run would compile everything anew

PYTHON ?= python3
VENV ?= .venv
CLIENTS ?= .venv-clients
SERVERS ?= .venv-servers
BIN = $(VENV)/bin
EXTRAS_peers = [peers]
EXTRAS_gateway = [serve]
DOCS = .venv-docs
DIST = .venv-dist
FROM_SDIST = tests/core tests/response tests/test_client.py tests/test_links.py tests/test_package.py tests/test_readme.py tests/apps/test_gateway_page.py
INSTALL = -m pip --quiet --disable-pip-version-check install --constraint tests/constraints.txt
PIP = $(BIN)/python $(INSTALL)

.PHONY: help demo demo-serve demo-local guides docs dist test test-vendored test-long test-clients test-gateway test-agents test-servers test-servers-large test-page test-ray test-httpx2 test-lowest cover check format bench bench-peers bench-check bench-decode bench-batch bench-gateway bench-instructions soak soak-gateway test-all clean
help:
	@echo "make demo          stream an answer from four providers, in a for loop and in an async for loop"
	@echo "make demo-serve    start the gateway with its chat page before an emulator, and ask it with curl and official clients"
	@echo "make demo-local    stream an answer from the Ollama, llama.cpp, LM Studio or vLLM server on this machine"
	@echo "make guides        write the guide to each provider (examples/guides) and the tables of examples/guides/providers.md"
	@echo "make test          run all tests"
	@echo "make test-vendored run the tests of the core against a vendored copy"
	@echo "make test-clients  run the official clients of OpenAI, Anthropic, Google, ... and other libraries against the emulator"
	@echo "make test-long     kill a batch 200 times, ask 20,000 rows of a service that fails, read more bodies and cuts, all rows in all drivers"
	@echo "make test-gateway  run official clients, libraries and other servers than uvicorn against, or with, the gateway"
	@echo "make test-agents   run Claude Code, Codex CLI, aider and llm against the gateway (1.6 GB to install)"
	@echo "make test-servers  run g4flite against llama.cpp's server, aimock and llmock, as far as they can be installed"
	@echo "make test-servers-large  the same against LiteLLM's proxy and vLLM, if they run: see tests/README.md"
	@echo "make test-page     run the chat page of the gateway in Chromium, if it is installed"
	@echo "make test-ray      run batches on a Ray of two workers, one of which dies, on Daft and on Dask, and the gateway on Ray Serve"
	@echo "make test-httpx2   run all tests over clients of httpx2"
	@echo "make test-lowest   run the tests of the core over the lowest versions of httpx and anyio that setup.cfg allows"
	@echo "make cover         measure the branch coverage of the package, without the heavy tests, which add none"
	@echo "make check         run ruff and mypy, and find broken links"
	@echo "make format        rewrite the code with ruff"
	@echo "make docs          make a site of the pages and of the reference of the API, in build/site"
	@echo "make dist          build the sdist and the wheel in build/dist, check both, and run tests from the sdist"
	@echo "make bench         measure what g4flite costs beside bare httpx; write the picture, and the tables of examples/guides/speed.md and README.md"
	@echo "make bench-peers   install openai, anthropic, litellm and g4f, so that make bench measures them, too"
	@echo "make bench-check   compare two minutes of measurements with the baseline; a worse figure fails nothing"
	@echo "make bench-decode  measure what decoding costs without a socket, in microseconds an event of each protocol"
	@echo "make bench-batch   measure a batch of 5,000 rows beside bare clients, and the memory of a million rows"
	@echo "make bench-gateway measure what the gateway adds, and how many streams it serves, beside LiteLLM's proxy"
	@echo "make bench-instructions  count the instructions of the same, by valgrind, which no load of the machine moves"
	@echo "make soak          run 500 streams at a time, with faults, for two minutes: is anything left behind?"
	@echo "make soak-gateway  ask the gateway for ten minutes, with clients that leave and replies that are cut"
	@echo "make test-all      run all tests on every CPython from 3.10 up that is installed"

demo: $(VENV)/core
	@echo "== the four providers, against an emulator on a socket of this machine"
	@$(BIN)/python examples/demo.py

demo-serve: $(VENV)/serve
	@echo "== the gateway, before an emulator on this machine"
	@$(BIN)/python tests/demo_serve.py

demo-local: $(VENV)/core
	@$(BIN)/python examples/local.py

guides: $(VENV)/core
	@$(BIN)/python tests/pages.py

docs: $(DOCS)/tools
	@echo "== the site; a broken link is an error"
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --clean --config-file tests/site/mkdocs.yml
	@echo "build/site/index.html"

dist: $(DIST)/tools $(VENV)/tools
	@echo "== the sdist, the wheel, and the tests from the sdist"
	@rm -rf build/copy build/dist build/from-sdist build/installed && mkdir -p build
	@$(DIST)/bin/python -m build --outdir build/dist . > build/dist.log 2>&1 || (cat build/dist.log; exit 1)
	@$(DIST)/bin/twine check --strict build/dist/*
	@$(DIST)/bin/check-wheel-contents build/dist/*.whl
	@$(DIST)/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --target build/installed build/dist/*.whl
	@cd build && PYTHONPATH=installed $(abspath $(BIN))/python -m g4flite vendor copy/llm_stream
	@cd build && PYTHONPATH=installed $(abspath $(BIN))/python -c 'from g4flite.apps.gateway import page; assert all(page.response(path)[0] == 200 for path in page.FILES)'
	@mkdir build/from-sdist && tar -xzf build/dist/*.tar.gz -C build/from-sdist --strip-components=1
	@cd build/from-sdist && $(abspath $(BIN))/python -m pytest -q -n 4 --dist worksteal $(FROM_SDIST)

test: $(VENV)/tools
	@echo "== the suite: sync, asyncio and trio, over real sockets (about a minute)"
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal

test-vendored: $(VENV)/tools
	@echo "== the core against a vendored copy, g4flite itself being barred (a minute or two)"
	@$(BIN)/python -m pytest -q -m vendored tests/apps/test_vendor_copy.py

test-clients: $(CLIENTS)/npm-clients
	@echo "== clients that others wrote, against the emulator on a socket of this machine (a minute)"
	@$(CLIENTS)/bin/python -m pytest -q -c tests/clients/pytest.ini tests/clients --ignore-glob '*test_gateway*'

test-long: $(VENV)/tools
	@echo "== the tests that take minutes each"
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m long
	@echo "== the suite, each row of a shared table in each driver (five minutes)"
	@EVERY_ROW=1 $(BIN)/python -m pytest -q -n 4 --dist worksteal

test-gateway: $(CLIENTS)/npm-clients
	@echo "== official clients and libraries, against the gateway before the emulator (five minutes)"
	@$(CLIENTS)/bin/python -m pytest -q -c tests/clients/pytest.ini tests/clients/test_gateway_clients.py tests/clients/test_gateway_libraries.py tests/clients/test_gateway_servers.py

test-agents: $(CLIENTS)/programs
	@echo "== programs that ask models, against the gateway before the emulator (five minutes)"
	@$(CLIENTS)/bin/python -m pytest -q -c tests/clients/pytest.ini tests/clients/test_gateway_agents.py

test-servers: $(SERVERS)/servers
	@echo "== g4flite, against servers that others wrote, on sockets of this machine (a minute)"
	@$(SERVERS)/bin/python -m pytest -q -c tests/servers/pytest.ini --rootdir . --confcutdir . tests/servers

test-servers-large: $(SERVERS)/servers
	@LITELLM_URL=$(LITELLM_URL) LITELLM_KEY=$(LITELLM_KEY) VLLM_URL=$(VLLM_URL) VLLM_KEY=$(VLLM_KEY) \
	  $(SERVERS)/bin/python -m pytest -q -c tests/servers/pytest.ini --rootdir . --confcutdir . tests/servers/large.py

test-page: .venv-page/tools
	@echo "== the chat page, in Chromium (two or three minutes)"
	@.venv-page/bin/python -m pytest -q -c tests/page/pytest.ini --rootdir . tests/page

test-ray: .venv-clusters/tools
	@echo "== batches on Ray, Daft and Dask, and the gateway on Ray Serve (minutes)"
	@.venv-clusters/bin/python -m pytest -q -c tests/ray/pytest.ini tests/ray

test-httpx2: $(VENV)/tools
	@echo "== the suite again, over clients of httpx2 (about a minute)"
	@G4FLITE_TEST_CLIENTS=httpx2 $(BIN)/python -m pytest -q -n 4 --dist worksteal

# httpx2 needs a newer anyio.
test-lowest: .venv-lowest/tools
	@echo "== the core over the lowest versions of httpx and anyio (a minute or two)"
	@.venv-lowest/bin/python -m pytest -q -n 4 --dist worksteal tests/core tests/response tests/providers tests/transport tests/test_client.py --ignore tests/transport/test_httpx.py --ignore tests/transport/test_network_errors.py

cover: $(VENV)/tools
	@echo "== branch coverage, which is to be whole"
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest -q -n 4 --dist worksteal -m "not heavy and not long and not vendored and not typed"
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report

check: $(VENV)/tools
	@echo "== ruff, mypy, the types that a user sees, and the links of the pages"
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -m typed tests/test_typed.py
	@$(BIN)/python tests/links.py

format: $(VENV)/tools
	@$(BIN)/ruff check --fix --output-format concise .
	@$(BIN)/ruff format .

bench: $(VENV)/bench .venv-bench/core
	@echo "== what g4flite costs, beside bare httpx and the SDKs of .venv-peers"
	@$(BIN)/python -m tests.benchmarks.run --json tests/benchmarks/results.json $(ARGS)
	@$(BIN)/python -m tests.benchmarks.picture tests/benchmarks/results.json tests/benchmarks/benchmark.svg
	@$(BIN)/python -m tests.benchmarks.dashboard tests/benchmarks/traces.json tests/benchmarks/dashboard.svg
	@$(BIN)/python -m tests.benchmarks.guide tests/benchmarks/results.json examples/guides/speed.md README.md
	@$(BIN)/python -m tests.benchmarks.check --write

bench-peers: .venv-peers/core

bench-check: $(VENV)/core .venv-bench/core
	@echo "== what g4flite costs, as ratios, beside what it did (two minutes)"
	@$(BIN)/python -m tests.benchmarks.check $(ARGS)

bench-decode: $(VENV)/core
	@$(BIN)/python -m tests.benchmarks.decode $(ARGS)

bench-batch: $(VENV)/tools
	@echo "== many prompts, against a service on a socket of this machine (several minutes)"
	@$(BIN)/python -m tests.benchmarks.batch $(ARGS)

bench-gateway: .venv-gateway/core
	@echo "== what the gateway costs, beside LiteLLM's proxy if .venv-litellm has it (a few minutes)"
	@.venv-gateway/bin/python -m tests.benchmarks.gateway $(ARGS)

bench-instructions: $(VENV)/core
	@echo "== the instructions of an event, by valgrind (several minutes)"
	@$(BIN)/python -m tests.benchmarks.decode --instructions $(ARGS)

soak: $(VENV)/tools
	@$(BIN)/python tests/soak.py

soak-gateway: $(VENV)/tools
	@echo "== the gateway, asked for ten minutes by clients that leave, before services that cut (ARGS='--seconds 600')"
	@$(BIN)/python tests/soak_gateway.py $(ARGS)

test-all:
	@for minor in 10 11 12 13 14 15; do \
	  for python in python3.$$minor $$HOME/.pyenv/versions/3.$$minor.*/bin/python; do \
	    "$$python" -c 'import sys; sys.exit(sys.implementation.name != "cpython")' 2>/dev/null || continue; \
	    echo "== $$("$$python" --version)"; \
	    $(MAKE) --no-print-directory test PYTHON="$$python" VENV=.venv-3.$$minor || exit 1; \
	    break; \
	  done; \
	done

clean:
	@rm -rf .venv .venv-* build .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(VENV)/core: setup.cfg pyproject.toml tests/constraints.txt
	@echo "== making $(VENV): g4flite with httpx and anyio (a minute at most, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "g4flite needs Python 3.10 or newer: make PYTHON=python3.x")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/tools: $(VENV)/core
	@echo "== adding the tools of test and check"
	@$(PIP) --editable '.[test,check]'
	@touch $@

$(CLIENTS)/tools: setup.cfg pyproject.toml tests/constraints.txt
	@echo "== making $(CLIENTS): g4flite and the clients (400 MB; a minute or two, once)"
	@$(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python $(INSTALL) --editable '.[clients]'
	@touch $@

$(DOCS)/tools $(DIST)/tools .venv-page/tools .venv-clusters/tools: .venv-%/tools: setup.cfg pyproject.toml tests/constraints.txt
	@echo "== making .venv-$* (half a minute, once)"
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python $(INSTALL) --editable '.[$*]'
	@touch $@

# installs.py makes the target, if the clients from npm could be installed.
$(CLIENTS)/npm-clients: $(CLIENTS)/tools tests/installs.py tests/clients/npm/package-lock.json
	@echo "== adding the clients from npm (150 MB; a minute, once)"
	@$(CLIENTS)/bin/python -m tests.installs $@ npm-clients

$(CLIENTS)/programs: $(CLIENTS)/tools tests/installs.py tests/clients/agents/package-lock.json
	@echo "== adding Claude Code, Codex CLI, aider and llm (1.6 GB; several minutes, once)"
	@$(CLIENTS)/bin/python -m tests.installs $@ agents aider llm

# installs.py makes the target, if all of the servers could be installed.
$(SERVERS)/servers: setup.cfg pyproject.toml tests/constraints.txt tests/installs.py tests/servers/npm/package-lock.json
	@$(MAKE) --no-print-directory VENV=$(SERVERS) $(SERVERS)/core
	@echo "== adding the servers (250 MB; a minute, once)"
	@$(SERVERS)/bin/python $(INSTALL) --editable '.[servers]'
	@$(SERVERS)/bin/python -m tests.installs $@ xllamacpp llmock aimock

.venv-lowest/tools: setup.cfg pyproject.toml tests/constraints.txt tests/lowest.txt
	@echo "== making .venv-lowest (a minute, once)"
	@$(PYTHON) -m venv .venv-lowest
	@grep -vE '^(anyio|httpx|httpx-aiohttp|jiter|pydantic|pydantic_core)==' tests/constraints.txt > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip --quiet --disable-pip-version-check install --constraint .venv-lowest/constraints.txt --constraint tests/lowest.txt --editable '.[socks,cli,lowest]'
	@touch $@

$(VENV)/serve: $(VENV)/core
	@echo "== adding what the gateway needs (a few seconds, once)"
	@$(PIP) --editable '.[serve]'
	@touch $@

$(VENV)/bench: $(VENV)/core
	@$(PIP) --editable '.[bench]'
	@touch $@

# compat: a plain path, where setuptools else runs a finder of its own in each process that is measured
.venv-bench/core .venv-peers/core .venv-gateway/core: .venv-%/core: setup.cfg pyproject.toml tests/constraints.txt
	@echo "== making .venv-$* (a minute or two, once)"
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python $(INSTALL) --config-settings editable_mode=compat --editable '.$(EXTRAS_$*)'
	@touch $@
