"""From videos to a store of poses: detector, tracker, estimator, and batch jobs."""
