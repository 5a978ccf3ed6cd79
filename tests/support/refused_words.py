"""Words that are refused, of every kind that the tests know, for commands of every form.

Each entry is the words of one command; `{root}` stands for the output root, `{run}` for a finished run in it,
`{study}` for a finished study that sweeps `optimizer.lr=1e-3,1e-2`, and `{other}` for a folder elsewhere.
"""

BY_HYDRA = [
    ["optimizer.lrr=1"],
    ["model=nothing"],
    ["nothing=1"],
    ["note=don't"],
    ["+optimizer.lr=1"],
    ["~model.nothing"],
    ["a", "=", "1"],
    ["--config-name", "nothing"],
    ["note=${nothing}"],
    ["model=null"],
    ["data=3"],
]
BY_VALUE = [
    ["optimizer.lr=-1"],
    ["optimizer.lr=${oc.env:NOTHING_AT_ALL}"],
    ["optimizer.lr={a: 1}"],
    ["+optimizer.momentum=0.9"],
    ["model={layrs: 1}"],
    ["seed=one"],
    ["data.batch_size=0"],
    ["+model.sizes=[1]"],
    ["trainer.max_epochs=1.5"],
    ["+trainer.logger=true"],
    ["~monitor.mode"],
    ["monitor.metric=val/nothing"],
    ["repeats=0"],
    ["test=maybe"],
]
BY_PARTS = [
    ["model=cnn", "data=wine"],
    ["loss=mse"],
    ["metrics=regression"],
    ["validation.val_fraction=0.6", "validation.test_fraction=0.5"],
]
BY_TRUST = [
    ["model._target_=os.system"],
    ["model._target_=my_package.Net"],
    ["+model.odd={_target_: os.system}"],
    ["+hydra.callbacks.odd._target_=os.system"],
    ["+hydra.job.env_set.LIGHTUNE_TRUST=os"],
    ["hydra.searchpath=[pkg://email]"],
    ["+callbacks.odd={_target_: pytorch_lightning.callbacks.ModelCheckpoint, dirpath: /tmp/elsewhere}"],
]
BY_PLACE = [
    ["name=../elsewhere"],
    ["name=''"],
    ["name=a/b"],
    ["hydra.run.dir={other}", "hydra.sweep.dir={other}"],
    ["hydra.run.dir={root}/../elsewhere", "hydra.sweep.dir={root}/../elsewhere"],
    ["hydra.job_logging.handlers.file.filename={other}/log"],
]
ANY = [*BY_HYDRA, *BY_VALUE, *BY_PARTS, *BY_TRUST, *BY_PLACE]
"""Refused in a run, and beside a sweep."""

BY_BUILDING = [
    ["model.units=[]"],
    ["validation=kfold", "validation.k=100000"],
    ["data.batch_size=1", "model.batch_norm=true"],
    ["data=csv", "data.path={other}/nothing.csv"],
    ["data=csv", "data.path={other}/odd.csv", "data.target=nothing"],
    ["data=image_folder", "data.path={other}"],
    ["model.units=10000000000"],
]
"""Refused in a run, when its data were read and its network was built; in a study such a trial fails."""

