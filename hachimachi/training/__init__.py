"""Training: data module, Lightning module, callbacks, configuration."""
