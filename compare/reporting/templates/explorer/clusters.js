"use strict";
// What the page computes from the chords of a run: clusters at a depth, the tree of mergers over depth, the energy.

const LEAST_CHORD = 1e-6, STEPS_OF_CHORDS = 65534;
const CHORDS = Float64Array.from({ length: STEPS_OF_CHORDS + 2 }, (_, code) =>
  code ? LEAST_CHORD * (2 / LEAST_CHORD) ** ((code - 1) / STEPS_OF_CHORDS) : 0);
const LARGEST_CODE = 32767;

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
// Chords (depth, pair), pairs (0, 1), (0, 2), ..., (1, 2), ...: codes 1 to 65535 lie evenly in log chord from 1e-6 to 2.
const decodedChords = (text) => Float64Array.from(new Uint16Array(bytesOf(text)), (code) => CHORDS[code]);
// Coordinates (depth, token, 3) in [-1, 1].
const decodedPoints = (text) => Float64Array.from(new Int16Array(bytesOf(text)), (code) => code / LARGEST_CODE);

const pairOf = (i, j, count) => i < j ? count * i - i * (i + 1) / 2 + j - i - 1 : pairOf(j, i, count);
const cosine = (chord) => 1 - chord * chord / 2;

// Chords of all pairs of points, in the same order.
function chordsOf(points, dimension) {
  const count = points.length / dimension, found = new Float64Array(count * (count - 1) / 2);
  for (let i = 0, place = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++, place++) {
      let square = 0;
      for (let k = 0; k < dimension; k++) square += (points[i * dimension + k] - points[j * dimension + k]) ** 2;
      found[place] = Math.sqrt(square);
    }
  }
  return found;
}

// The cluster of each token, by the number of its first token: tokens at most `radius` apart are in one, and so on in
// chains (single linkage).
function clustersAt(chords, count, radius) {
  const first = Int32Array.from({ length: count }, (_, i) => i);
  const root = (i) => { while (first[i] !== i) i = first[i] = first[first[i]]; return i; };
  for (let i = 0, place = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++, place++) {
      if (chords[place] > radius) continue;
      const a = root(i), b = root(j);
      if (a !== b) first[Math.max(a, b)] = Math.min(a, b);
    }
  }
  return first.map((_, i) => root(i));
}

const numberOf = (clusters) => new Set(clusters).size;

// The energy E1 = sum m_i m_j e^(beta (cos_ij - 1)) of one depth: 1 where all tokens coincide.
function energyOf(chords, masses, beta) {
  let sum = masses.reduce((total, mass) => total + mass * mass, 0);
  for (let i = 0, place = 0; i < masses.length; i++) {
    for (let j = i + 1; j < masses.length; j++, place++) {
      sum += 2 * masses[i] * masses[j] * Math.exp(-beta * chords[place] ** 2 / 2);
    }
  }
  return sum;
}

// The index of the depth from which on two tokens stay at most `radius` apart, a number a pair. Those that are not so
// at the last depth get a number beyond: the number of depths and their chord there.
function joinings(chords, depths, radius) {
  const pairs = chords.length / depths;
  return Float64Array.from({ length: pairs }, (_, pair) => {
    let depth = depths;
    while (depth > 0 && chords[(depth - 1) * pairs + pair] <= radius) depth--;
    return depth < depths ? depth : depths + chords[(depths - 1) * pairs + pair];
  });
}

// The tree of single linkage on those numbers: joins in order, { a, b, height, tokens }, where a and b are tokens below
// `count` and the join count + their number above; and the tokens in an order in which no branches cross.
function treeOf(heights, count) {
  const near = new Float64Array(count).fill(Infinity), from = new Int32Array(count), edges = [];
  const done = new Uint8Array(count);
  for (let added = 0, step = 1; step < count; step++) {
    done[added] = 1;
    let next = -1;
    for (let j = 0; j < count; j++) {
      if (done[j]) continue;
      const height = heights[pairOf(added, j, count)];
      if (height < near[j]) [near[j], from[j]] = [height, added];
      if (next < 0 || near[j] < near[next]) next = j;
    }
    edges.push([near[next], from[next], next]);
    added = next;
  }
  edges.sort((one, other) => one[0] - other[0]);
  const branch = Array.from({ length: count }, (_, i) => ({ node: i, tokens: [i] })), joins = [];
  for (const [height, i, j] of edges) {
    const [one, other] = [branch[i], branch[j]].sort((a, b) => a.tokens[0] - b.tokens[0]);
    const made = { node: count + joins.length, tokens: [...one.tokens, ...other.tokens] };
    joins.push({ a: one.node, b: other.node, height, tokens: made.tokens });
    for (const token of made.tokens) branch[token] = made;
  }
  return { joins, order: count ? branch[0].tokens : [] };
}

// The rank of each token, 0 for the first token of the branch that takes in all others: at a join the smaller branch
// ends, and branches rank by their size then. What a cluster is drawn with is that of its token of least rank.
function ranksOf(joins, count) {
  const members = Array.from({ length: count }, (_, i) => [i]), elder = Array.from({ length: count }, (_, i) => i);
  const size = new Float64Array(count);
  for (const { a, b, tokens } of joins) {
    const [large, small] = members[a].length >= members[b].length ? [a, b] : [b, a];
    size[elder[small]] = members[small].length;
    members.push(tokens);
    elder.push(elder[large]);
  }
  if (count) size[elder.at(-1)] = count + 1;
  const ranked = Array.from({ length: count }, (_, i) => i).sort((i, j) => size[j] - size[i] || i - j);
  const rank = new Int32Array(count);
  ranked.forEach((token, place) => { rank[token] = place; });
  return rank;
}

// Which look each token has: -1 alone, else the least rank in its cluster.
function looksOf(clusters, rank) {
  const least = new Map(), sizes = new Map();
  clusters.forEach((cluster, token) => {
    least.set(cluster, Math.min(least.get(cluster) ?? Infinity, rank[token]));
    sizes.set(cluster, (sizes.get(cluster) ?? 0) + 1);
  });
  return Array.from(clusters, (cluster) => sizes.get(cluster) > 1 ? least.get(cluster) : -1);
}
