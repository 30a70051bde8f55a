// Money and time as people read them. A credit is a millionth of a yuan; all amounts are integers.

import { language, t } from "./i18n.js";

const STEP = 100;
const STEPS_PER_YUAN = 10000;

export function yuan(credits, { signed = false } = {}) {
  const sign = credits < 0 ? "−" : signed && credits > 0 ? "+" : "";
  const size = Math.abs(credits);
  const steps = Math.floor(size / STEP);
  if (steps === 0 && size > 0) return `${sign}<¥0.0001`;
  const whole = Math.floor(steps / STEPS_PER_YUAN).toLocaleString("en-US");
  return `${sign}¥${whole}.${String(steps % STEPS_PER_YUAN).padStart(4, "0")}`;
}

export function count(number) {
  return Number(number ?? 0).toLocaleString("en-US");
}

function dayOf(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

export function clockTime(millis) {
  return new Date(millis).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function dayText(millis) {
  const date = new Date(millis);
  const now = new Date();
  const sameYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString(language(), { year: sameYear ? undefined : "numeric", month: "long", day: "numeric" });
}

export function sameDay(a, b) {
  return dayOf(new Date(a)) === dayOf(new Date(b));
}

// The clock today, "yesterday", else the day.
export function shortTime(millis) {
  const days = Math.round((dayOf(new Date()) - dayOf(new Date(millis))) / 86400000);
  if (days <= 0) return clockTime(millis);
  if (days === 1) return t("yesterday");
  return new Date(millis).toLocaleDateString(language(), { month: "numeric", day: "numeric" });
}

export function fullTime(millis) {
  return new Date(millis).toLocaleString(language(), { dateStyle: "medium", timeStyle: "short", hour12: false });
}
