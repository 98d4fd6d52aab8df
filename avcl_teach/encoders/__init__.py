"""Encoders: networks that map one modality, or both together, into a space where they can be compared.

Masks are Bool, True where a query may look, as in `scaled_dot_product_attention` (the opposite of the
`key_padding_mask` of `nn.MultiheadAttention`). Names load their module when they are first used.
"""

import importlib

_HOME = {
    "AudioTower": "towers",
    "DualEncoder": "towers",
    "VideoTower": "towers",
    "frame_triples": "towers",
    "padding_mask": "masks",
    "causal_mask": "masks",
    "window_mask": "masks",
    "MultiHeadAttention": "multi_head",
    "TransformerBlock": "blocks",
    "DecoderBlock": "blocks",
    "sinusoidal_positions": "positions",
    "rotary": "positions",
    "LearnedPositions": "positions",
    "SeparablePositions": "positions",
    "TransformerEncoder": "transformers",
    "TransformerDecoder": "transformers",
    "EncoderDecoder": "transformers",
    "shift_right": "transformers",
    "next_symbol_loss": "transformers",
    "translate": "transformers",
    "attention_maps": "transformers",
    "tubelets": "raw_signals",
    "wave_patches": "raw_signals",
    "drop_tokens": "raw_signals",
    "RawSignalTransformer": "raw_signals",
    "RawSignalPair": "raw_signals",
    "BitReader": "sensitivity",
    "influence": "sensitivity",
    "log_slope": "sensitivity",
    "co_attend": "co_attention",
    "CoAttention": "co_attention",
    "ManyCoAttention": "co_attention",
    "RegionAttention": "contexts",
    "region_window_mask": "contexts",
    "several_scales": "contexts",
    "JointCoAttention": "recursive_co_attention",
    "ChunkCoAttention": "chunk_co_attention",
    "SelfAndCoAttention": "self_and_co_attention",
    "guided_map": "maps",
    "OwnMap": "maps",
    "map_consistency": "maps",
    "dot_scores": "attention",
    "scaled_dot_scores": "attention",
    "bilinear_scores": "attention",
    "additive_scores": "attention",
    "attention_weights": "attention",
    "attend": "attention",
    "attend_fused": "attention",
    "DotScore": "attention_pools",
    "ScaledDotScore": "attention_pools",
    "BilinearScore": "attention_pools",
    "AdditiveScore": "attention_pools",
    "AttentionPool": "attention_pools",
    "QueryPool": "attention_pools",
    "AutoEncoder": "auto_encoders",
    "TiedAutoEncoder": "auto_encoders",
    "ClassifiedLatent": "auto_encoders",
    "AlignedLatents": "auto_encoders",
    "CrossReconstruction": "auto_encoders",
    "cross_errors": "auto_encoders",
    "perceptron": "auto_encoders",
    "ConcatenatedLatent": "joint_latents",
    "AttendedLatent": "joint_latents",
    "LatentGate": "joint_latents",
    "drop_modalities": "joint_latents",
    "only": "joint_latents",
    "ConditionedDecoder": "conditioned_decoders",
    "AttendingCondition": "conditioned_decoders",
    "TilingCondition": "conditioned_decoders",
    "FilmCondition": "conditioned_decoders",
    "SpatialGate": "conditioned_decoders",
    "SeriesFiller": "fillers",
    "Unconditioned": "fillers",
    "attend_to_equal_times": "fillers",
    "hide_steps": "fillers",
    "WeakToStrong": "weak_to_strong",
    "associates": "weak_to_strong",
    "binary_codes": "hash_codes",
    "code_similarity": "hash_codes",
    "hamming_similarity": "hash_codes",
    "quantisation": "hash_codes",
    "Gaussian": "variational",
    "GaussianEncoder": "variational",
    "VAE": "variational",
    "SharedDecoderVAE": "variational",
    "CorrelatedVAE": "variational",
    "reparametrise": "variational",
    "KeyValueMemory": "memory",
    "NearestMemory": "memory",
    "address": "memory",
    "write_step": "memory",
    "write_all": "memory",
    "reverse_gradient": "adversarial",
    "Generator": "adversarial",
    "Discriminator": "adversarial",
    "ModalityDiscriminator": "adversarial",
    "NoCondition": "conditions",
    "LabelProjection": "conditions",
    "LatentCondition": "conditions",
    "PredictionHead": "conditions",
    "conformal_sets": "conditions",
    "PictureGenerator": "small_pictures",
    "PictureTrunk": "small_pictures",
    "sound_auto_encoder": "small_pictures",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    """Import a name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'avcl_teach.encoders' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"avcl_teach.encoders.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names that are there, loaded or not."""
    return sorted({*globals(), *__all__})
