/* page.js - shows a ledger and lets the browser verify it (verify.js). */
"use strict";

const at = (id) => document.getElementById(id);
const POLL_MS = 5000;
const PAGE_ENTRIES = 40; // shown at once

const state = { files: null, entries: [], size: 0, federation: null, metrics: new Map(), shown: 0,
  verified: null, cosigners: [] };

/* --- where bytes come from ------------------------------------------------------------------ */

const readHttp = async (path) => {
  const reply = await fetch(path, { cache: path.startsWith("tile/") ? "default" : "no-store" });
  if (reply.status === 404) return null;
  if (!reply.ok) throw new Error(`${path}: the server says ${reply.status}`);
  return new Uint8Array(await reply.arrayBuffer());
};

const readFiles = async (path) => {
  const file = state.files.get(path);
  return file ? new Uint8Array(await file.arrayBuffer()) : null;
};

const read = (path) => (state.files ? readFiles(path) : readHttp(path));

/* --- small helpers -------------------------------------------------------------------------- */

const element = (tag, text, className) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
};

const clock = (seconds) =>
  seconds ? new Date(1000 * seconds).toISOString().replace("T", " ").slice(0, 16) : "";

const percent = (x) => (x === undefined ? "" : (100 * x).toFixed(2) + " %");

/* --- reading the log, for show -------------------------------------------------------------- */

/* Entries as they stand; nothing is believed before it is verified. */
const load = async () => {
  const note = (await read("checkpoint")) || (await read("checkpoint.cosigned"));
  if (!note) throw new Error("there is no checkpoint here");
  const checkpoint = veilsum.parseCheckpoint(veilsum.parseNote(note).signed);
  if (checkpoint.size === state.size) return false;
  if (checkpoint.size > veilsum.ENTRIES_MAX) throw new Error("the log is too long for this page");
  const entries = [];
  for (const tile of veilsum.tilePaths("entries", checkpoint.size)) {
    const bytes = (await read(tile.path)) || (await read(tile.full));
    if (!bytes) throw new Error(`${tile.path}: is missing`);
    entries.push(...veilsum.splitBundle(bytes, tile.width, tile.path));
  }
  const federation = await read("federation.json");
  const metrics = await read("metrics.json");
  state.origin = checkpoint.origin;
  state.size = checkpoint.size;
  state.entries = entries.map((bytes) => {
    try {
      return veilsum.parseEntry(bytes);
    } catch (e) {
      return { kind: "?", payload: {}, problem: e.message };
    }
  });
  if (federation) state.federation = JSON.parse(veilsum.text(federation));
  if (metrics) {
    for (const m of JSON.parse(veilsum.text(metrics)).rounds || []) state.metrics.set(m.round, m);
  }
  if (at("policy").value === "") {
    const policy = await read("policy");
    if (policy) at("policy").value = veilsum.text(policy);
  }
  return true;
};

/* What is known of each round. */
const rounds = () => {
  const found = new Map();
  for (const { kind, payload } of state.entries) {
    if (!payload.round || !["open", "set", "answer", "result", "abort"].includes(kind)) continue;
    if (!found.has(payload.round)) found.set(payload.round, { round: payload.round, answers: 0 });
    const r = found.get(payload.round);
    if (kind === "answer") r.answers++;
    else r[kind] = payload;
  }
  return [...found.values()].sort((a, b) => b.round - a.round);
};

const phase = (r) => {
  if (r.result) return r.result.certain ? "final" : "final, not certain";
  if (r.abort) return `aborted: ${r.abort.reason}`;
  return r.set ? "set fixed, adding up" : "collecting";
};

/* --- showing -------------------------------------------------------------------------------- */

const showNow = (list) => {
  const newest = list[0];
  const rows = [
    ["Entries", String(state.size)],
    ["Rounds", String(list.length)],
    ["Final", String(list.filter((r) => r.result).length)],
    ["Aborted", String(list.filter((r) => r.abort).length)],
    ["Newest round", newest ? `${newest.round}: ${phase(newest)}` : "none yet"],
  ];
  at("now").replaceChildren(
    ...rows.map(([name, value]) => {
      const div = element("div");
      div.append(element("dt", name), element("dd", value));
      return div;
    }),
  );
};

