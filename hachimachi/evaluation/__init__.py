"""How good a model is: how well it foretells, and how it plays."""
