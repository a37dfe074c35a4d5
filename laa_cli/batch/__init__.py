"""`laa batch`: folders of photos, resumable, nothing lost. Walk -> standing by the manifest -> engine -> summary."""
