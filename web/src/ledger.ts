// The ledger's page: its lines are filtered and sorted here, and one opens where an address asks for it.

const lists = document.querySelectorAll<HTMLElement>(".ledger-lines");
const controls = document.querySelector<HTMLElement>(".ledger-controls");

function begin(list: HTMLElement, controls: HTMLElement): () => void {
  const lines = [...list.children] as HTMLElement[];
  const selects = [...controls.querySelectorAll("select")];
  const filters = selects.filter(({ name }) => name !== "order");
  const order = selects.find(({ name }) => name === "order");
  const left = controls.querySelector("output");
  const all = controls.querySelector<HTMLElement>(".ledger-all");

  const filter = (): void => {
    for (const line of lines) line.hidden = filters.some(({ name, value }) => value && line.dataset[name] !== value);
    const shown = lines.filter((line) => !line.hidden).length;
    if (left) left.textContent = `${shown} of ${lines.length} claims`;
    if (all) all.hidden = shown === lines.length;
  };
  // Values stand in their filter in the order that makes sense; claims with the same one stay as they were.
  const sort = (): void => {
    const by = filters.find(({ name }) => name === order?.value);
    const values = by ? [...by.options].map(({ value }) => value) : [];
    const rank = (line: HTMLElement): number => (by ? values.indexOf(line.dataset[by.name] ?? "") : 0);
    list.append(...[...lines].sort((one, other) => rank(one) - rank(other)));
  };
  const showAll = (): void => {
    for (const each of filters) each.value = "";
    filter();
  };
  for (const each of filters) each.addEventListener("change", filter);
  order?.addEventListener("change", sort);
  all?.addEventListener("click", () => {
    showAll();
    filters[0]?.focus(); // the button is gone
  });
  controls.hidden = false;
  filter(); // a browser may have kept what was chosen before a reload
  if (order?.value) sort();
  return showAll;
}

const showAll = lists[0] && controls ? begin(lists[0], controls) : undefined;

function open(): void {
  const line = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = line?.matches(".ledger-line") && line.querySelector("details");
  if (!line || !fold) return;
  const away = line.hidden;
  if (away) showAll?.(); // whom a link asks for is shown, filtered or not
  fold.open = true;
  if (away) line.scrollIntoView();
}

addEventListener("hashchange", open);
open();
