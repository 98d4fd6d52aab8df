"""Objectives: what a common space is asked to do.

One call shape, `loss = objective(a, v, labels=None, **hyper)`: a and v are embeddings [batch, dim] of the two
sides of each pair, labels their classes; hyper-parameters (and any state: centres, a bank) are keywords.
The names here are the ones to train with. Where a fast form exists (`objectives.fast`), it is what the name
stands for; the readable form that the lessons derive has the same name in its own module. Under autocast the
names here still compute in float32.
"""

import inspect

from avcl_teach.lazy import lazy_names

_HOME = {
    "CCA": "cca",
    "column_correlations": "cca",
    "fit_cca": "cca",
    "info_nce": "fast.nce",
    "info_nce_of_unit_rows": "fast.nce",
    "tiled_info_nce": "fast.tiled_nce",
    "info_nce_one_sided": "nce",
    "info_nce_within": "nce",
    "info_nce_either_side": "nce",
    "noise_contrastive": "nce",
    "MemoryBank": "memory_bank",
    "empty_bank": "memory_bank",
    "push": "memory_bank",
    "info_nce_bank": "memory_bank",
    "momentum_update": "memory_bank",
    "mil_nce": "mil",
    "gradient_embedding": "active",
    "pseudo_gradients": "active",
    "kmeans_plus_plus": "active",
    "active_negatives": "active",
    "info_nce_active": "active",
    "gdt": "transformations",
    "gdt_invariant": "transformations",
    "gdt_variant": "transformations",
    "contrastive_distance": "contrastive_pairs",
    "contrastive_cosine": "contrastive_pairs",
    "contrastive_similarity": "contrastive_pairs",
    "supervised_contrastive": "fast.supervised_contrastives",
    "supervised_contrastive_one_sided": "supervised_contrastives",
    "supervised_contrastive_joint": "supervised_contrastives",
    "multi_similarity": "fast.multi_similarities",
    "multi_similarity_one_sided": "multi_similarities",
    "multi_similarity_mined": "multi_similarities",
    "predictive_regression": "regressions",
    "regression": "regressions",
    "Predictors": "regressions",
    "head": "regressions",
    "embedding_spread": "regressions",
    "effective_rank": "regressions",
    "adaptive_margin_softmax": "margins",
    "adaptive_margin_softmax_detached": "margins",
    "adaptive_margins": "margins",
    "hinge_hardest": "margins",
    "hinge_n_hardest": "margins",
    "hinge_sum": "margins",
    "margin_schedule": "margins",
    "masked_margin_softmax": "margins",
    "masked_margin_softmax_cosine": "margins",
    "quadruplet": "quadruplets",
    "deep_cca": "fast.deep_correlation",
    "deep_cca_squared": "fast.deep_correlation",
    "cluster_deep_cca": "fast.deep_correlation",
    "linear_cca": "deep_correlation",
    "cluster_cca": "cluster",
    "soft_decorrelation": "decorrelation",
    "RunningCovariance": "decorrelation",
    "update_covariance": "decorrelation",
    "eics": "explicit_implicit",
    "eics_embedding": "explicit_implicit",
    "tnn_c_cca": "cluster_triplets",
    "triplet_all": "fast.triplets",
    "triplet_semi_hard": "fast.triplets",
    "triplet_squared": "fast.triplets",
    "triplet_all_joint": "fast.triplets",
    "triplet_semi_hard_joint": "fast.triplets",
    "triplet_hardest": "triplets",
    "triplet_hardest_joint": "triplets",
    "triplet_distance_weighted": "sampling",
    "distance_weighted_negatives": "sampling",
    "lifted": "lifted_structure",
    "lifted_joint": "fast.lifted_structure",
    "n_pair": "n_pairs",
    "shared_cross_entropy": "cross_entropy",
    "center_loss": "centers",
    "init_centers": "centers",
    "update_centers": "centers",
    "label_regression": "label_space",
    "pairwise_likelihood": "label_space",
    "dscmr": "label_space",
    "pair_distance": "consistency",
    "pair_squared_distance": "consistency",
    "cosine_consistency": "consistency",
    "frobenius_distance": "consistency",
    "orthogonality": "consistency",
    "orthonormality": "consistency",
    "gaussian_kl": "distributional",
    "gaussian_log_likelihood": "distributional",
    "elbo": "distributional",
    "gaussian_wasserstein2": "distributional",
    "mmd": "distributional",
    "Game": "adversarial",
    "NON_SATURATING": "adversarial",
    "SATURATING": "adversarial",
    "LEAST_SQUARES": "adversarial",
    "HINGE": "adversarial",
    "WASSERSTEIN": "adversarial",
    "discriminator_log_loss": "adversarial",
    "generator_log_loss": "adversarial",
    "generator_saturating_loss": "adversarial",
    "discriminator_squares_loss": "adversarial",
    "generator_squares_loss": "adversarial",
    "discriminator_hinge_loss": "adversarial",
    "discriminator_wasserstein_loss": "adversarial",
    "generator_mean_loss": "adversarial",
    "r1_penalty": "adversarial",
    "gradient_penalty": "adversarial",
    "class_set_loss": "adversarial",
    "modality_adversary": "modality_game",
    "modality_confusion": "modality_game",
    "adversarial_metric": "modality_game",
    "adversarial_transfer": "modality_game",
}

__all__ = list(_HOME)


def _precise(value: object) -> object:
    """Let a loss of (a, v) run in full precision under autocast."""
    if inspect.isfunction(value) and list(inspect.signature(value).parameters)[:2] == ["a", "v"]:
        from avcl_teach.objectives.pairwise import in_full_precision

        return in_full_precision(value)
    return value


__getattr__, __dir__ = lazy_names(__name__, _HOME, wrap=_precise)
