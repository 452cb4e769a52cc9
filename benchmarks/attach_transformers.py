"""Small image and video models of Hugging Face's transformers: classes, and options of their configurations."""

from torch import nn

_TINY = {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 96}
_VIT = {**_TINY, "image_size": 96, "patch_size": 16}
_VIDEO = {**_VIT, "num_frames": 4}
_SWIN = {"image_size": 128, "embed_dim": 24, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4}
_CONV = {"hidden_sizes": (16, 32, 48, 64), "depths": (1, 2, 2, 1)}
_PVT = {
    "image_size": 128,
    "hidden_sizes": (16, 32, 48, 64),
    "num_attention_heads": (1, 2, 3, 4),
    "mlp_ratios": (2,) * 4,
}
TRANSFORMERS: dict[str, dict[str, object]] = {
    "ViTForImageClassification": _VIT,
    "DeiTForImageClassification": _VIT,
    "DeiTForImageClassificationWithTeacher": _VIT,
    "BeitForImageClassification": _VIT,
    "Data2VecVisionForImageClassification": _VIT,
    "Dinov2ForImageClassification": _VIT,
    "Dinov2WithRegistersForImageClassification": _VIT,
    "Dinov2Backbone": _VIT,
    "DINOv3ViTModel": {**_VIT, "num_register_tokens": 4},
    "ViTMAEModel": _VIT,
    "ViTMSNForImageClassification": _VIT,
    "IJepaForImageClassification": _VIT,
    "CLIPVisionModel": _VIT,
    "SiglipVisionModel": _VIT,
    "MLCDVisionModel": _VIT,
    "Aimv2VisionModel": _VIT,
    "PixioModel": _VIT,
    "RadioModel": _VIT,
    "Sapiens2Model": {
        **_VIT,
        "num_key_value_attention_heads": 4,
        "num_first_full_attention_layers": 2,
        "num_last_full_attention_layers": 2,
    },
    "YolosModel": {**_VIT, "image_size": (96, 144), "num_detection_tokens": 10},
    "SwinForImageClassification": _SWIN,
    "Swinv2ForImageClassification": _SWIN,
    "HieraForImageClassification": {
        "image_size": (128, 128),
        "embed_dim": 16,
        "depths": (1, 1, 2, 1),
        "num_heads": (1, 1, 2, 2),
    },
    "FocalNetForImageClassification": {
        "image_size": 128,
        "embed_dim": 16,
        "depths": (1, 1, 2, 1),
        "hidden_sizes": (16, 32, 64, 128),
    },
    "PvtForImageClassification": {**_PVT, "depths": (1, 1, 2, 1)},
    "PvtV2ForImageClassification": {**_PVT, "image_size": (128, 128), "depths": (1, 1, 2, 1)},
    "SegformerForImageClassification": {**_PVT, "depths": (1, 1, 2, 1)},
    "GLPNModel": {**_PVT, "depths": (1, 1, 2, 1)},
    "CvtForImageClassification": {"embed_dim": [16, 32, 48], "num_heads": [1, 2, 3], "depth": [1, 2, 3]},
    "LevitForImageClassification": {
        "hidden_sizes": (32, 48, 64),
        "num_attention_heads": (2, 3, 4),
        "depths": (2, 2, 2),
    },
    "ConvNextForImageClassification": {**_CONV, "image_size": 128},
    "ConvNextV2ForImageClassification": {**_CONV, "image_size": 128},
    "DINOv3ConvNextModel": {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 2, 2, 1], "image_size": 128},
    "PoolFormerForImageClassification": _CONV,
    "ResNetForImageClassification": {**_CONV, "embedding_size": 16},
    "BitForImageClassification": {**_CONV, "embedding_size": 32, "num_groups": 4},
    "RegNetForImageClassification": {**_CONV, "embedding_size": 16, "groups_width": 8},
    "MobileNetV1ForImageClassification": {"image_size": 128, "depth_multiplier": 0.25},
    "MobileNetV2ForImageClassification": {"image_size": 128, "depth_multiplier": 0.25},
    "MobileViTForImageClassification": {"image_size": 128, "hidden_sizes": (32, 48, 64)},
    "MobileViTV2ForImageClassification": {"image_size": 128, "width_multiplier": 0.25},
    "EfficientNetForImageClassification": {
        "hidden_dim": 640,
        "image_size": 128,
        "width_coefficient": 0.5,
        "depth_coefficient": 0.5,
    },
    "SwiftFormerForImageClassification": {"depths": (1, 1, 2, 1), "embed_dims": (16, 24, 32, 48)},
    "TextNetForImageClassification": {
        "hidden_sizes": (8, 8, 16, 24, 32),
        "stem_out_channels": 8,
        "image_size": (128, 128),
    },
    "HGNetV2ForImageClassification": {},
    "TimesformerForVideoClassification": _VIDEO,
    "VideoMAEForVideoClassification": _VIDEO,
    "VivitForVideoClassification": {**_TINY, "image_size": 96, "num_frames": 4},
    "VJEPA2ForVideoClassification": {
        "hidden_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "crop_size": 96,
        "frames_per_clip": 4,
        "num_pooler_layers": 1,
        "pred_hidden_size": 24,
        "pred_num_attention_heads": 2,
        "pred_num_hidden_layers": 1,
    },
    "VideoPrismVisionModel": {
        "hidden_size": 48,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "image_size": 108,
        "num_frames": 4,
        "num_spatial_layers": 3,
        "num_temporal_layers": 2,
    },
    "XCLIPVisionModel": _VIDEO,
}


def transformers_model(name: str) -> nn.Module:
    """The model of a class of the table."""
    import transformers

    transformers.logging.set_verbosity_error()
    made = getattr(transformers, name)
    model: nn.Module = made(made.config_class(**TRANSFORMERS[name]))
    return model
