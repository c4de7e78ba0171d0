"""What is built on the SDK: each app stands on its own, and nothing in the package imports one."""
