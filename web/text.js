// A reply's text as elements: paragraphs, quotations, lists, bold, and the markers [n] of its sources.

import { h } from "./dom.js";

const INLINE = /\*\*([^*\n]+)\*\*|`([^`\n]+)`|\[(\d{1,2})\]/g;

function inline(text, marker) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    if (match[1]) parts.push(h("strong", null, ...inline(match[1], marker)));
    else if (match[2]) parts.push(h("code", null, match[2]));
    else parts.push(marker(Number(match[3]), match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

function lineKind(line) {
  if (/^\s*>\s?/.test(line)) return "quote";
  if (/^\s*[-*•]\s+/.test(line)) return "list";
  if (/^\s*\d{1,2}[.、]\s*/.test(line)) return "numbers";
  if (/^#{1,6}\s+/.test(line)) return "heading";
  return "plain";
}

const PREFIX = {
  quote: /^\s*>\s?/,
  list: /^\s*[-*•]\s+/,
  heading: /^#{1,6}\s+/,
};

// Neighbouring lines of a quotation or a list are one block; every other line is a paragraph.
function blocks(text) {
  const found = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "" || /^\s*(-{3,}|\*{3,})\s*$/.test(line)) {
      found.push(null);
      continue;
    }
    const kind = lineKind(line);
    const content = PREFIX[kind] ? line.replace(PREFIX[kind], "") : line.trim();
    const last = found.at(-1);
    if (last && last.kind === kind && (kind === "quote" || kind === "list")) last.lines.push(content);
    else found.push({ kind, lines: [content] });
  }
  return found.filter(Boolean);
}

function element({ kind, lines }, marker) {
  if (kind === "quote") {
    return h("blockquote", null, ...lines.map((line) => h("p", null, ...inline(line, marker))));
  }
  if (kind === "list") {
    return h("ul", null, ...lines.map((line) => h("li", null, ...inline(line, marker))));
  }
  const tag = kind === "heading" ? "h3" : "p";
  return h(tag, kind === "numbers" ? { class: "numbered" } : null, ...inline(lines[0], marker));
}

// Renders into `body`, leaving blocks that have not changed alone, so that a selection survives the growth.
export function renderText(body, text, marker) {
  const wanted = blocks(text);
  wanted.forEach((block, index) => {
    const source = `${block.kind}\n${block.lines.join("\n")}`;
    const present = body.children[index];
    if (present?.source === source) return;
    const fresh = element(block, marker);
    fresh.source = source;
    if (present) present.replaceWith(fresh);
    else body.append(fresh);
  });
  while (body.childElementCount > wanted.length) body.lastElementChild.remove();
}
