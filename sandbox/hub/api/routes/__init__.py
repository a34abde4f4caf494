"""The ``/v1`` calls, one router for each kind of caller's work. They parse, ask the hub's functions, and render."""
