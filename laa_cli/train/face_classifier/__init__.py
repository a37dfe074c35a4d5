"""Training of the face classifier: MTCNN's candidates in photos without faces, and on faces pasted into such photos."""
