"""The model: features, backbone, head and what they make of each other. Knows nothing of training."""