const dropped = (r) => {
  if (!r.open || !r.open.target_clients || !r.set) return "";
  return String(Math.max(0, r.open.target_clients - r.set.count - r.set.rejected_count));
};

const showRounds = (list) => {
  at("round-rows").replaceChildren(
    ...list.map((r) => {
      const row = element("tr", undefined, r.abort ? "aborted" : r.result ? "" : "live");
      const metrics = state.metrics.get(r.round) || {};
      const wrong = r.result ? r.result.wrong.length + r.result.outvoted.length : 0;
      const listed = r.open ? r.open.shareholders.length : 0;
      for (const text of [
        String(r.round),
        phase(r) + (wrong > 0 ? `, ${wrong} wrong` : ""),
        r.set ? String(r.set.count) : "",
        r.set ? String(r.set.rejected_count) : "",
        dropped(r),
        r.set ? `${r.answers} of ${listed}` : "",
        percent(metrics.accuracy),
        r.open ? clock(r.open.opened_at) : "",
      ]) {
        row.append(element("td", text));
      }
      return row;
    }),
  );
};

const showCommittee = () => {
  const f = state.federation;
  if (!f) return;
  const n = f.num_shares;
  const t = f.privacy_threshold;
  const need = Math.max(Math.floor((n + t) / 2) + 1, f.reconstruction_threshold + f.margin);
  at("name").textContent = f.name;
  at("origin").textContent = `Ledger ${state.origin}`;
  document.title = `${f.name}: rounds and their ledger`;
  at("tolerance").textContent =
    `${n} shareholders. Any ${t} together learn nothing beyond the sum; ${n - need} may be lost in any ` +
    `round; a round needs at least ${f.min_clients} clients.`;
  at("committee").replaceChildren(
    ...f.shareholders.map((s) => {
      const who = s.cosigner_key.split("+")[0];
      const signed = state.cosigners.find((c) => c.name === who);
      const item = element("li", s.name, signed ? "signed" : "");
      if (signed) item.append(element("span", ` cosigned ${clock(signed.time)}`, "quiet"));
      return item;
    }),
  );
};

const svg = (tag, attributes, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  if (text !== undefined) e.textContent = text;
  return e;
};

const showCurve = () => {
  const points = [...state.metrics.values()].filter((m) => typeof m.accuracy === "number");
  at("curve-section").hidden = points.length === 0;
  if (points.length === 0) return;
  points.sort((a, b) => a.round - b.round);
  const w = Math.max(330, Math.min(720, at("curve").clientWidth)); // text keeps its size on a phone
  const [h, left, bottom, top] = [240, 52, 34, 12];
  const values = points.map((p) => 100 * p.accuracy);
  const low = Math.max(0, Math.floor((Math.min(...values) - 1) / 5) * 5);
  const high = Math.min(100, Math.ceil((Math.max(...values) + 1) / 5) * 5);
  const first = points[0].round;
  const last = Math.max(points[points.length - 1].round, first + 1);
  const x = (round) => left + ((round - first) / (last - first)) * (w - left - 16);
  const y = (v) => h - bottom - ((v - low) / (high - low || 1)) * (h - bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img",
    "aria-label": `Accuracy from ${values[0].toFixed(1)} % in round ${first} to ` +
      `${values[values.length - 1].toFixed(1)} % in round ${points[points.length - 1].round}` });
  const tick = 5 * Math.max(1, Math.ceil((high - low) / 30));
  for (let v = low; v <= high; v += tick) {
    picture.append(svg("line", { class: "axis", x1: left, x2: w - 16, y1: y(v), y2: y(v) }));
    picture.append(svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, `${v} %`));
  }
  const step = Math.max(1, Math.ceil((last - first) / 8));
  for (let r = first; r <= last; r += step) {
    picture.append(svg("text", { x: x(r), y: h - 10, "text-anchor": "middle" }, String(r)));
  }
  picture.append(svg("path", { class: "line",
    d: points.map((p, i) => `${i ? "L" : "M"}${x(p.round).toFixed(1)} ${y(100 * p.accuracy).toFixed(1)}`).join("") }));
  for (const p of points) {
    const dot = svg("circle", { class: "dot", cx: x(p.round), cy: y(100 * p.accuracy), r: 3.5 });
    dot.append(svg("title", {}, `round ${p.round}: ${percent(p.accuracy)}`));
    picture.append(dot);
  }
  at("curve").replaceChildren(picture);
};

