"""Training and measuring networks on sets of faces; `laa upscale` needs none of it."""
