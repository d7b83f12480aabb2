"""The pages of the study: one for each classifier, and what they say beside the numbers."""

from collections.abc import Iterator

from goals import (
    CIFAR_CW,
    CLEAN,
    DRIFT,
    GOALS,
    HIDDEN_LAYERS,
    PAPER_RATIOS,
    READINGS,
    auc,
    defended,
    drift_rows,
    goal_row,
    of_drift,
    order_rows,
    share,
)
from runs import HIDDEN, MAIN, RUNS
from tables import NAMES, number, read, run_section, select, table

from adversarial.evaluation.read import Record

EPSILONS = ("0.1", "0.2", "0.3")
ATTACKS = (("C&W", "cw"), ("SLIDE", "slide"))

INTRODUCTION = """\
Vacanti & Van Looveren (2020), *Adversarial Detection and Correction by Matching Prediction
Distributions*, compared with what this project measures. Each of our numbers comes with its 95 %
interval (Wilson's for shares, Student's for means, bootstrap for AUC and ratios) and n. The
intervals are about other images like these, not about other models: every model was trained with
seed 0 (`kl-seed` and `kl-short`: 1). Runs on one data set may use models that were trained again by
the same command or, where the page says so, for fewer epochs; the `config.json` of each run lists
the digests of its detectors. What has not been run is marked as such. The commands assume the
project's environment (`make setup`, then `. .venv/bin/activate`).

- The last 5,000 training images are not used for training: they give the threshold and the
  reference window, so ε_FPR is set on held-out clean data. All numbers are for test images, either
  all of them or a random sample of the stated size.
- Accuracy with a defence is given in two readings. "Flagged corrected" is the paper's Figure 2:
  flagged images get the class of M(AE(x)), the others keep that of M(x), here at ε_FPR 5 %. "All
  corrected" is M(AE(x)) of every attacked image. The paper does not say which reading its tables
  use, nor at what ε_FPR. The example in its authors' library (alibi-detect, `ad_ae_cifar10`) gives
  the second, with about the paper's numbers; with the paper's own AUC, these are hard to reach in
  the first.
- C&W has the paper's schedule. SLIDE is run with ε = 0.1 and steps of 0.05, both as means of |δ|,
  and ε is searched for each image; the paper gives no unit, and as an L1 norm, 0.1 succeeds on no
  image. FGSM's "1000 iterations" are read in two ways: as one full step, and as the smallest of
  1,000 steps that succeeds.
- "Reached" considers the value alone, not its interval. A number behind it, such as "+33.7 points",
  says how much farther our accuracy is from that on clean images than the paper's is.
- The attack "strongest" is, image by image, the one that succeeded with the smallest L2 norm. It is
  not necessarily the one that costs the system most; "any attack" stands for that.
- CIFAR-10's images had been compressed as JPEG at quality 75, which costs the classifiers some
  accuracy.
- The training of ResNet-56 and its autoencoders takes an accelerator, or days of two cores: its set
  is kept in `studies/models/`, so that `run resnet56` only evaluates it. The detectors of the first
  three hidden layers are not kept: `run resnet56-hidden-layers` trains them.
- Autoencoders are trained on shifted or mirrored images, as their classifiers are. The paper does
  not say whether its own were; without this, ours memorise the images.
- Attacks and scores are computed in float32; training uses bfloat16 where the hardware is fast in
  it.
- Each plot is an SVG file, and the arrays that it shows are kept beside it as Parquet; `draw` needs
  only these and the run's numbers. Of older runs the arrays were recovered from earlier drawings,
  and the metadata of each such file says how accurately. Histograms and ROC curves are counts of
  images and therefore exact, except that MNIST's three ROC curves of 10,000 images lack corners too
  small to see (their area is within 0.0003 of the AUC). The numbers of the drift plots are those of
  `metrics.parquet`, or have six decimals. The grids show the first five images, as lossy WebP.
"""

