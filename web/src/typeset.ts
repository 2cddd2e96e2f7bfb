// For the press, not for the pages: equations become MathML when the book is rendered, so that no reader's browser sets
// any TeX.

import temml from "temml";

export interface Equation {
  tex: string;
  display: boolean;
}

export interface Typeset {
  html: string[];
  /** The equations that cannot be set, by their place in the list, and why; in `html` they are empty. */
  errors: { equation: number; says: string }[];
}

// Over a low letter alone, browsers let the radical sign hang below the line.
const STRUT = '<mpadded width="0" height="0.72em" depth="0.2em"></mpadded>';

// A large delimiter stands as close to its neighbors as a small one.
const CLOSE = '<mo lspace="0" rspace="0"';

/** MathML of every equation, for the eye as for those who listen. */
export function typeset(equations: Equation[]): Typeset {
  const html: string[] = [];
  const errors: Typeset["errors"] = [];
  for (const [equation, { tex, display }] of equations.entries()) {
    try {
      const mathml = temml.renderToString(tex, { displayMode: display, throwOnError: true });
      html.push(mathml.replaceAll("<msqrt>", `<msqrt>${STRUT}`).replaceAll(/<mo(?=[^>]* minsize=)/g, CLOSE));
    } catch (error) {
      html.push("");
      errors.push({ equation, says: reason(error as Error) });
    }
  }
  return { html, errors };
}

/** What is wrong, without the place: the press shows the whole equation. Other errors are Temml stumbling over it. */
function reason({ name, message }: Error): string {
  if (name !== "ParseError") return "something is missing";
  return message.replace(/ at (position \d+|end of input):.*$/s, "").trim();
}
