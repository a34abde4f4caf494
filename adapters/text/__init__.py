"""Text as people's files hold it, read as the values that it stands for.

``encoding``  which characters the bytes of a file are: told, or found out and shown
``dates``     dates and times in declared formats
``parse``     one column of texts as numbers, truth values, dates; what does not fit is marked, never dropped
``fold``      texts that differ in case and edge spaces only
``guess``     the type, name and formats of each column, from all its rows
"""