MISSES = {
    "mnist": """\
- **MNIST, FGSM 0.2 and 0.3 in one step**: the score flags these images (AUC above .99), but AE
  does not restore all of them. With the smallest step that succeeds, the goals are reached at
  every ε, so that is most probably how the paper's "1000 iterations" are meant.
- **MNIST, adaptive attacks** within 0.2 end undetected and wrong on .955 of 200 images at ε_FPR
  5 %, and on .980 at 1 %; with correction, on .995 or more. What restores images after grey-box
  attacks does not stop an attacker who knows about it. One check for gradient masking fails, that
  of PGD on the weighted sum of "wrong" and "not flagged": it reaches .22, where an attack without
  gradients reaches .58. Selective PGD, which follows one of the two at a time, reaches .94 and
  passes every check (`mnist-gradient-masking`); the strongest attack counts.
""",
    "fashion_mnist": """\
- **AE^MSE** of MNIST and Fashion-MNIST is trained at a third of the others' learning rate,
  because at 1e-3 the outputs of MNIST's autoencoder saturate at black within the first epoch,
  even in float32.
- **Fashion-MNIST, C&W and SLIDE**: the goals are reached if all images are corrected, and missed
  if only flagged ones are. The score flags 87 % and 89 % of the attacked images at ε_FPR 5 %,
  with an AUC of .974 and .977, where .98 was the goal and the paper's is .984. Three times the
  epochs of the classifier, twice those of the autoencoder, and images shifted by a pixel brought
  the accuracy on these images from .925 to .935 and left detection where it was. **A sharper
  score** does better: on the half of the images that did not choose T, the AUC at T = 0.5 is .979
  and .981 (S: .969 and .972), at T = 0.25 .985 and .986 ([scores.md](scores.md)).
- **Fashion-MNIST, FGSM 0.1** in one step destroys what AE would restore; with the smallest step
  that succeeds, the goal is reached if all images are corrected.
- **Fashion-MNIST, white-box**: M(AE(x)) drops to 0, M(x) to .70 (C&W) and .75 (SLIDE), so it is
  less intact than on MNIST. The checkpoint of 20 epochs before the last restores .75 and .79, of
  .905 without attack; one of five epochs before the last restored .51 and .67 in an earlier
  training. The farther it is from the one that is attacked, the better.
- **Fashion-MNIST, adaptive attacks** within 0.1 end undetected and wrong on every one of 200
  images, at both ε_FPR and under every policy. Every check for gradient masking passes. These
  runs (`-adaptive`, `-unbounded` and `-gradient-masking`) are of an earlier training, with 20
  epochs of the classifier and 15 of the autoencoder.
""",
    "cifar10": """\
- **CIFAR-10, simple CNN**: trained for 120 epochs it is right on .8020 of the 10,000 test images
  (paper: .8024; 25 epochs: .765). If all images are corrected, the defences trained on KL are
  within two points of the paper's distance to clean accuracy. If only flagged images are, the
  distances are missed: at ε_FPR 5 %, the score flags half of the attacked images (two in five
  with 25 epochs), because clean images on which M(x) and M(AE(x)) differ push the threshold up.
  The AUC under C&W is .86 (.81 with 25 epochs). **A sharper score** does better: at T = 0.5 the
  AUC is .90 on the half of the images that did not choose T, and with the mean over three
  autoencoders .91 and .92; five to eight points more of the images are kept
  ([scores.md](scores.md)).
- **The order**, all corrected, is the paper's but for AE^KL,T, which comes before AE^KL,HL4: by
  2.3 points under C&W and 2.4 under SLIDE, less than the intervals' width. With only flagged
  images corrected, the three trained on KL lie within a point of each other.
- **The four hidden layers** (Table 5) lie within each other's intervals, as do their AUCs: under
  C&W the first is ahead by one point, under SLIDE the third by half a point.
- **CIFAR-10, AE^MSE**: even without an attack, the classifier recognises only three in ten of its
  reconstructions (the row "none" of the second table), so the goal is missed by reconstruction,
  not under attack. 50 epochs in place of 20 changed nothing, and ResNet-56 recognises fewer. The
  paper's simple CNN (.6022) may tolerate blur better than ours.
- **CIFAR-10, white-box**: M(AE(x)) drops to 0, M(x) from .765 to .72 (C&W) and .745 (SLIDE). An
  autoencoder of another seed that was trained for 10 epochs restores .635 under both attacks,
  three points less than it recognises without attack; the paper's earlier checkpoint restores .68
  and .74. AE^KL,T restores .615 and .69, AE^KL,HL4 .615 and .715. A checkpoint of five epochs
  before the last restored .30, with models of 25 epochs: it is too much like the one that is
  attacked.
- **CIFAR-10, adaptive attacks** within 8/255 end undetected and wrong on every one of 200 images,
  at both ε_FPR and under every policy: the detector does not protect this classifier against an
  attacker who knows about it. Of the images that fool AE^KL undetected at ε_FPR 5 %, the held-out
  detectors flag .265 (AE^KL,HL, which matched the dense layer) and .165 (AE^KL,T) at the same
  rate (`cifar10-transfer`). These two runs are of an earlier training, with 25 epochs of the
  classifier and 20 of the autoencoders.
- **CIFAR-10, drift**: the ratio is 3.5 at severity 1 and 3.8 at severity 5 (with 25 epochs: 2.6
  and 2.0); the paper's grows to 5.87. At T = 0.5 ours is 5.9 and 4.8, on 500 images. Where the
  paper prints p = 0, ours is below 1e-169.
""",
    "resnet56": """\
- **Accuracy** is .8753 on the 10,000 test images and .8826 on the 5,000 held out, where .92 was
  the goal. Time is not what is missing: after its 70 epochs the classifier is right on .990 of
  the training images, moved and mirrored as they are, and on .877 of test images treated likewise
  (2,000 of each). With 10 epochs it was at .836. The images have lost detail and half of their
  resolution in colour to JPEG; what that costs cannot be told without the originals. Stronger
  augmentation, label smoothing and the paper's 300 epochs were not tried.
- **All corrected**, each defence trained on KL comes within 1.3 points of the paper's distance to
  clean accuracy. **Flagged corrected**, none does: at ε_FPR 5 % the score flags 28.5 % of the
  attacked images. The AUC is .84, where it was .74 with 10 epochs. M(AE(x)) differs from M(x) on
  one clean image in five, and these push the threshold up. More epochs would help little: in the
  last 20 of the 50 the loss on held-out images fell from .73 to .69, and that on training images
  from .63 to .51.
- **A sharper score does better**: with both predictions at T = 0.5 the AUC is .88 under both
  attacks on the half of the images that did not choose T (S: .84 and .85), and that of the mean
  over three autoencoders .896 (C&W) and .895 (SLIDE), where .90 and .86 were the goals. Under C&W
  33 % and 37 % of the images are kept in place of 27 %, under SLIDE 29 % and 34 % in place of
  23 % ([scores.md](scores.md)). Nothing needs to be trained anew for it.
- **The order** of AE^KL, AE^KL,T and AE^KL,HL4 cannot be told: all corrected, they lie within a
  point of each other; with only flagged images corrected, within three, and within each other's
  intervals. AE^MSE is far behind, as in the paper, and above it by 3.5 points.
- **The four hidden layers** (Table 6): they lie within each other's intervals, .744 to .747 under
  C&W and .764 to .783 under SLIDE, and so do their AUCs.
- **Drift**: the ratio is 3.25 at severity 1 and 2.67 at severity 5 (paper: 2.91 to 5.87; goal:
  2.9 at severity 5). With 10 epochs it was 1.72 and 1.81; with the score at T = 0.5 the goal is
  reached: 4.99 and 3.56, on 500 images. Where severe corruption makes M(x) unsure, there is
  little left for M(AE(x)) to differ from.
- **White-box**: M(AE(x)) drops to 0 while M(x) stays nearly intact (.85 under C&W, .87 under
  SLIDE and without attack), as the paper says. AE^KL,T restores .62 and .67, AE^KL,HL4 .625 and
  .68, of .745 and .75 without attack.

Training cost, in seconds per epoch and in bfloat16: 3.7 for the classifier and 1.6 for an
autoencoder on an H100 (`KERAS_BACKEND=jax python studies/train_next.py run`), the steps compiled
for batches of one size. Two cores of an AMD EPYC with AVX512-BF16 take 130 and 71 (150 and 121 in
float32; the autoencoder 108 and 134 without folded batch normalisation): where a step's time goes
is measured by `python -m benchmarks.training.step_profile`.
""",
}
"""By page: what was missed, and why."""

