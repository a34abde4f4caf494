"""Everything that can go wrong where bytes live. Texts name files and columns, never a data value."""


class AdapterError(Exception):
    """Root of all errors that this package raises."""


class SourceNotFound(AdapterError):
    """A path that is not there, or a folder without a file of the declared kind."""


class BadSource(AdapterError):
    """A description or file that cannot be read as declared: wrong kind, unreadable, unknown column, mixed schemas.

    ``examples`` hold values: they are shown to the owner at its own terminal, and are in no text, log or message.
    """

    def __init__(self, text: str, examples: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.examples = examples


class SourceChanged(AdapterError):
    """Files that are no longer those of the registered version: register the new version and ask for new grants."""


class SnapshotDamaged(AdapterError):
    """A file of a snapshot is gone, cut or changed on disk: the node writes it anew from the registered files."""


class OutOfDisk(AdapterError):
    """No room for a snapshot; nothing was registered: free some space and register again."""
