// Other people, as far as one can do without them: whom I have blocked, and telling the operators of somebody. The
// socket says the same to everybody, so what a blocked person says is hidden here.

import { call, errorText } from "./client.js";
import { h, notice, openDialog } from "./dom.js";
import { t } from "./i18n.js";

const PAGE = 100;
const PAGES_MAX = 10;
const REASON_MAX = 500;

let blocked = new Set();

export async function loadBlocked(options) {
  const found = new Set();
  for (let page = 1, more = true; more && page <= PAGES_MAX; page += 1) {
    const data = await call("GET", `/api/user/blocks?page=${page}&pageSize=${PAGE}`, undefined, options);
    for (const block of data.blocks) found.add(block.userId);
    more = Boolean(data.pagination?.hasMore);
  }
  blocked = found;
}

export function isBlocked(userId) {
  return blocked.has(userId);
}

export async function setBlocked(userId, on) {
  await call(on ? "PUT" : "DELETE", `/api/users/${encodeURIComponent(userId)}/block`);
  if (on) blocked.add(userId);
  else blocked.delete(userId);
}

export function openReport(messageId) {
  openDialog({ label: t("report"), kind: "small", content: (close) => [reportForm(messageId, close)] });
}

function reportForm(messageId, close) {
  const reason = h("textarea", { class: "field-input", id: "report-reason", rows: 4, maxlength: REASON_MAX, required: true, autofocus: true });
  const form = h(
    "form",
    { class: "manage" },
    h("h2", null, t("report")),
    h("label", { for: "report-reason" }, t("reportWhy")),
    reason,
    h(
      "div",
      { class: "buttons" },
      h("span", { class: "spacer" }),
      h("button", { type: "button", class: "button", onclick: close }, t("cancel")),
      h("button", { type: "submit", class: "button button-strong" }, t("report")),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await call("POST", `/api/messages/${messageId}/report`, { reason: reason.value.trim() });
      close();
      notice(t("reported"), "calm");
    } catch (error) {
      notice(errorText(error));
    }
  });
  return form;
}
