"""MTCNN's networks for face detection."""
