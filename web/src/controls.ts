// The controls: fields for a setup, with their faults beside them, and the buttons of time.

import { CHOICES, DEFAULTS, fault, faultTogether, NUMBERS, type State } from "./link";

type Child = Node | string;

/** An element with attributes and children; texts are texts, never markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(label: string, attributes: Record<string, string>, act: () => void): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

const WORDS: Record<string, string> = {
  sgd: "gradient descent",
  adamw: "AdamW, as released",
  random: "random",
  deduplicated: "random, largest weights on different neurons",
  benign: "features 0 and 1 planted: opposite signs",
  malign: "features 0 and 1 planted: the same sign",
};

const LABELS: Record<Exclude<keyof State, "step" | "feature">, string> = {
  n: "features, n",
  m: "neurons, m",
  l1: "ℓ1 penalty, λ",
  optimizer: "trained by",
  lr: "learning rate",
  noise: "hidden noise",
  sigma: "its size, σ",
  init: "start",
  seed: "seed",
};

export const EXAMPLES: Record<string, Partial<State>> = {
  "a crowd": {},
  "one pair, opposite signs": { n: 2, m: 12, init: "benign", seed: 3 },
  "one pair, the same sign": { n: 2, m: 12, init: "malign", seed: 3 },
  "all begin apart": { init: "deduplicated", seed: 2 },
  "a large crowd": { n: 64, m: 256, l1: 0.02 },
  "the paper’s optimizer": { n: 32, m: 64, l1: 0.01, optimizer: "adamw", lr: 0.001 },
  "noise instead of the ℓ1 penalty": { n: 8, m: 16, l1: 0, noise: "bipolar", sigma: 0.15 },
};

/** The example that a state is one of, or has been; empty if none. */
export function example(state: State): string {
  const same = ([, differs]: [string, Partial<State>]): boolean => {
    const asked = { ...DEFAULTS, ...differs };
    return (Object.keys(LABELS) as (keyof typeof LABELS)[]).every((name) => state[name] === asked[name]);
  };
  return Object.entries(EXAMPLES).find(same)?.[0] ?? "";
}

/** The form of the setup. `changed` gets a state that is allowed, and only such. */
export class Form {
  readonly node: HTMLElement;
  private readonly fields = new Map<string, HTMLInputElement | HTMLSelectElement>();
  private readonly message = element("p", { class: "playground-fault", role: "alert", id: "playground-fault" });

  constructor(
    private state: State,
    private readonly changed: (state: State) => void,
  ) {
    const grid = element("div", { class: "playground-fields" });
    for (const [name, label] of Object.entries(LABELS)) grid.append(this.field(name as keyof typeof LABELS, label));
    const fieldset = element("fieldset", {}, element("legend", {}, "Settings; a change starts anew"), grid);
    this.node = element("form", { class: "playground-form", novalidate: "" }, fieldset, this.message);
    this.node.addEventListener("change", () => this.submit());
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.show(state);
  }

  /** Put a state into the fields. */
  show(state: State): void {
    this.state = state;
    for (const [name, field] of this.fields) {
      field.value = String(state[name as keyof State]);
      field.removeAttribute("aria-invalid");
    }
    this.message.textContent = "";
  }

  private field(name: keyof typeof LABELS, label: string): HTMLLabelElement {
    const described = { name, "aria-describedby": "playground-fault" };
    let field: HTMLInputElement | HTMLSelectElement;
    if (name in CHOICES) {
      const options = CHOICES[name as keyof typeof CHOICES].map((value) =>
        element("option", { value }, WORDS[value] ?? value),
      );
      field = element("select", described, ...options);
    } else {
      const whole = NUMBERS[name as keyof typeof NUMBERS].whole;
      const mode = { inputmode: whole ? "numeric" : "decimal", autocomplete: "off", spellcheck: "false" };
      field = element("input", { ...described, ...mode, type: "text" });
    }
    this.fields.set(name, field);
    return element("label", {}, element("span", {}, label), field);
  }

  private submit(): void {
    const next: Record<string, string | number> = { ...this.state, step: 0 };
    const faults: string[] = [];
    for (const [name, field] of this.fields) {
      const text = field.value.trim().replace("−", "-");
      const wrong = fault(name as keyof State, text);
      field.toggleAttribute("aria-invalid", false);
      if (wrong) {
        faults.push(`${LABELS[name as keyof typeof LABELS]}: ${wrong}`);
        field.setAttribute("aria-invalid", "true");
      } else next[name] = name in NUMBERS ? Number(text) : text;
    }
    const state = next as unknown as State;
    if (!faults.length) {
      state.feature = Math.min(state.feature, state.n - 1);
      const together = faultTogether(state);
      if (together) faults.push(together.says);
    }
    this.message.textContent = faults.join("; ");
    const same = [...this.fields.keys()].every(
      (name) => state[name as keyof State] === this.state[name as keyof State],
    );
    if (faults.length || same) return;
    this.state = state;
    this.changed(state);
  }
}
