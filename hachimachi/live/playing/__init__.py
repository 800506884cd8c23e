"""A model in time, without sockets and without sleep."""
