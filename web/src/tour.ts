// The guided tour: five stops, each with a state of the playground, what is run there, what is marked, and two sentences.

import { button, element } from "./controls";
import { apart, type Life, lifeOf, type Shared, sharedNeurons, told } from "./life";
import { DEFAULTS, type State } from "./link";
import { expected, type Favorite } from "./physics";
import type { Name } from "./pictures";
import { Run } from "./run";

/** What pictures mark: some features, and some neurons. */
export interface Marks {
  features: number[];
  neurons: number[];
}

/** What is known of a stop's run: its start, and its end where the stop needs it. */
export interface Known {
  start: Favorite[];
  shared: Shared[];
  life: Life | null;
}

export interface Stop {
  title: string;
  state: Partial<State>;
  /** The steps that are shown, and how many in each frame. */
  from: number;
  to: number;
  pace: number;
  /** Whether words and marks need the end of the run: then the run is trained ahead. */
  ahead: boolean;
  /** The pictures that are meant, the most important first. */
  looks: Name[];
  marks: (known: Known) => Marks;
  says: (known: Known) => string;
}

const CROWD: Partial<State> = { n: 32, m: 64, seed: 1 };
const pair = { features: [0, 1], neurons: [] };

export const TOUR: Stop[] = [
  {
    title: "Two features on one neuron",
    state: { n: 2, m: 1, lr: 0.005, init: "benign", seed: 31 },
    from: 0,
    to: 200,
    pace: 1,
    ahead: false,
    looks: ["neurons"],
    marks: () => pair,
    says: () =>
      "Two features have weights of opposite signs on the only neuron. " +
      "The ReLU cuts each out of the other’s output: sharing costs nothing.",
  },
  {
    title: "Two features alone: both stay",
    state: { n: 2, m: 12, init: "benign", seed: 3 },
    from: 0,
    to: 420,
    pace: 2,
    ahead: false,
    looks: ["neurons"],
    marks: ({ start }) => ({ features: [0, 1], neurons: [start[0].neuron] }),
    says: ({ start }) =>
      `Both features begin with their largest weight on neuron ${start[0].neuron}, with opposite signs. ` +
      "There is no other feature, and both stay.",
  },
  {
    title: "A crowd: 32 features, 64 neurons",
    state: CROWD,
    from: 0,
    to: 300,
    pace: 2,
    ahead: false,
    looks: ["weights", "forces"],
    marks: () => ({ features: [0], neurons: [] }),
    says: () =>
      "The ℓ1 penalty thins each row until few weights are left. " +
      "Interference pushes features apart wherever one leaks into the output of another.",
  },
  {
    title: "Shared neurons, counted",
    state: CROWD,
    from: 300,
    to: 1340,
    pace: 5,
    ahead: true,
    looks: ["counts", "neurons"],
    marks: ({ shared }) => ({ features: [], neurons: shared.map(({ neuron }) => neuron) }),
    says: ({ shared, start: { length } }) =>
      `In the end ${shared.length} neurons are shared; the paper expects n²/4m = ` +
      `${expected(length, stateAt(TOUR[3]).m)?.paper}. One run cannot test that: another seed gives another count.`,
  },
  {
    title: "The life of one shared neuron",
    state: CROWD,
    from: 0,
    to: 1340,
    pace: 5,
    ahead: true,
    looks: ["life", "neurons"],
    marks: ({ life }) => ({
      features: life ? life.shared.features : [],
      neurons: life ? [life.shared.neuron] : [],
    }),
    says: ({ shared, life }) => {
      if (!life) return "In this run no two features that began on different neurons end on one.";
      const { neuron, features, began } = life.shared;
      return (
        `Features ${features.join(" and ")} begin with their largest weights on neurons ${began.join(" and ")}; both end ` +
        `on neuron ${neuron}. Of the ${shared.length} shared neurons here, ${shared.filter(apart).length} join features ` +
        "that began on different neurons."
      );
    },
  },
];

