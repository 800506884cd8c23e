"""The one exception that the command line prints without a traceback."""


class HachimachiError(Exception):
    """Something the user can mend.

    The message is the interface. It says what is wrong, where (file, row, column, key, route), what was found, what
    was expected, and what to do. It is one line without a full stop at its end.
    """
