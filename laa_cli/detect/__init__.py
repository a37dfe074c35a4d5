"""Face detection: MTCNN, the plausibility of its detections, and the geometry of a face."""
