// For the press, not for the pages: equations set once, when the book is rendered, so that no reader's browser has to.

import { AssistiveMmlHandler } from "mathjax-full/js/a11y/assistive-mml.js";
import type { LiteElement } from "mathjax-full/js/adaptors/lite/Element.js";
import { liteAdaptor } from "mathjax-full/js/adaptors/liteAdaptor.js";
import { RegisterHTMLHandler } from "mathjax-full/js/handlers/html.js";
import { TeX } from "mathjax-full/js/input/tex.js";
import "mathjax-full/js/input/tex/ams/AmsConfiguration.js";
import "mathjax-full/js/input/tex/base/BaseConfiguration.js";
import "mathjax-full/js/input/tex/newcommand/NewcommandConfiguration.js";
import { mathjax } from "mathjax-full/js/mathjax.js";
import { CHTML } from "mathjax-full/js/output/chtml.js";

export interface Equation {
  tex: string;
  display: boolean;
}

export interface Typeset {
  html: string[];
  css: string;
  /** The first equation that cannot be set, and why. */
  error?: { equation: number; says: string };
}

/** HTML of every equation, with MathML for those who listen, and the style sheet that they share. */
export function typeset(equations: Equation[], fonts: string): Typeset {
  const adaptor = liteAdaptor();
  AssistiveMmlHandler(RegisterHTMLHandler(adaptor));
  const input = new TeX<LiteElement, unknown, unknown>({
    packages: ["base", "ams", "newcommand"],
    formatError: (_: unknown, error: Error) => {
      throw error;
    },
  });
  const output = new CHTML<LiteElement, unknown, unknown>({ fontURL: fonts });
  const document = mathjax.document("", { InputJax: input, OutputJax: output });
  const html: string[] = [];
  for (const [equation, { tex, display }] of equations.entries()) {
    try {
      html.push(adaptor.outerHTML(document.convert(tex, { display }) as LiteElement));
    } catch (error) {
      return { html, css: "", error: { equation, says: (error as Error).message } }; // TeX's own are no instances of it
    }
  }
  return { html, css: adaptor.textContent(output.styleSheet(document) as LiteElement) };
}
