// What a page can measure of itself, in any browser: numbers and short texts, for tests to judge.

{
  const short = (node) => node.outerHTML.slice(0, 100);
  const article = () => document.querySelector(".bd-article");
  const seen = (node) => node.checkVisibility() && node.getClientRects().length > 0;

  // For each equation in a line: how many px its baseline lies above the line's, and what it is.
  window.baselines = () => {
    const equations = [...article().querySelectorAll("math:not([display=block])")].filter(seen);
    const probes = equations.map((math) => {
      // Empty boxes stand on the baseline: one of the line, one of the equation, never on two lines.
      const line = document.createElement("span");
      const mark = document.createElement("span");
      const own = document.createElementNS("http://www.w3.org/1998/Math/MathML", "mspace");
      line.style.whiteSpace = "nowrap";
      mark.style.cssText = "display: inline-block; width: 0; height: 0; vertical-align: baseline";
      math.replaceWith(line);
      line.append(mark, math);
      math.append(own);
      return { math, line, mark, own };
    });
    const bottom = (node) => node.getBoundingClientRect().bottom;
    const found = probes.map(({ math, mark, own }) => ({
      above: bottom(mark) - bottom(own),
      what: math.textContent.slice(0, 40),
    }));
    for (const { math, line, own } of probes) {
      own.remove();
      line.replaceWith(math);
    }
    return found;
  };

  // Of primes: their width, in the size of what they mark.
  window.primes = () =>
    [...article().querySelectorAll("mo.tml-prime")].filter(seen).map((prime) => {
      const size = Number.parseFloat(getComputedStyle(prime.closest("msup, msubsup").firstElementChild).fontSize);
      return { width: prime.getBoundingClientRect().width / size, what: prime.closest("math").textContent.slice(0, 40) };
    });

  // Of fractions in a line: the size of their parts, in that of the equation.
  window.fractions = () => {
    const size = (node) => Number.parseFloat(getComputedStyle(node).fontSize);
    const inLine = "math:not([display=block]) mfrac:not(mstyle[displaystyle=true] *)";
    return [...article().querySelectorAll(inLine)].map((each) => size(each.firstElementChild) / size(each.closest("math")));
  };

  // How many px the page is wider than its window, and what of the article's visible margin notes is cut off.
  window.overflow = () => {
    const window_ = document.documentElement.clientWidth;
    const notes = [...document.querySelectorAll(".bd-article aside.margin")].filter(seen).flatMap((note) => {
      const { left, right } = note.getBoundingClientRect();
      let [from, to] = [0, window_];
      for (let box = note.parentElement; box !== document.body; box = box.parentElement) {
        if (getComputedStyle(box).overflowX === "visible") continue;
        const edge = box.getBoundingClientRect();
        [from, to] = [Math.max(from, edge.left), Math.min(to, edge.right)];
      }
      const cut = Math.max(from - left, right - to);
      return cut > 1 ? [`${Math.round(cut)} px of ${note.textContent.trim().slice(0, 40)}`] : [];
    });
    return { page: document.documentElement.scrollWidth - window_, notes };
  };

  // Visible buttons, folds, fields and scrolled boxes around which the keyboard's focus draws nothing.
  window.unfocused = () => {
    const still = document.createElement("style");
    still.textContent = "* { transition: none !important; }";
    document.head.append(still);
    const kinds = "button, summary, input, select, textarea, a, [tabindex='0']";
    const found = [...document.querySelectorAll(kinds)].filter((node) => {
      document.activeElement.blur();
      const before = getComputedStyle(node).boxShadow;
      node.focus({ focusVisible: true, preventScroll: true });
      if (document.activeElement !== node || !seen(node)) return false;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node);
      return (outlineStyle === "none" || Number.parseFloat(outlineWidth) < 1) && boxShadow === before;
    });
    document.activeElement.blur();
    still.remove();
    return found.map(short);
  };

  // Buttons whose name is empty or holds a sign of an icon font, which a screen reader spells out.
  window.misnamed = () => {
    const spoken = (node) => {
      if (node.nodeType === Node.TEXT_NODE) return node.data;
      if (node.nodeType !== Node.ELEMENT_NODE || node.ariaHidden === "true") return "";
      const drawn = ["::before", "::after"].map((part) => {
        const { content } = getComputedStyle(node, part);
        return /^(none|normal)$|\/ ""$/.test(content) ? "" : content.replace(/^"|"$/g, "");
      });
      return drawn[0] + [...node.childNodes].map(spoken).join("") + drawn[1];
    };
    const name = (node) => (node.ariaLabel ?? "") || spoken(node).trim() || node.title;
    return [...document.querySelectorAll("button, summary, [role=button]")]
      .filter((node) => !name(node).trim() || /[\ue000-\uf8ff]/.test(name(node)))
      .map(short);
  };
}
