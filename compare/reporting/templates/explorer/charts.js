"use strict";
// Energy, number of clusters and tree of mergers over one axis of depth, with a cursor that is dragged.

const LEFT = 46, RIGHT = 10, FOOT = 36, TITLE = 26;

// Ticks that a reader would choose, at most `most`, from `low` to `high`.
function niceTicks(low, high, most) {
  const rough = (high - low) / most || 1, unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5].find((each) => each * unit >= rough) ?? 10);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

// Where depths stand in [0, 1], evenly in log t where they are times and some are above 0; and ticks, [place, text].
function depthScale(depths, unit) {
  const positive = depths.filter((depth) => depth > 0);
  const logarithmic = unit === "t" && positive.length > 1;
  const start = logarithmic ? positive[0] * (depths[0] > 0 ? 1 : Math.min(0.5, positive[0] / positive[1])) : 0;
  const value = (depth) => logarithmic ? Math.log10(Math.max(depth, start)) : depth;
  const low = value(depths[0]), span = value(depths.at(-1)) - low || 1;
  const ticks = (most) => {
    const chosen = niceTicks(low, low + span, most);
    if (!logarithmic) return chosen.map((at) => [(at - low) / span, String(at)]);
    const whole = chosen.filter((at) => Number.isInteger(at)).map((at) => [(at - low) / span, Math.abs(at) > 4 ? `1e${at}` : String(10 ** at)]);
    return depths[0] > 0 ? whole : [[0, "0"], ...whole.filter(([place]) => place > 0.08)];
  };
  return { place: (depth) => (value(depth) - low) / span, ticks };
}

