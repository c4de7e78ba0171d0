"""The fixtures `emulator` and `recorded`, and the option `--g4flite-record`, each in a run of pytest of its own."""

import shutil
from configparser import ConfigParser
from pathlib import Path

import pytest

import g4flite
from g4flite.testing import Emulator, Script, flight

pytest_plugins = ["g4flite.testing.plugin", "pytester"]

TEST = """
import httpx
import {package} as package

def test_sky(recorded):
    with httpx.Client(transport=recorded("sky")) as client:
        stream = package.stream("llamacpp", "Why?", base_url="{url}/v1", client=client, api_key="none")
        assert stream.text() == "You said: Why?"

def test_emulator(emulator):
    assert type(emulator).__module__ == "{package}.testing.emulator"
    assert package.stream("cromicle", "Hi", base_url=emulator.url).text() == "You said: Hi"
"""


def test_pytest_finds_the_fixtures_by_the_entry_point_and_by_the_conftest(
    pytester: pytest.Pytester, server: Emulator
) -> None:
    # An installed package that has the entry point of setup.cfg.
    config = ConfigParser()
    config.read(Path(__file__).parents[2] / "setup.cfg")
    points = config["options.entry_points"]
    info = pytester.mkdir("of_setup_cfg.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_setup_cfg\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[pytest11]{points['pytest11']}\n")
    pytester.syspathinsert()
    pytester.makepyfile(test_sky=TEST.format(package="g4flite", url=server.url))
    arguments = ("-p", "no:cacheprovider", "-p", "no:randomly")
    missing = pytester.runpytest_inprocess(*arguments)
    missing.assert_outcomes(passed=1, failed=1)
    missing.stdout.fnmatch_lines("*NotRecorded: there is no recording *recordings/sky.txt*pytest --g4flite-record*")
    # The same plugin once more, by its name, has to change nothing.
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(passed=2)
    assert (pytester.path / "recordings" / "sky.txt").read_text().startswith("# A recording")
    server.close()
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


FLOWN = """
import httpx
import g4flite

def test_fault(recorded):
    with httpx.Client(transport=recorded("fault")) as client:
        stream = g4flite.stream("llamacpp", "Why?", base_url="{url}/v1", client=client, api_key="none")
        {mended}
"""


def test_a_file_of_the_flight_recorder_is_a_recording_of_the_fixture(
    pytester: pytest.Pytester, server: Emulator
) -> None:
    server.script = Script(cut=300)
    url, folder = server.url, pytester.mkdir("recordings")
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        g4flite.stream("llamacpp", "Why?", base_url=f"{url}/v1", api_key="none", observer=flight(folder)).text()
    server.close()
    [path] = folder.iterdir()
    assert str(path) in str(caught.value)
    path.rename(folder / "fault.txt")
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    for mended, red in [
        ("stream.text()", 1),
        ("with __import__('pytest').raises(g4flite.G4fliteError): stream.text()", 0),
    ]:
        pytester.makepyfile(test_fault=FLOWN.format(url=url, mended=mended))
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")
        result.assert_outcomes(failed=red, passed=1 - red)
        if red:
            result.stdout.fnmatch_lines("*TruncatedStreamError*")


SHARED = """
import httpx
import pytest
import g4flite

@pytest.mark.parametrize("fruit", ["apples", "pears"])
def test_fruit(recorded, fruit):
    with httpx.Client(transport=recorded("fruit")) as client:
        stream = g4flite.stream("llamacpp", fruit, base_url="{url}/v1", client=client, api_key="none", retries=0)
        assert stream.text() == f"You said: {{fruit}}"
"""


def test_tests_that_give_the_same_name_share_the_file(pytester: pytest.Pytester, server: Emulator) -> None:
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    pytester.makepyfile(test_fruit=SHARED.format(url=server.url))
    arguments = ("-p", "no:cacheprovider", "-p", "no:randomly")
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(passed=2)
    server.close()
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)
    recording = pytester.path / "recordings" / "fruit.txt"
    before = recording.read_text()
    assert before.count("\n> POST ") == 2
    # The server is gone: a run that gets no response leaves the file as it is.
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(failed=2)
    assert recording.read_text() == before
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


def test_a_vendored_copy_has_its_own_fixtures_beside_those_of_the_package(
    pytester: pytest.Pytester, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(g4flite.__file__).parent
    shutil.copytree(package, pytester.path / "myapp" / "_vendor" / "llm_stream", ignore=shutil.ignore_patterns("__py*"))
    pytester.makeconftest('pytest_plugins = ["myapp._vendor.llm_stream.testing.plugin"]')
    pytester.makepyfile(test_sky=TEST.format(package="myapp._vendor.llm_stream", url=server.url))
    pytester.syspathinsert()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    arguments = ("-p", "no:cacheprovider", "--g4flite-record")
    pytester.runpytest_inprocess("-p", "g4flite.testing.plugin", *arguments).assert_outcomes(passed=2)
    assert (pytester.path / "recordings" / "sky.txt").read_text().startswith("# A recording")


ASSERTING = """
import g4flite

def test_prompt(emulator):
    def reply(messages):
        assert messages[-1]["content"] == "Why?"
        return "Because."

    emulator.reply = reply
    assert g4flite.stream("ollama", "When?", model="m", base_url=emulator.url).text() == "Because."
"""


def test_an_assert_in_a_reply_function_is_shown_at_the_end_of_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    pytester.makepyfile(test_prompt=ASSERTING)
    found = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    found.assert_outcomes(failed=1, errors=1)
    found.stdout.fnmatch_lines('*assert messages*== "Why?"*')
