"""What a server answers under load, model by model."""

from table_of import Results, row

NAMES = {
    "quickstart": "the quickstart's encoders, trained for one epoch on {openi} + {chestxray14} made-up studies",
    "resnet50": "ResNet-50 and BERT-base, random weights",
}


def serve(results: Results) -> str:
    """Requests a second, their time and the mean batch by the number of clients; memory below."""
    head = ["model", "clients", "requests a second", "p50, ms", "p99, ms", "images in a batch", "requests (lost)"]
    lines = [row(head), row(["---"] * len(head))]
    for model in results["models"]:
        name = NAMES[model["name"]].format(**results["studies"])
        named = f"{name}; {model['image_size']} px, {model['weights_mb']:,.0f} MB"
        for number, load in enumerate(model["loads"]):
            cells = (str(load["clients"]), f"{load['per_second']:.1f}", f"{load['p50']:,.0f}", f"{load['p99']:,.0f}")
            counts = f"{load['requests']:,} ({load['lost']})"
            lines.append(row([named if number == 0 else "", *cells, f"{load['batch']:.1f}", counts]))
    memory = next(model["memory"] for model in results["models"] if "memory" in model)
    kept = f"{memory['before_mb']:,.0f} MB before, {memory['after_mb']:,.0f} MB after {memory['requests']:,} requests"
    return "\n".join(lines) + f"\n\nResident memory of the first model's server: {kept} ({results['machine']}).\n"


TABLES = {"serve": serve}
