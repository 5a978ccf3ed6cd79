"""Networks of Hugging Face's transformers that classify texts or images, with their own tokenizer or processor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional

from lightune.ranges import PositiveInt

__all__ = ["HuggingFace", "OwnTokenizer"]

_POOLER = "pooler"  # which weights that were trained to guess words may lack
_LISTED = 3  # names in a message


@dataclass(frozen=True)
class OwnTokenizer:
    """How a network cuts texts, and by which numbers it knows their tokens.

    Args:
        json: the tokenizer, as the package tokenizers writes it.
        vocabulary: the tokens in the order of their numbers.
        before: numbers of the tokens that stand before each text.
        after: numbers of those that stand behind it.
        padding: number of what fills up a text.
        unknown: number of what stands in for a token without a number.
    """

    json: str
    vocabulary: tuple[str, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    padding: int
    unknown: int


class HuggingFace(nn.Module):
    """A network of the hub, or of a folder, with a new last layer: for texts or for images.

    No code of the hub is run, and weights are read as safetensors only. It is a network of
    `AutoModelForSequenceClassification` for texts, of `AutoModelForImageClassification` for images.

    Args:
        input_shape: (T,) tokens of one text, or (C, H, W) of one image, of one or three channels.
        num_outputs: width of the output, > 0.
        name: of the network in the hub, or a local folder, with its configuration, and its tokenizer or processor.
        weights: `DEFAULT` are those of the network; null draws them at random.
        freeze: `none`; `features`: all but the last layers keep their weights, and stay in evaluation form.

    Raises:
        ValueError: if transformers is not installed, the network cannot be had or is another's, a text has more
            tokens than it reads, or an image other than one or three channels.
    """

    accepts = ("text", "image")
    own_tokens = True
    input_mean = (0.5, 0.5, 0.5)  # of many; `statistics_of` knows each
    input_deviation = (0.5, 0.5, 0.5)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        name: str,
        weights: Literal["DEFAULT"] | None = "DEFAULT",
        freeze: Literal["none", "features"] = "none",
    ) -> None:
        super().__init__()
        self.is_text = len(input_shape) == 1
        if not self.is_text and (len(input_shape) != 3 or input_shape[0] not in (1, 3)):
            raise ValueError(
                f"takes texts, or images of one or three channels, got samples of shape {tuple(input_shape)}"
            )
        kind = "SequenceClassification" if self.is_text else "ImageClassification"
        self.network = _network(name, kind, num_outputs, drawn=weights is None)
        config = self.network.config
        self.padding = int(getattr(config, "pad_token_id", None) or 0)
        longest = getattr(config, "max_position_embeddings", None)
        if self.is_text and longest is not None and input_shape[0] > longest:
            rule = f"{name} reads at most {longest} tokens, got {input_shape[0]}"
            raise ValueError(f"{rule}; shorten texts: data.max_length={max(1, longest - 8)}")
        size = None if self.is_text else getattr(config, "image_size", None)
        self.image_size = (size, size) if isinstance(size, int) else None if size is None else tuple(size)
        self.is_frozen = freeze == "features"
        if self.is_frozen:
            self._body.requires_grad_(requires_grad=False)
        self.train(self.training)

    @property
    def _body(self) -> nn.Module:
        body: nn.Module = self.network.base_model
        return body

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x: (B, T) int64, or images x: (B, C, H, W), to (B, num_outputs)."""
        if self.is_text:
            outputs = self.network(input_ids=x, attention_mask=(x != self.padding).long())
        else:
            outputs = self.network(pixel_values=self._resized(x))
        logits: Tensor = outputs.logits
        return logits

    def train(self, mode: bool = True) -> "HuggingFace":
        """Set the form; what is frozen stays in evaluation form."""
        super().train(mode)
        if self.is_frozen:
            self._body.eval()
        return self

    def _resized(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        if self.image_size is None or tuple(x.shape[2:]) == self.image_size:
            return x
        return functional.interpolate(x, self.image_size, mode="bilinear", align_corners=False, antialias=True)

    @classmethod
    def statistics_of(cls, name: str, **_: Any) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and deviation of each channel that a network's processor scales by, of values in [0, 1]."""
        transformers = _transformers()
        with _had(name, "its processor"):
            processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        if not getattr(processor, "do_normalize", True):
            return (0.0,) * 3, (1.0,) * 3
        return tuple(processor.image_mean), tuple(processor.image_std)

    @classmethod
    def tokenizer_of(cls, name: str, **_: Any) -> OwnTokenizer:
        """Return how a network cuts texts.

        Raises:
            ValueError: if it cannot be had, has no form of the package tokenizers, or nothing to fill up with.
        """
        transformers = _transformers()
        with _had(name, "its tokenizer"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False, use_fast=True)
        fast = getattr(tokenizer, "backend_tokenizer", None)
        if fast is None:
            raise ValueError(f"{name} has a tokenizer without tokenizer.json, which cannot be kept with a run")
        if tokenizer.pad_token_id is None:
            raise ValueError(f"the tokenizer of {name} has no token to fill up with (pad_token)")
        places = fast.get_vocab(with_added_tokens=True)
        vocabulary = [""] * (max(places.values()) + 1)
        for token, place in places.items():
            vocabulary[place] = token
        before, after = _around(fast)
        unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
        return OwnTokenizer(fast.to_str(), tuple(vocabulary), before, after, tokenizer.pad_token_id, unknown)


def _around(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers of the tokens that a tokenizer puts before and behind a text."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    for first in range(len(whole) - len(bare) + 1):
        if whole[first : first + len(bare)] == bare:
            return tuple(whole[:first]), tuple(whole[first + len(bare) :])
    return (), ()


def _network(name: str, kind: str, num_outputs: int, *, drawn: bool) -> Any:
    transformers = _transformers()
    auto = getattr(transformers, f"AutoModelFor{kind}")
    with _had(name, "it"):
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False, num_labels=num_outputs)
        if drawn:
            return auto.from_config(config, trust_remote_code=False)
        network, told = auto.from_pretrained(
            name,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # of the last layer; others are refused below
            output_loading_info=True,
        )
    prefix = f"{network.base_model_prefix}."
    wrong = [str(key) for key in told["missing_keys"] if str(key).startswith(prefix) and _POOLER not in str(key)]
    wrong += [str(key[0]) for key in told["mismatched_keys"] if str(key[0]).startswith(prefix)]
    if wrong:
        more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        rule = f"the weights of {name} lack {', '.join(sorted(wrong)[:_LISTED])}{more}, or have other shapes"
        raise ValueError(f"{rule}; they are another network's")
    return network.float()


@contextmanager
def _had(name: str, what: str) -> Iterator[None]:
    """Turn whatever transformers raises into a sentence, and keep it from printing.

    Raises:
        ValueError: if something cannot be had.
    """
    logging = _transformers().utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as error:  # whatever a hub's client raises
        reason = " ".join(str(error).split())[:300]
        where = "folder" if Path(name).is_dir() else "name of the hub or folder"
        raise ValueError(f"{what} could not be had from the {where} {name} ({reason})") from error
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ValueError("transformers is not installed: pip install 'lightune[hf]'") from error
    return transformers
