"""The command `emulate` refuses a host or a port on which it cannot listen."""

import pytest

from g4flite.__main__ import main
from g4flite.testing import Emulator
from tests.apps.complaints import a_line

Captured = pytest.CaptureFixture[str]


def test_a_port_in_use_is_one_line_and_exit_code_1(server: Emulator, capsys: Captured) -> None:
    assert main(["emulate", "--port", str(server.port)]) == 1
    assert a_line(capsys.readouterr().err, f"error: could not listen on 127.0.0.1:{server.port}: ")


WRONG = {
    "port": (["emulate", "--port", "65536"], "could not listen on 127.0.0.1:65536: "),
    "host": (["emulate", "--host", "ä..b"], "could not listen on ä..b:0: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_2(case: str, capsys: Captured) -> None:
    arguments, message = WRONG[case]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert a_line(err, f"error: {message}")
