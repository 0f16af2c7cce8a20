"""From records to batches: findings, prompts, reports, images, manifests, transforms."""
