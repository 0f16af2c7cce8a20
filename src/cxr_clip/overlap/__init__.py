"""What a model was trained on and is measured on as well: patients, images, reports, known derivations."""
