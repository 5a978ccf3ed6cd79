"""python train.py model.net.width=32."""

import hydra
import pytorch_lightning as pl
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> float:
    """Train and test; return the metric to optimize."""
    pl.seed_everything(cfg.seed, workers=True)
    data = hydra.utils.instantiate(cfg.data)
    model = hydra.utils.instantiate(cfg.model)
    trainer = hydra.utils.instantiate(cfg.trainer)
    trainer.fit(model=model, datamodule=data)
    found = trainer.callback_metrics[cfg.optimized_metric].item()
    trainer.test(model=model, datamodule=data)
    return found


if __name__ == "__main__":
    main()
