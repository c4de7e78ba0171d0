"""The number of files that this process may open."""

import resource


def open_files() -> int:
    """Return the number of files that this process may open, after raising it as far as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
