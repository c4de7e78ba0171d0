"""What a command prints to standard error.

    assert main(["--model", "none", "Hi"]) == 2
    assert a_line(capsys.readouterr().err, "error: there is no model 'none'")

Each line begins with the name of the program.
"""

from g4flite.apps import cli


def a_line(text: str, beginning: str) -> bool:
    """Return whether the text is one line of the program that begins so."""
    return text.startswith(f"{cli.PACKAGE}: {beginning}") and text.count("\n") == 1 and text.endswith("\n")
