"""From a store to tensors: filtering, clips, sampling, augmentation, protocols, synthetic data."""
