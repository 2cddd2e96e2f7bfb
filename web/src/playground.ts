// The playground in its page: what the reader asks, and what is drawn when.

import { button, EXAMPLES, element, example, Form } from "./controls";
import { DEFAULTS, NUMBERS, read, type State, write } from "./link";
import { type Name, Pictures } from "./pictures";
import { Run } from "./run";
import { type Stop, stateAt, stopOf, Tour } from "./tour";
import { labels, list, type Seen, see, settled, setup, status, summary } from "./words";

export { lifeOf, sharedNeurons, told } from "./life";
export { faultTogether, read, write } from "./link";
// For the tests that hold the page's physics against the book's.
export { expected, favorites, forces, Network, polysemanticNeurons } from "./physics";
export { draw, ln, quantile, Random } from "./random";
export { decided, initial, Run } from "./run";
export { stateAt, TOUR } from "./tour";

const PACES: Record<string, number> = {
  "1 step a frame": 1,
  "2 steps a frame": 2,
  "5 steps a frame": 5,
  "20 steps a frame": 20,
  "as many as it can": 10_000,
};
const BUDGET = 12; // ms of a frame that training may take; the rest is for drawing
const CALM = 500; // ms between two pictures where the reader wants little motion
const LISTED = 40;
const CAPTIONS = {
  neurons:
    "Every neuron is a column, every weight a dot at its height, orange if positive, blue if negative. Large dots: where a " +
    "feature’s largest weight is now; joined in green where two features share a neuron with opposite signs, in pink " +
    "where their signs are equal. On top the pairs that began on one neuron: a triangle while both are there with " +
    "opposite signs, a square while both are there with equal signs, a cross when one has left. Circled: the chosen " +
    "feature; click a dot to choose.",
  life:
    "How two features came to one neuron: for each the sizes of two weights against the step. Dashed: on the neuron where " +
    "it began, that of its largest weight; solid: on the neuron that both share in the end. Orange is positive, blue " +
    "negative. Chosen by rule: the first shared neuron on which neither feature began; if there is none, the first whose " +
    "features began on different neurons.",
  counts: "Polysemantic neurons so far. Solid: random slots; dashed: the paper’s n²/4m.",
  forces:
    "The chosen feature’s largest weights, by neuron, orange if positive, blue if negative, and the three forces on " +
    "them, outward to the right: benefit (light blue), interference (wine red), regularization (yellow).",
  weights: "All weights: features down, neurons across; orange is positive, blue negative. Framed: the chosen feature.",
};

