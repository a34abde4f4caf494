"""The shapes of what the API answers, one module for each of the hub's rooms: OpenAPI shows them.

``sandbox.client.answers`` has the same as types for who calls; a contract test compares the two field by field.
"""
