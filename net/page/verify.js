/* verify.js - what the page checks, as functions of bytes: notes, cosignatures, tiles, entries.
 *
 * Formats: docs/LEDGER.md. No page elements here; the only thing asked of the browser is WebCrypto
 * (SHA-256, Ed25519). Every function that can refuse throws an Error with one sentence for people. */
"use strict";

const veilsum = {};

veilsum.NOTE_KEY = 1;
veilsum.COSIGNER_KEY = 4;
veilsum.ENTRIES_MAX = 1000000; // of a log that the page reads
veilsum.FULL = 256; // hashes of a full tile

/* --- bytes ---------------------------------------------------------------------------------- */

veilsum.hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
veilsum.text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
veilsum.bytes = (text) => new TextEncoder().encode(text);
veilsum.same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

veilsum.concat = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
};

veilsum.base64 = (text) => {
  if (!/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new Error("not base64");
  }
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
};

veilsum.sha256 = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", veilsum.concat(...parts)));

veilsum.ed25519 = async (publicKey, signature, message) => {
  const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, [
    "verify",
  ]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
};

/* Why this browser cannot check anything here, or "". */
veilsum.unable = async () => {
  if (typeof crypto === "undefined" || !crypto.subtle) {
    return (
      "This browser gives WebCrypto only to pages from https, from localhost or from a file. Open " +
      "the page there, or open the exported folder's index.html."
    );
  }
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), { name: "Ed25519" }, false, ["verify"]);
    return "";
  } catch (e) {
    return "This browser has no Ed25519 in WebCrypto (Chrome 137, Firefox 129, Safari 17 have it).";
  }
};

/* --- keys, notes, policies ------------------------------------------------------------------ */

/* name+id+base64(type | key) */
veilsum.parseKey = async (vkey) => {
  const match = /^([^+\s]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey);
  if (!match) throw new Error(`"${vkey.slice(0, 60)}" is not a key (name+id+base64)`);
  const blob = veilsum.base64(match[3]);
  if (blob.length !== 33) throw new Error(`the key of ${match[1]} has ${blob.length} bytes, not 33`);
  const id = (await veilsum.sha256(veilsum.bytes(match[1] + "\n"), blob)).slice(0, 4);
  if (veilsum.hex(id) !== match[2]) throw new Error(`the key of ${match[1]} does not match its id`);
  return { name: match[1], id, type: blob[0], key: blob.slice(1), vkey };
};

/* {log, cosigners, quorum} of a tlog-policy: one log, witnesses, one group of them. */
veilsum.parsePolicy = async (text) => {
  const policy = { log: null, cosigners: [], quorum: 0 };
  const named = new Map();
  let group = null;
  for (const line of text.split("\n")) {
    const words = line.replace(/#.*/, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    if (words[0] === "log" && words.length >= 2 && !policy.log) {
      policy.log = await veilsum.parseKey(words[1]);
    } else if (words[0] === "witness" && words.length >= 3 && !named.has(words[1])) {
      named.set(words[1], await veilsum.parseKey(words[2]));
    } else if (words[0] === "group" && words.length >= 4 && !group) {
      const members = words.slice(3);
      const want =
        words[2] === "any" ? 1 : words[2] === "all" ? members.length : Number(words[2]);
      group = { name: words[1], want, members };
    } else if (words[0] === "quorum" && words.length === 2) {
      if (words[1] === "none") continue;
      if (named.has(words[1])) group = { name: words[1], want: 1, members: [words[1]] };
      if (!group || group.name !== words[1]) throw new Error(`policy: no group ${words[1]}`);
      policy.quorum = group.want;
      policy.cosigners = group.members.map((m) => {
        if (!named.has(m)) throw new Error(`policy: no witness ${m}`);
        return named.get(m);
      });
    } else {
      throw new Error(`policy: "${line.slice(0, 60)}" is not understood`);
    }
  }
  if (!policy.log) throw new Error("policy: names no log");
  if (!(policy.quorum >= 0 && policy.quorum <= policy.cosigners.length)) {
    throw new Error("policy: its quorum is larger than its group");
  }
  return policy;
};