/** The stop that an address names, from 1; 0 if none. */
export function stopOf(hash: string): number {
  const found = Number(/^#tour-(\d)$/.exec(hash)?.[1] ?? 0);
  return found <= TOUR.length ? found : 0;
}

/** The state at a stop. */
export const stateAt = ({ state }: Stop): State => ({ ...DEFAULTS, ...state });

/** What the tour asks of the playground. */
interface Host {
  root: HTMLElement;
  /** Show the state at which a stop begins. */
  arrive: (stop: Stop) => void;
  /** Words and marks are there: run what is to be seen. */
  go: (stop: Stop) => void;
  /** The tour is over. */
  left: () => void;
}

export class Tour {
  /** The stop, from 1; 0 without a tour. */
  at = 0;
  known: Known | null = null;
  readonly start = button("Take the tour", { class: "playground-take" }, () => this.open(1));
  private readonly progress = element("span", { class: "playground-progress" });
  private readonly title = element("span", { id: "tour-title" });
  private readonly text = element("p", { id: "tour-text" });
  private readonly back = button("Back", {}, () => this.open(this.at - 1));
  private readonly next = button("Next", { class: "playground-play", autofocus: "" }, () => this.open(this.at + 1));
  private readonly finish = button("End", { "aria-keyshortcuts": "Escape" }, () => this.end());
  readonly node = element(
    "dialog",
    { class: "playground-tour", "aria-labelledby": "tour-title", "aria-describedby": "tour-text" },
    element(
      "div",
      { "aria-live": "polite", "aria-atomic": "true" },
      element("p", { class: "playground-title" }, this.title, " ", this.progress),
      this.text,
    ),
    element("div", { class: "playground-bar" }, this.back, this.next, this.finish),
  );
  /** The run that is trained ahead; it is kept for the stops that have the same. */
  private ahead: { stop: Stop; run: Run } | null = null;

  constructor(private readonly host: Host) {
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => {
      const asked = stopOf(location.hash);
      if (asked && asked !== this.at) this.open(asked);
      else if (!asked) this.close();
    });
    // A browser goes to the place that the address names, or to where the reader was, until the page is loaded. The event
    // "load" itself ends at web/src/book.ts.
    document.addEventListener("readystatechange", () => {
      if (document.readyState === "complete") setTimeout(() => this.stop && this.look(this.stop), 100);
    });
  }

  get stop(): Stop | null {
    return TOUR[this.at - 1] ?? null;
  }

  get marks(): Marks | null {
    return (this.known && this.stop?.marks(this.known)) ?? null;
  }

  open(at: number): void {
    const stop = TOUR[at - 1];
    if (!stop) return;
    const fresh = !this.at;
    const focused = document.activeElement;
    this.at = at;
    this.known = null;
    this.title.textContent = stop.title;
    this.progress.textContent = `${at} of ${TOUR.length}`;
    this.text.textContent = "One moment: the run is trained to its end.";
    this.back.disabled = at === 1;
    this.next.disabled = at === TOUR.length;
    this.host.arrive(stop);
    if (stop.ahead) {
      if (this.ahead?.stop.state !== stop.state) this.ahead = { stop, run: new Run(stateAt(stop)) };
      this.work(0);
    } else this.know(stop, new Run(stateAt(stop)));
    if (fresh) this.node.show();
    else if (focused === this.next && this.next.disabled) this.finish.focus({ preventScroll: true });
    else if (focused === this.back && this.back.disabled) this.next.focus({ preventScroll: true });
    this.look(stop);
  }

  end(): void {
    const { activeElement } = document;
    const inside = this.node.contains(activeElement) || activeElement === document.body;
    this.close();
    if (inside) this.start.focus();
  }

  /** End, and leave the focus where it is: the reader has turned to something else. */
  close(): void {
    if (!this.at) return;
    this.at = 0;
    this.known = null;
    this.node.close();
    document.documentElement.style.scrollPaddingBottom = "";
    this.light([]);
    this.host.left();
  }

  /** Train ahead for so many ms, if that is still to do. */
  work(budget: number): void {
    const { stop, ahead } = this;
    if (!stop?.ahead || this.known || !ahead) return;
    const end = performance.now() + budget;
    while (ahead.run.step < stop.to && performance.now() < end) ahead.run.advance();
    if (ahead.run.step >= stop.to) this.know(stop, ahead.run);
  }

  private know(stop: Stop, run: Run): void {
    const shared = stop.ahead ? sharedNeurons(run) : [];
    const one = told(shared);
    this.known = { start: run.start, shared, life: one && lifeOf(run, one) };
    this.text.textContent = stop.says(this.known);
    this.host.go(stop);
    this.look(stop);
  }

  /** Frame the pictures that are meant, and bring them into view: all if there is room, else the first of them. */
  private look({ looks }: Stop): void {
    this.light(looks);
    document.documentElement.style.scrollPaddingBottom = `${this.node.offsetHeight + 16}px`;
    for (const [place, name] of [...looks].reverse().entries()) {
      const block = place ? "nearest" : "start";
      this.host.root.querySelector(`.playground-${name}`)?.scrollIntoView({ block, behavior: "instant" });
    }
  }

  private light(looks: Name[]): void {
    for (const canvas of this.host.root.querySelectorAll("canvas"))
      canvas.classList.toggle(
        "playground-lit",
        looks.some((name) => canvas.matches(`.playground-${name}`)),
      );
  }

  private key(event: KeyboardEvent): void {
    const { key, target } = event;
    if (!this.at || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (!(target instanceof Element) || (target !== document.body && !this.host.root.contains(target))) return;
    if (key === "Escape") this.end();
    else if ((key === "ArrowRight" || key === "ArrowLeft") && !target.closest("input, select, .playground-scroll"))
      this.open(this.at + (key === "ArrowRight" ? 1 : -1));
    else return;
    event.preventDefault();
  }
}
