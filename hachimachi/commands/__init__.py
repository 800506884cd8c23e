"""The commands of `hxmx`: parse, call one function, print."""
