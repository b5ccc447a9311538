"""What finds keypoints: one module an estimator, ``methods`` names them."""
