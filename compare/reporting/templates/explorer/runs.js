"use strict";
// Two runs side by side: what is chosen for each, and what is drawn of it.

const number = (value) => Number(value.toPrecision(4)).toString();
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const quoted = (name) => `\u201c${name}\u201d`;

// A run as its panel needs it, decoded.
function opened(run) {
  return { ...run, points: decodedPoints(run.points), chords: decodedChords(run.chords), masses: run.masses ?? run.tokens.map(() => 1 / run.tokens.length) };
}

// Clusters, tree and looks of a run at a radius; energies at a beta.
function analysed(run, radius) {
  const depths = run.depths.length, count = run.tokens.length, pairs = run.chords.length / depths;
  const clusters = run.depths.map((_, at) => clustersAt(run.chords.subarray(at * pairs, (at + 1) * pairs), count, radius));
  const { joins, order } = treeOf(joinings(run.chords, depths, radius), count), rank = ranksOf(joins, count);
  return { clusters, numbers: clusters.map(numberOf), joins, order, looks: clusters.map((each) => looksOf(each, rank)) };
}

const energiesOf = (run, beta) => {
  const pairs = run.chords.length / run.depths.length;
  return run.depths.map((_, at) => energyOf(run.chords.subarray(at * pairs, (at + 1) * pairs), run.masses, beta));
};

// What merges at a depth, in words.
function mergersAt(run, { joins }, at) {
  const here = joins.filter(({ height }) => height === at), count = run.tokens.length;
  const branch = (node) => {
    const tokens = node < count ? [node] : joins[node - count].tokens;
    return quoted(run.tokens[tokens[0]]) + (tokens.length > 1 ? ` and ${tokens.length - 1} more` : "");
  };
  if (at === 0) return here.length ? `${counted(here.length, "pair")} together from the start` : "";
  const named = here.slice(-2).map(({ a, b }) => `${branch(a)} with ${branch(b)}`);
  const more = here.length - named.length;
  return here.length ? `merge here: ${named.join("; ")}${more ? `; and ${more} more` : ""}` : "";
}

// root: a panel of the page. data: all runs. radius(): the chord. moved(share): called where the depth is moved.
// Returns { choose(index), goto(share), refresh() }.
function runPanel(root, data, radius, moved) {
  const part = (name) => root.querySelector(`.${name}`);
  const select = part("run"), slider = part("depth"), picker = part("token"), beta = part("beta");
  let run = null, found = null, energies = [], tree = null, at = 0, token = -1;

  const pick = (next) => {
    token = next === token ? -1 : next;
    picker.value = String(token);
    tree = { ...found, token };
    show();
  };
  const tell = (name, text) => { part(name).textContent = text || part(name).dataset.rest; };
  const named = (name) => tell("name", name ? `token ${quoted(name)}` : token < 0 ? "" : `picked: ${quoted(run.tokens[token])}`);
  const showSphere = sphere(part("ball-of-tokens"), data.colours, pick, named);
  const showMatrix = matrix(part("cosines"), data.colours, (text) => tell("pair", text), pick);
  const go = (next) => {
    at = next;
    show();
    moved(run.depths.length > 1 ? at / (run.depths.length - 1) : 0);
  };
  const showCharts = charts(part("charts"), go);

  const show = () => {
    const count = run.tokens.length, pairs = run.chords.length / run.depths.length;
    const looks = found.looks[at];
    const chords = run.chords.subarray(at * pairs, (at + 1) * pairs);
    showSphere({ points: run.points.subarray(3 * count * at, 3 * count * (at + 1)), looks, names: run.tokens, token });
    showMatrix({ chords, order: found.order, names: run.tokens, looks, token });
    showCharts({ depths: run.depths, unit: run.unit, energies, numbers: found.numbers, tree, at, label: `energy at beta = ${number(Number(beta.value))}` });
    const said = `${run.unit} ${run.unit === "layer" ? "" : "= "}${Number(run.depths[at].toPrecision(5))}`;
    slider.value = at;
    slider.setAttribute("aria-valuetext", said);
    part("where").textContent = `${said} (${at + 1} of ${run.depths.length}): ${counted(found.numbers[at], "cluster")}, energy ${number(energies[at])}`;
    part("events").textContent = mergersAt(run, found, at);
    named("");
  };
  const analyse = () => {
    found = analysed(run, radius());
    tree = { ...found, token };
    show();
  };
  const weigh = () => {
    energies = energiesOf(run, Math.max(0, Number(beta.value) || 0));
    show();
  };
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  const choose = (index) => {
    run = opened(data.runs[index]);
    select.value = String(index);
    slider.max = run.depths.length - 1;
    at = Math.floor((run.depths.length - 1) / 2);
    token = -1;
    picker.replaceChildren(option(-1, "none"), ...run.tokens.map((name, each) => option(each, `${each + 1}: ${name}`)));
    beta.value = run.beta ?? 9;
    part("facts").textContent = run.facts;
    part("whose").textContent = run.beta === null ? "(not of this run)" : "";
    energies = energiesOf(run, Number(beta.value));
    analyse();
  };
  const jump = (by) => {
    const heights = [...new Set(found.joins.map(({ height }) => height).filter((each) => each > 0 && each < run.depths.length))];
    const next = by > 0 ? heights.find((each) => each > at) : heights.findLast((each) => each < at);
    if (next !== undefined) go(next);
  };

  for (const kind of Object.keys(data.kinds)) {
    const group = Object.assign(document.createElement("optgroup"), { label: data.kinds[kind] });
    data.runs.forEach((each, index) => { if (each.kind === kind) group.append(option(index, each.label)); });
    if (group.children.length) select.append(group);
  }
  select.addEventListener("change", () => choose(Number(select.value)));
  slider.addEventListener("input", () => go(Number(slider.value)));
  picker.addEventListener("change", () => { token = -2; pick(Number(picker.value)); });
  beta.addEventListener("input", weigh);
  part("earlier").addEventListener("click", () => jump(-1));
  part("later").addEventListener("click", () => jump(1));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show());
  new ResizeObserver(() => { if (run) show(); }).observe(part("cosines"));
  return { choose, goto: (share) => { at = Math.round(share * (run.depths.length - 1)); show(); }, refresh: analyse };
}

// The whole page of runs.
function explorer(data) {
  const slider = document.querySelector("#radius"), together = document.querySelector("#together");
  const radius = () => 10 ** Number(slider.value);
  const sayRadius = () => { document.querySelector("#radius-said").textContent = `${number(radius())} (${number(2 * Math.asin(Math.min(1, radius() / 2)) * 180 / Math.PI)}\u00b0)`; };
  let busy = false;
  const panels = [...document.querySelectorAll(".panel")].map((root, side, all) => runPanel(root, data, radius, (share) => {
    if (busy || !together.checked || all.length < 2) return;
    busy = true;
    panels[1 - side].goto(share);
    busy = false;
  }));
  slider.addEventListener("input", () => { sayRadius(); for (const panel of panels) panel.refresh(); });
  sayRadius();
  const first = Math.max(0, data.runs.findIndex((run) => run.unit === "log t"));
  const other = data.runs.findIndex((run) => run.kind !== data.runs[first].kind);
  panels[0].choose(first);
  panels[1].choose(other < 0 ? (first + 1) % data.runs.length : other);
}
explorer(JSON.parse(document.querySelector("#data").textContent));