const proofText = async (index) => {
  const v = state.verified;
  if (!v || index >= v.size) return "Verify the ledger to see the path to its root.";
  const path = await veilsum.inclusionPath(v.leaves, index, v.memo);
  const root = await veilsum.rootOfPath(v.leaves[index], index, v.size, path);
  const verdict = veilsum.same(root, v.root) ? "leads to the signed root" : "does NOT lead to the signed root";
  return `leaf ${veilsum.hex(v.leaves[index])}\n` + path.map((p) => `path ${veilsum.hex(p)}\n`).join("") +
    `root ${veilsum.hex(root)}\nThe path ${verdict} of ${v.size} entries.`;
};

const entryElement = (index) => {
  const entry = state.entries[index];
  const bad = state.verified && state.verified.bad.has(index);
  const details = element("details", undefined, bad ? "bad" : "");
  const summary = element("summary");
  summary.append(element("span", `${index} `, "number"));
  summary.append(entry.kind + (entry.payload.round ? `, round ${entry.payload.round}` : "") +
    (entry.payload.index ? `, shareholder ${entry.payload.index}` : "") + (bad ? ": wrong" : ""));
  details.append(summary);
  details.addEventListener("toggle", async () => {
    if (!details.open || details.childElementCount > 1) return;
    details.append(element("pre", entry.problem || JSON.stringify(entry.payload, null, 2)));
    details.append(element("pre", await proofText(index)));
  });
  return details;
};

const showEntries = (keep) => {
  if (!keep) state.shown = PAGE_ENTRIES;
  const list = [];
  for (let i = state.size - 1; i >= Math.max(0, state.size - state.shown); i--) list.push(entryElement(i));
  at("entries").replaceChildren(...list);
  at("more").hidden = state.shown >= state.size;
};

const show = () => {
  const list = rounds();
  showNow(list);
  showCommittee();
  showRounds(list);
  showCurve();
  showEntries(false);
};

/* --- verifying ------------------------------------------------------------------------------ */

const say = (verdict, title, text) => {
  at("verdict").dataset.state = verdict;
  at("verdict-title").textContent = title;
  at("verdict-text").textContent = text;
};

const verify = async () => {
  const steps = at("steps");
  at("verify").disabled = true;
  steps.replaceChildren();
  say("unknown", "Verifying ...", "");
  const report = (kind, sentence) => steps.append(element("li", sentence, kind));
  try {
    const v = await veilsum.verifyLog(read, at("policy").value, report);
    state.verified = v;
    state.cosigners = v.cosigned;
    const behind = state.size > v.size ? ` ${state.size - v.size} newer entries wait for cosignatures.` : "";
    if (v.ok) say("good", "Verified", `${v.size} entries, checked in this browser.${behind}`);
    else say("bad", "Not what was signed", "This ledger must not be relied on. See below what is wrong.");
  } catch (e) {
    state.verified = null;
    report("bad", e.message);
    say("bad", "Could not be verified", "");
  }
  showCommittee();
  showEntries(true);
  at("verify").disabled = false;
};

/* --- start ---------------------------------------------------------------------------------- */

const ready = async () => {
  const unable = await veilsum.unable();
  at("verify").disabled = unable !== "";
  if (unable !== "") say("unknown", "This browser cannot verify here", unable);
};

const refresh = async () => {
  try {
    if (await load()) {
      show();
      if (at("verdict").dataset.state === "good") {
        say("unknown", "New entries since you verified", "Press Verify to check them too.");
      }
    }
  } catch (e) {
    say("bad", "The ledger cannot be read", e.message);
  }
};

const chooseFolder = async (event) => {
  const files = [...event.target.files];
  const cut = (f) => f.webkitRelativePath.split("/").slice(1).join("/");
  state.files = new Map(files.map((f) => [cut(f), f]));
  state.size = 0;
  await refresh();
  await ready();
};

const start = async () => {
  at("verify").addEventListener("click", verify);
  at("folder").addEventListener("change", chooseFolder);
  at("more").addEventListener("click", () => {
    state.shown += PAGE_ENTRIES;
    showEntries(true);
  });
  if (location.protocol === "file:") {
    at("open").hidden = false;
    return;
  }
  await refresh();
  await ready();
  setInterval(refresh, POLL_MS);
};

start();
