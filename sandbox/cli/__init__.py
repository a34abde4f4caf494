"""The command line. It calls the public API through ``sandbox.client``; services are started by their own packages."""

import os

from sandbox.linear_algebra import one_thread_a_product

one_thread_a_product(os.environ)  # here, because the first command's imports load numpy
