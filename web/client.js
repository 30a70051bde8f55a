// Talks to the server: the envelope, the tokens and their renewal.

import { events } from "./sse.js";
import { language, t } from "./i18n.js";

const KEY = "jixia.tokens";
const TIMEOUT_MS = 30000;

export class ApiError extends Error {
  constructor(status, slug, message, data, requestId) {
    super(message);
    this.status = status;
    this.slug = slug;
    this.data = data;
    this.requestId = requestId;
  }

  // Whether the same call may succeed later without any change.
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export function errorText(error) {
  if (!(error instanceof ApiError)) return t("unknownError");
  const id = error.status >= 500 && error.requestId ? t("errorId", { id: error.requestId }) : "";
  return `${error.message || t("unknownError")}${id}`;
}

function readTokens() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return memory;
  }
}

let memory = null;
let onSignedOut = () => {};

function writeTokens(tokens) {
  memory = tokens;
  try {
    if (tokens) localStorage.setItem(KEY, JSON.stringify(tokens));
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage the sign-in lasts as long as the page.
  }
}

export function isSignedIn() {
  return Boolean(readTokens()?.token);
}

export function whenSignedOut(callback) {
  onSignedOut = callback;
  window.addEventListener("storage", (event) => {
    if (event.key === KEY && !event.newValue) callback(false);
  });
}

export function takeTokens(data) {
  writeTokens({ token: data.token, refreshToken: data.refreshToken });
}

export async function signOut() {
  try {
    await call("POST", "/api/auth/logout");
  } catch {
    // The tokens are forgotten here in any case.
  }
  writeTokens(null);
  onSignedOut(false);
}

function headers(token, body, accept, key) {
  const all = { Accept: accept ?? "application/json", "Accept-Language": language() };
  if (token) all.Authorization = `Bearer ${token}`;
  if (key) all["Idempotency-Key"] = key;
  if (body !== undefined) all["Content-Type"] = "application/json";
  return all;
}

async function send(method, path, { body, accept, signal, token, key }) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  const forward = () => stop.abort();
  signal?.addEventListener("abort", forward);
  if (signal?.aborted) stop.abort();
  try {
    return await fetch(path, {
      method,
      headers: headers(token, body, accept, key),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: stop.signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "network", stop.signal.aborted ? t("timeout") : t("network"));
  } finally {
    // The time limit is for the head of the answer; a stream may last. The caller's own signal stays.
    clearTimeout(timer);
  }
}

async function failure(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // A proxy's page instead of the envelope.
  }
  return new ApiError(response.status, body?.error ?? "unknown", body?.message, body?.data, body?.requestId);
}

// One renewal at a time, in all tabs: a refresh token is good for one successor.
let renewal = null;

function renew(usedToken) {
  renewal ??= withLock(() => renewNow(usedToken)).finally(() => {
    renewal = null;
  });
  return renewal;
}

function withLock(work) {
  return navigator.locks ? navigator.locks.request("jixia.renewal", work) : work();
}

async function renewNow(usedToken) {
  const tokens = readTokens();
  if (!tokens?.refreshToken) return null;
  if (tokens.token !== usedToken) return tokens.token;
  const body = { refreshToken: tokens.refreshToken };
  const response = await send("POST", "/api/auth/refresh", { body });
  if (response.ok) {
    const { data } = await response.json();
    takeTokens(data);
    return data.token;
  }
  const error = await failure(response);
  if (error.passing) throw error;
  return null;
}

// A token that the server takes, for what is not a fetch: an access token says itself until when it is good.
export async function freshToken() {
  const token = readTokens()?.token;
  if (!token) return null;
  let expires = 0;
  try {
    expires = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000;
  } catch {
    return token;
  }
  return expires - Date.now() > 30000 ? token : renew(token);
}

async function request(method, path, options = {}) {
  const token = options.anonymous ? undefined : readTokens()?.token;
  let response = await send(method, path, { ...options, token });
  if (response.status !== 401 || !token) {
    if (!response.ok) throw await failure(response);
    return response;
  }
  const refused = await failure(response);
  const fresh = refused.slug === "token_expired" ? await renew(token) : null;
  if (!fresh) {
    writeTokens(null);
    onSignedOut(true);
    throw refused;
  }
  response = await send(method, path, { ...options, token: fresh });
  if (!response.ok) throw await failure(response);
  return response;
}

// Calls and returns the envelope's data.
export async function call(method, path, body, options) {
  const response = await request(method, path, { body, ...options });
  try {
    return (await response.json()).data;
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new ApiError(0, "network", t("network"));
  }
}

// Calls and returns the events of a streamed reply.
export async function stream(method, path, body, signal) {
  const response = await request(method, path, { body, signal, accept: "text/event-stream" });
  return events(response);
}

export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