/* {signed, lines: [{name, id, signature}]} */
veilsum.parseNote = (bytes) => {
  const text = veilsum.text(bytes);
  const split = text.lastIndexOf("\n\n");
  if (split < 0 || !text.endsWith("\n")) throw new Error("the checkpoint is not a signed note");
  const lines = [];
  for (const line of text.slice(split + 2, -1).split("\n")) {
    const match = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    if (!match) throw new Error("the checkpoint has a line that is no signature");
    const blob = veilsum.base64(match[2]);
    lines.push({ name: match[1], id: blob.slice(0, 4), signature: blob.slice(4) });
  }
  return { signed: veilsum.bytes(text.slice(0, split + 1)), lines };
};

/* {origin, size, root} */
veilsum.parseCheckpoint = (signed) => {
  const lines = veilsum.text(signed).split("\n");
  if (lines.length < 4 || !/^(0|[1-9][0-9]{0,15})$/.test(lines[1])) {
    throw new Error("the checkpoint has no origin, size and root");
  }
  const root = veilsum.base64(lines[2]);
  if (root.length !== 32) throw new Error("the checkpoint's root is not 32 bytes");
  return { origin: lines[0], size: Number(lines[1]), root };
};

const signatureOf = (note, key) =>
  note.lines.find((l) => l.name === key.name && veilsum.same(l.id, key.id));

veilsum.verifyLogSignature = async (note, key) => {
  const line = signatureOf(note, key);
  if (!line) throw new Error(`the log ${key.name} did not sign the checkpoint`);
  if (line.signature.length !== 64 || !(await veilsum.ed25519(key.key, line.signature, note.signed))) {
    throw new Error(`the signature of the log ${key.name} on the checkpoint is wrong`);
  }
};

/* When the cosigner signed (unix seconds), or null when it did not. */
veilsum.verifyCosignature = async (note, key) => {
  const line = signatureOf(note, key);
  if (!line) return null;
  if (line.signature.length !== 72) throw new Error(`the cosignature of ${key.name} is malformed`);
  const time = new DataView(line.signature.buffer, line.signature.byteOffset, 8).getBigUint64(0);
  const message = veilsum.concat(veilsum.bytes(`cosignature/v1\ntime ${time}\n`), note.signed);
  if (!(await veilsum.ed25519(key.key, line.signature.slice(8), message))) {
    throw new Error(`the cosignature of ${key.name} is wrong`);
  }
  return Number(time);
};

/* --- tree ----------------------------------------------------------------------------------- */

veilsum.leafHash = (entry) => veilsum.sha256(Uint8Array.of(0), entry);
veilsum.nodeHash = (left, right) => veilsum.sha256(Uint8Array.of(1), left, right);

/* 1234067 is x001/x234/067 */
veilsum.tileNumber = (n) => {
  let out = String(n % 1000).padStart(3, "0");
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    out = "x" + String(rest % 1000).padStart(3, "0") + "/" + out;
  }
  return out;
};

/* Paths of the entry bundles (level "entries") or tiles (level 0) of a log of this size. */
veilsum.tilePaths = (level, size) => {
  const paths = [];
  for (let n = 0; n * veilsum.FULL < size; n++) {
    const width = Math.min(veilsum.FULL, size - n * veilsum.FULL);
    const full = `tile/${level}/${veilsum.tileNumber(n)}`;
    paths.push({ path: width < veilsum.FULL ? `${full}.p/${width}` : full, full, width });
  }
  return paths;
};

/* The entries of one bundle. */
veilsum.splitBundle = (bytes, width, path) => {
  const entries = [];
  let at = 0;
  while (at < bytes.length && entries.length < width) {
    if (at + 2 > bytes.length) break;
    const len = bytes[at] * 256 + bytes[at + 1];
    if (at + 2 + len > bytes.length) break;
    entries.push(bytes.slice(at + 2, at + 2 + len));
    at += 2 + len;
  }
  if (entries.length < width) throw new Error(`${path}: is cut short`);
  return entries;
};

const splitPoint = (n) => {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
};

/* RFC 9162 2.1.1 and 2.1.3.1 over leaf hashes; hashes of complete subtrees are kept in memo. */
veilsum.subtree = async (leaves, from, to, memo) => {
  if (to - from === 1) return leaves[from];
  const name = `${from} ${to}`;
  if (!memo.has(name)) {
    const k = splitPoint(to - from);
    const left = await veilsum.subtree(leaves, from, from + k, memo);
    const right = await veilsum.subtree(leaves, from + k, to, memo);
    memo.set(name, await veilsum.nodeHash(left, right));
  }
  return memo.get(name);
};

