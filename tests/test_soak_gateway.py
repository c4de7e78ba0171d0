"""The soak of the gateway: what is left behind, lost or charged wrongly is named.  `make soak-gateway` runs it."""

import json
import sqlite3
from pathlib import Path

from g4flite.apps.gateway.keys import Store
from tests.soak_gateway import Clients, Left, faults


def test_what_is_left_behind_is_named(tmp_path: Path) -> None:
    with Store(tmp_path / "keys.sqlite") as store:
        store.add("soak", budget=1.0)
        store.settle(store.reserve("soak", 0.5), 0.25)
    log = tmp_path / "calls.jsonl"
    log.write_text(json.dumps({"outcome": "complete", "charged": 0.25}) + "\n")
    clients = Clients(1, "sk")
    clients.outcomes["whole"] = 1
    left = Left(2, 10, 20, 1000, 60.0)
    assert faults(left, left, tmp_path, clients) == []
    assert faults(left, left._replace(tasks=3, descriptors=40), tmp_path, clients) == [
        "tasks: 2 became 3",
        "descriptors: 20 became 40",
    ]
    clients.wrong.append("cut: [DONE]")
    clients.outcomes["whole"] = 2
    with sqlite3.connect(tmp_path / "keys.sqlite") as file:
        file.execute("INSERT INTO calls (name, at, held) VALUES ('soak', 0, 5)")
        file.execute("UPDATE keys SET spent = spent + 100000")
    found = "\n".join(faults(left, left, tmp_path, clients))
    for fault in ("cut: [DONE]", "SQLite holds 0 for 1 calls", "SQLite has charged 0.2501, the log 0.25",
                  "SQLite counts 2 calls, the log 1", "the log has 1 complete calls of 1"):  # fmt: skip
        assert fault in found