class Playground {
  private run: Run;
  private state: State;
  private playing = false;
  /** A step to go to, from a link or the slider. */
  private target: number | null = null;
  /** A step at which playing pauses, in the tour. */
  private until = Number.POSITIVE_INFINITY;
  private saidAt = 0;
  private settled = false;
  private last: { run: Run; seen: Seen } | null = null;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private readonly pictures: Pictures;
  private readonly form: Form;
  private readonly tour: Tour;
  private readonly life: HTMLElement;
  private readonly play = button("Play", { class: "playground-play", "aria-keyshortcuts": "k" }, () => this.toggle());
  private readonly pace = element("select", { "aria-label": "pace" });
  private readonly examples = element("select", { "aria-label": "example" });
  private readonly time = element("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "step" });
  private readonly clock = element("output", { class: "playground-clock" });
  private readonly status = element("p", { class: "playground-status", role: "status" });
  private readonly notice = element("p", { class: "playground-notice", role: "alert" });
  private readonly shared = element("input", { type: "text", readonly: "", "aria-label": "link to this state" });
  private readonly feature = element("input", { type: "number", min: "0", step: "1", "aria-label": "chosen feature" });
  private readonly list = element("ul", { class: "playground-list" });
  private readonly summary = element("p", {});
  private readonly chosenSetup = element("span", { class: "playground-setup" });

  constructor(private readonly root: HTMLElement) {
    const { state, faults } = read(location.search);
    this.state = state;
    this.run = new Run(state);
    this.target = state.step || null;
    this.form = new Form(state, (changed) => this.begin(changed));
    const lost = "The browser has taken the pictures away; reload the page to see them again.";
    this.tour = new Tour({
      root,
      arrive: (stop) => this.arrive(stop),
      go: (stop) => this.show(stop),
      left: () => this.left(),
    });
    const scene = () => ({
      run: this.run,
      state: this.state,
      seen: this.seen(),
      marks: this.tour.marks,
      life: this.tour.known?.life ?? null,
    });
    this.pictures = new Pictures(root, scene, (now) => this.say(now ? lost : ""));
    this.life = figure(this.pictures.canvases.life, CAPTIONS.life);
    this.lay();
    this.say(
      faults.length ? `Not understood in this link, and left at its default: ${faults.slice(0, 3).join("; ")}.` : "",
    );
    this.watch();
    this.tour.open(stopOf(location.hash));
    requestAnimationFrame((now) => this.frame(now));
  }

  private lay(): void {
    for (const [label, steps] of Object.entries(PACES))
      this.pace.append(element("option", { value: `${steps}` }, label));
    this.pace.value = "2";
    this.examples.append(element("option", { value: "" }, "an example …"));
    for (const name of Object.keys(EXAMPLES)) this.examples.append(element("option", { value: name }, name));
    this.examples.addEventListener("change", () => {
      const chosen = EXAMPLES[this.examples.value];
      if (chosen) this.begin({ ...DEFAULTS, ...chosen });
    });
    const step = button("Step", {}, () => this.go((this.target ?? this.run.step) + 1));
    const first = button("To the start", {}, () => this.go(0));
    const copy = button("Copy link", {}, () => this.copy());
    const chosen = element("label", { class: "playground-chosen" }, "chosen feature ", this.feature);
    const { neurons, weights, counts, forces } = this.pictures.canvases;
    this.root.replaceChildren(
      this.notice,
      element("div", { class: "playground-bar" }, this.tour.start, this.play, step, first, this.pace, this.examples),
      element(
        "details",
        { class: "playground-settings" },
        element("summary", {}, "Settings ", this.chosenSetup),
        this.form.node,
      ),
      element("div", { class: "playground-time" }, this.time, this.clock),
      this.status,
      this.life,
      figure(neurons, CAPTIONS.neurons),
      element(
        "div",
        { class: "playground-pair" },
        figure(counts, CAPTIONS.counts),
        figure(forces, CAPTIONS.forces, chosen),
      ),
      figure(weights, CAPTIONS.weights),
      element("p", { class: "playground-title", id: "play-collisions" }, "Collisions"),
      this.summary,
      element(
        "div",
        { class: "playground-scroll", tabindex: "0", role: "region", "aria-labelledby": "play-collisions" },
        this.list,
      ),
      element("div", { class: "playground-share" }, this.shared, copy),
      this.tour.node,
    );
    this.life.hidden = true;
  }

  private watch(): void {
    this.time.addEventListener("input", () => this.go(Number(this.time.value)));
    this.feature.addEventListener("change", () => this.choose(Number(this.feature.value)));
    for (const name of ["neurons", "weights"] as const) {
      this.pictures.canvases[name].addEventListener("click", (event) =>
        this.choose(this.pictures.featureAt(name, event)),
      );
    }
    document.addEventListener("visibilitychange", () => document.hidden && this.pause());
    this.root.addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === "k" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) this.toggle();
    });
  }

  /** Start anew, as the reader asks. */
  private begin(state: State): void {
    this.tour.close();
    this.renew(state);
  }

  private renew(state: State): void {
    this.rest();
    this.until = Number.POSITIVE_INFINITY;
    this.state = { ...state, step: 0 };
    this.run = new Run(this.state);
    this.target = null;
    this.settled = false;
    this.form.show(this.state);
    this.say("");
    this.sync();
    this.pictures.touch();
  }

  /** The tour has come to a stop: its state, and the step at which it begins. */
  private arrive(stop: Stop): void {
    const asked = stateAt(stop);
    const same = write({ ...this.state, step: 0, feature: 0 }) === write(asked);
    if (same) this.choose(0);
    else this.renew(asked);
    this.life.hidden = !stop.looks.includes("life");
    this.pace.value = `${stop.pace}`;
    this.go(stop.from);
  }

  /** What the tour says here is known: it is run, or, where the reader wants little motion, shown. */
  private show(stop: Stop): void {
    const [feature] = stop.marks(this.tour.known ?? { start: [], shared: [], life: null }).features;
    this.choose(feature ?? 0);
    if (this.calm.matches) this.go(stop.to);
    else {
      this.go(stop.from);
      this.roll();
      this.until = stop.to;
    }
  }

  private left(): void {
    this.until = Number.POSITIVE_INFINITY;
    this.life.hidden = true;
    this.sync();
    this.pictures.touch();
  }

  private toggle(): void {
    if (this.playing) this.pause();
    else {
      this.roll();
      this.target = null;
    }
  }

  /** Play, from here or from the target. */
  private roll(): void {
    this.playing = true;
    this.play.textContent = "Pause";
    this.status.setAttribute("aria-live", "off"); // it is said again when all rests
  }

  private pause(): void {
    this.rest();
    this.sync();
    this.pictures.touch();
  }

  private rest(): void {
    this.playing = false;
    this.play.textContent = "Play";
  }

  private go(step: number): void {
    if (this.playing) this.pause();
    this.settled = false;
    this.target = Math.max(0, Math.min(step, NUMBERS.step.max));
  }

  private choose(feature: number): void {
    this.state.feature = Number.isInteger(feature) ? Math.max(0, Math.min(this.state.n - 1, feature)) : 0;
    this.sync();
    this.pictures.touch();
  }

  private frame(now: number): void {
    requestAnimationFrame((next) => this.frame(next));
    if (this.target === null) this.tour.work(2 * BUDGET);
    const moved = this.target === null ? this.playing && this.train(Number(this.pace.value)) : this.seek(this.target);
    const rests = this.target === null && !this.playing; // what is said then is what the pictures show
    const due = rests || !this.calm.matches || now - this.pictures.drawnAt > CALM;
    if (moved && due) this.pictures.touch();
    // The first words come in a frame of their own, so that the page answers meanwhile.
    if (!this.saidAt) this.sync();
    else if (this.pictures.frame()) this.follow();
  }

  /** Some steps on, as far as the frame's time goes; whether anything moved. */
  private train(steps: number): boolean {
    const end = performance.now() + BUDGET;
    for (let done = 0; done < steps; done++) {
      if (this.run.step >= NUMBERS.step.max) return this.stop("This page stops here.");
      if (!this.run.advance()) return this.stop("The weights stopped being finite: choose a smaller learning rate.");
      if (this.run.step === this.until) break;
      if (performance.now() > end) break;
    }
    const ends = this.run.step === this.until;
    // On its way the tour does not stop where all is decided: it goes to its own end.
    const waits = !ends && this.run.step < this.until && this.until < Number.POSITIVE_INFINITY;
    const why = this.settled || waits ? "" : settled(this.seen());
    if (why || ends) {
      this.settled = true;
      return this.stop(why);
    }
    return true;
  }

  private stop(why: string): true {
    this.target = null;
    this.pause();
    this.status.textContent = `${why} ${this.status.textContent}`.trim();
    return true;
  }

  private seek(target: number): boolean {
    this.run.back(target);
    const end = performance.now() + 2 * BUDGET;
    while (this.run.step < target && performance.now() < end) {
      if (!this.run.advance()) return this.stop("The weights stopped being finite: choose a smaller learning rate.");
    }
    if (this.run.step === target) {
      this.target = null;
      this.sync();
    } else
      this.clock.textContent = `step ${this.run.step.toLocaleString("en-US")}, going to ${target.toLocaleString("en-US")}`;
    return true;
  }

  /** The run as it is now; worked out once, though pictures, words and the end of training ask. */
  private seen(): Seen {
    const { run, last } = this;
    if (last?.run !== run || last.seen.step !== run.step) this.last = { run, seen: see(run) };
    return (this.last as { seen: Seen }).seen;
  }

  /** What is written, after what has happened: the address, the fields, the words for a screen reader. */
  private sync(): void {
    this.state.step = this.target ?? this.run.step;
    const query = write(this.state);
    const anchor = stopOf(location.hash) ? "" : location.hash;
    const address = this.tour.at ? `#tour-${this.tour.at}` : `${query}${anchor}`;
    try {
      history.replaceState(null, "", `${location.pathname}${address}`);
    } catch {
      // A page without an address of its own, such as in a frame, keeps it as it is.
    }
    this.shared.value = `${location.href.replace(/[?#].*/s, "")}${query}`;
    this.feature.max = `${this.state.n - 1}`;
    this.feature.value = `${this.state.feature}`;
    this.status.setAttribute("aria-live", "polite");
    this.status.textContent = status(this.seen(), this.state);
    this.chosenSetup.textContent = setup(this.state);
    this.examples.value = example(this.state);
    const said = labels(this.seen(), this.run.network.W, this.state, this.tour.marks, this.tour.known?.life ?? null);
    for (const name of Object.keys(said) as Name[]) this.pictures.canvases[name].setAttribute("aria-label", said[name]);
    this.tell();
  }

  /** What is written beside the pictures while they move. */
  private follow(): void {
    const { run } = this;
    this.time.max = `${run.reached}`;
    this.time.value = `${run.step}`;
    this.time.setAttribute("aria-valuetext", `step ${run.step} of ${run.reached}`);
    if (this.target === null) this.clock.textContent = `step ${run.step.toLocaleString("en-US")}`;
    if (this.pictures.drawnAt - this.saidAt > 250) {
      if (this.playing) this.status.textContent = status(this.seen(), this.state);
      this.tell();
    }
  }

  /** The list of collisions. */
  private tell(): void {
    this.saidAt = performance.now();
    const lines = list(this.seen());
    this.summary.textContent = summary(this.seen());
    const shown = lines.slice(0, LISTED);
    if (lines.length > LISTED) shown.push(`… and ${lines.length - LISTED} more`);
    const old = Array.from(this.list.children, (item) => item.textContent);
    if (shown.join("\n") !== old.join("\n")) this.list.replaceChildren(...shown.map((text) => element("li", {}, text)));
  }

  private copy(): void {
    this.pause();
    this.shared.select();
    const done = (): string => (this.status.textContent = "Link copied.");
    const failed = (): string =>
      (this.status.textContent = "Copy the link from the field: the browser does not let the page do it.");
    if (navigator.clipboard) navigator.clipboard.writeText(this.shared.value).then(done, failed);
    else failed();
  }

  private say(text: string): void {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }
}

function figure(canvas: HTMLCanvasElement, caption: string, ...after: Node[]): HTMLElement {
  return element("figure", {}, canvas, element("figcaption", {}, caption), ...after);
}

if (typeof document !== "undefined") {
  const root = document.getElementById("play");
  if (root) {
    try {
      new Playground(root);
    } catch (error) {
      root.style.minHeight = "0";
      root.replaceChildren(
        element(
          "p",
          { role: "alert" },
          "The playground cannot run in this browser; the pictures below show what it does.",
        ),
      );
      console.warn(error);
    }
  }
}
