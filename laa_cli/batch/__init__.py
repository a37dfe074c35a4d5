"""`laa batch`: folders of photos, resumable, nothing lost. Scan, status by the manifest, executor, summary."""