// svg: an empty one, as wide as its parent. moved(index): called where the cursor is dragged to a depth.
// Returns show({ depths, unit, energies, numbers, tree, at, label }): tree is null or { joins, order, token }.
function charts(svg, moved) {
  let shown = null, places = [];
  const cursor = drawn("path", { class: "cursor" });

  const line = (xs, ys, kind) => drawn("path", { class: kind, d: "M" + xs.map((x, k) => `${x.toFixed(1)} ${ys[k].toFixed(1)}`).join("L") });
  const panel = (top, height, title, ticks, y) => {
    svg.append(drawn("text", { x: 0, y: top + 13, class: "title" }, title));
    for (const [value, text] of ticks) {
      svg.append(drawn("path", { class: "g", d: `M${LEFT} ${y(value).toFixed(1)}H${svg.clientWidth - RIGHT}` }));
      svg.append(drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    svg.append(drawn("path", { class: "a", d: `M${LEFT} ${top + TITLE}V${top + TITLE + height}` }));
  };
  const energyPanel = (top, height) => {
    const high = Math.max(...shown.energies) * 1.03 || 1, y = (value) => top + TITLE + height * (1 - value / high);
    panel(top, height, shown.label, niceTicks(0, high, 4).map((each) => [each, String(each)]), y);
    svg.append(line(places, shown.energies.map(y), "energy"));
  };
  const numberPanel = (top, height) => {
    const high = Math.max(2, ...shown.numbers), y = (value) => top + TITLE + height * (1 - Math.log(value) / Math.log(high));
    const below = [1, 2, 5, 10, 20, 50, 100].filter((each) => each === 1 || y(each) - y(high) > 13);
    const ticks = [...below.filter((each, k) => k === 0 || y(below[k - 1]) - y(each) > 13), high];
    panel(top, height, "clusters, single tokens too (log scale)", ticks.map((each) => [each, String(each)]), y);
    svg.append(line(places, shown.numbers.map(y), "number"));
  };
  const treePanel = (top, height) => {
    const { joins, order, token } = shown.tree, count = order.length;
    const ends = new Map(order.map((each, place) => [each, [LEFT, top + TITLE + height * (place + 0.5) / count]]));
    const reached = joins.filter(({ height: at }) => at < shown.depths.length);
    svg.append(drawn("text", { x: 0, y: top + 13, class: "title" }, `tree of mergers: ${reached.length} of ${count - 1}`));
    const whole = [], alone = [], picked = [];
    joins.forEach(({ a, b, height: at, tokens }, made) => {
      if (at >= shown.depths.length) return;
      const [one, other] = [ends.get(a), ends.get(b)], x = places[at];
      const path = `M${one[0].toFixed(1)} ${one[1].toFixed(1)}H${x.toFixed(1)}V${other[1].toFixed(1)}H${other[0].toFixed(1)}`;
      (tokens.includes(token) ? picked : whole).push(path);
      ends.set(count + made, [x, (one[1] + other[1]) / 2]);
      ends.delete(a);
      ends.delete(b);
    });
    for (const [[x, y], kind] of [...ends].map(([node, end]) => [end, holds(joins, count, node, token)])) {
      (kind ? picked : x > LEFT ? whole : alone).push(`M${x.toFixed(1)} ${y.toFixed(1)}H${svg.clientWidth - RIGHT}`);
    }
    for (const [kind, paths] of Object.entries({ "g": alone, "tree": whole, "tree picked": picked })) {
      svg.append(drawn("path", { class: kind, d: paths.join("") }));
    }
  };
  const draw = () => {
    const width = svg.clientWidth;
    if (!shown || !width) return;
    const scale = depthScale(shown.depths, shown.unit);
    places = shown.depths.map((depth) => LEFT + (width - LEFT - RIGHT) * scale.place(depth));
    svg.replaceChildren();
    const heights = shown.tree ? [70, 70, Math.max(90, Math.min(220, 3 * shown.tree.order.length))] : [70, 70];
    let top = 0;
    [energyPanel, numberPanel, treePanel].slice(0, heights.length).forEach((make, k) => {
      make(top, heights[k]);
      top += TITLE + heights[k] + 10;
    });
    svg.append(drawn("path", { class: "a", d: `M${LEFT} ${top}H${width - RIGHT}` }));
    for (const [place, text] of scale.ticks(width < 500 ? 4 : 8)) {
      const x = LEFT + (width - LEFT - RIGHT) * place;
      svg.append(drawn("path", { class: "a", d: `M${x.toFixed(1)} ${top}v4` }));
      svg.append(drawn("text", { x, y: top + 17, "text-anchor": "middle" }, text));
    }
    svg.append(drawn("text", { x: (LEFT + width) / 2, y: top + 32, "text-anchor": "middle" }, shown.unit === "t" ? "time t" : shown.unit));
    svg.append(cursor);
    svg.style.height = `${top + FOOT}px`;
    mark();
  };
  const mark = () => {
    const x = places[shown.at]?.toFixed(1);
    cursor.setAttribute("d", x ? `M${x} 0V${svg.clientHeight - FOOT}` : "");
  };
  const toPointer = (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left;
    const away = places.map((place) => Math.abs(place - x));
    moved(away.indexOf(Math.min(...away)));
  };
  if (moved) {
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); toPointer(event); });
    svg.addEventListener("pointermove", (event) => { if (event.buttons) toPointer(event); });
    svg.addEventListener("keydown", (event) => {
      const last = shown.depths.length - 1;
      const to = { ArrowLeft: shown.at - 1, ArrowRight: shown.at + 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      moved(Math.min(last, Math.max(0, to)));
    });
  }
  let width = 0;
  new ResizeObserver(() => { if (svg.clientWidth !== width) { width = svg.clientWidth; draw(); } }).observe(svg);
  return (next) => {
    const same = shown && ["depths", "energies", "numbers", "tree"].every((each) => next[each] === shown[each]);
    shown = next;
    if (same) mark(); else draw();
  };
}

// Whether a node of the tree holds a token.
const holds = (joins, count, node, token) => node < count ? node === token : joins[node - count].tokens.includes(token);
