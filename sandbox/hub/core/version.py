"""The version that the hub tells, from the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("unseen")
except PackageNotFoundError:  # run from a source tree
    VERSION = "0+source"
