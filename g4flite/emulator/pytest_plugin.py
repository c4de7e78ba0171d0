"""The fixtures of `testing_plugin`, by their other address: `pytest_plugins = ["g4flite.emulator.pytest_plugin"]`."""

from ..testing_plugin import emulator, pytest_addoption, recorded

__all__ = ["emulator", "pytest_addoption", "recorded"]