veilsum.inclusionPath = async (leaves, index, memo) => {
  const path = [];
  let from = 0;
  let to = leaves.length;
  while (to - from > 1) {
    const k = splitPoint(to - from);
    if (index < from + k) {
      path.unshift(await veilsum.subtree(leaves, from + k, to, memo));
      to = from + k;
    } else {
      path.unshift(await veilsum.subtree(leaves, from, from + k, memo));
      from += k;
    }
  }
  return path;
};

/* RFC 9162 2.1.3.2. */
veilsum.rootOfPath = async (leaf, index, size, path) => {
  let fn = index;
  let sn = size - 1;
  let r = leaf;
  for (const p of path) {
    if (sn === 0) throw new Error("the inclusion path is too long");
    if (fn % 2 === 1 || fn === sn) {
      r = await veilsum.nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      r = await veilsum.nodeHash(r, p);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) throw new Error("the inclusion path is too short");
  return r;
};

/* --- entries -------------------------------------------------------------------------------- */

/* {kind, payload (object), payloadBytes, type, signatures} of a DSSE envelope. */
veilsum.parseEntry = (bytes) => {
  const envelope = JSON.parse(veilsum.text(bytes));
  const match = /^application\/vnd\.veilsum\.([a-z]+)\.v1\+json$/.exec(envelope.payloadType);
  if (!match) throw new Error("is of no kind that this page knows");
  const payloadBytes = veilsum.base64(envelope.payload);
  const payload = JSON.parse(veilsum.text(payloadBytes));
  if (payload.kind !== match[1]) throw new Error("says two different kinds");
  return {
    kind: match[1],
    payload,
    payloadBytes,
    type: envelope.payloadType,
    signatures: envelope.signatures,
  };
};

/* By key (32 bytes) over the DSSE pre-authentication encoding. */
veilsum.verifyEntry = async (entry, key, who) => {
  const line = entry.signatures.find((s) => s.keyid === veilsum.hex(key));
  if (!line) throw new Error(`is not signed by ${who}`);
  const head = `DSSEv1 ${entry.type.length} ${entry.type} ${entry.payloadBytes.length} `;
  const message = veilsum.concat(veilsum.bytes(head), entry.payloadBytes);
  if (!(await veilsum.ed25519(key, veilsum.base64(line.sig), message))) {
    throw new Error(`has a wrong signature of ${who}`);
  }
};

/* Who must have signed an entry. */
veilsum.signerOf = (entry, federation) => {
  if (entry.kind === "answer" || entry.kind === "closed") {
    const s = federation.shareholders.find((x) => x.index === entry.payload.index);
    if (!s) throw new Error(`names shareholder ${entry.payload.index}, which there is not`);
    return { key: veilsum.base64(s.key), who: s.name };
  }
  return { key: veilsum.base64(federation.aggregator.key), who: federation.aggregator.name };
};

/* --- the whole log -------------------------------------------------------------------------- */

/* read(path): bytes, or null when there is no such file. policyText: what the reader trusts. report:
 * called with (state "ok" | "bad" | "note", sentence). Returns {ok, size, entries, leaves, memo, root,
 * federation, cosigned: [{name, time}], bad: Set of entry numbers}. */
veilsum.verifyLog = async (read, policyText, report) => {
  const out = { ok: true, entries: [], leaves: [], memo: new Map(), cosigned: [], bad: new Set() };
  const fail = (sentence, index) => {
    out.ok = false;
    if (index !== undefined) out.bad.add(index);
    report("bad", sentence);
  };
  const policy = await veilsum.parsePolicy(policyText);
  const noteBytes = (await read("checkpoint.cosigned")) || (await read("checkpoint"));
  if (!noteBytes) throw new Error("there is no checkpoint");
  const note = veilsum.parseNote(noteBytes);
  const checkpoint = veilsum.parseCheckpoint(note.signed);
  Object.assign(out, { size: checkpoint.size, root: checkpoint.root, origin: checkpoint.origin });
  try {
    if (checkpoint.origin !== policy.log.name) throw new Error(`is of another log, ${checkpoint.origin}`);
    await veilsum.verifyLogSignature(note, policy.log);
    report("ok", `checkpoint of ${checkpoint.size} entries, signed by the log ${policy.log.name}`);
  } catch (e) {
    fail(`checkpoint: ${e.message}`);
  }
  await verifyCosigners(note, policy, out, report, fail);
  if (checkpoint.size > veilsum.ENTRIES_MAX) throw new Error("the log is too long for this page");
  await readEntries(read, checkpoint.size, out, fail);
  await verifyTree(read, checkpoint, out, report, fail);
  await verifyEntries(read, out, report, fail);
  return out;
};

const verifyCosigners = async (note, policy, out, report, fail) => {
  for (const key of policy.cosigners) {
    try {
      const time = await veilsum.verifyCosignature(note, key);
      if (time !== null) out.cosigned.push({ name: key.name, time });
    } catch (e) {
      fail(e.message);
    }
  }
  const n = out.cosigned.length;
  const sentence = `${n} of ${policy.cosigners.length} cosignatures, ${policy.quorum} needed`;
  if (n >= policy.quorum) report("ok", sentence);
  else fail(sentence);
};

const readEntries = async (read, size, out, fail) => {
  for (const tile of veilsum.tilePaths("entries", size)) {
    const bytes = (await read(tile.path)) || (await read(tile.full));
    if (!bytes) throw new Error(`${tile.path}: is missing`);
    try {
      out.entries.push(...veilsum.splitBundle(bytes, tile.width, tile.path));
    } catch (e) {
      fail(e.message);
      throw new Error("the entries cannot be read");
    }
  }
};

/* Every entry against its leaf hash in the tiles, and both against the signed root. */
const verifyTree = async (read, checkpoint, out, report, fail) => {
  const tiles = [];
  for (const tile of veilsum.tilePaths(0, checkpoint.size)) {
    const bytes = (await read(tile.path)) || (await read(tile.full));
    if (!bytes || bytes.length < 32 * tile.width) throw new Error(`${tile.path}: is missing or short`);
    for (let i = 0; i < tile.width; i++) tiles.push(bytes.slice(32 * i, 32 * i + 32));
  }
  for (const entry of out.entries) out.leaves.push(await veilsum.leafHash(entry));
  const empty = await veilsum.sha256();
  const rootOf = (leaves, memo) =>
    leaves.length === 0 ? empty : veilsum.subtree(leaves, 0, leaves.length, memo);
  const entriesRight = veilsum.same(await rootOf(out.leaves, out.memo), checkpoint.root);
  const tilesRight = veilsum.same(await rootOf(tiles, new Map()), checkpoint.root);
  out.leaves.forEach((leaf, i) => {
    if (veilsum.same(leaf, tiles[i])) return;
    if (!entriesRight) fail(`entry ${i} is not what the log signed: its leaf hash differs`, i);
    else fail(`tile: the leaf hash of entry ${i} is not what the log signed`, i);
  });
  if (!entriesRight && !tilesRight) fail("the entries do not add up to the signed root");
  if (entriesRight && tilesRight) {
    report("ok", `all ${checkpoint.size} entries hash to the signed root`);
  }
};

const verifyEntries = async (read, out, report, fail) => {
  const parsed = out.entries.map((bytes, i) => {
    try {
      return veilsum.parseEntry(bytes);
    } catch (e) {
      fail(`entry ${i}: ${e.message}`, i);
      return null;
    }
  });
  out.parsed = parsed;
  const first = parsed.find((e) => e && e.kind === "federation");
  const file = first ? await read("blob/" + first.payload.file) : null;
  if (!first || !file) return fail("the log names no federation file, or it is missing");
  if (veilsum.hex(await veilsum.sha256(file)) !== first.payload.federation) {
    return fail("the federation file is not the one that the log names");
  }
  out.federation = JSON.parse(veilsum.text(file));
  let prev = null;
  let right = 0;
  for (let i = 0; i < parsed.length; i++) {
    const entry = parsed[i];
    if (!entry) continue;
    try {
      const signer = veilsum.signerOf(entry, out.federation);
      await veilsum.verifyEntry(entry, signer.key, signer.who);
      if (prev && entry.kind !== "federation" && entry.payload.prev !== prev) {
        throw new Error("does not follow the result before it");
      }
      if (["federation", "result", "abort"].includes(entry.kind)) prev = veilsum.hex(out.leaves[i]);
      right++;
    } catch (e) {
      fail(`entry ${i} (${entry.kind}): ${e.message}`, i);
    }
  }
  if (right === parsed.length) report("ok", `all ${right} entries signed by whom they say`);
};

if (typeof module !== "undefined") module.exports = veilsum;