TITLES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10, simple CNN",
    "resnet56": "CIFAR-10, ResNet-56",
}
"""By page, which is also what the names of its runs begin with."""

SUMMARY = (
    ("MNIST", ("mnist", "mnist-baseline"), ATTACKS),
    (
        "MNIST",
        ("mnist-smallest-step",),
        tuple((f"FGSM {epsilon}", f"fgsm-{epsilon}-smallest") for epsilon in EPSILONS),
    ),
    ("Fashion-MNIST", ("fashion_mnist",), ATTACKS),
    ("CIFAR-10, simple CNN", ("cifar10",), ATTACKS),
    ("CIFAR-10, ResNet-56", ("resnet56",), ATTACKS),
)
"""The rows of the first table: the classifier, the runs, and their attacks.

A number is of the first run that has it.
"""


def first_page() -> Iterator[str]:
    """Yield what a reader of the paper looks for first: its tables with our numbers beside."""
    yield "Accuracy under attack with all images corrected, and the AUC of the score: ours, and"
    yield "after the stroke the paper's, where its text gives one. The AUC is that of AE^KL. n is"
    yield "10,000 on MNIST and 1,000 elsewhere. MNIST's FGSM is the smallest step that succeeds;"
    yield "its AE^MSE is of another training of the classifier (n = 1,000 for both). The pages of"
    yield "the classifiers give every interval."
    yield ""
    head = ["classifier", "attack", "no attack", "no defence"]
    yield from table([*head, "AE^MSE", "AE^KL", "AE^KL,T", "AE^KL,HL", "AUC"], list(_summary()))
    yield "C&W and SLIDE where AE^KL,HL matches one hidden layer, earliest first (Tables 5 and 6):"
    yield ""
    layers = [NAMES[defence] for defence in HIDDEN]
    yield from table(["classifier", "attack", *layers], list(_hidden_layer_rows()))
    yield "Drift: mean score of harmful rows over that of harmless ones, by severity (Figure 7);"
    yield f"the paper's is {PAPER_RATIOS[0]} to {PAPER_RATIOS[-1]}."
    yield ""
    severities = range(1, len(PAPER_RATIOS) + 1)
    ratios = [
        [name, *(number(of_drift(records, defence, s, "score_ratio"), 2) for s in severities)]
        for name, run, defence in DRIFT
        for records in [read(run)]
    ]
    yield from table(["classifier", *map(str, severities)], ratios)
    yield "Every number with its goal, what was missed and why, tables and figures of each run:"
    yield ", ".join(f"[{title}]({page}.md)" for page, title in TITLES.items()) + "."
    yield ""


