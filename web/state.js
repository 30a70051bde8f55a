// What several parts of the page share: the characters, and a bus for "something was charged" and the like.

import { call } from "./client.js";

export const bus = new EventTarget();

export function tell(name, detail) {
  bus.dispatchEvent(new CustomEvent(name, { detail }));
}

let loading = null;
const byId = new Map();

export function loadCharacters() {
  loading ??= fetchAll().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function fetchAll() {
  for (let page = 1, more = true; more && page <= 10; page += 1) {
    const data = await call("GET", `/api/characters?page=${page}&pageSize=50`);
    for (const character of data.characters) byId.set(character.characterId, character);
    more = Boolean(data.pagination?.hasMore);
  }
  return [...byId.values()];
}

export function characterOf(id) {
  return byId.get(id) ?? { characterId: id, name: id, englishName: id };
}

export function isMaster(character) {
  return character.kind === "master";
}
