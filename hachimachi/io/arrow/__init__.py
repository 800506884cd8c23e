"""Events as Arrow tables, for collections of any size: one row an event, one column a feature.

A file is Arrow's IPC file format (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format), not compressed,
so that it can be used where it lies; a collection is one such file, or a folder of them.
"""

from hachimachi.errors import HachimachiError

try:
    import pyarrow as pyarrow
except ImportError as error:
    raise HachimachiError(".arrow files need pyarrow; pip install 'hachimachi[columnar]'") from error
