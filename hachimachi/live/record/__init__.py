"""What is kept: every performance, and what `hxmx rec` records."""
