"""The wire: packets, messages, and the one loop with sockets."""
