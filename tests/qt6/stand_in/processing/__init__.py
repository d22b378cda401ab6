"""Processing, which is not there: a test that needs a function of it puts one in its place."""


def execAlgorithmDialog(name: str, values: object) -> None:
    raise NotImplementedError(name)
