"""The command line. It calls the public API through ``sandbox.client``; services are started by their own packages."""
