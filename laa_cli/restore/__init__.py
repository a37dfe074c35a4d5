"""From a detected face to the enlarged photo with the face restored: selection, alignment, network, back-projection, paste."""
