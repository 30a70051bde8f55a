// Builds elements. Everything that comes from the server goes in as text, never as markup.

export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  down: "M12 5v14M6 13l6 6 6-6",
  copy: "M9 9h10v10H9zM5 15V5h10",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function avatar(character, size) {
  const picture = h("img", {
    class: `avatar avatar-${size}`,
    src: character?.avatar || "/favicon.svg",
    alt: "",
    width: 48,
    height: 48,
    decoding: "async",
  });
  const fallBack = () => {
    picture.src = "/favicon.svg";
  };
  picture.addEventListener("error", fallBack, { once: true });
  return picture;
}

// A modal of the browser's own: it keeps the focus inside, closes on Escape and gives the focus back.
export function openDialog({ label, kind, content }) {
  const dialog = h("dialog", { class: `dialog dialog-${kind}`, "aria-label": label });
  const close = () => dialog.close();
  dialog.append(...content(close));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function notice(text, kind = "error") {
  const box = document.getElementById("notices");
  const item = h("p", { class: `notice notice-${kind}` }, text);
  while (box.childElementCount >= 3) box.firstElementChild.remove();
  box.append(item);
  setTimeout(() => item.remove(), 6000);
}

export function announce(text) {
  document.getElementById("announcer").textContent = text;
}
