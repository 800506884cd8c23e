"""How good a model is: how well it predicts, and how it plays."""