SWEEPS = [
    ["optimizer.lr=1e-3,-1"],
    ["optimizer.lrr=1,2"],
    ["model=mlp,nothing"],
    ["data=digits,diabetes"],
    ["optimizer.lr=interval(1,0)"],
    ["optimizer.lr=interval(1e-3,1e-2)", "search=grid"],
    ["optimizer.lr=1e-3,1e-2", "search.n_trials=0"],
    ["optimizer.lr=1e-3,1e-2", "search.study=../s"],
    ["optimizer.lr=1e-3,1e-2", "search.nothing=1"],
    ["optimizer.lr=1e-3,1e-2", "search.pruner={_target_: os.system}"],
    ["optimizer.lr=1e-3,1e-2", "search=hyperband", "+search.pruner.nothing=1"],
    ["optimizer.lr=1e-3,1e-2", "search=tpe", "+hydra.sweeper.sampler.nothing=1"],
    ["optimizer.lr=1e-3,1e-2", "search.enqueue=[{optimizer.lr: 5}]"],
    ["optimizer.lr=1e-3,1e-2", "search.objectives=[{metric: val/loss}]"],
    ["optimizer.lr=1e-3,1e-2", "search.storage=sqlite:////nowhere/at/all.db"],
    ["optimizer.lr=1e-3,1e-2", "search.storage=nonsense"],
    [
        "optimizer.lr=1e-3,1e-2",
        "search=tpe",
        "search.storage=sqlite:///{root}/new.db",
        "+hydra.sweeper.sampler.odd=1",
    ],
    ["optimizer.lr=1e-3,1e-2", "search.changed_code=maybe"],
    ["optimizer.lr=1e-3,1e-2", "search.keep_checkpoints=best:0"],
    ["optimizer.lr=1e-3,1e-2", "hydra/launcher=fused", "search.fused_width=1"],
    ["optimizer.lr=1e-3,1e-2", "hydra/launcher=nothing"],
    ["optimizer.lr=1e-3,1e-2", "hydra.sweep.subdir=same"],
    ["optimizer.lr=1e-3,1e-2", "hydra.sweep.subdir=../${hydra.job.num}"],
    ["optimizer.lr=1e-3,1e-2", "resume={run}"],
    ["optimizer.lr=1e-3,1e-2", "hydra.sweep.dir={run}"],
    ["optimizer.lr=1e-3,1e-2", "hydra.sweep.dir={root}/runs"],
    ["optimizer.lr=1e-3,1e-2", "hydra/sweeper=basic", "optimizer.weight_decay=0,-1"],
    ["search.space={optimizer.lr: {type: float, low: 2, high: 1}}"],
    ["search.space={optimizer.nothing: [1, 2]}"],
    ["search.space={optimizer.lr: [1e-3, 1e-2]}"],
    ["search.space.optimizer.lr=1"],
    ["optimizer.lr=1e-3,1e-2", "search=null"],
    ["optimizer.lr=1e-3,1e-2", "search.n_trials=${nothing}"],
    ["optimizer.lr=1e-3,1e-2", "monitor.metric=${oc.env:NOTHING_AT_ALL}"],
    ["optimizer.lr=1e-3,1e-2", "model.units=${nothing}"],
    ["optimizer.lr=1e-3,1e-2", "hydra.sweep.subdir=${nothing}"],
    ["optimizer.lr=1e-3,1e-2", "~hydra/launcher"],
    ["~hydra/sweeper"],
    ["optimizer.lr=1e-3,1e-2", "~model"],
    ["optimizer.lr=1e-3,1e-2", "~monitor"],
]
"""Refused as sweeps."""

INTO_THE_STUDY = [
    ["optimizer.lr=1e-3,1e-2,1e-1"],
    ["optimizer.lr=1e-3,1e-2", "seed=7"],
    ["optimizer.lr=1e-3,1e-2", "monitor=loss"],
    ["optimizer.lr=1e-3,-1"],
    ["optimizer.lr=1e-3,1e-2", "search.storage=sqlite:///{root}/another.db"],
    ["optimizer.lr=1e-3,1e-2", "search.n_trials=-1"],
    ["optimizer.lr=1e-3,1e-2", "search=tpe", "search.storage=sqlite:///{root}/another.db"],
]
"""Refused for the study that is there, under its name."""

RESUMED = [
    ["optimizer.lr=0.5"],
    ["model=cnn"],
    ["trainer.max_epochs=0"],
    ["data.batch_size=8"],
    ["nothing=1"],
    ["trainer.nothing=1"],
    ["repeats=2"],
]
"""Refused beside `resume={run}`."""

RESUMING = [["resume={root}/nothing"], ["resume={study}"], ["resume={root}"], ["resume={other}"], ["resume=1"]]
"""Folders that no run can be resumed in."""

QUESTIONS = [
    ["best", "{run}"],
    ["best", "{root}/nothing"],
    ["evaluate", "{root}/nothing"],
    ["evaluate", "{root}"],
    ["evaluate", "{run}", "--checkpoint", "nothing"],
    ["predict", "{root}/nothing", "--input", "{other}/odd.csv"],
    ["predict", "{run}", "--input", "{other}/nothing.csv"],
    ["predict", "{run}", "--input", "{other}/odd.csv"],
    ["nothing"],
    [],
]
"""Refused by the tool `lightune`."""
