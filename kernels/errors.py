"""What can be wrong with what the user gave this package; each message is one sentence for a person."""


class KernelError(ValueError):
    """An op specification that no kernel can execute."""


class ModelError(ValueError):
    """A model file that cannot be read, or that holds something this package does not understand."""


class DatasetError(ValueError):
    """Labelled images that cannot be read, or that do not fit."""


class BuildError(RuntimeError):
    """An engine that cannot be built here."""


class EngineError(RuntimeError):
    """An engine that broke the protocol: it crashed, hung, or said something else than it should."""
