"""What is asked of sampling while a model plays."""
