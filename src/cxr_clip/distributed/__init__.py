"""Several workers as one: who I am, what all of us have, one model, one end. The only user of torch.distributed."""

from cxr_clip.distributed.collect import gather, gather_objects, refuse_disagreement, summed, take_buffers_of_first
from cxr_clip.distributed.join import joined_workers
from cxr_clip.distributed.replica import keeping_gradients, replicate
from cxr_clip.distributed.workers import SINGLE, Workers, refuse_crowded_gpu

__all__ = (
    "SINGLE",
    "Workers",
    "gather",
    "gather_objects",
    "joined_workers",
    "keeping_gradients",
    "refuse_crowded_gpu",
    "refuse_disagreement",
    "replicate",
    "summed",
    "take_buffers_of_first",
)
