"""Every interpreter of the project runs this file when it starts: none of them can import the original."""

import sys


class Barred:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "g4flite":
            raise ModuleNotFoundError(f"{name} is barred from this project", name=name)


sys.meta_path.insert(0, Barred)