def page(name: str) -> Iterator[str]:
    """Yield the lines of a classifier's page."""
    rows = [goal_row(goal) for goal in GOALS if is_of(goal.run, name)]
    if name in CIFAR_CW:
        rows += [row for reading in READINGS for row in order_rows(name, reading)]
    rows += [row for where in DRIFT if is_of(where[1], name) for row in drift_rows(*where)]
    yield f"# {TITLES[name]}: the paper's results and ours"
    yield ""
    yield "How to read this: [paper.md](paper.md)."
    yield ""
    yield from table(["what", "paper", "goal", "ours", "n", "reached", "run"], rows)
    yield "What was missed, and why:"
    yield ""
    yield MISSES[name]
    yield from (line for run in RUNS if is_of(run, name) for line in run_section(run))


def is_of(run: str, name: str) -> bool:
    """Say whether a run is on the page of this name."""
    return run == name or run.startswith(f"{name}-")


def _summary() -> Iterator[list[str]]:
    for name, runs, attacks in SUMMARY:
        records = [record for run in runs for record in read(run)]
        for label, attack in attacks:
            undefended = {"attack": attack, "metric": "accuracy_attacked"}
            by_defence = [defended(attack, "all corrected", defence) for defence in MAIN]
            clean = select(records, attack=attack, metric="accuracy_clean")
            theirs = CLEAN[runs[0]][1] if runs[0] in CLEAN else "–"
            yield [
                name,
                label,
                _beside(clean, theirs),
                *(
                    _beside(select(records, **fields), _of_paper(runs[0], fields))
                    for fields in (undefended, *by_defence, auc(attack))
                ),
            ]


def _hidden_layer_rows() -> Iterator[list[str]]:
    for name, run in HIDDEN_LAYERS:
        records = read(run)
        for label, attack in ATTACKS:
            fields = [defended(attack, "all corrected", defence) for defence in HIDDEN]
            yield [name, label, *(number(select(records, **of)) for of in fields)]


def _of_paper(run: str, fields: dict[str, object]) -> str:
    """Return the paper's number for one of ours, if its text gives one."""
    if run in CIFAR_CW and fields["attack"] == "cw" and fields["metric"] != "auc":
        accuracies = dict(zip(MAIN, CIFAR_CW[run][0], strict=True))
        if fields.get("defence") in accuracies:
            return share(accuracies[str(fields["defence"])])
    found = (goal.paper for goal in GOALS if (goal.run, goal.number) == (run, fields))
    return next(found, "–")


def _beside(ours: Record | None, theirs: str) -> str:
    """Return our number, without its interval, and the paper's."""
    if ours is None or ours["value"] is None:
        return f"– / {theirs}" if theirs != "–" else "–"
    text = share(ours["value"])
    return f"{text} / {theirs}" if theirs != "–" else text
