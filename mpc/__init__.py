"""Cryptographic protocols as pure, sans-I/O code: no users, no files, no Ray, no clock.

Every protocol is one short module that reads like its paper. A *party* is an object with its role's name
(``party.Party``); messages are frozen typed values with a bounds-checked binary form (``wire``); the driver that runs
parties to the end inside one process is ``drive.run``. Errors all descend from ``errors.MpcError``.
"""
