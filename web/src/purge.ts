// For the press, not for the pages: style sheets without what no page uses.

import postcss, { type AtRule, type ChildNode, type Container, type Root } from "postcss";
import { PurgeCSS } from "purgecss";

/** What the tags of the pages name. */
export interface Names {
  tags: string[];
  classes: string[];
  ids: string[];
  attributes: string[];
}

export interface Job {
  /** Names of style sheets, which become one. */
  sheets: string[];
  /** Without it, everything stays. */
  names?: Names;
  /** Scripts that change the pages: any word in them may be the name of something. */
  scripts?: string[];
  /** Names that are used although neither pages nor scripts say so. */
  kept?: string[];
  /** Custom properties that other styles ask for; without it, all custom properties stay. */
  variables?: string[];
}

// What asks for nothing but a state, such as the ring around what has the focus, applies to every page.
const PSEUDO = /^:/;

/** Each job's style sheet; `texts` holds the style sheets by their names, with those that they import. */
export async function purge(texts: Record<string, string>, jobs: Job[]): Promise<string[]> {
  const made: string[] = [];
  for (const job of jobs) {
    const root = postcss.root();
    for (const name of job.sheets) root.append(read(texts, name));
    const css = job.names ? await used(root, job, job.names) : root.toString();
    made.push(compact(postcss.parse(css)));
  }
  return made;
}

/** A style sheet with those that it imports in the place of the imports. */
function read(texts: Record<string, string>, name: string): Root {
  if (!(name in texts)) throw new Error(`there is no style sheet ${name}`);
  const root = postcss.parse(texts[name], { from: name });
  root.walkAtRules("import", (rule) => {
    const address = /^(?:url\()?\s*["']?([^"')]+)/.exec(rule.params)?.[1] ?? "";
    rule.replaceWith(read(texts, new URL(address, `file:///${name}`).pathname.slice(1)));
  });
  return root;
}

async function used(root: Root, job: Job, names: Names): Promise<string> {
  const { tags, classes, ids, attributes } = names;
  const pages = { tags, classes, ids, attributes: { names: attributes, values: [] }, undetermined: [] };
  const scripts = (job.scripts ?? []).map((raw) => ({ raw, extension: "js" }));
  const [result] = await new PurgeCSS().purge({
    content: [{ raw: "", extension: "names" }, ...scripts],
    css: [{ raw: root.toString() }],
    extractors: [{ extractor: () => pages, extensions: ["names"] }],
    dynamicAttributes: attributes, // scripts change their values
    safelist: { standard: [PSEUDO, ...(job.kept ?? [])], variables: job.variables ?? [] },
    variables: job.variables !== undefined,
  });
  return result.css;
}

/** The style sheet on few lines, without comments except copyrights, and without fonts: those of the theme are icons. */
function compact(root: Root): string {
  root.walk((node) => {
    const before = node.parent === root ? "\n" : "";
    if (node.type === "comment") {
      if (node.text.startsWith("!")) node.raws.before = before;
      else node.remove();
    } else if (node.type === "decl") {
      node.value = /["']/.test(node.value) ? node.value : node.value.replaceAll(/\s+/g, " ");
      node.raws = { before, between: ":" };
    } else if (node.type === "rule") {
      node.selectors = node.selectors.map((selector) => selector.replaceAll(/\s+/g, " "));
      node.raws = { before, between: "", after: "", semicolon: false };
    } else if (["font-face", "charset"].includes(node.name)) {
      node.remove();
    } else {
      node.raws = { before, between: "", after: "", afterName: /^\(/.test(node.params) ? "" : " ", semicolon: false };
    }
  });
  root.walk((node) => {
    if ("nodes" in node) dropEmpty(node);
  });
  return root.toString().trim();
}

function dropEmpty(node: ChildNode & Container): void {
  let empty: Container | AtRule | undefined = node.nodes && !node.nodes.length ? node : undefined;
  while (empty && empty.type !== "root" && !empty.nodes?.length) {
    const parent = empty.parent as Container | undefined;
    empty.remove();
    empty = parent;
  }
}
