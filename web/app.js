// Starts the page: signed out, it is the sign-in; signed in, a list of conversations beside one of them or the
// characters. The address after # says which.

import { call, errorText, isSignedIn, signOut, whenSignedOut } from "./client.js";
import { ChatPage } from "./chat.js";
import { RoomPage } from "./room.js";
import { h, icon, notice } from "./dom.js";
import { Gallery } from "./gallery.js";
import { applyLanguage, t, toggleLanguage } from "./i18n.js";
import { Balance } from "./ledger.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./sign-in.js";
import { bus, loadCharacters } from "./state.js";

const root = document.getElementById("app");
const narrow = matchMedia("(max-width: 800px)");

let parts = [];
let page = null;
let sidebar = null;
let closeMenu = () => {};

function clear() {
  page?.destroy();
  for (const part of parts) part.destroy();
  parts = [];
  page = null;
  sidebar = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

function showSignIn(message) {
  clear();
  const signIn = new SignIn({ message, onSignedIn: start, onLanguage: () => showSignIn() });
  root.replaceChildren(signIn.element);
}

async function start() {
  clear();
  if (!isSignedIn()) {
    showSignIn();
    return;
  }
  // Names and pictures come before the list and the messages that show them.
  await loadCharacters().catch((error) => isSignedIn() && notice(errorText(error)));
  if (isSignedIn()) showShell();
}

function showShell() {
  const balance = new Balance();
  sidebar = new Sidebar();
  parts = [balance, sidebar];
  const person = h("span", { class: "person" });
  const aside = h(
    "aside",
    { class: "sidebar", id: "sidebar" },
    sidebar.element,
    h(
      "footer",
      { class: "sidebar-foot" },
      person,
      h("button", { type: "button", class: "link", onclick: changeLanguage }, t("otherLanguage")),
      h("button", { type: "button", class: "link", onclick: signOut }, t("signOut")),
    ),
  );
  const menu = h("button", { type: "button", class: "icon-button menu-button", "aria-controls": "sidebar" }, icon("menu"));
  const veil = h("div", { class: "veil", hidden: true });
  const stage = h("main", { class: "stage", id: "stage" });
  bindMenu({ menu, aside, veil });
  root.replaceChildren(
    h(
      "div",
      { class: "shell" },
      h(
        "header",
        { class: "top" },
        menu,
        h("a", { class: "brand", href: "#/" }, h("img", { src: "/favicon.svg", alt: "", width: 26, height: 26 }), t("brand")),
        balance.element,
      ),
      aside,
      veil,
      stage,
    ),
  );
  showName(person);
  route();
}

// On a narrow page the list is a drawer; while it is closed, nothing inside can take the focus.
function bindMenu({ menu, aside, veil }) {
  const set = (open) => {
    aside.classList.toggle("open", open);
    aside.inert = narrow.matches && !open;
    veil.hidden = !open;
    menu.setAttribute("aria-expanded", String(open));
    menu.setAttribute("aria-label", t(open ? "closeMenu" : "menu"));
  };
  menu.addEventListener("click", () => set(!aside.classList.contains("open")));
  veil.addEventListener("click", () => set(false));
  aside.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !narrow.matches) return;
    set(false);
    menu.focus();
  });
  const resized = () => set(false);
  narrow.addEventListener("change", resized);
  parts.push({ destroy: () => narrow.removeEventListener("change", resized) });
  closeMenu = () => set(false);
  set(false);
}

async function showName(person) {
  try {
    const profile = await call("GET", "/api/user/profile");
    const user = profile.user ?? profile;
    person.textContent = user.nickName || user.email || "";
  } catch {
    // A name is only a kindness; the page works without it.
  }
}

function changeLanguage() {
  toggleLanguage();
  page?.destroy();
  for (const part of parts) part.destroy();
  page = null;
  showShell();
}

function route() {
  const stage = document.getElementById("stage");
  if (!stage) return;
  const match = /^#\/s\/([A-Za-z0-9_%-]{1,100})$/.exec(location.hash);
  const sessionId = match ? match[1] : null;
  const room = /^#\/r\/([A-Za-z0-9_%-]{1,100})(?:\?code=([A-Za-z0-9]{1,64}))?$/.exec(location.hash);
  page?.destroy();
  if (sessionId) page = new ChatPage(sessionId);
  else page = room ? new RoomPage(room[1], room[2]) : new Gallery();
  stage.replaceChildren(page.element);
  sidebar.select(sessionId);
  closeMenu();
}

bus.addEventListener("renamed", ({ detail }) => {
  if (page instanceof ChatPage && page.sessionId === detail.sessionId) page.rename(detail.title);
});
window.addEventListener("hashchange", route);
whenSignedOut((expired) => showSignIn(expired ? t("signedOut") : ""));
applyLanguage();
start();
