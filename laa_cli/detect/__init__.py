"""Finding faces: MTCNN, and which of its detections are believed."""
