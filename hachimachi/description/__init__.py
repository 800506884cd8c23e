"""What is in data: counted in one pass whatever its size, with what looks wrong and what to do about it."""
